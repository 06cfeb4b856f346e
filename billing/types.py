"""What goes into billing and what comes out: frozen, and free of any database or gateway.

The port is ``BillingPort``: what runs a store needs to know nothing else of billing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

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
    ``NEEDS_SHOPPER`` waits for the shopper to authenticate (3-D Secure), ``DECLINED`` for another card:
    what was not paid is a debt. ``VOID`` had nothing to pay; ``WAIVED`` too little for the gateway to take.
    """

    UNKNOWN = "unknown"
    CAPTURED = "captured"
    DECLINED = "declined"
    NEEDS_SHOPPER = "needs_shopper"
    VOID = "void"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Charge:
    """One claim on a shopper for a receipt; ``number`` counts them within the visit, from 1.

    Payments carry it out; ``paid`` is what they took so far, never more than ``amount``.
    """

    key: str
    visit_id: str
    number: int
    receipt_digest: str
    token: str
    amount: Money
    paid: Money
    state: ChargeState
    created_at_ns: int
    settled_at_ns: int | None = None
    gateway_reference: str | None = None
    decline_reason: str | None = None

    @property
    def waits_at_till(self) -> bool:
        """Tell whether it waits for the shopper to pay in cash, not for their bank."""
        return self.state is ChargeState.NEEDS_SHOPPER and self.token == CASH


class PaymentAction(StrEnum):
    """What a gateway can be asked. A capture takes from a hold and lets the rest of it go; a charge needs none."""

    HOLD = "hold"
    CAPTURE = "capture"
    VOID = "void"
    CHARGE = "charge"
    REFUND = "refund"


class PaymentState(StrEnum):
    """What became of a request to the gateway; only ``UNKNOWN`` and ``NEEDS_SHOPPER`` may change."""

    UNKNOWN = "unknown"
    DONE = "done"
    DECLINED = "declined"
    NEEDS_SHOPPER = "needs_shopper"


@dataclass(frozen=True, slots=True)
class Payment:
    """One request to the gateway, written down before it is sent.

    ``digest`` is that of the receipt or refund it is for, or of the visit's opening. ``claim`` is the key of the
    charge or refund that it carries out, None for holds. ``of`` is the key of the hold that is captured or voided, or
    of the payment that is refunded.
    """

    key: str
    visit_id: str
    claim: str | None
    action: PaymentAction
    digest: str
    token: str
    amount: Money
    of: str | None
    state: PaymentState
    created_at_ns: int
    settled_at_ns: int | None = None
    reference: str | None = None
    reason: str | None = None
    expires_at_ns: int | None = None


CASH = "cash"
"""The token of who pays at the till: no gateway is asked for it."""

STAFF = "staff"
"""The token of those who work in the store: they are never billed."""


class VisitKind(StrEnum):
    """Who comes in: a shopper with a card, one who pays at the till, or somebody who works there."""

    SHOPPER = "shopper"
    CASH = "cash"
    STAFF = "staff"


def kind_of(token: str) -> VisitKind:
    """Return what kind of visit a token opens."""
    return {CASH: VisitKind.CASH, STAFF: VisitKind.STAFF}.get(token, VisitKind.SHOPPER)


@dataclass(frozen=True, slots=True)
class OpenVisit:
    """A shopper at the gate. ``visit_id`` is unique in the billing store; ``token`` is what was shown.

    ``party_size`` people come in on it; each is held money for. ``card_mark`` finds the receipt again by the card
    (``lookup.card_mark``). Raises ValueError where ``token`` is not that of its ``kind``, or nobody comes in.
    """

    visit_id: str
    token: str
    at_ns: int
    kind: VisitKind = VisitKind.SHOPPER
    party_size: int = 1
    shopper_id: str | None = None
    is_member: bool = False
    card_mark: str | None = None

    def __post_init__(self) -> None:
        if self.party_size < 1:
            raise ValueError(f"{self.visit_id}: party_size is {self.party_size}: 1 or more people come in")
        if kind_of(self.token) is not self.kind:
            raise ValueError(f"{self.visit_id}: a visit of kind {self.kind} cannot have the token {self.token!r}")


@dataclass(frozen=True, slots=True)
class JoinVisit:
    """One more of a group comes in on the same token: ``scan_id`` names the scan, once per visit."""

    visit_id: str
    scan_id: str
    token: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A cart as it is while its shopper is in the store, priced as if it were final at ``at_ns``.

    ``version`` counts its changes, from 1.
    """

    visit_id: str
    version: int
    at_ns: int
    items: tuple[ItemCount, ...]


@dataclass(frozen=True, slots=True)
class Admission:
    """What billing says of a shopper at the gate. ``refused`` says why not, None where all is well.

    ``hold`` is None where policy asks for none, or where the shopper was refused before.
    """

    visit_id: str
    at_ns: int
    refused: str | None
    hold: Payment | None


@dataclass(frozen=True, slots=True)
class BillingRefused:
    """Billing will not do what was asked for a visit, however often: somebody has to look into it.

    ``reason`` is the error's name in kebab case, ``detail`` its words.
    """

    visit_id: str
    what: Literal["open", "cart", "receipt"]
    reason: str
    at_ns: int
    detail: str = ""


class Refusal(StrEnum):
    """Why somebody at a gate would not be served."""

    DEBTOR = "debtor"
    NO_CARD = "no_card"
    NO_ACCOUNT = "no_account"
    PASS_USED = "pass_used"  # noqa: S105 - no password


class RefundReason(StrEnum):
    """Why money goes back."""

    NOT_TAKEN = "not_taken"
    RETURNED = "returned"
    DAMAGED = "damaged"
    WRONG_PRICE = "wrong_price"
    GOODWILL = "goodwill"


class RefundState(StrEnum):
    """Where a refund stands. ``OWED``: the gateway would not do it, so the store owes the shopper."""

    UNKNOWN = "unknown"
    DONE = "done"
    OWED = "owed"


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give units of a receipt back. ``refund_id`` is the asker's idempotency key; no ``items`` mean all that is left."""

    refund_id: str
    visit_id: str
    reason: RefundReason
    at_ns: int
    items: tuple[ItemCount, ...] = ()


