"""One visit through billing, and the check that its books are right whatever happened to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from billing.charging import OPEN
from billing.gateway import Behaviour, SandboxGateway
from billing.ledger import CLEARING, SHOPPER, TILL, WRITTEN_OFF
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import (
    Admission,
    Charge,
    CorrectionRequest,
    ItemCount,
    JoinVisit,
    OpenVisit,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    ReceiptInput,
    Refund,
    RefundReason,
    RefundRequest,
    RefundState,
    VisitKind,
)

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
TAKING = (PaymentAction.CAPTURE, PaymentAction.CHARGE)
KINDS = {"cash": VisitKind.CASH, "staff": VisitKind.STAFF}


def counted(items: dict[str, int]) -> tuple[ItemCount, ...]:
    return tuple(ItemCount(sku, count) for sku, count in items.items())


@dataclass(frozen=True, slots=True)
class Till:
    """A store's billing with a sandbox; all of ``visit-1`` unless another is named."""

    service: BillingService
    gateway: SandboxGateway
    store: BillingStore
    token: str = "card-1"

    def open(self, visit: str = "visit-1", at_ns: int = 0, party_size: int = 1, **more: Any) -> Admission:
        kind = KINDS.get(self.token, VisitKind.SHOPPER)
        return self.service.open_visit(OpenVisit(visit, self.token, at_ns, kind, party_size, **more))

    def join(self, scan_id: str, visit: str = "visit-1", at_ns: int = 10) -> Admission:
        return self.service.join_visit(JoinVisit(visit, scan_id, self.token, at_ns))

    def leave(self, visit: str = "visit-1", at_ns: int = 1_000, **items: int) -> Charge:
        return self.service.finalise(ReceiptInput(visit, self.token, at_ns, counted(items)))

    def correct(self, correction_id: str = "c-1", at_ns: int = 2_000, by: str = "ada", **items: int) -> Charge:
        return self.service.correct(CorrectionRequest(correction_id, "visit-1", counted(items), by, at_ns))

    def refund(self, refund_id: str = "r-1", at_ns: int = 3_000, **items: int) -> Refund:
        return self.service.refund(RefundRequest(refund_id, "visit-1", RefundReason.RETURNED, at_ns, counted(items)))

    def owed(self, visit: str = "visit-1") -> int:
        return self.service.owed(visit).minor

    def balances(self, visit: str = "visit-1") -> Counter[str]:
        """Return what of a visit stands in each account of the ledger."""
        found = Counter[str]()
        with self.store.reading() as books:
            for posting in books.postings():
                for entry in posting.entries:
                    found[entry.account] += entry.amount.minor if posting.visit_id == visit else 0
        return found

    def topics(self) -> list[str]:
        """Return what was told, in order."""
        return [topic for topic, *_ in self.events()]

    def events(self) -> list[tuple[str, str, int, str]]:
        with self.store.reading() as books:
            rows = books.connection.exec_driver_sql("SELECT topic, visit_id, at_ns, body FROM events ORDER BY event_id")
            return [(row[0], row[1], row[2], row[3]) for row in rows]

    def check(self, visit: str = "visit-1") -> None:
        """Hold a visit's ledger against its receipt, its refunds, its cash and the gateway's own books."""
        receipt, refunds = self.service.receipt(visit), self.service.refunds(visit)
        ledger, payments = self.balances(visit), self.service.payments(visit)
        assert sum(ledger.values()) == 0
        assert receipt is not None
        unknown_minor = sum(p.amount.minor for p in payments if _is_open_refund(p))
        assert ledger[SHOPPER] == self.owed(visit) - unknown_minor
        assert ledger[CLEARING] == self._really_taken_minor(payments)
        assert ledger[TILL] == self._cash_minor(visit)
        _check_sold(receipt, refunds, ledger)
        kept_minor = receipt.total.minor - sum(refund.amount.minor for refund in refunds)
        paid_minor = ledger[CLEARING] + ledger[TILL]
        assert ledger[SHOPPER] == kept_minor - paid_minor - ledger[WRITTEN_OFF]
        assert 0 <= ledger[WRITTEN_OFF] <= max(0, kept_minor)
        if all(refund.state is RefundState.DONE for refund in refunds):
            assert paid_minor <= kept_minor
        self._check_charges(visit, payments, receipt)

    def _really_taken_minor(self, payments: tuple[Payment, ...]) -> int:
        """Return what the gateway took less what it gave back, but for what we did not hear of."""
        ours = {payment.key: payment.state for payment in payments}
        done = [each for each in self.gateway.listing() if ours.get(each.key) is PaymentState.DONE is each.state]
        taken = sum(each.amount.minor for each in done if each.action in TAKING)
        return taken - sum(each.amount.minor for each in done if each.action is PaymentAction.REFUND)

    def _cash_minor(self, visit: str) -> int:
        with self.store.reading() as books:
            return sum(move.amount.minor for move in books.cash(visit))

    def _check_charges(self, visit: str, payments: tuple[Payment, ...], receipt: Receipt) -> None:
        charges = self.service.charges(visit)
        done = [payment for payment in payments if payment.state is PaymentState.DONE]
        with self.store.reading() as books:
            cash_minor = sum(move.amount.minor for move in books.cash(visit) if move.amount.minor > 0)
        taken_minor = sum(payment.amount.minor for payment in done if payment.action in TAKING)
        if any(charge.state in OPEN for charge in charges):
            return
        assert sum(charge.paid.minor for charge in charges) == taken_minor + cash_minor
        assert taken_minor + cash_minor <= receipt.total.minor
        left = {p.key for p in done if p.action is PaymentAction.HOLD} - {p.of for p in payments}
        assert left == set()


def _is_open_refund(payment: Payment) -> bool:
    return payment.action is PaymentAction.REFUND and payment.state is PaymentState.UNKNOWN


def _check_sold(receipt: Receipt, refunds: tuple[Refund, ...], ledger: Counter[str]) -> None:
    """Hold what was sold, and its tax, by class against receipt and refunds."""
    expected = Counter({f"sold:{tax.tax_class}": tax.net.minor for tax in receipt.taxes})
    expected.update({f"tax:{tax.tax_class}": tax.tax.minor for tax in receipt.taxes})
    for refund in refunds:
        expected.subtract({f"sold:{tax.tax_class}": tax.net.minor for tax in refund.taxes})
        expected.subtract({f"tax:{tax.tax_class}": tax.tax.minor for tax in refund.taxes})
    booked = Counter[str]()
    for account, minor in ledger.items():
        kind, _, tax_class = account.partition(":")
        if kind in ("sales", "refunds", "tax"):
            booked[f"{'tax' if kind == 'tax' else 'sold'}:{tax_class}"] -= minor
    assert {name: minor for name, minor in booked.items() if minor} == {
        name: minor for name, minor in expected.items() if minor
    }


def make_till(
    book: PriceBook,
    store: BillingStore,
    script: Iterable[Behaviour] = (),
    token: str = "card-1",
    smallest_minor: int = 1,
    hold_ns: int = 7 * DAY_NS,
    **policy: Any,
) -> Till:
    """Return a till; no money is held at the gate unless ``policy`` says so."""
    gateway = SandboxGateway(script=script, smallest_minor=smallest_minor, hold_ns=hold_ns)
    settings = BillingPolicy(**{"hold_minor": 0, **policy})
    return Till(BillingService(book, store, gateway, settings), gateway, store, token)
