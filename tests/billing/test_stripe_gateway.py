"""The Stripe adapter against a Stripe of our own: what the contract suite cannot know of Stripe's ways."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from billing.errors import GatewayError, GatewayRefused, GatewayTimeout, KeyConflict, WebhookError
from billing.gateway import EXPIRED, GIVEN_UP, GatewayAnswer, GatewayRequest
from billing.money import Money
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.stripe_gateway import StripeGateway, read_webhook
from billing.types import (
    ChargeState,
    ItemCount,
    OpenVisit,
    PaymentAction,
    PaymentState,
    ReceiptInput,
    RefundReason,
    RefundRequest,
    RefundState,
)
from tests.billing.fake_stripe import FakeStripe, Trouble

S = 10**9
NOW_NS = 1_700_000_000 * S
CHARGE = GatewayRequest("v:1", PaymentAction.CHARGE, Money(500, "EUR"), "d" * 64, "cus_1/pm_1", at_ns=NOW_NS)
HOLD = GatewayRequest("v:hold", PaymentAction.HOLD, Money(1_000, "EUR"), "v", "cus_1/pm_1", at_ns=NOW_NS)


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with FakeStripe() as stripe:
        yield stripe


@pytest.fixture
def gateway(stripe: FakeStripe) -> Iterator[StripeGateway]:
    with closing(StripeGateway("sk_test_1", api_base=stripe.url)) as gateway:
        yield gateway


def of(answer: GatewayAnswer, action: PaymentAction, minor: int, key: str = "v:1:of") -> GatewayRequest:
    return GatewayRequest(key, action, Money(minor, "EUR"), "d" * 64, "cus_1/pm_1", answer.reference, NOW_NS)


@pytest.mark.parametrize("action", [PaymentAction.HOLD, PaymentAction.CHARGE])
@pytest.mark.parametrize(("card", "reason"), [("pm_broke", "insufficient_funds"), ("pm_stolen", "stolen_card")])
def test_a_decline_is_an_answer(
    stripe: FakeStripe, gateway: StripeGateway, action: PaymentAction, card: str, reason: str
) -> None:
    request = replace(CHARGE, action=action, token=f"cus_1/{card}")
    answer = gateway.send(request)
    assert (answer.state, answer.reason, answer.expires_at_ns) == (PaymentState.DECLINED, reason, None)
    assert gateway.find(request.key) == gateway.send(request) == answer
    assert (stripe.taken(), len(stripe.intents)) == ([], 1)


@pytest.mark.parametrize("card", ["pm_sca", "pm_asks"])
def test_authentication_is_asked_of_the_shopper(stripe: FakeStripe, gateway: StripeGateway, card: str) -> None:
    request = replace(CHARGE, token=f"cus_1/{card}")
    answer = gateway.send(request)
    assert answer.state is PaymentState.NEEDS_SHOPPER
    stripe.authenticate(answer.reference)
    assert gateway.find(request.key) == gateway.send(request) == replace(answer, state=PaymentState.DONE, reason=None)
    assert stripe.taken() == [500]


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("card", ["pm_sca", "pm_asks"])
def test_what_waits_for_the_shopper_is_given_up(
    stripe: FakeStripe, gateway: StripeGateway, card: str, behind: bool
) -> None:
    answer = gateway.send(replace(CHARGE, token=f"cus_1/{card}"))
    gateway.send(replace(CHARGE, key="v:2"))
    stripe.search_is_behind, stripe.page = behind, 1
    assert gateway.cancel(CHARGE.key) == replace(answer, state=PaymentState.DECLINED, reason=GIVEN_UP)
    assert (stripe.intents[answer.reference]["status"], stripe.taken()) == ("canceled", [500])


@pytest.mark.parametrize(
    ("request_", "state", "left"),
    [(CHARGE, PaymentState.DONE, "succeeded"), (HOLD, PaymentState.DECLINED, "canceled")],
    ids=["charge", "hold"],
)
def test_who_confirms_while_it_is_given_up_has_paid_or_holds_nothing(
    stripe: FakeStripe, gateway: StripeGateway, request_: GatewayRequest, state: PaymentState, left: str
) -> None:
    request = replace(request_, token="cus_1/pm_asks")
    waiting = gateway.send(request)
    stripe.troubles.append("wait")
    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(gateway.cancel, request.key)
        assert stripe.waiting.wait(30)
        stripe.authenticate(waiting.reference)
        stripe.go.set()
        answer = cancelling.result(30)
    assert (answer.state, stripe.intents[waiting.reference]["status"]) == (state, left)
    assert answer == gateway.cancel(request.key) == gateway.find(request.key)
    assert stripe.taken() == ([500] if state is PaymentState.DONE else [])


@pytest.mark.parametrize("trouble", ["drop", "500", "409", "429"])
def test_trouble_gives_nothing_up(stripe: FakeStripe, gateway: StripeGateway, trouble: Trouble) -> None:
    waiting = gateway.send(replace(CHARGE, token="cus_1/pm_asks"))
    stripe.troubles.append(trouble)
    with pytest.raises(GatewayTimeout):
        gateway.cancel(CHARGE.key)
    assert gateway.find(CHARGE.key) == waiting
    assert gateway.cancel(CHARGE.key).reason == GIVEN_UP


def test_a_cancellation_that_is_refused_leaves_it_waiting(
    stripe: FakeStripe, gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.send(replace(CHARGE, token="cus_1/pm_asks"))
    monkeypatch.setattr("billing.stripe_gateway._ABANDONED", "no reason of Stripe's")
    with pytest.raises(GatewayTimeout):
        gateway.cancel(CHARGE.key)
    assert stripe.intents["pi_000001"]["status"] == "requires_action"


def test_what_is_processed_or_declined_is_not_given_up(stripe: FakeStripe, gateway: StripeGateway) -> None:
    with pytest.raises(GatewayTimeout):
        gateway.send(replace(CHARGE, token="cus_1/pm_slow"))
    with pytest.raises(GatewayTimeout):
        gateway.cancel(CHARGE.key)
    declined = gateway.send(replace(CHARGE, key="v:2", token="cus_1/pm_broke"))
    assert gateway.cancel("v:2") == declined
    assert [each["status"] for each in stripe.intents.values()] == ["processing", "requires_payment_method"]


def test_a_deed_that_was_only_marked_cannot_be_given_up(stripe: FakeStripe, gateway: StripeGateway) -> None:
    first = gateway.send(HOLD)
    stripe.troubles.extend(["ok", "drop"])
    with pytest.raises(GatewayTimeout):
        gateway.send(of(first, PaymentAction.VOID, 1_000))
    with pytest.raises(GatewayRefused):
        gateway.cancel("v:1:of")


def test_what_stripe_cancelled_itself_does_not_wait(stripe: FakeStripe, gateway: StripeGateway) -> None:
    waiting = gateway.send(replace(CHARGE, token="cus_1/pm_sca"))
    stripe.intents[waiting.reference] |= {"status": "canceled", "cancellation_reason": "automatic"}
    found = gateway.find(CHARGE.key)
    assert found == replace(waiting, state=PaymentState.DECLINED, reason="authentication_required")


def test_what_stripe_still_processes_is_not_known(stripe: FakeStripe, gateway: StripeGateway) -> None:
    request = replace(CHARGE, token="cus_1/pm_slow")
    for _ in range(2):
        with pytest.raises(GatewayTimeout):
            gateway.send(request)
    with pytest.raises(GatewayTimeout):
        gateway.find(request.key)
    assert gateway.listing() == ()
    assert len(stripe.intents) == 1


@pytest.mark.parametrize("trouble", ["drop", "500", "409", "429"])
def test_trouble_is_no_answer_and_moves_nothing(stripe: FakeStripe, gateway: StripeGateway, trouble: Trouble) -> None:
    stripe.troubles.append(trouble)
    with pytest.raises(GatewayTimeout):
        gateway.send(CHARGE)
    assert (gateway.find(CHARGE.key), stripe.taken()) == (None, [])
    assert gateway.send(CHARGE).state is PaymentState.DONE
    assert stripe.taken() == [500]


def test_an_error_that_stripe_keeps_lasts_until_the_key_is_pruned(stripe: FakeStripe, gateway: StripeGateway) -> None:
    stripe.troubles.append("500_kept")
    for _ in range(3):
        with pytest.raises(GatewayTimeout):
            gateway.send(CHARGE)
    stripe.prune()
    assert gateway.send(CHARGE).state is PaymentState.DONE
    assert stripe.taken() == [500]


def test_a_dead_server_and_a_wrong_key_are_no_answers(stripe: FakeStripe) -> None:
    with closing(StripeGateway("wrong", api_base=stripe.url)) as stranger, pytest.raises(GatewayTimeout):
        stranger.send(CHARGE)
    with closing(StripeGateway("sk_test_1", api_base="http://127.0.0.1:1")) as alone, pytest.raises(GatewayTimeout):
        alone.listing()


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    ("action", "posts"),
    [
        (PaymentAction.HOLD, 0),
        (PaymentAction.CHARGE, 0),
        (PaymentAction.CAPTURE, 0),
        (PaymentAction.VOID, 1),
        (PaymentAction.REFUND, 1),
    ],
)
def test_a_lost_answer_is_found_and_done_once(
    stripe: FakeStripe, gateway: StripeGateway, action: PaymentAction, posts: int, behind: bool, pruned: bool
) -> None:
    first = gateway.send(CHARGE if action is PaymentAction.REFUND else HOLD)
    request = of(first, action, 400)
    stripe.troubles.extend(["ok"] * posts + ["lost_answer"])
    with pytest.raises(GatewayTimeout):
        gateway.send(request)
    stripe.search_is_behind = behind
    if pruned:
        stripe.prune()
    found = gateway.find(request.key)
    assert (found is None) == behind
    answer = gateway.send(request)
    assert answer.state is PaymentState.DONE
    assert found in (None, answer)
    assert gateway.listing().count(answer) == len([each for each in gateway.listing() if each.key == request.key]) == 1
    moves = {PaymentAction.CHARGE: [400], PaymentAction.CAPTURE: [400], PaymentAction.REFUND: [500]}
    assert stripe.taken() == moves.get(action, [])
    assert sum(each["amount"] for each in stripe.refunds.values()) == (400 if action is PaymentAction.REFUND else 0)


@pytest.mark.parametrize("action", [PaymentAction.VOID, PaymentAction.REFUND])
def test_a_mark_without_its_deed_never_arrived(
    stripe: FakeStripe, gateway: StripeGateway, action: PaymentAction
) -> None:
    first = gateway.send(CHARGE if action is PaymentAction.REFUND else HOLD)
    stripe.troubles.extend(["ok", "drop"])
    with pytest.raises(GatewayTimeout):
        gateway.send(of(first, action, 400))
    assert gateway.find("v:1:of") is None
    assert gateway.listing() == (first,)
    assert gateway.send(of(first, action, 400)).state is PaymentState.DONE


def test_one_key_twice_at_a_time_pays_once(stripe: FakeStripe, gateway: StripeGateway) -> None:
    stripe.troubles.append("wait")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.send, CHARGE)
        assert stripe.waiting.wait(30)
        with pytest.raises(GatewayTimeout):
            gateway.send(CHARGE)
        stripe.go.set()
        answer = first.result(30)
    assert gateway.send(CHARGE) == answer
    assert stripe.taken() == [500]


def test_two_gateways_that_both_looked_first_pay_once(
    stripe: FakeStripe, gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "_earlier", lambda *_: None)
    assert gateway.send(CHARGE) == gateway.send(CHARGE)
    with pytest.raises(KeyConflict):
        gateway.send(replace(CHARGE, amount=Money(501, "EUR")))
    assert stripe.taken() == [500]


def test_stripe_itself_refuses_a_key_of_another_customer(stripe: FakeStripe, gateway: StripeGateway) -> None:
    gateway.send(CHARGE)
    with pytest.raises(KeyConflict):
        gateway.send(replace(CHARGE, token="cus_2/pm_1"))
    assert stripe.taken() == [500]


def test_a_key_of_a_hold_is_not_that_of_a_capture(gateway: StripeGateway) -> None:
    hold = gateway.send(HOLD)
    for action in (PaymentAction.CAPTURE, PaymentAction.VOID, PaymentAction.REFUND):
        with pytest.raises(KeyConflict):
            gateway.send(of(hold, action, 1_000, HOLD.key))


def test_a_hold_lasts_as_long_as_stripe_says(stripe: FakeStripe, gateway: StripeGateway) -> None:
    assert gateway.send(HOLD).expires_at_ns == NOW_NS + 5 * 86_400 * S
    stripe.hold_s = None
    assert gateway.send(replace(HOLD, key="v:2:hold")).expires_at_ns == NOW_NS + 7 * 86_400 * S


def test_a_hold_that_stripe_let_go_is_expired(stripe: FakeStripe, gateway: StripeGateway) -> None:
    hold = gateway.send(HOLD)
    stripe.expire(hold.reference)
    for action in (PaymentAction.CAPTURE, PaymentAction.VOID):
        answer = gateway.send(of(hold, action, 400, f"v:1:{action}"))
        assert (answer.state, answer.reason) == (PaymentState.DECLINED, EXPIRED)
    assert gateway.find(HOLD.key) == hold


def test_a_card_that_lets_go_at_the_capture_is_expired(gateway: StripeGateway) -> None:
    hold = gateway.send(replace(HOLD, token="cus_1/pm_gone"))
    answer = gateway.send(of(hold, PaymentAction.CAPTURE, 400))
    assert (answer.state, answer.reason) == (PaymentState.DECLINED, EXPIRED)


def test_a_hold_is_let_go_once_and_by_one(stripe: FakeStripe, gateway: StripeGateway) -> None:
    hold = gateway.send(HOLD)
    void = gateway.send(of(hold, PaymentAction.VOID, 1_000))
    assert gateway.send(of(hold, PaymentAction.VOID, 1_000)) == void
    with pytest.raises(GatewayRefused):
        gateway.send(of(hold, PaymentAction.VOID, 1_000, "another"))
    assert gateway.find(HOLD.key) == hold
    assert gateway.listing() == (hold, void)


def test_refunds_that_fail_or_wait(gateway: StripeGateway) -> None:
    failed = gateway.send(of(gateway.send(replace(CHARGE, token="cus_1/pm_closed")), PaymentAction.REFUND, 500))
    assert (failed.state, failed.reason) == (PaymentState.DECLINED, "lost_or_stolen_card")
    assert gateway.find("v:1:of") == failed
    later = gateway.send(replace(CHARGE, key="v:2", token="cus_1/pm_later"))
    with pytest.raises(GatewayTimeout):
        gateway.send(of(later, PaymentAction.REFUND, 500, "v:2:of"))
    with pytest.raises(GatewayTimeout):
        gateway.find("v:2:of")


@pytest.mark.parametrize(
    "request_",
    [
        replace(CHARGE, token="card-1"),
        replace(CHARGE, token="cus_1/"),
        replace(CHARGE, amount=Money(1, "EUR")),
        replace(CHARGE, amount=Money(1_001, "KWD")),
        replace(CHARGE, amount=Money(1_000, "IQD")),
        replace(CHARGE, key="k" * 256),
        replace(CHARGE, digest="d" * 500),
        replace(CHARGE, action=PaymentAction.CAPTURE, of="pi_unknown"),
        replace(CHARGE, action=PaymentAction.CAPTURE, of="../refunds"),
        replace(CHARGE, action=PaymentAction.REFUND),
    ],
    ids=["token", "no card", "too small", "third decimal", "currency", "key", "digest", "unknown", "path", "no intent"],
)
def test_what_can_never_be_done_is_refused(
    stripe: FakeStripe, gateway: StripeGateway, request_: GatewayRequest
) -> None:
    with pytest.raises(GatewayRefused):
        gateway.send(request_)
    assert stripe.intents == {}


@pytest.mark.parametrize(
    ("amount", "stripes"),
    [
        (Money(1_234, "EUR"), 1_234),
        (Money(500, "JPY"), 500),
        (Money(500, "ISK"), 50_000),
        (Money(500, "UGX"), 50_000),
        (Money(5_120, "KWD"), 5_120),
        (Money(17_500, "HUF"), 17_500),
    ],
)
def test_amounts_in_stripes_units(stripe: FakeStripe, gateway: StripeGateway, amount: Money, stripes: int) -> None:
    answer = gateway.send(replace(CHARGE, amount=amount))
    assert answer.amount == amount
    assert stripe.taken() == [stripes]
    assert stripe.intents[answer.reference]["currency"] == amount.currency.lower()
    assert gateway.listing() == (answer,)


def test_the_smallest_charges(gateway: StripeGateway) -> None:
    known = {currency: gateway.smallest(currency).minor for currency in ("USD", "EUR", "GBP", "JPY", "HUF", "CZK")}
    assert known == {"USD": 50, "EUR": 50, "GBP": 30, "JPY": 50, "HUF": 17_500, "CZK": 1_500}
    with pytest.raises(GatewayRefused, match="ISK"):
        gateway.smallest("ISK")


def test_the_listing_goes_through_all_pages_and_leaves_out_what_is_not_ours(
    stripe: FakeStripe, gateway: StripeGateway
) -> None:
    stripe.page = 2
    answers = [gateway.send(replace(CHARGE, key=f"v:{n}")) for n in range(5)]
    answers += [gateway.send(of(answers[n], PaymentAction.REFUND, 100, f"r:{n}")) for n in range(3)]
    assert gateway.listing() == tuple(answers)
    for other, metadata in (("pi_000004", {}), ("pi_000005", {"tillfree_x": "{", "order": "7"})):
        stripe.intents[other]["metadata"] = metadata
    assert gateway.listing() == (*answers[:3], *answers[5:])
    with closing(StripeGateway("sk_test_1", api_base=stripe.url, listing_since_ns=NOW_NS + S)) as later:
        assert later.listing() == ()


def test_search_that_is_refused_tells_nothing(gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.stripe_gateway._mark_name", lambda key: "not searchable")
    with pytest.raises(GatewayTimeout):
        gateway.find("v:1")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stripe", None)
    with pytest.raises(GatewayError, match=r"tillfree\[stripe\]"):
        StripeGateway("sk_test_1")


# A whole visit.


@pytest.fixture
def service(book: PriceBook, store: BillingStore, gateway: StripeGateway) -> BillingService:
    return BillingService(book, store, gateway, BillingPolicy(hold_minor=300))


def visited(service: BillingService, **items: int) -> ChargeState:
    service.open_visit(OpenVisit("visit-1", "cus_1/pm_1", NOW_NS))
    cart = tuple(ItemCount(sku, n) for sku, n in items.items())
    return service.finalise(ReceiptInput("visit-1", "cus_1/pm_1", NOW_NS, cart)).state


@pytest.mark.parametrize(
    ("items", "state", "taken"),
    [
        ({"cola": 1}, ChargeState.CAPTURED, [149]),
        ({"cola": 4}, ChargeState.CAPTURED, [300, 296]),
        ({}, ChargeState.VOID, []),
        ({"sweet": 2}, ChargeState.WAIVED, []),
    ],
)
def test_a_visit(
    stripe: FakeStripe, service: BillingService, items: dict[str, int], state: ChargeState, taken: list[int]
) -> None:
    assert visited(service, **items) is state
    assert stripe.taken() == taken
    assert service.reconcile() == ()
    assert {each["status"] for each in stripe.intents.values()} == {"succeeded" if taken else "canceled"}


@pytest.mark.parametrize("trouble", ["drop", "500", "lost_answer"])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_visit_is_charged_once_whatever_the_line_does(
    stripe: FakeStripe, service: BillingService, trouble: Trouble, before: int
) -> None:
    troubled_visit(stripe, service, trouble, before, behind=True, pruned=True)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # search and keys are Stripe's: any database will do
@pytest.mark.parametrize(("behind", "pruned"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("trouble", ["drop", "500", "lost_answer"])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_visit_is_charged_once_whatever_stripe_remembers(
    stripe: FakeStripe, service: BillingService, trouble: Trouble, before: int, behind: bool, pruned: bool
) -> None:
    troubled_visit(stripe, service, trouble, before, behind=behind, pruned=pruned)


def troubled_visit(
    stripe: FakeStripe, service: BillingService, trouble: Trouble, before: int, *, behind: bool, pruned: bool
) -> None:
    stripe.troubles.extend(["ok"] * before + [trouble])
    visited(service, cola=4)
    stripe.search_is_behind = behind
    if pruned:
        stripe.prune()
    service.resolve_unknown(NOW_NS + S)
    (charge,) = service.charges("visit-1")
    assert (charge.state, charge.paid.minor) == (ChargeState.CAPTURED, 596)
    assert stripe.taken() == [300, 296]
    assert service.reconcile() == ()


def test_a_lapsed_hold_is_charged_without(stripe: FakeStripe, service: BillingService) -> None:
    service.open_visit(OpenVisit("visit-1", "cus_1/pm_1", NOW_NS))
    stripe.expire("pi_000001")
    assert visited(service, cola=1) is ChargeState.CAPTURED
    assert [each["capture_method"] for each in stripe.intents.values()] == ["manual", "automatic"]
    assert stripe.taken() == [149]


def test_a_refund_of_a_visit(stripe: FakeStripe, service: BillingService) -> None:
    visited(service, cola=4)
    asked = RefundRequest("r-1", "visit-1", RefundReason.DAMAGED, NOW_NS + S)
    stripe.troubles.extend(["ok", "lost_answer"])
    assert service.refund(asked).state is RefundState.UNKNOWN
    service.resolve_unknown(NOW_NS + 2 * S)
    assert service.refund(asked).state is RefundState.DONE
    assert sorted(each["amount"] for each in stripe.refunds.values()) == [296, 300]
    assert service.reconcile() == ()


# Webhooks.

SECRET = "whsec_test"


def signed(payload: bytes, at_s: int = NOW_NS // S, secret: str = SECRET) -> str:
    """Sign as https://docs.stripe.com/webhooks#verify-manually has it."""
    mac = hmac.new(secret.encode(), f"{at_s}.".encode() + payload, hashlib.sha256)
    return f"t={at_s},v1={mac.hexdigest()},v0=old"


