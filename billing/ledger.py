"""Double entry: what each receipt, payment and refund moves between accounts. Every posting sums to zero or is refused.

Debits are positive. ``receivable:shopper`` is what shoppers owe (its balance over a visit is the debt, negative
where the store owes), ``clearing:gateway`` what the gateway owes the store, ``cash:till`` what is in the till.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from billing.errors import LedgerError
from billing.money import Money
from billing.types import CashMove, Charge, Payment, PaymentAction, Receipt, Refund, TaxLine, WriteOff

SHOPPER = "receivable:shopper"
CLEARING = "clearing:gateway"
TILL = "cash:till"
WRITTEN_OFF = "written_off"


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg: debits are positive, credits negative."""

    account: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Posting:
    """Entries of one visit that belong together. Raises LedgerError unless they are two or more and sum to zero."""

    posting_id: str
    visit_id: str
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


def sale_posting(receipt: Receipt) -> Posting | None:
    """Return what a final receipt moves: the shopper owes the total, for sales and for tax by class. None for nothing."""
    if receipt.total.minor == 0:
        return None
    untaxed = receipt.total - sum((tax.gross for tax in receipt.taxes), Money.zero(receipt.currency))
    entries = (Entry(SHOPPER, receipt.total), *_taxed("sales", receipt.taxes, -1), *_deposits(-untaxed))
    return Posting(f"sale:{receipt.visit_id}", receipt.visit_id, receipt.issued_at_ns, entries)


def refund_posting(refund: Refund) -> Posting | None:
    """Return what a refund moves: the shopper owes less, and less was sold. None for a refund of free things."""
    if refund.amount.minor == 0:
        return None
    entries = (Entry(SHOPPER, -refund.amount), *_taxed("refunds", refund.taxes, 1), *_deposits(refund.untaxed))
    return Posting(f"refund:{refund.key}", refund.visit_id, refund.created_at_ns, entries)


def payment_posting(payment: Payment, at_ns: int) -> Posting | None:
    """Return what a payment that is done moves between shopper and gateway; None for holds and voids."""
    if payment.action in (PaymentAction.HOLD, PaymentAction.VOID):
        return None
    moved = -payment.amount if payment.action is PaymentAction.REFUND else payment.amount
    entries = (Entry(CLEARING, moved), Entry(SHOPPER, -moved))
    return Posting(f"payment:{payment.key}", payment.visit_id, at_ns, entries)


def correction_posting(key: str, before: Receipt, after: Receipt, at_ns: int) -> Posting:
    """Return what it moves to correct a receipt: the shopper owes more, by class what more was sold."""
    legs = Counter[str]()
    for receipt, sign in ((before, 1), (after, -1)):
        for tax in receipt.taxes:
            legs[f"sales:{tax.tax_class}"] += sign * tax.net.minor
            legs[f"tax:{tax.tax_class}"] += sign * tax.tax.minor
        legs["deposits"] += sign * (receipt.total.minor - sum(tax.gross.minor for tax in receipt.taxes))
    moved = [Entry(account, Money(minor, after.currency)) for account, minor in sorted(legs.items()) if minor]
    return Posting(f"correction:{key}", after.visit_id, at_ns, (Entry(SHOPPER, after.total - before.total), *moved))


def cash_posting(move: CashMove) -> Posting:
    """Return what money at the till moves; a negative amount is paid out."""
    return Posting(
        f"cash:{move.key}", move.visit_id, move.at_ns, (Entry(TILL, move.amount), Entry(SHOPPER, -move.amount))
    )


def write_off_posting(write_off: WriteOff) -> Posting:
    """Return what it moves to ask for a debt no longer."""
    legs = (Entry(WRITTEN_OFF, write_off.amount), Entry(SHOPPER, -write_off.amount))
    return Posting(f"write-off:{write_off.charge_key}", write_off.visit_id, write_off.at_ns, legs)


def waiver_posting(charge: Charge, rest: Money, at_ns: int) -> Posting:
    """Return what it moves to waive the ``rest`` of a charge."""
    return Posting(f"waiver:{charge.key}", charge.visit_id, at_ns, (Entry(WRITTEN_OFF, rest), Entry(SHOPPER, -rest)))


def waiver_taken_back(refund: Refund, amount: Money) -> Posting:
    """Return what it moves that ``amount``, once waived, is not owed after a refund anyhow."""
    entries = (Entry(SHOPPER, amount), Entry(WRITTEN_OFF, -amount))
    return Posting(f"waiver-back:{refund.key}", refund.visit_id, refund.created_at_ns, entries)


def waiver_set_off(refund: Refund, amount: Money, at_ns: int) -> Posting:
    """Return what it moves that ``refund`` was not paid out, and ``amount`` of it is set off against what was waived."""
    entries = (Entry(SHOPPER, amount), Entry(WRITTEN_OFF, -amount))
    return Posting(f"set-off:{refund.key}", refund.visit_id, at_ns, entries)


def _deposits(amount: Money) -> list[Entry]:
    """Deposits without a tax class are owed to whoever brings the packaging back: no sale."""
    return [Entry("deposits", amount)] if amount.minor != 0 else []


def _taxed(account: str, taxes: Sequence[TaxLine], sign: int) -> list[Entry]:
    legs = [Entry(f"{account}:{tax.tax_class}", tax.net * sign) for tax in taxes]
    legs += [Entry(f"tax:{tax.tax_class}", tax.tax * sign) for tax in taxes]
    return [leg for leg in legs if leg.amount.minor != 0]
