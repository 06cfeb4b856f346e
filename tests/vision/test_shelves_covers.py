"""Whose change it was, by who hid the slot from all of its cameras at once."""

from __future__ import annotations

import numpy as np
import pytest

from vision.shelves.covers import Covers
from vision.types import SlotViews

S = 1_000_000_000
FLOOR = 0.05


def view(camera: str, at_s: float, *rows: tuple[float, float]) -> SlotViews:
    hidden_by = np.array(rows, np.float32).reshape(-1, 2)
    none = np.zeros(0, np.int64)
    return SlotViews(
        camera, 0, round(at_s * S), none, none.astype(np.float32), np.zeros((0, 12, 12), np.bool_),
        np.zeros((0, 4, 4, 3), np.uint8), hidden_by,
    )  # fmt: skip


def ids(*persons: int) -> np.ndarray:
    return np.array(persons, np.int64)


@pytest.fixture
def covers() -> Covers:
    """Two cameras; both watch slot 7, and one also slot 3, the other slot 9."""
    return Covers({"a": [3, 7], "b": [7, 9]}, 10)


def test_an_arm_in_the_slot_outweighs_somebody_who_stands_before_one_camera(covers: Covers) -> None:
    covers.take(S, [view("a", 1, (0.0, 0.8), (0.5, 1.0)), view("b", 1, (0.7, 0.0))], {"a": ids(1, 2), "b": ids(1)})
    shares = covers.shares(7, 0, 2 * S, FLOOR)
    assert shares[1] == pytest.approx((0.8 * 0.7) ** 0.5, abs=1e-5)
    assert shares[2] == pytest.approx((1.0 * FLOOR) ** 0.5, abs=1e-5)


def test_hiding_it_from_one_camera_after_the_other_is_not_hiding_it_from_both(covers: Covers) -> None:
    covers.take(1 * S, [view("a", 1, (0.0, 0.9)), view("b", 1, (0.0, 0.0))], {"a": ids(1), "b": ids(1)})
    covers.take(2 * S, [view("a", 2, (0.0, 0.0)), view("b", 2, (0.9, 0.0))], {"a": ids(1), "b": ids(1)})
    assert covers.shares(7, 0, 3 * S, FLOOR)[1] == pytest.approx((0.9 * FLOOR) ** 0.5, abs=1e-5)


def test_only_the_time_asked_for_and_known_people_count(covers: Covers) -> None:
    covers.take(1 * S, [view("a", 1, (0.9, 0.0))], {"a": ids(1)})
    covers.take(5 * S, [view("a", 5, (0.8, 0.0))], {"a": ids(0)})
    assert covers.shares(3, 4 * S, 6 * S, FLOOR) == {}
    assert covers.shares(3, 0, 6 * S, FLOOR) == {1: pytest.approx(0.9, abs=1e-5)}


def test_what_is_older_than_two_minutes_is_forgotten(covers: Covers) -> None:
    covers.take(1 * S, [view("a", 1, (0.9, 0.0))], {"a": ids(1)})
    covers.take(200 * S, [view("a", 200, (0.0, 0.9))], {"a": ids(1)})
    assert covers.shares(3, 0, 300 * S, FLOOR) == {}
