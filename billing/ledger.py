"""Double entry: what each charge moves between accounts. Every posting sums to zero or is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from billing.errors import LedgerError
from billing.money import Money
from billing.types import Charge, Receipt

RECEIVABLE = "receivable:gateway"
SALES = "sales"


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg: debits are positive, credits negative."""

    account: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Posting:
    """Entries that belong together. Raises LedgerError unless they are two or more and sum to zero."""

    posting_id: str
    at_ns: int
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if len(self.entries) < 2:
            raise LedgerError(f"{self.posting_id}: a posting has two legs or more")
        balance = total(self.entries, self.entries[0].amount.currency)
        if balance.minor != 0:
            raise LedgerError(f"{self.posting_id}: entries sum to {balance}, not to zero")


def total(entries: Iterable[Entry], currency: str) -> Money:
    """Add entries up. Raises MoneyError where their currencies differ."""
    return sum((entry.amount for entry in entries), Money.zero(currency))


def capture_posting(charge: Charge, receipt: Receipt, at_ns: int) -> Posting:
    """Return what a captured charge moves: the gateway owes us the total, for sales and for tax by class."""
    taxes = [Entry(f"tax:{tax.tax_class}", -tax.tax) for tax in receipt.taxes if tax.tax.minor != 0]
    sales = [Entry(SALES, -receipt.net)] if receipt.net.minor != 0 else []
    return Posting(charge.key, at_ns, (Entry(RECEIVABLE, charge.amount), *sales, *taxes))