def event(kind: str, about: dict[str, object]) -> bytes:
    told = {"id": "evt_1", "object": "event", "type": kind, "created": 1_699_999_999, "data": {"object": about}}
    return json.dumps(told, ensure_ascii=False).encode()


def told(payload: bytes) -> tuple[str, str | None]:
    news = read_webhook(payload, signed(payload), SECRET, NOW_NS)
    assert (news.event_id, news.occurred_at_ns) == ("evt_1", 1_699_999_999 * S)
    return news.kind, news.key


def test_news_name_the_request_they_are_about(stripe: FakeStripe, gateway: StripeGateway) -> None:
    hold = gateway.send(HOLD)
    about = stripe.intents[hold.reference]
    assert told(event("payment_intent.amount_capturable_updated", about))[1] == HOLD.key
    assert told(event("payment_intent.canceled", about))[1] == HOLD.key
    gateway.send(of(hold, PaymentAction.CAPTURE, 400, "c:1"))
    assert told(event("payment_intent.succeeded", about)) == ("payment_intent.succeeded", "c:1")
    gateway.send(of(hold, PaymentAction.REFUND, 400, "r:1"))
    assert told(event("refund.created", stripe.refunds["re_000001"]))[1] == "r:1"
    other = gateway.send(replace(HOLD, key="v:2:hold"))
    gateway.send(of(other, PaymentAction.VOID, 1_000, "v:2:void"))
    assert told(event("payment_intent.canceled", stripe.intents[other.reference]))[1] == "v:2:void"
    assert told(event("customer.updated", {"id": "cus_1", "name": "Ólafur"}))[1] is None


