"""How a visit stands: what is owed, by the shopper or to them, from what is written."""

from __future__ import annotations

from dataclasses import dataclass

from billing.db.books import Books
from billing.db.shoppers import charged_visits
from billing.ledger import WRITTEN_OFF
from billing.money import Money
from billing.refunds import paid_back_left
from billing.types import ChargeState, Payment, Receipt


@dataclass(frozen=True, slots=True)
class Standing:
    """A visit's money. ``kept`` is what its receipt comes to after refunds.

    ``by_gateway`` and ``in_cash`` are what was paid and neither given back nor is about to be; ``forgiven`` was waived
    or written off, by the ledger: less what refunds took back of it.
    """

    kept: Money
    by_gateway: Money
    in_cash: Money
    forgiven: Money

    @property
    def owed(self) -> Money:
        """Return what the shopper still owes; negative where the store does."""
        return self.kept - self.by_gateway - self.in_cash - self.forgiven

    @property
    def cash_back(self) -> Money:
        """Return what is to be paid out at the till."""
        over = self.by_gateway + self.in_cash - self.kept
        return Money(max(0, min(over.minor, self.in_cash.minor)), self.kept.currency)

    @property
    def forgiven_in_vain(self) -> Money:
        """Return what of ``forgiven`` is not owed anyhow: units that were forgiven, and then given back."""
        unpaid = self.kept - self.by_gateway - self.in_cash
        return Money(max(0, self.forgiven.minor - max(0, unpaid.minor)), self.kept.currency)


def standing(books: Books, receipt: Receipt, payments: tuple[Payment, ...] | None = None) -> Standing:
    """Return how the visit of ``receipt`` stands. ``payments`` are its, where they are at hand."""
    visit_id, zero = receipt.visit_id, Money.zero(receipt.currency)
    payments = books.payments(visit_id) if payments is None else payments
    return Standing(
        kept=receipt.total - sum((refund.amount for refund in books.refunds(visit_id)), zero),
        by_gateway=sum((amount for _, amount in paid_back_left(payments)), zero),
        in_cash=sum((move.amount for move in books.cash(visit_id)), zero),
        forgiven=Money(books.balance(visit_id, WRITTEN_OFF), receipt.currency),
    )


def first_unpaid(books: Books, token: str, shopper_id: str | None) -> str | None:
    """Return the oldest visit that a card, or the shopper whose it is, has not paid for; None where all is paid.

    Another card of the same shopper does not pay what the one before did not.
    """
    unpaid = books.unpaid_visits_of(token)
    if shopper_id is not None:
        unpaid += charged_visits(books, shopper_id, (ChargeState.DECLINED, ChargeState.NEEDS_SHOPPER))
    return next((visit_id for visit_id in unpaid if is_owed(books, visit_id)), None)


def is_owed(books: Books, visit_id: str) -> bool:
    """Tell whether something is still owed for a visit."""
    receipt = books.receipt(visit_id)
    return receipt is not None and standing(books, receipt).owed.minor > 0
