"""What goes into checkout and what comes out of it. No pixels, no network, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CartEventKind = Literal["taken", "returned", "moved", "handed_over", "corrected"]


@dataclass(frozen=True, slots=True)
class GateScanned:
    """A pass or card was shown at a gate. ``scan_id`` is unique within the run."""

    scan_id: str
    gate_id: str
    at_ns: int
    token: str
    party_size: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has come to ``at_ns`` with nothing else to say: time-outs are judged by it."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class ReviewAnswered:
    """An operator's answer. ``sku`` None and ``quantity_delta`` 0 mean that nothing happened."""

    review_id: str
    at_ns: int
    visit_id: str | None
    sku: str | None
    quantity_delta: int


@dataclass(frozen=True, slots=True)
class VisitOpened:
    visit_id: str
    at_ns: int
    scan_id: str
    token: str
    party_size: int


@dataclass(frozen=True, slots=True)
class PersonBound:
    """From now on what ``person_id`` takes goes to ``visit_id``; None says that no scan could be found."""

    person_id: int
    visit_id: str | None
    at_ns: int


@dataclass(frozen=True, slots=True)
class CartEvent:
    """A change to one visit's cart. ``quantity_delta`` is positive for what was taken.

    ``visit_id`` is None for a change that no visit answers for: it is kept and reported, never dropped.
    """

    event_id: str
    kind: CartEventKind
    visit_id: str | None
    sku: str
    quantity_delta: int
    at_ns: int
    slot_id: str | None
    probability: float
    interaction_id: str | None


@dataclass(frozen=True, slots=True)
class ReviewOpened:
    """A question that the pipeline would rather not answer alone.

    ``timeout_*`` is what happens if nobody answers before ``due_ns``.
    """

    review_id: str
    visit_ids: tuple[str, ...]
    interaction_id: str | None
    reason: str
    at_ns: int
    due_ns: int
    timeout_visit_id: str | None
    timeout_sku: str | None
    timeout_quantity_delta: int


@dataclass(frozen=True, slots=True)
class ReviewClosed:
    review_id: str
    at_ns: int
    by: Literal["operator", "timeout", "evidence"]
    visit_id: str | None
    sku: str | None
    quantity_delta: int


@dataclass(frozen=True, slots=True)
class CartLine:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class VisitClosed:
    """The last person of a visit left, or the visit was ended by ``reason``."""

    visit_id: str
    at_ns: int
    reason: Literal["exit", "vanished", "no_person", "timeout", "end_of_input"]


@dataclass(frozen=True, slots=True)
class ReceiptDrafted:
    visit_id: str
    at_ns: int
    lines: tuple[CartLine, ...]
    open_review_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReceiptFinalised:
    """The cart as it will be charged. Nothing changes it afterwards but a refund or a further charge."""

    visit_id: str
    at_ns: int
    lines: tuple[CartLine, ...]
    reviewed: bool


CheckoutEvent = (
    GateScanned
    | VisitOpened
    | PersonBound
    | CartEvent
    | ReviewOpened
    | ReviewClosed
    | VisitClosed
    | ReceiptDrafted
    | ReceiptFinalised
)
