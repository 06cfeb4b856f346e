"""Slots as they stand on their shelves, for the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dashboard.stock.levels import SlotStock
from dashboard.stock.rates import Proposal
from store_layout.model import Gondola, Store


class Show(StrEnum):
    """Which slots are wanted."""

    ALL = "all"
    LOW = "low"
    MISPLACED = "misplaced"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Cell:
    """A slot. ``percent`` of it is full."""

    stock: SlotStock
    name: str
    is_low: bool

    @property
    def percent(self) -> int:
        """How full it is, at most 100."""
        return min(100, round(100 * self.stock.level / self.stock.capacity))

    @property
    def mood(self) -> str:
        """Return how it is in one word, as classes of styles call it."""
        if self.stock.level == 0:
            return "bad"
        return "wait" if self.is_low else "good"

    def fits(self, show: Show) -> bool:
        """Tell whether it is wanted."""
        match show:
            case Show.LOW:
                return self.is_low
            case Show.MISPLACED:
                return bool(self.stock.misplaced)
            case Show.DOUBT:
                return self.stock.doubt_units > 0
            case _:
                return True


@dataclass(frozen=True, slots=True)
class Board:
    """A shelf with its slots from the left, as a shopper in front sees them."""

    shelf_id: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A gondola with its shelves from the top."""

    gondola_id: str
    boards: tuple[Board, ...]


def cells_of(slots: Iterable[SlotStock], proposals: Iterable[Proposal], names: Mapping[str, str]) -> dict[str, Cell]:
    """Return the slots by id."""
    due = {each.slot_id for each in proposals if each.is_due}
    return {each.slot_id: Cell(each, names.get(each.sku, each.sku), each.slot_id in due) for each in slots}


def units_of(store: Store, cells: Mapping[str, Cell], show: Show) -> tuple[Unit, ...]:
    """Return the gondolas with the slots that are wanted; what has none is left out."""
    found = (Unit(gondola.id, tuple(_boards(gondola, cells, show))) for gondola in store.gondolas)
    return tuple(unit for unit in found if unit.boards)


def _boards(gondola: Gondola, cells: Mapping[str, Cell], show: Show) -> Iterable[Board]:
    for shelf in sorted(gondola.shelves, key=lambda each: -each.height_m):
        slots = sorted(shelf.slots, key=lambda each: each.from_m)
        wanted = tuple(cells[f"{gondola.id}/{shelf.id}/{slot.id}"] for slot in slots)
        wanted = tuple(cell for cell in wanted if cell.fits(show))
        if wanted:
            yield Board(shelf.id, wanted)
