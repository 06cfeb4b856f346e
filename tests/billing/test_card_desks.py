"""Every card desk must pass these, each beside the gateway that takes its tokens. A new desk joins ``DESKS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass

import pytest

from billing.cards import CardDesk, CardForm, CardOnFile, check_return_url
from billing.errors import CardDeclined, CardError, GatewayRefused, KeyConflict
from billing.gateway import Gateway, GatewayAnswer, GatewayRequest, SandboxGateway
from billing.money import Money
from billing.sandbox_cards import SandboxCardDesk
from billing.stripe_cards import StripeCardDesk
from billing.stripe_gateway import StripeGateway
from billing.types import PaymentAction, PaymentState
from tests.billing.fake_stripe import FakeStripe

NOW_NS = 1_700_000_000 * 10**9
BACK = "https://shop.example/account?lang=fr"
PAYS, MASTERCARD, DECLINED = "4242424242424242", "5555555555554444", "4000000000000341"


@dataclass
class Bench:
    """A desk and its gateway, and what shoppers do: ``fill_in`` a form with a number, good until January 2030.

    ``fill_in_refused`` types a card that is refused and leaves it at that; ``asks`` is a card that must be confirmed.
    """

    desk: CardDesk
    gateway: Gateway
    fill_in: Callable[[CardForm, str], object]
    fill_in_refused: Callable[[CardForm], None]
    asks: str

    def registered(self, number: str = PAYS, shopper_id: str = "ada", key: str = "ada:1") -> CardOnFile:
        form = self.desk.begin(shopper_id, BACK, key)
        self.fill_in(form, number)
        card = self.desk.finish(form.reference)
        assert card is not None
        return card

    def send(self, action: PaymentAction, token: str, key: str = "v:1") -> GatewayAnswer:
        return self.gateway.send(GatewayRequest(key, action, Money(500, "EUR"), "d" * 64, token, at_ns=NOW_NS))


@contextmanager
def sandbox() -> Iterator[Bench]:
    desk = SandboxCardDesk()

    def fill_in(form: CardForm, number: str) -> None:
        assert desk.submit(form.reference, number, "01/30", "123", NOW_NS) == BACK

    yield Bench(
        desk,
        SandboxGateway(on_file=desk.on_file),
        fill_in,
        lambda form: fill_in(form, "4000000000000127"),
        "4000002500003155",
    )


@contextmanager
def stripe() -> Iterator[Bench]:
    with (
        FakeStripe() as fake,
        closing(StripeCardDesk("sk_test_1", api_base=fake.url)) as desk,
        closing(StripeGateway("sk_test_1", api_base=fake.url)) as gateway,
    ):

        def fill_in_refused(form: CardForm) -> None:
            fake.fill_in(form.reference, "4000000000000002")
            fake.lapse(form.reference)

        yield Bench(
            desk,
            gateway,
            lambda form, number: fake.fill_in(form.reference, number),
            fill_in_refused,
            "4000002760003184",
        )


DESKS: list[Callable[[], AbstractContextManager[Bench]]] = [sandbox, stripe]


@pytest.fixture(params=DESKS, ids=lambda desk: desk.__name__)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with request.param() as bench:
        yield bench


@pytest.mark.parametrize(("number", "brand", "last4"), [(PAYS, "visa", "4242"), (MASTERCARD, "mastercard", "4444")])
def test_a_form_gives_a_card_once_it_is_filled_in(bench: Bench, number: str, brand: str, last4: str) -> None:
    form = bench.desk.begin("ada", BACK, "ada:1")
    assert bench.desk.finish(form.reference) is None
    bench.fill_in(form, number)
    card = bench.desk.finish(form.reference)
    assert card is not None
    assert (card.brand, card.last4, card.expires) == (brand, last4, "2030-01")
    assert number not in card.token
    assert bench.desk.finish(form.reference) == card


def test_a_key_is_one_form(bench: Bench) -> None:
    form = bench.desk.begin("ada", BACK, "ada:1")
    assert bench.desk.begin("ada", BACK, "ada:1") == form
    assert bench.desk.begin("ada", BACK, "ada:2").reference != form.reference
    for shopper_id, back in (("bob", BACK), ("ada", f"{BACK}&other")):
        with pytest.raises(KeyConflict):
            bench.desk.begin(shopper_id, back, "ada:1")


def test_the_token_pays(bench: Bench) -> None:
    card = bench.registered()
    assert bench.send(PaymentAction.HOLD, card.token, "v:hold").state is PaymentState.DONE
    assert bench.send(PaymentAction.CHARGE, card.token).state is PaymentState.DONE


def test_a_card_without_money_is_registered_and_declined_later(bench: Bench) -> None:
    card = bench.registered(DECLINED)
    assert bench.send(PaymentAction.HOLD, card.token, "v:hold").state is PaymentState.DECLINED
    assert bench.send(PaymentAction.CHARGE, card.token).state is PaymentState.DECLINED


def test_a_card_may_ask_for_confirmation(bench: Bench) -> None:
    card = bench.registered(bench.asks)
    assert bench.send(PaymentAction.CHARGE, card.token).state is PaymentState.NEEDS_SHOPPER


def test_a_card_that_is_refused_gives_no_token(bench: Bench) -> None:
    form = bench.desk.begin("ada", BACK, "ada:1")
    bench.fill_in_refused(form)
    for _ in range(2):
        with pytest.raises(CardDeclined):
            bench.desk.finish(form.reference)


def test_shoppers_cards_are_their_own(bench: Bench) -> None:
    cards = [bench.registered(PAYS, shopper, f"{shopper}:1") for shopper in ("ada", "bob")]
    cards.append(bench.registered(PAYS, "ada", "ada:2"))
    assert len({card.token for card in cards}) == 3


def test_a_forgotten_card_pays_no_more(bench: Bench) -> None:
    form = bench.desk.begin("ada", BACK, "ada:1")
    bench.fill_in(form, PAYS)
    card = bench.desk.finish(form.reference)
    assert card is not None
    other = bench.registered(MASTERCARD, key="ada:2")
    charge = bench.send(PaymentAction.CHARGE, card.token)
    for _ in range(2):
        bench.desk.forget(card.token)
    with pytest.raises(GatewayRefused):
        bench.desk.finish(form.reference)
    for action in (PaymentAction.HOLD, PaymentAction.CHARGE):
        with pytest.raises(GatewayRefused):
            bench.send(action, card.token, f"v:2:{action}")
    assert bench.send(PaymentAction.CHARGE, other.token, "v:3").state is PaymentState.DONE
    refund = GatewayRequest("r:1", PaymentAction.REFUND, Money(500, "EUR"), "d" * 64, card.token, charge.reference)
    assert bench.gateway.send(refund).state is PaymentState.DONE


@pytest.mark.parametrize("reference", ["", "cs_test_unknown", "0" * 32, "../refunds"])
def test_an_unknown_form_is_refused(bench: Bench, reference: str) -> None:
    with pytest.raises(GatewayRefused):
        bench.desk.finish(reference)


@pytest.mark.parametrize("token", ["", "cus_1/pm_unknown", "sandbox-card-1", "pm_1"])
def test_an_unknown_card_is_not_forgotten(bench: Bench, token: str) -> None:
    with pytest.raises(GatewayRefused):
        bench.desk.forget(token)


NO_URLS = [
    "",
    "/account",
    "//shop.example",
    "javascript:alert(1)",
    "https:///account",
    "https://shop.example@evil.example/",
    "https://shop.example/\r\nX: 1",
    "https://shop.example/a b",
    "http://[",
    "ftp://shop.example/",
]


@pytest.mark.parametrize("url", NO_URLS)
def test_a_browser_is_only_sent_back_to_a_whole_url(bench: Bench, url: str) -> None:
    with pytest.raises(GatewayRefused, match="return_url"):
        bench.desk.begin("ada", url, "ada:1")


@pytest.mark.parametrize("url", [BACK, "http://localhost:8080/", "https://shop.example:8443/a?b=c#d"])
def test_whole_urls(url: str) -> None:
    check_return_url(url)


@pytest.mark.parametrize(
    ("field", "card"),
    [
        ("token", ("", "visa", "4242", "2030-01")),
        ("token", (PAYS, "visa", "4242", "2030-01")),
        ("brand", ("card-1", "", "4242", "2030-01")),
        ("brand", ("card-1", "Visa", "4242", "2030-01")),
        ("last4", ("card-1", "visa", "42424", "2030-01")),
        ("last4", ("card-1", "visa", "٤٢٤٢", "2030-01")),
        ("last4", ("card-1", "visa", "4242\n", "2030-01")),
        ("expires", ("card-1", "visa", "4242", "2030-13")),
        ("expires", ("card-1", "visa", "4242", "01/30")),
    ],
)
def test_what_is_no_card(field: str, card: tuple[str, str, str, str]) -> None:
    with pytest.raises(CardError, match=f"^{field}: ") as error:
        CardOnFile(*card)
    assert PAYS not in str(error.value)
