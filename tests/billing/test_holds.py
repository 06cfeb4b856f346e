"""A visit from its hold at the gate to the capture: each case that can happen has an outcome."""

from __future__ import annotations

import pytest

from billing.errors import KeyConflict
from billing.gateway import SandboxGateway
from billing.money import Money
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import Charge, ChargeState, ItemCount, OpenVisit, PaymentAction, PaymentState, ReceiptInput

GATE = OpenVisit("visit-1", "card-1", 500)


def opened(book: PriceBook, store: BillingStore, gateway: SandboxGateway, hold_minor: int = 300) -> BillingService:
    service = BillingService(book, store, gateway, BillingPolicy(hold_minor=hold_minor))
    service.open_visit(GATE)
    return service


def leave(service: BillingService, visit: str = "visit-1", token: str = "card-1", **items: int) -> Charge:
    return service.finalise(ReceiptInput(visit, token, 1_000, tuple(ItemCount(sku, n) for sku, n in items.items())))


def asked(service: BillingService) -> list[tuple[PaymentAction, int, PaymentState]]:
    return [(each.action, each.amount.minor, each.state) for each in service.payments("visit-1")]


def test_less_than_the_hold_is_captured_from_it(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway())
    charge = leave(service, cola=1)
    assert (charge.state, charge.paid) == (ChargeState.CAPTURED, Money(149, "EUR"))
    assert asked(service) == [
        (PaymentAction.HOLD, 300, PaymentState.DONE),
        (PaymentAction.CAPTURE, 149, PaymentState.DONE),
    ]


def test_what_exceeds_the_hold_is_charged_beside_it(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway())
    charge = leave(service, cola=3)
    assert (charge.state, charge.paid.minor) == (ChargeState.CAPTURED, 447)
    assert asked(service)[1:] == [
        (PaymentAction.CAPTURE, 300, PaymentState.DONE),
        (PaymentAction.CHARGE, 147, PaymentState.DONE),
    ]
    assert service.balances()["clearing:gateway", "EUR"] == 447


def test_where_the_rest_is_declined_the_rest_is_owed(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway(script=["ok", "ok", "decline"]))
    charge = leave(service, cola=3)
    assert (charge.state, charge.paid.minor) == (ChargeState.DECLINED, 300)
    assert service.balances()["receivable:shopper", "EUR"] == 147
    again = service.charge_again("visit-1", "card-2", 2_000)
    assert (again.state, again.amount.minor, again.number) == (ChargeState.CAPTURED, 147, 2)
    assert service.balances()["receivable:shopper", "EUR"] == 0


def test_an_empty_cart_lets_the_hold_go(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway())
    assert leave(service).state is ChargeState.VOID
    assert asked(service)[1:] == [(PaymentAction.VOID, 300, PaymentState.DONE)]
    assert service.balances() == {}


def test_less_than_the_gateway_takes_is_waived(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway(smallest_minor=50))
    assert leave(service, sweet=2).state is ChargeState.WAIVED
    assert asked(service)[1:] == [(PaymentAction.VOID, 300, PaymentState.DONE)]
    balances = service.balances()
    assert (balances["written_off", "EUR"], balances["receivable:shopper", "EUR"]) == (6, 0)


def test_a_lapsed_hold_is_charged_without(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway(hold_ns=100))
    assert leave(service, cola=1).state is ChargeState.CAPTURED
    assert asked(service)[1:] == [
        (PaymentAction.CAPTURE, 149, PaymentState.DECLINED),
        (PaymentAction.CHARGE, 149, PaymentState.DONE),
    ]


def test_a_declined_hold_refuses_and_yet_what_was_taken_is_charged(book: PriceBook, store: BillingStore) -> None:
    service = BillingService(book, store, SandboxGateway(script=["decline"]), BillingPolicy(hold_minor=300))
    assert service.open_visit(GATE).refused == "card declined"
    assert leave(service, cola=1).state is ChargeState.CAPTURED


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_a_hold_without_an_answer_refuses_nobody_and_is_asked_for_before_the_capture(
    book: PriceBook, store: BillingStore, behaviour: str
) -> None:
    service = BillingService(book, store, SandboxGateway(script=[behaviour]), BillingPolicy(hold_minor=300))  # type: ignore[list-item]
    admission = service.open_visit(GATE)
    assert admission.refused is None
    assert admission.hold is not None
    assert admission.hold.state is PaymentState.UNKNOWN
    assert leave(service, cola=1).state is ChargeState.CAPTURED
    assert [state for _, _, state in asked(service)] == [PaymentState.DONE, PaymentState.DONE]


