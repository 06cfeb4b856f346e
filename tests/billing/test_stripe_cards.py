"""Stripe's card desk against a Stripe of our own: what the contract suite cannot know of Stripe's ways."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from billing.errors import CardDeclined, GatewayError, GatewayRefused, GatewayTimeout, KeyConflict
from billing.stripe_cards import StripeCardDesk
from tests.billing.fake_stripe import FakeStripe, Trouble

BACK = "https://shop.example/account"
PAYS, REFUSED = "4242424242424242", "4000000000000002"


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with FakeStripe() as stripe:
        yield stripe


@pytest.fixture
def desk(stripe: FakeStripe) -> Iterator[StripeCardDesk]:
    with closing(StripeCardDesk("sk_test_1", api_base=stripe.url)) as desk:
        yield desk


def registered(stripe: FakeStripe, desk: StripeCardDesk) -> str:
    form = desk.begin("ada", BACK, "ada:1")
    stripe.fill_in(form.reference, PAYS)
    card = desk.finish(form.reference)
    assert card is not None
    return card.token


def test_the_browser_is_sent_to_stripe(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    form = desk.begin("ada", BACK, "ada:1")
    assert form.url == stripe.sessions[form.reference]["url"]
    assert [each["metadata"] for each in stripe.customers.values()] == [{"tillfree_shopper": "ada"}]


def test_a_token_is_a_customer_and_their_card(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    assert registered(stripe, desk) == "cus_000001/pm_registered000001"


def test_a_shopper_is_one_customer_while_stripe_knows_the_key(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    first, second = desk.begin("ada", BACK, "ada:1"), desk.begin("ada", BACK, "ada:2")
    assert len(stripe.customers) == 1
    stripe.prune()
    third = desk.begin("ada", BACK, "ada:1")
    assert len({first.reference, second.reference, third.reference}) == 3
    assert len(stripe.customers) == 2


def test_a_refused_card_leaves_the_form_open_for_another(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    form = desk.begin("ada", BACK, "ada:1")
    stripe.fill_in(form.reference, REFUSED)
    assert desk.finish(form.reference) is None
    stripe.fill_in(form.reference, PAYS)
    card = desk.finish(form.reference)
    assert card is not None
    assert card.last4 == "4242"


def test_a_form_lapses(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    empty, refused = desk.begin("ada", BACK, "ada:1").reference, desk.begin("ada", BACK, "ada:2").reference
    stripe.fill_in(refused, REFUSED)
    for each in (empty, refused):
        stripe.lapse(each)
    with pytest.raises(GatewayRefused, match="lapsed"):
        desk.finish(empty)
    with pytest.raises(CardDeclined, match="generic_decline"):
        desk.finish(refused)


@pytest.mark.parametrize("status", ["processing", "requires_action"])
def test_what_stripe_is_still_at_is_not_there_yet(stripe: FakeStripe, desk: StripeCardDesk, status: str) -> None:
    form = desk.begin("ada", BACK, "ada:1")
    stripe.fill_in(form.reference, PAYS)
    stripe.sessions[form.reference]["setup_intent"]["status"] = status
    assert desk.finish(form.reference) is None


def test_only_cards_of_forms_for_cards(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    form = desk.begin("ada", BACK, "ada:1")
    stripe.fill_in(form.reference, PAYS)
    (method,) = stripe.methods.values()
    del method["card"]
    with pytest.raises(GatewayRefused, match="no card"):
        desk.finish(form.reference)
    stripe.sessions[form.reference]["mode"] = "payment"
    with pytest.raises(GatewayRefused, match="no form"):
        desk.finish(form.reference)


@pytest.mark.parametrize("trouble", ["drop", "500", "409", "429", "lost_answer"])
@pytest.mark.parametrize("before", [0, 1])
def test_trouble_is_no_answer_and_asking_again_gives_one_form(
    stripe: FakeStripe, desk: StripeCardDesk, trouble: Trouble, before: int
) -> None:
    stripe.troubles.extend(["ok"] * before + [trouble])
    with pytest.raises(GatewayTimeout):
        desk.begin("ada", BACK, "ada:1")
    form = desk.begin("ada", BACK, "ada:1")
    assert list(stripe.sessions) == [form.reference]
    assert len(stripe.customers) == 1


@pytest.mark.parametrize("trouble", ["drop", "500", "409", "429", "lost_answer"])
def test_trouble_while_forgetting(stripe: FakeStripe, desk: StripeCardDesk, trouble: Trouble) -> None:
    token = registered(stripe, desk)
    stripe.troubles.append(trouble)
    with pytest.raises(GatewayTimeout):
        desk.forget(token)
    desk.forget(token)
    assert [each["customer"] for each in stripe.methods.values()] == [None]


def test_two_that_forget_at_a_time(stripe: FakeStripe, desk: StripeCardDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    token = registered(stripe, desk)
    looks = iter([True])
    is_kept = desk._is_kept
    monkeypatch.setattr(desk, "_is_kept", lambda *of: next(looks, None) or is_kept(*of))
    stripe.methods["pm_registered000001"]["customer"] = None
    desk.forget(token)


def test_another_customers_card_is_not_forgotten(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    token = registered(stripe, desk)
    with pytest.raises(GatewayRefused):
        desk.forget(token.replace("cus_000001", "cus_000002"))
    assert stripe.methods["pm_registered000001"]["customer"] == "cus_000001"


def test_a_dead_server_and_a_wrong_key_are_no_answers(stripe: FakeStripe) -> None:
    with closing(StripeCardDesk("wrong", api_base=stripe.url)) as stranger, pytest.raises(GatewayTimeout):
        stranger.begin("ada", BACK, "ada:1")
    with closing(StripeCardDesk("sk_test_1", api_base="http://127.0.0.1:1")) as alone:
        with pytest.raises(GatewayTimeout):
            alone.finish("cs_test_1")
        with pytest.raises(GatewayTimeout):
            alone.forget("cus_1/pm_1")


@pytest.mark.parametrize(("shopper_id", "key"), [("", "k"), ("s" * 501, "k"), ("ada", "k" * 255)])
def test_names_that_are_too_long_for_stripe(
    stripe: FakeStripe, desk: StripeCardDesk, shopper_id: str, key: str
) -> None:
    with pytest.raises(GatewayRefused):
        desk.begin(shopper_id, BACK, key)
    assert stripe.customers == {}


def test_a_key_of_a_payment_is_not_that_of_a_form(stripe: FakeStripe, desk: StripeCardDesk) -> None:
    desk.begin("ada", BACK, "v:1")
    assert "v:1" not in stripe.kept
    with pytest.raises(KeyConflict):
        desk.begin("ada", f"{BACK}/other", "v:1")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stripe", None)
    with pytest.raises(GatewayError, match=r"tillfree\[stripe\]"):
        StripeCardDesk("sk_test_1")
