"""News of the gateway's: only what it answers counts."""

from __future__ import annotations

from billing.gateway import Behaviour, SandboxGateway
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import (
    CASH,
    ChargeState,
    ItemCount,
    OpenVisit,
    PaymentState,
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


def test_news_settle_the_payment_and_go_on_with_its_charge_and_its_refund(book: PriceBook, store: BillingStore) -> None:
    policy = BillingPolicy(hold_minor=200)
    service, gateway = bought(book, store, "ok", "lost_answer", "ok", "lost_answer", policy=policy, cola=2)
    for _ in range(2):
        service.heard_of("visit-1:1:capture", 2_000)
    assert [each.state for each in service.charges("visit-1")] == [ChargeState.CAPTURED]
    assert sum(each.amount.minor for each in gateway.captured()) == 298
    assert service.refund(back(cola=1)).state is RefundState.UNKNOWN
    service.heard_of("refund:r-1:visit-1:1:charge", 3_000)
    service.heard_of("refund:r-1:visit-1:1:capture", 3_000)
    assert service.refunds("visit-1")[0].state is RefundState.DONE


def test_news_about_what_is_not_ours_or_waits_change_nothing(book: PriceBook, store: BillingStore) -> None:
    service, _ = bought(book, store, "needs_shopper", cola=2)
    before = list(store.dump())
    service.heard_of("somebody-else", 2_000)
    service.heard_of("visit-1:1:charge", 2_000)
    assert list(store.dump()) == before


def test_a_hold_that_the_bank_let_through_late_is_heard_of(book: PriceBook, store: BillingStore) -> None:
    gateway = SandboxGateway(script=["needs_shopper"])
    service = BillingService(book, store, gateway, BillingPolicy(hold_minor=200))
    service.open_visit(OpenVisit("visit-1", "card-1", 0))
    gateway.authenticate("visit-1:hold")
    service.heard_of("visit-1:hold", 500)
    assert [each.state for each in service.payments("visit-1")] == [PaymentState.DONE]
