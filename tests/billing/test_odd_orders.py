"""Orders of events that the state machines and the simulated days were found to break, each as short as it can be."""

from __future__ import annotations

import pytest

from billing.errors import ChargeStateError, CorrectionError, KeyConflict
from billing.gateway import Behaviour, SandboxGateway
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.promotions import NForM
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import (
    CASH,
    STAFF,
    ChargeState,
    CorrectionRequest,
    DisputeKind,
    DisputeRequest,
    DisputeState,
    ItemCount,
    OpenVisit,
    ReceiptInput,
    RefundReason,
    RefundRequest,
    RefundState,
    VisitKind,
)

HOUR_NS = 3_600 * 10**9


def bought(
    book: PriceBook,
    store: BillingStore,
    *script: Behaviour,
    token: str = "card-1",
    policy: BillingPolicy | None = None,
    **items: int,
) -> tuple[BillingService, SandboxGateway]:
    """Return a service that charged ``items`` without a hold, and its gateway, which takes 50 minor units or more."""
    gateway = SandboxGateway(script=script, smallest_minor=50)
    service = BillingService(book, store, gateway, policy or BillingPolicy(hold_minor=0))
    kind = VisitKind.CASH if token == CASH else VisitKind.SHOPPER
    service.open_visit(OpenVisit("visit-1", token, 0, kind))
    service.finalise(ReceiptInput("visit-1", token, 1_000, counts(items)))
    return service, gateway


def counts(items: dict[str, int]) -> tuple[ItemCount, ...]:
    return tuple(ItemCount(sku, n) for sku, n in items.items())


def back(refund_id: str = "r-1", at_ns: int = 2_000, **items: int) -> RefundRequest:
    return RefundRequest(refund_id, "visit-1", RefundReason.RETURNED, at_ns, counts(items))


def more(at_ns: int = 3_000, **items: int) -> CorrectionRequest:
    return CorrectionRequest("c-1", "visit-1", counts(items), "op", at_ns)


def test_what_was_waived_and_went_back_is_not_forgiven_once_more(book: PriceBook, store: BillingStore) -> None:
    service, _ = bought(book, store, "decline", sweet=5)
    service.refund(back(sweet=2))
    assert service.owed("visit-1").minor == 0
    assert service.correct(more(cola=1)).state is ChargeState.DECLINED
    assert service.owed("visit-1").minor == 149 == service.balances()["receivable:shopper", "EUR"]


def test_what_is_written_off_and_goes_back_beside_a_refund_that_is_owed(book: PriceBook, store: BillingStore) -> None:
    policy = BillingPolicy(hold_minor=200, debt_retry_hours=(), write_off_days=1)
    service, _ = bought(book, store, "ok", "ok", "decline", "decline", policy=policy, cola=2)
    assert [each.state for each in service.collect_debts(25 * HOUR_NS)] == [ChargeState.DECLINED]
    assert service.refund(back(cola=1)).state is RefundState.OWED
    assert service.refund(back("r-2", cola=1)).state is RefundState.DONE
    assert service.owed("visit-1").minor == 0 == service.balances()["receivable:shopper", "EUR"]


@pytest.mark.parametrize("script", [("ok", "decline"), ("ok", "timeout", "decline")])
def test_a_refund_that_was_declined_is_set_off_against_what_is_waived(
    book: PriceBook, store: BillingStore, script: tuple[Behaviour, ...]
) -> None:
    service, _ = bought(book, store, *script, cola=1, sweet=2)
    service.refund(back(sweet=2))
    assert service.correct(more(sweet=2)).state is ChargeState.WAIVED
    service.resolve_unknown(4_000)
    assert service.refund(back(sweet=2)).state is RefundState.DONE
    assert service.owed("visit-1").minor == 0 == service.balances()["receivable:shopper", "EUR"]
    assert service.balances()["written_off", "EUR"] == 0
    assert service.refund(back("r-2")).amount.minor == 149 + 6


def test_a_refund_is_not_set_off_against_a_charge_that_may_still_be_taken(book: PriceBook, store: BillingStore) -> None:
    service, gateway = bought(book, store, "ok", "decline", "needs_shopper", cola=2)
    assert service.refund(back(cola=2)).state is RefundState.OWED
    charge = service.correct(more(cola=3))
    assert charge.state is ChargeState.NEEDS_SHOPPER
    assert service.refund(back(cola=2)).state is RefundState.OWED
    gateway.authenticate(f"{charge.key}:charge")
    service.resolve_unknown(4_000)
    assert service.refund(back(cola=2)).state is RefundState.DONE
    assert service.owed("visit-1").minor == 0