def test_a_visit_is_opened_once(book: PriceBook, store: BillingStore) -> None:
    gateway = SandboxGateway()
    service = opened(book, store, gateway)
    assert service.open_visit(GATE).hold == service.payments("visit-1")[0]
    assert len(gateway.listing()) == 1
    with pytest.raises(KeyConflict, match="another token"):
        service.open_visit(OpenVisit("visit-1", "card-2", 500))


def test_no_hold_where_policy_asks_for_none(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway(), hold_minor=0)
    assert leave(service, cola=1).state is ChargeState.CAPTURED
    assert asked(service) == [(PaymentAction.CHARGE, 149, PaymentState.DONE)]


def test_a_debtor_is_refused_until_the_debt_is_paid(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway(script=["decline", "decline"]))
    assert leave(service, cola=1).state is ChargeState.DECLINED
    later = service.open_visit(OpenVisit("visit-2", "card-1", 3_000))
    assert (later.refused, later.hold) == ("visit visit-1 is not paid", None)
    assert service.open_visit(OpenVisit("visit-2", "card-1", 3_001)) == later
    service.charge_again("visit-1", "card-1", 4_000)
    assert service.open_visit(OpenVisit("visit-3", "card-1", 5_000)).refused is None


def test_a_shopper_who_must_authenticate_is_waited_for(book: PriceBook, store: BillingStore) -> None:
    gateway = SandboxGateway(script=["needs_shopper"])
    service = BillingService(book, store, gateway, BillingPolicy(hold_minor=0))
    charge = leave(service, cola=1)
    assert (charge.state, charge.settled_at_ns) == (ChargeState.NEEDS_SHOPPER, None)
    assert [each.state for each in service.resolve_unknown(2_000)] == [ChargeState.NEEDS_SHOPPER]
    gateway.authenticate("visit-1:1:charge")
    (settled,) = service.resolve_unknown(3_000)
    assert (settled.state, settled.settled_at_ns) == (ChargeState.CAPTURED, 3_000)
    assert service.balances()["receivable:shopper", "EUR"] == 0


def test_two_questions_of_the_bank_take_the_money_once(book: PriceBook, store: BillingStore) -> None:
    gateway = SandboxGateway(script=["needs_shopper", "needs_shopper"])
    service = opened(book, store, gateway)
    assert leave(service, cola=3).state is ChargeState.NEEDS_SHOPPER
    gateway.authenticate("visit-1:hold")
    assert [each.state for each in service.resolve_unknown(2_000)] == [ChargeState.NEEDS_SHOPPER]
    gateway.authenticate("visit-1:1:charge")
    assert [each.state for each in service.resolve_unknown(3_000)] == [ChargeState.CAPTURED]
    assert sum(request.amount.minor for request in gateway.captured()) == 447
    assert asked(service)[-1] == (PaymentAction.VOID, 300, PaymentState.DONE)


def test_a_hold_whose_capture_was_declined_is_let_go(book: PriceBook, store: BillingStore) -> None:
    service = opened(book, store, SandboxGateway(script=["ok", "decline"]))
    assert leave(service, cola=1).state is ChargeState.CAPTURED
    assert [(action, state) for action, _, state in asked(service)[1:]] == [
        (PaymentAction.CAPTURE, PaymentState.DECLINED),
        (PaymentAction.CHARGE, PaymentState.DONE),
        (PaymentAction.VOID, PaymentState.DONE),
    ]


def test_no_hold_after_the_receipt_and_no_receipt_on_another_card(book: PriceBook, store: BillingStore) -> None:
    service = BillingService(book, store, SandboxGateway(), BillingPolicy(hold_minor=300))
    leave(service, "visit-2", cola=1)
    assert service.open_visit(OpenVisit("visit-2", "card-1", 2_000)).hold is None
    service.open_visit(GATE)
    with pytest.raises(KeyConflict, match="another token"):
        leave(service, token="card-2", cola=1)


@pytest.mark.parametrize("behaviours", [(), ("timeout",), ("lost_answer",)])
def test_a_hold_that_is_confirmed_after_the_charge_is_let_go(
    book: PriceBook, store: BillingStore, behaviours: tuple[str, ...]
) -> None:
    gateway = SandboxGateway(script=["needs_shopper", "ok", *behaviours])  # type: ignore[list-item]
    service = opened(book, store, gateway)
    assert leave(service, cola=1).state is ChargeState.CAPTURED
    gateway.authenticate("visit-1:hold")
    service.resolve_unknown(2_000)
    service.resolve_unknown(3_000)
    assert asked(service)[-1] == (PaymentAction.VOID, 300, PaymentState.DONE)
    assert service.resolve_unknown(4_000) == ()
    assert len(gateway.listing()) == 3
    assert sum(request.amount.minor for request in gateway.captured()) == 149