@dataclass(frozen=True, slots=True)
class Refund:
    """Units of a receipt that were given back, with the tax in them. ``digest`` is that of the request.

    ``amount`` is the sum of ``taxes`` and of ``untaxed``, the deposits without a tax class. It lowers what the shopper owes; what of it was paid already goes back by payments.
    """

    key: str
    visit_id: str
    digest: str
    reason: RefundReason
    items: tuple[ItemCount, ...]
    taxes: tuple[TaxLine, ...]
    untaxed: Money
    amount: Money
    state: RefundState
    created_at_ns: int


@dataclass(frozen=True, slots=True)
class CorrectionRequest:
    """Charge units that a final receipt lacks. ``correction_id`` is the asker's idempotency key; ``by`` agreed to it."""

    correction_id: str
    visit_id: str
    items: tuple[ItemCount, ...]
    by: str
    at_ns: int


class DisputeKind(StrEnum):
    """What a shopper says of units on a receipt: never taken, or brought back."""

    CONTEST = "contest"
    RETURN = "return"


class DisputeState(StrEnum):
    """Where a dispute stands; only ``OPEN`` may change."""

    OPEN = "open"
    UPHELD = "upheld"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class DisputeRequest:
    """A shopper contests or returns units of a receipt. ``dispute_id`` is the asker's idempotency key."""

    dispute_id: str
    visit_id: str
    kind: DisputeKind
    items: tuple[ItemCount, ...]
    text: str
    at_ns: int
    shopper_id: str | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute as it stands. ``refund_key`` is that of the refund that came of it."""

    asked: DisputeRequest
    state: DisputeState
    decided_at_ns: int | None = None
    decided_by: str | None = None
    note: str | None = None

    @property
    def refund_key(self) -> str | None:
        """Return the key of the refund that upholding it made."""
        return dispute_refund_key(self.asked.dispute_id) if self.state is DisputeState.UPHELD else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was laid before the operator: a clip or picture by its place and SHA-256 in small hex.

    Raises ValueError where ``sha256`` is none.
    """

    evidence_id: str
    dispute_id: str
    name: str
    media_type: str
    sha256: str
    location: str
    added_by: str
    added_at_ns: int

    def __post_init__(self) -> None:
        if re.fullmatch("[0-9a-f]{64}", self.sha256) is None:
            raise ValueError(f"{self.evidence_id}: sha256 is {self.sha256!r}: give 64 small hex digits")


@dataclass(frozen=True, slots=True)
class CashMove:
    """Money at the till: taken from a shopper, or paid out where ``amount`` is negative."""

    key: str
    visit_id: str
    claim: str
    amount: Money
    taken_by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class WriteOff:
    """What is owed for a charge and is no longer asked for."""

    charge_key: str
    visit_id: str
    amount: Money
    at_ns: int


@dataclass(frozen=True, slots=True)
class StoredVisit:
    """A visit as it was opened, and why it was refused at once, if it was."""

    opened: OpenVisit
    refused: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in billing, as ``news`` has it; ``body`` is JSON."""

    event_id: int
    topic: str
    visit_id: str
    at_ns: int
    body: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Somebody who listens to topics. The secret stays inside."""

    endpoint_id: str
    url: str
    topics: tuple[str, ...]
    created_at_ns: int
    disabled_at_ns: int | None = None


class DeliveryState(StrEnum):
    """How the delivery of an event to an endpoint stands: to be tried, done, or given up."""

    DUE = "due"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to an endpoint. ``problem`` is why it was not delivered when it was last tried.

    ``next_at_ns`` is when a DUE one is tried next; one that is being sent has there when its sender is given up for dead.
    """

    delivery_id: int
    event_id: int
    endpoint_id: str
    topic: str
    visit_id: str
    state: DeliveryState
    tries: int
    next_at_ns: int
    delivered_at_ns: int | None
    problem: str | None


class BillingPort(Protocol):
    """What a store's runner asks of billing."""

    def open_visit(self, given: OpenVisit) -> Admission:
        """Tell whether the shopper may be served, and hold money by the store's policy, once per visit.

        Raises KeyConflict where the visit was opened with another token.
        """
        ...

    def put_draft(self, visit_id: str, items: tuple[ItemCount, ...], at_ns: int) -> tuple[Draft, Receipt]:
        """Keep a cart as it is now; return it, and what it would cost if it were final.

        Raises UnknownVisit where the visit was not opened, ChargeStateError once its receipt is final, PriceError for a
        product without a price.
        """
        ...

    def finalise(self, given: ReceiptInput) -> Charge:
        """Freeze the receipt and charge it, once however often this is called.

        Raises PriceError for a product without a price and KeyConflict where the visit was charged
        for something else. A gateway without an answer is not an error: the charge is UNKNOWN.
        """
        ...

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        """Ask the gateway about all whose outcome is unknown; return the charges among them as they now stand."""
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


def dispute_refund_key(dispute_id: str) -> str:
    """Return the idempotency key of the refund that a dispute makes."""
    return f"dispute:{dispute_id}"
