"""Clock offsets between cameras, from where people walk."""

from __future__ import annotations

import numpy as np
import pytest

from vision.people.sync import ClockOffset, SyncSettings, Walk, clocks, pair_offset

FIRST = ClockOffset(0.0, 0.0)
"""What the first camera has, onto whose clock the others are brought."""


def walk(shift_s: float, *, bias_m: tuple[float, float] = (0.0, 0.0), seed: int = 0) -> Walk:
    """Somebody who walks to and fro for 12 s, seen by a camera whose clock is late by ``shift_s``."""
    times = np.arange(0.0, 12.0, 0.1)
    places = np.stack([2 + 1.5 * np.sin(times), 3 + np.cos(0.7 * times)], axis=1)
    noise = np.random.default_rng(seed).normal(0, 0.05, places.shape)
    return Walk(times - shift_s, places + noise + np.array(bias_m))


@pytest.mark.parametrize("shift_s", [-0.9, -0.25, 0.0, 0.13, 0.8])
def test_a_late_clock_is_found_though_the_floors_do_not_quite_agree(shift_s: float) -> None:
    walks = {"a": [walk(0.0)], "b": [walk(shift_s, bias_m=(0.2, -0.15), seed=1)]}
    assert clocks(walks, SyncSettings())["b"].offset_s == pytest.approx(shift_s, abs=0.04)


def test_cameras_are_joined_over_others() -> None:
    whole = walk(0.0)
    first = Walk(whole.times_s[:70], whole.places_m[:70])
    last = Walk(whole.times_s[70:] - 0.4, whole.places_m[70:])
    offsets = clocks({"a": [first], "b": [walk(0.2, seed=2)], "c": [last]}, SyncSettings())
    assert offsets["a"] == FIRST
    assert offsets["b"].offset_s == pytest.approx(0.2, abs=0.05)
    assert offsets["c"].offset_s == pytest.approx(0.4, abs=0.08)


def test_somebody_who_stands_still_tells_no_time() -> None:
    times = np.arange(0.0, 10.0, 0.1)
    still = Walk(times, np.full((100, 2), 2.0))
    assert pair_offset("a", "b", {"a": [still], "b": [still]}, SyncSettings()) is None


def test_a_camera_that_saw_nobody_is_left_out() -> None:
    assert clocks({"a": [walk(0.0)], "b": []}, SyncSettings()) == {"a": FIRST}
    assert clocks({}, SyncSettings()) == {}


def test_it_says_how_sure_it_is() -> None:
    sharp = {"a": [walk(0.0)], "b": [walk(0.3, seed=1)]}
    rng = np.random.default_rng(5)
    blurred = {
        name: [Walk(w.times_s, w.places_m + rng.normal(0, 0.2, w.places_m.shape)) for w in walks]
        for name, walks in sharp.items()
    }
    known, vague = (clocks(walks, SyncSettings())["b"] for walks in (sharp, blurred))
    assert known.std_s < vague.std_s
    assert abs(known.offset_s - 0.3) < 2 * known.std_s
    assert abs(vague.offset_s - 0.3) < 2 * vague.std_s


def test_an_offset_beyond_the_search_is_not_told() -> None:
    assert clocks({"a": [walk(0.0)], "b": [walk(1.9)]}, SyncSettings()) == {"a": FIRST}


def test_one_pair_that_contradicts_the_others_counts_little() -> None:
    """Cameras a and d share only what looks like one walk 0.8 s apart; b and c share walks with both and know better."""
    whole, other = walk(0.0, seed=3), walk(0.0, seed=9)
    walks = {name: [walk(0.0, seed=seed)] for seed, name in enumerate("bc")}
    walks["a"] = [Walk(whole.times_s[62:], whole.places_m[62:]), Walk(other.times_s + 60.0, other.places_m)]
    walks["d"] = [Walk(whole.times_s[:58], whole.places_m[:58]), Walk(other.times_s + 59.2, other.places_m)]
    pair = pair_offset("a", "d", walks, SyncSettings())
    assert pair is not None
    assert pair.offset_s == pytest.approx(-0.8, abs=0.05)
    assert clocks(walks, SyncSettings())["d"].offset_s == pytest.approx(0.0, abs=0.2)


def test_the_largest_group_of_cameras_counts() -> None:
    alone = Walk(walk(0.0).times_s + 100.0, walk(0.0).places_m)
    assert set(clocks({"a": [alone], "b": [walk(0.0)], "c": [walk(0.2)]}, SyncSettings())) == {"b", "c"}
