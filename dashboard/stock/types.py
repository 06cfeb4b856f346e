"""What stock is reckoned from: what happened at slots, and what people counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from store_layout.model import Store


class Kind(StrEnum):
    """What a line of the book says."""

    MOVED = "moved"
    """``units`` came into the slot; negative: went out of it. What corrects that has the same ``reference``."""
    UNREAD = "unread"
    """A hand was in the slot, and what it did was not told."""
    ASKED = "asked"
    """Operators are asked what happened; ``units`` as the pixels say, 0 where they do not."""
    ANSWERED = "answered"
    """An operator said what happened."""
    LAPSED = "lapsed"
    """The question was closed without an operator."""
    SOLD = "sold"
    """A line of a final receipt."""
    OPEN = "open"
    """Somebody came or went in the hour that begins at ``at_ns``."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the book. ``event_id`` keeps it from being written twice; it has no visit and no person.

    ``reference`` is the interaction that it came from. ``probability`` is how sure change and product are.
    ``slot_id`` is None where nobody knows the slot.
    """

    event_id: str
    at_ns: int
    kind: Kind
    reference: str = ""
    slot_id: str | None = None
    sku: str | None = None
    units: int = 0
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Units:
    """So many of a product."""

    sku: str
    units: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Somebody said what a slot holds: ``units`` of ``sku``, its own product, and ``misplaced`` ones. ``was`` is what it seemed to hold."""

    at_ns: int
    who: str
    slot_id: str
    sku: str
    units: int
    misplaced: tuple[Units, ...] = ()
    was: int = 0


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """A slot as the layout has it. ``slot_id`` is ``gondola/shelf/slot``, ``capacity`` facings × units deep."""

    slot_id: str
    sku: str
    capacity: int

    @property
    def shelf_id(self) -> str:
        """Return ``gondola/shelf``."""
        return self.slot_id.rpartition("/")[0]


def plan_of(store: Store) -> tuple[SlotPlan, ...]:
    """Return the slots of a layout, in its order."""
    return tuple(
        SlotPlan(f"{gondola.id}/{shelf.id}/{slot.id}", slot.sku, slot.facings * slot.units_deep)
        for gondola in store.gondolas
        for shelf in gondola.shelves
        for slot in shelf.slots
    )


class Log(Protocol):
    """The store's event log, in its order."""

    def whole(self) -> Iterator[object]:
        """Yield all that is kept: for a book that begins."""
        ...

    def recent(self) -> Iterable[object]:
        """Return what a crash may have kept from the book, and what is needed to understand what comes."""
        ...
