"""The made-up store that benchmarks/floor.py measures: it is the same for one seed, and the floor stage sees its people."""

from __future__ import annotations

from itertools import islice

import numpy as np

from benchmarks.floor import Measured, growth
from benchmarks.floor_scene import Scene
from tillfree.settings import RunSettings
from vision.pipeline import FloorStage


def test_one_seed_gives_one_scene() -> None:
    one, other = (Scene(4, 3, 4.0, seed=7) for _ in range(2))
    for ours, theirs in islice(zip(one.instants(), other.instants(), strict=True), 20, 23):
        for a, b in zip(ours, theirs, strict=True):
            assert a.order == b.order
            np.testing.assert_array_equal(a.detections.boxes_xyxy_px, b.detections.boxes_xyxy_px)
            np.testing.assert_array_equal(a.slot_views.patches, b.slot_views.patches)


def test_everybody_who_came_in_is_followed() -> None:
    scene = Scene(4, 3, 5.5, seed=1)
    floor = FloorStage(scene.geometry, RunSettings().vision)
    instants = [done for told in scene.instants() for each in told if (done := floor.take(each)) is not None]
    assert len(instants[-1].people) == 3
    came_in = [event for instant in instants for event in instant.events if getattr(event, "direction", "") == "in"]
    assert len(came_in) == 3


def test_growth_in_proportion_is_one() -> None:
    def case(cameras: int, people: int, total_ms: float) -> Measured:
        return Measured(cameras, people, people / cameras, 2.0, 0, total_ms, 0.0, total_ms)

    cases = [case(4, n, n / 10) for n in (10, 20, 40)]
    figures = growth([*cases, case(16, 10, 1.0), case(16, 40, 1.0)])
    assert set(figures.values()) == {1.0}
