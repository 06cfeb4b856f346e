"""How far apart the cameras' clocks are, from where people walk.

Cameras that start by hand start within seconds of each other. The same walk seen by two of
them lies on top of itself only where the clocks are set right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from pydantic import Field

from store_layout.model import Strict
from vision.people.settings import SightingSettings
from vision.people.sightings import FloorView, sightings_of
from vision.types import F64, Tracks

NS_PER_S = 1_000_000_000
VAGUE_M = 0.35
"""Places with a larger standard deviation (m) come from cut or hidden boxes and blur the fit."""


class SyncSettings(Strict):
    """How offsets are searched for."""

    widest_s: float = Field(default=1.5, gt=0, le=60, description="largest offset that is searched, to both sides (s)")
    step_s: float = Field(default=0.05, gt=0, le=1, description="step of the search: half a frame at 10 a second (s)")
    same_walk_m: float = Field(
        default=1.0, gt=0, le=5, description="walks farther apart than this are different people's (m)"
    )
    fewest_samples: int = Field(
        default=20, ge=5, le=10_000, description="places that two cameras must share: two seconds at 10 a second"
    )
    slowest_m: float = Field(
        default=0.5, ge=0, le=10, description="shortest way that must be walked in common; the still tell no time (m)"
    )


@dataclass(frozen=True, slots=True)
class PairOffset:
    """``later`` shows what ``earlier`` shows ``offset_s`` after it on their own clocks; ``residual_m`` is what is left."""

    earlier: str
    later: str
    offset_s: float
    residual_m: float
    samples: int


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One track on the floor: rising ``times_s`` (K,) and ``places_m`` (K, 2)."""

    times_s: F64
    places_m: F64


def walks_of(frames: Sequence[Tracks], view: FloorView, settings: SightingSettings) -> list[Walk]:
    """Return the walks of one camera's tracks on the floor, those of at least three places."""
    rows: dict[int, list[tuple[float, float, float]]] = {}
    for tracks in frames:
        at_s = tracks.detections.captured_at_ns / NS_PER_S
        for sighting in sightings_of(tracks, view, settings):
            if max(sighting.covariance_m2[0], sighting.covariance_m2[2]) > VAGUE_M * VAGUE_M:
                continue
            rows.setdefault(sighting.track_id, []).append((at_s, *sighting.place_m))
    walks = [np.array(rows[track], np.float64) for track in sorted(rows)]
    return [Walk(walk[:, 0], walk[:, 1:]) for walk in walks if len(walk) >= 3]


def clock_offsets(walks: Mapping[str, Sequence[Walk]], settings: SyncSettings) -> dict[str, float]:
    """Return for each camera the seconds to add to its times to bring them onto the first camera's clock.

    The first is the first by name. All pairs are weighed together by how well they fit; a
    camera that shares no walk with the first, nor over others, is left out of the result.
    """
    pairs = [p for a, b in combinations(sorted(walks), 2) if (p := pair_offset(a, b, walks, settings)) is not None]
    names = _joined_to(min(walks), pairs) if walks else []
    if len(names) < 2:
        return dict.fromkeys(names, 0.0)
    used = [pair for pair in pairs if pair.earlier in names]
    rows, wanted = np.zeros((len(used), len(names))), np.zeros(len(used))
    for row, pair in enumerate(used):
        trust = float(np.sqrt(pair.samples)) / max(pair.residual_m, 0.01)
        rows[row, names.index(pair.later)] = trust
        rows[row, names.index(pair.earlier)] = -trust
        wanted[row] = -pair.offset_s * trust
    solved = np.linalg.lstsq(rows[:, 1:], wanted, rcond=None)[0]
    return dict(zip(names, [0.0, *(round(float(value), 3) for value in solved)], strict=True))


def _joined_to(first: str, pairs: Sequence[PairOffset]) -> list[str]:
    """Return the cameras that a chain of pairs joins to ``first``, sorted, ``first`` at the front."""
    joined = {first}
    while more := {name for p in pairs if joined & {p.earlier, p.later} for name in (p.earlier, p.later)} - joined:
        joined |= more
    return [first, *sorted(joined - {first})]


def pair_offset(
    earlier: str, later: str, walks: Mapping[str, Sequence[Walk]], settings: SyncSettings
) -> PairOffset | None:
    """Return the offset between two cameras at which their walks fit best, or None where they share too little.

    A constant shift between the two cameras' floors is taken out first: calibration errs by
    centimetres, which at a steady walk would look like time.
    """
    steps = round(settings.widest_s / settings.step_s)
    tried = np.arange(-steps, steps + 1) * settings.step_s
    results = [_misfit(walks[earlier], walks[later], float(offset), settings) for offset in tried]
    costs = np.array([np.inf if result is None else result[0] for result in results])
    if not np.isfinite(costs).any():
        return None
    best = int(np.argmin(np.round(costs, 6)))
    result = results[best]
    assert result is not None
    offset = float(tried[best]) + settings.step_s * _vertex(costs, best)
    return PairOffset(earlier, later, round(offset, 4), round(float(costs[best]), 6), result[1])


def _vertex(costs: F64, best: int) -> float:
    """Return where between its neighbours a parabola through the least cost has its lowest point, in steps."""
    if best in (0, len(costs) - 1) or not np.isfinite(costs[best - 1 : best + 2]).all():
        return 0.0
    before, least, after = (float(cost) for cost in costs[best - 1 : best + 2])
    bend = before - 2 * least + after
    return 0.0 if bend <= 1e-12 else (before - after) / (2 * bend)


def _misfit(
    first: Sequence[Walk], second: Sequence[Walk], offset_s: float, settings: SyncSettings
) -> tuple[float, int] | None:
    """Return the mean distance (m) of shared places at an offset and their number; None where they are too few."""
    gaps, way_m = [], 0.0
    for walk in second:
        gap = _nearest_gap(first, walk, offset_s, settings)
        if gap is not None:
            gaps.append(gap)
            spread = walk.places_m.max(axis=0) - walk.places_m.min(axis=0)
            way_m += float(np.sqrt((spread * spread).sum()))
    shared = sum(len(gap) for gap in gaps)
    if shared < settings.fewest_samples or way_m < settings.slowest_m:
        return None
    every = np.concatenate(gaps)
    centred = every - np.median(every, axis=0)
    distances = np.sqrt((centred * centred).sum(axis=1))
    return float(np.minimum(distances, settings.same_walk_m).mean()), shared


def _nearest_gap(first: Sequence[Walk], walk: Walk, offset_s: float, settings: SyncSettings) -> F64 | None:
    """Return the differences (K, 2) between a walk and the one of the other camera that runs nearest to it."""
    best: tuple[float, F64] | None = None
    times = walk.times_s - offset_s
    for other in first:
        inside = (times >= other.times_s[0]) & (times <= other.times_s[-1])
        if inside.sum() < 5:
            continue
        at = [np.interp(times[inside], other.times_s, other.places_m[:, axis]) for axis in range(2)]
        gap = walk.places_m[inside] - np.stack(at, axis=1)
        middle = float(np.median(np.sqrt((gap * gap).sum(axis=1))))
        if middle <= settings.same_walk_m and (best is None or len(gap) > len(best[1])):
            best = (middle, gap)
    return None if best is None else best[1]
