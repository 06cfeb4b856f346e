"""What the store's process tells the dashboard of this moment."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Body:
    """A person in a tile. Coordinates are the tile's pixels; ``person_id`` is None for a track that is nobody's yet.

    ``box_px`` is left, top, right, bottom. ``keypoints_px`` are in COCO's order, None where one is not seen, empty where the
    detector has no skeleton; of ``hands_px`` those that are seen.
    """

    box_px: tuple[float, float, float, float]
    person_id: int | None
    hands_px: tuple[Point, ...] = ()
    keypoints_px: tuple[Point | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One camera's picture, shrunk, with the people that were found in it. ``image`` is uint8 (H, W, 3) BGR."""

    camera_id: str
    captured_at_ns: int
    image: Pixels = field(repr=False)
    bodies: tuple[Body, ...] = ()

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"image: is {self.image.dtype} {self.image.shape}, give uint8 (H, W, 3) BGR")


@dataclass(frozen=True, slots=True)
class Walker:
    """A person on the floor. ``visit`` is their visit's number; ``is_seen`` says that a camera sees them, not that they are guessed."""

    person_id: int
    floor_m: Point
    visit: str | None
    is_seen: bool = True
    is_uncertain: bool = False
    hands_m: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Floor:
    """Everybody on the floor at one instant."""

    at_ns: int
    people: tuple[Walker, ...] = ()


@dataclass(frozen=True, slots=True)
class CartLineNow:
    """One product in a cart. ``probability`` is that of the least sure of the changes that made it what it is."""

    sku: str
    name: str
    quantity: int
    probability: float


@dataclass(frozen=True, slots=True)
class VisitNow:
    """A visit that is under way. ``number`` counts visits since the log began; ``state`` is a word for programs."""

    visit_id: str
    number: int
    state: str
    opened_at_ns: int
    party_size: int
    people: tuple[int, ...]
    lines: tuple[CartLineNow, ...]
    open_reviews: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class CameraNow:
    """How a camera is. ``detail`` says in words what is wrong, empty where nothing is."""

    camera_id: str
    is_up: bool
    frames_per_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Now:
    """The store as it is at ``at_ns``. ``faults`` and ``alerts`` are words, the latest last."""

    at_ns: int
    is_open: bool
    people_inside: int = 0
    visits: tuple[VisitNow, ...] = ()
    reviews: int = 0
    cameras: tuple[CameraNow, ...] = ()
    faults: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
