"""Observations of several cameras in one order, inside a window."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tillfree.live.reorder import Reorder
from vision.types import Detections, Observation, SlotViews

WINDOW = 300


def observation(camera: str, at_ns: int, index: int = 0) -> Observation:
    views = SlotViews(
        camera, index, at_ns, np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 2, 2), np.bool_),
        np.zeros((0, 4, 4, 3), np.uint8), np.zeros((0, 0), np.float32),
    )  # fmt: skip
    return Observation(Detections.empty(camera, index, at_ns), views)


def orders(reorder: Reorder, arrivals: list[tuple[str, int]]) -> list[tuple[int, str, int]]:
    found = []
    for index, (camera, at_ns) in enumerate(arrivals):
        found += [each.order for each in reorder.push(observation(camera, at_ns, index))]
    return found + [each.order for each in reorder.finish()]


def test_an_instant_goes_on_once_every_camera_told() -> None:
    reorder = Reorder("ab", WINDOW)
    assert not list(reorder.push(observation("b", 1)))
    assert [each.order[:2] for each in reorder.push(observation("a", 0))] == [(0, "a")]
    assert [each.order[:2] for each in reorder.push(observation("a", 100))] == [(1, "b")]
    assert [each.order[:2] for each in reorder.push(observation("b", 100))] == [(100, "a"), (100, "b")]


def test_a_camera_that_fell_silent_is_waited_for_as_long_as_the_window() -> None:
    reorder = Reorder("ab", WINDOW)
    list(reorder.push(observation("a", 0)))
    list(reorder.push(observation("b", 0)))
    held = [len(list(reorder.push(observation("a", at_ns)))) for at_ns in (100, 200, 300, 400)]
    assert held[:3] == [0, 0, 0]
    assert held[3] == 4


TAKEN = st.tuples(st.integers(0, 60), st.integers(0, WINDOW // 2 - 61))


@given(st.lists(st.tuples(TAKEN, TAKEN, TAKEN), max_size=20))
def test_what_comes_within_the_window_comes_out_in_order_and_nothing_is_lost(
    rounds: list[tuple[tuple[int, int], ...]],
) -> None:
    # no camera is silent for the window, and its frames come in their order, each late by less than half of it
    arrives = dict.fromkeys("abc", 0)
    coming = []
    for number, taken in enumerate(rounds):
        for camera, (jitter, late) in zip("abc", taken, strict=True):
            at_ns = 100 * number + jitter
            arrives[camera] = max(arrives[camera], at_ns + late)
            coming.append((arrives[camera], number, camera, at_ns))
    found = orders(Reorder("abc", WINDOW), [(camera, at_ns) for _, _, camera, at_ns in sorted(coming)])
    assert [at_ns for at_ns, _, _ in found] == sorted(at_ns for *_, at_ns in coming)


def test_the_same_frame_twice_is_given_twice_and_left_to_whoever_counts() -> None:
    reorder = Reorder("abc", WINDOW)
    found = [*reorder.push(observation("a", 5)), *reorder.push(observation("a", 5)), *reorder.finish()]
    assert len(found) == 2