def test_nothing_that_went_back_is_made_cheaper_by_a_correction(book: PriceBook, store: BillingStore) -> None:
    three_for_one = NForM(promotion_id="juice", name="3 for 1", skus=("juice",), take=3, pay=1)
    book = PriceBook(book.currency, book.prices, (three_for_one,))
    service, _ = bought(book, store, juice=2)
    service.refund(back(juice=2))
    with pytest.raises(CorrectionError, match="were given back for more than they would cost now"):
        service.correct(more(juice=1, cola=2))


def test_the_schedule_of_a_debt_begins_with_it(book: PriceBook, store: BillingStore) -> None:
    service, _ = bought(book, store, "decline", "ok", "decline", "decline", cola=1)
    service.charge_again("visit-1", "card-2", HOUR_NS)
    service.correct(more(at_ns=2 * HOUR_NS, cola=1))
    assert service.collect_debts(25 * HOUR_NS) == ()
    assert [each.number for each in service.collect_debts(26 * HOUR_NS)] == [4]
    assert service.collect_debts(73 * HOUR_NS) == ()
    assert [each.state for each in service.collect_debts(74 * HOUR_NS)] == [ChargeState.CAPTURED]


def test_a_debt_is_written_off_once(book: PriceBook, store: BillingStore) -> None:
    policy = BillingPolicy(hold_minor=0, debt_retry_hours=(), write_off_days=1)
    service, _ = bought(book, store, "decline", policy=policy, cola=1)
    assert len(service.collect_debts(25 * HOUR_NS)) == 1
    assert service.collect_debts(26 * HOUR_NS) == ()
    assert service.owed("visit-1").minor == 0


def test_money_at_the_till_has_a_key_of_its_own(book: PriceBook, store: BillingStore) -> None:
    service, _ = bought(book, store, token=CASH, cola=2)
    assert service.pay_cash("visit-1", "k-1", "till", 2_000) == service.pay_cash("visit-1", "k-1", "till", 3_000)
    service.refund(back(at_ns=4_000, cola=1))
    with pytest.raises(KeyConflict, match="k-1"):
        service.pay_out("r-1", "k-1", "till", 5_000)
    service.pay_out("r-1", "k-2", "till", 5_000)
    assert service.pay_out("r-1", "k-2", "till", 6_000).state is RefundState.DONE
    with pytest.raises(KeyConflict, match="k-2"):
        service.pay_cash("visit-1", "k-2", "till", 7_000)
    assert service.balances()["cash:till", "EUR"] == 149


def test_nobody_waits_for_who_pays_at_the_till(book: PriceBook, store: BillingStore) -> None:
    service, _ = bought(book, store, token=CASH, cola=2)
    assert service.charges("visit-1")[0].state is ChargeState.NEEDS_SHOPPER
    assert service.resolve_unknown(2_000) == ()


def test_a_trusted_dispute_before_the_charge_is_settled_goes_to_an_operator(
    book: PriceBook, store: BillingStore
) -> None:
    policy = BillingPolicy(hold_minor=0, trust_up_to_minor=500)
    service, _ = bought(book, store, "timeout", policy=policy, cola=1)
    asked = DisputeRequest("d-1", "visit-1", DisputeKind.CONTEST, counts({"cola": 1}), "not mine", 2_000, "ann")
    assert service.contest(asked).state is DisputeState.OPEN
    with pytest.raises(ChargeStateError):
        service.decide("d-1", DisputeState.UPHELD, "op", "seen", 3_000)
    service.resolve_unknown(4_000)
    assert service.decide("d-1", DisputeState.UPHELD, "op", "seen", 5_000).refund_key == "dispute:d-1"


def test_staff_are_not_billed_though_nobody_heard_of_them_at_the_gate(book: PriceBook, store: BillingStore) -> None:
    service = BillingService(book, store, SandboxGateway())
    assert service.finalise(ReceiptInput("visit-1", STAFF, 1_000, counts({"cola": 2}))).state is ChargeState.VOID
