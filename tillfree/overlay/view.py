"""What a picture of one instant shows, gathered from the run so that drawing asks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vision.pipeline import Instant
from vision.types import Frame


@dataclass(frozen=True, slots=True)
class CartLineView:
    """One line of a cart as people read it."""

    name: str
    quantity: int
    amount: str


@dataclass(frozen=True, slots=True)
class CartView:
    """One visit's cart. ``colour_number`` is the visit's number, which its people share."""

    visit_id: str
    title: str
    colour_number: int
    lines: tuple[CartLineView, ...]
    total: str
    state: str


@dataclass(frozen=True, slots=True, eq=False)
class InstantView:
    """An instant, its pictures, the carts by then, and the newest messages (newest last).

    ``colour_of_person`` maps person ids to colour numbers; ``active_slots`` are slot or shelf ids to light up.
    """

    elapsed_s: float
    instant: Instant
    frames: Mapping[str, Frame]
    carts: tuple[CartView, ...]
    messages: tuple[str, ...]
    colour_of_person: Mapping[int, int]
    active_slots: frozenset[str]
