"""What the visits' pages are told, and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from billing.money import Money
from billing.types import Charge, Dispute, DisputeState, ItemCount, LineKind, Receipt, Refund, RefundReason


class VisitState(StrEnum):
    """Where a visit stands. The first that holds, in this order, is shown."""

    DISPUTED = "disputed"
    """The shopper contests or returns something, and nobody has decided."""
    IN_REVIEW = "in_review"
    """An operator is asked about it."""
    REFUNDED = "refunded"
    """All of it or a part was given back."""
    CHARGED = "charged"
    """It is paid, or there was nothing to pay."""
    UNPAID = "unpaid"
    """The charge was declined, or waits for the shopper."""
    CLOSED = "closed"
    """The shopper has left, and nobody knows yet how the charge came out."""
    SHOPPING = "shopping"


class Kind(StrEnum):
    """With what somebody came in."""

    CARD = "card"
    PASS = "pass"  # noqa: S105 - no password
    CASH = "cash"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A visit's place in the list: when it was opened, and its id where two were at once."""

    opened_at_ns: int
    visit_id: str


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; what is None or empty is not asked. Times are of opening, ``to_ns`` is past the end.

    ``shopper`` is what a shopper is called, or the beginning of it; ``skus`` are products of which one is in the cart, an empty
    tuple for none that could be; ``states`` are those of which it has one. ``before`` and ``after`` are where the page lies: older than, or newer than.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    kind: Kind | None = None
    shopper: str = ""
    skus: tuple[str, ...] | None = None
    least_minor: int | None = None
    most_minor: int | None = None
    states: tuple[VisitState, ...] = ()
    before: Place | None = None
    after: Place | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class VisitRow:
    """A visit as it is listed. ``shopper`` stands for the card or pass and is neither; ``total`` is None before the charge.

    ``number`` counts visits from 1. ``charge`` is billing's word for how the last charge stands, empty before.
    """

    visit_id: str
    number: int
    kind: Kind
    shopper: str
    opened_at_ns: int
    party_size: int
    gate_id: str
    state: VisitState
    left_at_ns: int | None
    final_at_ns: int | None
    reviews: int
    open_reviews: int
    charge: str
    total: Money | None
    refunded: Money | None
    lines: tuple[tuple[str, int], ...]

    @property
    def units(self) -> int:
        """How much is in the cart, or on the receipt."""
        return sum(quantity for _, quantity in self.lines)

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return Place(self.opened_at_ns, self.visit_id)


@dataclass(frozen=True, slots=True)
class Page:
    """Visits, the latest first. ``has_newer`` and ``has_older`` tell whether there are more on either side."""

    rows: tuple[VisitRow, ...]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that became known of a visit: ``kind`` is the event's name, ``body`` its fields as JSON has them."""

    at_ns: int
    position: int
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one visit but its money."""

    row: VisitRow
    moments: tuple[Moment, ...]
    interactions: tuple[Moment, ...]
    crossings: tuple[Moment, ...]


class EventSource(Protocol):
    """The event log, for whoever reads it again. Positions are the numbers of its lines."""

    def first(self) -> int:
        """Return the position of the oldest line that is kept."""
        ...

    def after(self, position: int) -> Iterator[tuple[int, object]]:
        """Yield lines from ``position`` on, as far as they are whole. May be asked for from any thread.

        Raises OSError or ValueError where they cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class News:
    """An event of billing's."""

    number: int
    topic: str
    visit_id: str
    body: Mapping[str, Any]


class NewsSource(Protocol):
    """Billing's events."""

    def after(self, number: int, limit: int) -> tuple[News, ...]:
        """Return events that came after ``number``, earliest first. Raises BillingError or OSError where they cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """What billing has of a visit. ``owed`` is None before the receipt, and negative where the store owes."""

    receipt: Receipt | None = None
    charges: tuple[Charge, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    owed: Money | None = None

    def left(self) -> Mapping[str, int]:
        """Return by product how many units of the receipt were not given back."""
        if self.receipt is None:
            return {}
        left = Counter({line.sku: line.quantity for line in self.receipt.lines if line.kind is LineKind.PRODUCT})
        for refund in self.refunds:
            left.subtract({item.sku: item.quantity for item in refund.items})
        return left


@dataclass(frozen=True, slots=True)
class RefundAsked:
    """Units to be given back. ``key`` makes that it is done once, however often it is sent."""

    key: str
    visit_id: str
    items: tuple[ItemCount, ...]
    reason: RefundReason


@dataclass(frozen=True, slots=True)
class CorrectionAsked:
    """Units that a receipt lacks, to be charged; ``by`` agreed to it with the shopper."""

    key: str
    visit_id: str
    items: tuple[ItemCount, ...]
    by: str


class Books(Protocol):
    """Billing, as a counter asks it. Each call raises BillingError where it refuses, or cannot be reached."""

    def account(self, visit_id: str) -> Account:
        """Return what there is of a visit."""
        ...

    def quote_refund(self, asked: RefundAsked) -> Refund:
        """Return what ``refund`` would agree to, and change nothing."""
        ...

    def refund(self, asked: RefundAsked) -> Refund:
        """Give units back, once per key."""
        ...

    def quote_correction(self, asked: CorrectionAsked) -> Receipt:
        """Return what the receipt would be, and change nothing."""
        ...

    def correct(self, asked: CorrectionAsked) -> Charge:
        """Charge units that the receipt lacks, once per key."""
        ...

    def decide(self, dispute_id: str, state: DisputeState, by: str, note: str) -> Dispute:
        """Uphold a dispute, which gives its units back, or reject it. The same again changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class ClipOf:
    """A clip that is there: of which interaction or reviews, and when; times are Unix ns."""

    clip_id: str
    camera_id: str
    interaction_id: str | None
    review_ids: tuple[str, ...]
    from_ns: int
    to_ns: int
    is_whole: bool = True


class Clips(Protocol):
    """The clips on the disk."""

    def near(self, from_ns: int, to_ns: int) -> Iterable[ClipOf]:
        """Return the clips that show some of this time."""
        ...

    def file(self, clip_id: str, camera_id: str) -> Path | None:
        """Return a clip's file (MP4), None where it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote to a visit."""

    number: int
    visit_id: str
    at_ns: int
    who: str
    text: str = field(repr=False)