@pytest.mark.parametrize(
    ("signature", "now_ns"),
    [
        (lambda payload: signed(payload, secret="whsec_other"), NOW_NS),
        (lambda payload: signed(payload + b" "), NOW_NS),
        (lambda payload: signed(payload).replace("v1=", "v2="), NOW_NS),
        (lambda payload: "", NOW_NS),
        (lambda payload: "nonsense", NOW_NS),
        (signed, NOW_NS + 301 * S),
        (signed, NOW_NS - 301 * S),
    ],
    ids=["secret", "payload", "scheme", "none", "nonsense", "old", "early"],
)
def test_unsigned_old_and_changed_news_are_not_believed(signature: Callable[[bytes], str], now_ns: int) -> None:
    payload = event("payment_intent.succeeded", {"metadata": {}})
    with pytest.raises(WebhookError):
        read_webhook(payload, signature(payload), SECRET, now_ns)


def test_news_may_be_as_old_as_is_tolerated() -> None:
    payload = event("payment_intent.succeeded", {"metadata": {}})
    for now_ns in (NOW_NS + 300 * S, NOW_NS - 300 * S):
        assert read_webhook(payload, signed(payload), SECRET, now_ns).key is None


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"id": 1}', b"\xff", b"null"])
def test_what_is_no_event_is_not_believed(payload: bytes) -> None:
    with pytest.raises(WebhookError):
        read_webhook(payload, signed(payload), SECRET, NOW_NS)


def test_an_empty_secret_signs_nothing() -> None:
    payload = event("payment_intent.succeeded", {})
    with pytest.raises(WebhookError):
        read_webhook(payload, signed(payload, secret=""), "", NOW_NS)
