"""Clock offsets between cameras, from where people walk."""

from __future__ import annotations

import numpy as np
import pytest

from vision.people.sync import SyncSettings, Walk, clock_offsets, pair_offset


def walk(shift_s: float, *, bias_m: tuple[float, float] = (0.0, 0.0), seed: int = 0) -> Walk:
    """Somebody who walks to and fro for 12 s, seen by a camera whose clock is late by ``shift_s``."""
    times = np.arange(0.0, 12.0, 0.1)
    places = np.stack([2 + 1.5 * np.sin(times), 3 + np.cos(0.7 * times)], axis=1)
    noise = np.random.default_rng(seed).normal(0, 0.05, places.shape)
    return Walk(times - shift_s, places + noise + np.array(bias_m))


@pytest.mark.parametrize("shift_s", [-0.9, -0.25, 0.0, 0.13, 0.8])
def test_a_late_clock_is_found_though_the_floors_do_not_quite_agree(shift_s: float) -> None:
    walks = {"a": [walk(0.0)], "b": [walk(shift_s, bias_m=(0.2, -0.15), seed=1)]}
    assert clock_offsets(walks, SyncSettings())["b"] == pytest.approx(shift_s, abs=0.04)


def test_cameras_are_joined_over_others() -> None:
    whole = walk(0.0)
    first = Walk(whole.times_s[:70], whole.places_m[:70])
    last = Walk(whole.times_s[70:] - 0.4, whole.places_m[70:])
    offsets = clock_offsets({"a": [first], "b": [walk(0.2, seed=2)], "c": [last]}, SyncSettings())
    assert offsets["a"] == 0.0
    assert offsets["b"] == pytest.approx(0.2, abs=0.05)
    assert offsets["c"] == pytest.approx(0.4, abs=0.08)


def test_somebody_who_stands_still_tells_no_time() -> None:
    times = np.arange(0.0, 10.0, 0.1)
    still = Walk(times, np.full((100, 2), 2.0))
    assert pair_offset("a", "b", {"a": [still], "b": [still]}, SyncSettings()) is None


def test_a_camera_that_saw_nobody_is_left_out() -> None:
    assert clock_offsets({"a": [walk(0.0)], "b": []}, SyncSettings()) == {"a": 0.0}
    assert clock_offsets({}, SyncSettings()) == {}
