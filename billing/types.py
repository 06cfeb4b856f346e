"""What goes into billing and what comes out: frozen, and free of any database or gateway.

The port is ``BillingPort``: what runs a store needs to know nothing else of billing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from billing.errors import MoneyError
from billing.money import Money


@dataclass(frozen=True, slots=True)
class ItemCount:
    """So many of one product."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ReceiptInput:
    """A final cart. ``visit_id`` is unique in the billing store; ``token`` is what was shown at the gate.

    Prices and promotions are those of ``final_at_ns``, Unix time in nanoseconds; ``is_member`` opens member prices.
    """

    visit_id: str
    token: str
    final_at_ns: int
    items: tuple[ItemCount, ...]
    is_member: bool = False


class LineKind(StrEnum):
    """What a receipt's line is for: a product, or the deposit on one."""

    PRODUCT = "product"
    DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One product of a receipt, or its deposit. ``amount`` is quantity times unit price, without exclusive tax.

    ``discount`` is what promotions took off ``amount``: never below zero and never more than it, or MoneyError is
    raised. Only a deposit may have no ``tax_class``: it is then no part of any tax.
    """

    sku: str
    name: str
    quantity: int
    unit_price: Money
    amount: Money
    tax_class: str | None
    discount: Money
    kind: LineKind = LineKind.PRODUCT
    age_restricted: bool = False

    def __post_init__(self) -> None:
        if self.discount.minor < 0 or 0 < self.discount.minor > self.amount.minor:
            raise MoneyError(f"{self.sku}: a discount of {self.discount} on {self.amount}")

    @property
    def paid(self) -> Money:
        """Return what is left of ``amount`` after ``discount``."""
        return self.amount - self.discount


@dataclass(frozen=True, slots=True)
class AppliedPromotion:
    """What one promotion took off a receipt, over all its lines; more than nothing."""

    promotion_id: str
    name: str
    discount: Money
    members_only: bool = False


@dataclass(frozen=True, slots=True)
class TaxLine:
    """One tax class of a receipt: ``net + tax == gross``, rounded once, on what is paid after discounts."""

    tax_class: str
    rate_percent: Decimal
    inclusive: bool
    net: Money
    tax: Money
    gross: Money


@dataclass(frozen=True, slots=True)
class Receipt:
    """A frozen receipt. ``digest`` is the SHA-256 of its canonical JSON without the digest itself.

    ``net + tax == total``; ``net`` holds deposits without a tax class too. The discounts of ``promotions`` sum to those
    of ``lines``.
    """

    visit_id: str
    issued_at_ns: int
    currency: str
    lines: tuple[ReceiptLine, ...]
    taxes: tuple[TaxLine, ...]
    net: Money
    tax: Money
    total: Money
    digest: str
    promotions: tuple[AppliedPromotion, ...] = ()


class ChargeState(StrEnum):
    """Where a charge stands.

    ``UNKNOWN`` is written before the gateway is asked and stays where its answer is not known.
    ``VOID`` is a receipt without anything to pay: no gateway was asked.
    """

    UNKNOWN = "unknown"
    CAPTURED = "captured"
    DECLINED = "declined"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt to be paid for a receipt; ``number`` counts them within the visit, from 1."""

    key: str
    visit_id: str
    number: int
    receipt_digest: str
    token: str
    amount: Money
    state: ChargeState
    created_at_ns: int
    settled_at_ns: int | None = None
    gateway_reference: str | None = None
    decline_reason: str | None = None


class BillingPort(Protocol):
    """What a store's runner asks of billing."""

    def finalise(self, given: ReceiptInput) -> Charge:
        """Freeze the receipt and charge it, once however often this is called.

        Raises PriceError for a product without a price and KeyConflict where the visit was charged
        for something else. A gateway without an answer is not an error: the charge is UNKNOWN.
        """
        ...

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        """Ask the gateway about all charges whose outcome is unknown; return them as they now stand."""
        ...

    def receipt(self, visit_id: str) -> Receipt | None:
        """Return a visit's receipt, None before it is final."""
        ...

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """Return a visit's charges in order of their number."""
        ...


def charge_key(visit_id: str, number: int) -> str:
    """Return the idempotency key of a visit's charge."""
    return f"{visit_id}:{number}"
