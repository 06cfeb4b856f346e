"""One hand is one reach, however many boards and gondolas it is near."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Gondola, Product, Shelf, Slot, Store
from vision.shelves import InteractionFinder, ShelvesSettings
from vision.types import Interaction, People

FPS = 10
Hands = Callable[[int], tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]]


@pytest.fixture(scope="module")
def geometry() -> StoreGeometry:
    """Two gondolas side by side, two boards each, and a camera that sees none of their fronts."""
    slots = (Slot(id="a", sku="tea", from_m=0.0, to_m=1.0),)
    shelves = (
        Shelf(id="low", height_m=1.0, clearance_m=0.27, slots=slots),
        Shelf(id="high", height_m=1.3, clearance_m=0.27, slots=slots),
    )
    return StoreGeometry(
        Store(
            version=1,
            name="edge-on",
            currency="EUR",
            tax_classes={"standard": {"rate_percent": 0}},
            floor_m=((-1, -3), (3, -3), (3, 1), (-1, 1)),
            cameras=(
                Camera(id="c", resolution_px=(640, 360), fps=FPS, position_m=(-0.9, 0.0, 2.4), look_at_m=(1, 0, 1), focal_px=350),
            ),
            gondolas=tuple(
                Gondola(id=name, front_left_m=(x, 0), facing_deg=270, width_m=1.0, depth_m=0.4, height_m=2.0, shelves=shelves)
                for name, x in (("left", 0.0), ("right", 1.0))
            ),
            products=(Product(sku="tea", name="Tea", price_minor=100, size_m=(0.1, 0.1, 0.2)),),
        )
    )  # fmt: skip


def told(geometry: StoreGeometry, hands: Hands, frames: int = 60) -> list[Interaction]:
    """Let one person's hands be where ``hands`` says frame by frame; return the interactions."""
    finder = InteractionFinder(geometry, ShelvesSettings())
    found: list[Interaction] = []
    for index in range(frames):
        points, confidence = np.full((1, 2, 3), np.nan), np.zeros((1, 2))
        for row, place in enumerate(hands(index)):
            if place is not None:
                points[0, row], confidence[0, row] = place, 0.8
        here = People(
            index * 10**9 // FPS, np.array([7]), np.array([[1.0, -0.6]]), np.eye(2)[None] * 0.01, points, confidence,
            (("c",),), np.zeros(1, np.bool_),
        )  # fmt: skip
        found += finder.update(here, [])
    return [*found, *finder.finish(frames * 10**9 // FPS)]


def test_a_hand_where_two_gondolas_and_two_boards_meet_is_told_once(geometry: StoreGeometry) -> None:
    found = told(geometry, lambda k: ((0.97, 0.05, 1.31), None) if 10 <= k < 25 else (None, None))
    assert [(each.shelf_id, each.person_candidates[0].person_id) for each in found] == [("left/high", 7)]
    assert (found[0].opened_at_ns, found[0].closed_at_ns) == (1_000_000_000, 2_400_000_000)


def test_a_hand_that_changes_rows_on_the_way_is_told_once(geometry: StoreGeometry) -> None:
    def swapping(k: int) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]:
        place = (0.5, 0.05, 1.15) if 10 <= k < 30 else None
        return (place, None) if k % 4 < 2 else (None, place)

    assert [each.shelf_id for each in told(geometry, swapping)] == ["left/low"]


def test_a_hand_that_changes_rows_midway_is_one_from_beginning_to_end(geometry: StoreGeometry) -> None:
    def swapped(k: int) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]:
        place = (0.5, 0.05, 1.15) if 10 <= k < 30 else None
        return (place, (0.5, -0.6, 1.0)) if k < 20 else ((0.5, -0.6, 1.0), place)

    (found,) = told(geometry, swapped)
    assert (found.opened_at_ns, found.closed_at_ns) == (1_000_000_000, 2_900_000_000)


def test_two_hands_far_apart_are_two(geometry: StoreGeometry) -> None:
    found = told(geometry, lambda k: ((0.3, 0.05, 1.15), (1.6, 0.05, 1.4)) if 10 <= k < 25 else (None, None))
    assert sorted(each.shelf_id for each in found) == ["left/low", "right/high"]


def test_one_reach_after_another_is_two(geometry: StoreGeometry) -> None:
    def twice(k: int) -> tuple[tuple[float, float, float] | None, None]:
        return ((0.4, 0.05, 1.15) if 10 <= k < 20 else (1.6, 0.05, 1.4) if 25 <= k < 40 else None, None)

    assert [each.shelf_id for each in told(geometry, twice)] == ["left/low", "right/high"]


def test_fingers_reach_in_before_the_middle_of_the_hand_does(geometry: StoreGeometry) -> None:
    assert len(told(geometry, lambda k: ((0.5, -0.05, 1.15), None) if 10 <= k < 25 else (None, None))) == 1
    assert told(geometry, lambda k: ((0.5, -0.10, 1.15), None) if 10 <= k < 25 else (None, None)) == []
