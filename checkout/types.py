"""What goes into checkout and what comes out of it. No pixels, no network, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vision.types import SkuCandidate, VisionEvent

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


UnseenReason = Literal["unseen_shelves", "overloaded"]
"""No camera showed some shelves, or the machine looked at too few of the pictures that showed them."""


@dataclass(frozen=True, slots=True)
class ShelvesUnseen:
    """Nobody looked at some shelves from ``from_ns`` to ``to_ns``: what ``visit_ids`` took or put back then is not known.

    ``overloaded`` says that cameras showed them, and that the machine had no time to look at enough of their pictures.
    """

    from_ns: int
    to_ns: int
    visit_ids: tuple[str, ...]
    reason: UnseenReason = "unseen_shelves"

    @property
    def at_ns(self) -> int:
        """When it became known."""
        return self.to_ns


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
class PersonEntered:
    """A person came in through a gate and is not bound to a visit yet."""

    person_id: int
    gate_id: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class PersonLeft:
    """A person is no longer in the shop, or (``lost``) nobody knows where in the shop they are."""

    person_id: int
    visit_id: str | None
    at_ns: int
    how: Literal["exit", "vanished_at_exit", "lost"]


@dataclass(frozen=True, slots=True)
class PersonMerged:
    """``former_id`` was ``person_id`` all along. What it did is moved by the corrections that follow."""

    person_id: int
    former_id: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class CartEvent:
    """A change to one visit's cart. ``quantity_delta`` is positive for what was taken.

    ``visit_id`` is None for a change that no visit answers for: it is kept and reported, never dropped.
    ``at_ns`` is when it happened, which may be earlier than what stands before it in the log.
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
    person_id: int | None = None


@dataclass(frozen=True, slots=True)
class ReviewOpened:
    """A question that the pipeline would rather not answer alone.

    ``timeout_*`` is what happens if nobody answers before ``due_ns``. The receipts of
    ``visit_ids`` wait for it, likeliest visit first. ``change`` and ``sku_candidates`` are the
    interaction's own; ``probability`` is that of the likeliest answer.
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
    slot_id: str | None = None
    change: int | None = None
    sku_candidates: tuple[SkuCandidate, ...] = ()
    person_id: int | None = None
    probability: float = 0.0


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
class VisitReopened:
    """Somebody of a closed visit came back before its receipt was final."""

    visit_id: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Dismissed:
    """An input that changes nothing, and why. ``reference`` is its interaction or review id."""

    what: Literal["interaction", "answer"]
    reference: str
    reason: str
    at_ns: int


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


@dataclass(frozen=True, slots=True)
class CarriedVisit:
    visit_id: str
    final_at_ns: int


@dataclass(frozen=True, slots=True)
class CarriedPerson:
    person_id: int
    visit_id: str | None
    gate_id: str | None
    waiting_since_ns: int | None
    inside: bool
    left_at_ns: int | None


@dataclass(frozen=True, slots=True)
class CarriedUnits:
    """Units that no visit answers for."""

    person_id: int | None
    sku: str
    interaction_id: str | None
    quantity: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class CheckoutCarried:
    """What checkout knows while no visit and no review is open: another log can begin with it."""

    at_ns: int
    cart_events: int
    reviews_opened: int
    final_visits: tuple[CarriedVisit, ...]
    persons: tuple[CarriedPerson, ...]
    units: tuple[CarriedUnits, ...]
    interaction_ids: tuple[str, ...]


CheckoutInput = GateScanned | VisionEvent | Tick | ReviewAnswered | ShelvesUnseen
"""What ``Checkout.handle`` takes."""

CheckoutEvent = (
    GateScanned
    | VisitOpened
    | PersonEntered
    | PersonBound
    | PersonLeft
    | PersonMerged
    | CartEvent
    | ReviewOpened
    | ReviewClosed
    | VisitClosed
    | VisitReopened
    | Dismissed
    | ReceiptDrafted
    | ReceiptFinalised
)
"""What ``Checkout.handle`` gives. Checkout's whole state is a fold of these."""
