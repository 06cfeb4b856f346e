"""When a path goes through a gate: 1.4 m of line, the shop on its far side, walls to the left and right."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import box

from store_layout.geometry import GatePlace
from vision.people.gates import OUTSIDE, crossed
from vision.people.settings import GateSettings

GATE = GatePlace("door", "both", np.array([[0.0, 0.0], [1.4, 0.0]]), box(0.0, 0.0, 1.4, 0.8))
Path = list[tuple[float, float]]


def told(path: Path) -> list[tuple[int, str]]:
    """Follow a path that begins outside; return at which of its points which crossing is told."""
    side, found = OUTSIDE, []
    for number, place in enumerate(path):
        side, way = crossed(GATE, side, place, GateSettings())
        found += [] if way is None else [(number, way)]
    return found


def test_in_and_out_between_the_posts() -> None:
    assert told([(0.7, -0.4), (0.7, 0.1), (0.7, 0.3), (0.7, 0.1), (0.7, -0.3)]) == [(2, "in"), (4, "out")]


def test_a_box_that_lies_beside_the_gate_brings_nobody_back() -> None:
    ghost = [(1.45, -0.42), (1.55, -0.17), (1.68, 0.07), (1.7, 0.22), (1.7, 0.24), (1.65, 0.17)]
    assert told(ghost) == []


def test_who_comes_in_beside_the_gate_is_believed_a_step_further() -> None:
    assert told([(1.5, -0.3), (1.65, 0.3), (1.7, 0.6), (1.75, 0.85)]) == [(3, "in")]


def test_who_comes_in_beside_the_gate_and_stands_before_it_is_believed_at_once() -> None:
    assert told([(1.5, -0.3), (1.65, 0.3), (1.5, 0.5)]) == [(2, "in")]


@pytest.mark.parametrize("x_m", [-0.15, 0.0, 1.4, 1.55])
def test_noise_at_the_posts_costs_nobody_the_entry(x_m: float) -> None:
    assert told([(x_m, -0.3), (x_m, 0.25)]) == [(1, "in")]


def test_who_leaves_beside_the_gate_has_left() -> None:
    assert told([(0.7, -0.3), (0.7, 0.5), (1.8, 0.3), (1.8, -0.3)]) == [(1, "in"), (3, "out")]
