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


class SyncSettings(Strict):
    """How offsets are searched for."""

    widest_s: float = Field(default=1.5, gt=0, le=60, description="largest offset that is searched, to both sides (s)")
    step_s: float = Field(default=0.05, gt=0, le=1, description="step of the search: half a frame at 10 a second (s)")
    same_walk_m: float = Field(
        default=1.0, gt=0, le=5, description="walks farther apart than this are different people's (m)"
    )
    farthest_m: float = Field(
        default=0.3,
        gt=0,
        le=5,
        description="what is left between two cameras' places counts up to this: more is a mistake, not time (m)",
    )
    vague_m: float = Field(
        default=0.14,
        gt=0,
        le=2,
        description="places with a larger standard deviation are of heads or cut boxes, 0.3 m before or behind the feet (m)",
    )
    fewest_samples: int = Field(
        default=20, ge=5, le=10_000, description="places that two cameras must share: two seconds at 10 a second"
    )
    alike_samples: float = Field(
        default=5.0,
        ge=1,
        le=1000,
        description="places in a row that err alike, as a skeleton's ankles do for about half a second: they count as one",
    )
    least_std_s: float = Field(
        default=0.1,
        gt=0,
        le=5,
        description="no two cameras' offset is believed to be known better: a floor bent by calibration looks like time (s)",
    )
    outlier_s: float = Field(
        default=0.1, gt=0, le=10, description="pairs of cameras that miss the others by more than this count less (s)"
    )
    unsure_s: float = Field(
        default=0.35,
        gt=0,
        le=10,
        description="offsets known no better than this are not told: a stride lasts 0.5 s (s)",
    )
    slowest_m: float = Field(
        default=0.5, ge=0, le=10, description="shortest way that must be walked in common; the still tell no time (m)"
    )


@dataclass(frozen=True, slots=True)
class PairOffset:
    """``later`` shows what ``earlier`` shows ``offset_s`` after it on their own clocks, give or take ``std_s``.

    ``residual_m`` is what is left between the two.
    """

    earlier: str
    later: str
    offset_s: float
    residual_m: float
    samples: int
    std_s: float


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """``offset_s`` seconds, give or take ``std_s``, bring a camera's times onto the first camera's clock."""

    offset_s: float
    std_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One track on the floor: rising ``times_s`` (K,) and ``places_m`` (K, 2)."""

    times_s: F64
    places_m: F64


def walks_of(frames: Sequence[Tracks], view: FloorView, settings: SightingSettings, sync: SyncSettings) -> list[Walk]:
    """Return the walks of one camera's tracks on the floor, those of at least three places."""
    rows: dict[int, list[tuple[float, float, float]]] = {}
    for tracks in frames:
        at_s = tracks.detections.captured_at_ns / NS_PER_S
        for sighting in sightings_of(tracks, view, settings):
            if max(sighting.covariance_m2[0], sighting.covariance_m2[2]) > sync.vague_m * sync.vague_m:
                continue
            rows.setdefault(sighting.track_id, []).append((at_s, *sighting.place_m))
    walks = [np.array(rows[track], np.float64) for track in sorted(rows)]
    return [Walk(walk[:, 0], walk[:, 1:]) for walk in walks if len(walk) >= 3]


def clocks(walks: Mapping[str, Sequence[Walk]], settings: SyncSettings) -> dict[str, ClockOffset]:
    """Return each camera's offset to the first of them by name, and how well it is known.

    All pairs are weighed together by how sharply each tells, and those that contradict the others
    count less (least squares reweighted by Huber). Of cameras that share no walks the largest group
    counts; the others, and those whose offset is too vague, are left out of the result.
    """
    pairs = [p for a, b in combinations(sorted(walks), 2) if (p := pair_offset(a, b, walks, settings)) is not None]
    names = max((_joined_to(name, pairs) for name in sorted(walks)), key=len, default=[])
    if len(names) < 2:
        return dict.fromkeys(names, ClockOffset(0.0, 0.0))
    used = [pair for pair in pairs if pair.earlier in names]
    rows, wanted = np.zeros((len(used), len(names))), np.array([-pair.offset_s for pair in used])
    for row, pair in enumerate(used):
        rows[row, names.index(pair.later)], rows[row, names.index(pair.earlier)] = 1.0, -1.0
    trust = np.array([1.0 / pair.std_s for pair in used])
    solved, std = _solved(rows[:, 1:], wanted, trust, settings.outlier_s)
    found = zip(names[1:], solved.tolist(), std.tolist(), strict=True)
    told = {name: ClockOffset(round(o, 3), round(s, 3)) for name, o, s in found if s <= settings.unsure_s}
    return {names[0]: ClockOffset(0.0, 0.0)} | told


def _solved(rows: F64, wanted: F64, trust: F64, outlier_s: float) -> tuple[F64, F64]:
    """Return the offsets (N,) of least weighted error and their standard deviations (N,)."""
    weights = trust
    for _ in range(20):
        solved: F64 = np.asarray(np.linalg.lstsq(rows * weights[:, None], wanted * weights, rcond=None)[0], np.float64)
        missed = np.abs(rows @ solved - wanted)
        weights = trust * np.sqrt(np.minimum(1.0, outlier_s / np.maximum(missed, 1e-9)))
    covariance = np.linalg.pinv((rows * weights[:, None]).T @ (rows * weights[:, None]))
    std: F64 = np.sqrt(np.diag(covariance))
    return solved, std


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

    None, too, where they fit best at the end of the search.

    A constant shift between the two cameras' floors is taken out first: calibration errs by
    centimetres, which at a steady walk would look like time.
    """
    steps = round(settings.widest_s / settings.step_s)
    tried = np.arange(-steps, steps + 1) * settings.step_s
    misses = np.stack([_misses(walks[earlier], walks[later], float(offset), settings) for offset in tried])
    shared = np.isfinite(misses).sum(axis=1)
    if not shared.any():
        return None
    costs = np.where(shared > 0, np.nansum(misses, axis=1) / np.maximum(shared, 1), np.inf)
    best = int(np.argmin(np.round(costs, 6)))
    if best in (0, len(tried) - 1):
        return None  # still getting better where the search ends: the offset is beyond it
    offset = float(tried[best]) + settings.step_s * _vertex(costs, best)
    std_s = max(_width(misses, best, settings) * settings.step_s, settings.least_std_s)
    return PairOffset(
        earlier, later, round(offset, 4), round(float(costs[best]), 6), int(shared[best]), round(std_s, 4)
    )


def _vertex(costs: F64, best: int) -> float:
    """Return where between its neighbours a parabola through the least cost has its lowest point, in steps."""
    if best in (0, len(costs) - 1) or not np.isfinite(costs[best - 1 : best + 2]).all():
        return 0.0
    before, least, after = (float(cost) for cost in costs[best - 1 : best + 2])
    bend = before - 2 * least + after
    return 0.0 if bend <= 1e-12 else (before - after) / (2 * bend)


def _width(misses: F64, best: int, settings: SyncSettings) -> float:
    """Return half the stretch, in steps, of offsets that the same places do not tell from the best.

    An offset is told from it where the misses (J, N) of the places that both share are worse by more than
    the standard error of that difference, or where the walks are too far apart to be one.
    """
    alike = []
    for row in range(len(misses)):
        worse = misses[row] - misses[best]
        worse = worse[np.isfinite(worse)]
        if len(worse) == 0:
            continue
        error = float(worse.std()) / np.sqrt(max(len(worse) / settings.alike_samples, 1.0))
        alike += [row] if float(worse.mean()) <= error else []
    near = np.array(alike)
    return float(near[-1] - near[0]) / 2


def _misses(first: Sequence[Walk], second: Sequence[Walk], offset_s: float, settings: SyncSettings) -> F64:
    """Return how far (N,) in m each place of the second camera's walks lies from the first's at an offset.

    NaN where the first has no such walk; everywhere, where the two share too little.
    """
    gaps = [_nearest_gap(first, walk, offset_s, settings) for walk in second]
    every = np.concatenate([*gaps, np.zeros((0, 2))])
    known = np.isfinite(every[:, 0])
    shared = [walk.places_m for walk, gap in zip(second, gaps, strict=True) if np.isfinite(gap).any()]
    way_m = sum(float(np.hypot(*(places.max(axis=0) - places.min(axis=0)))) for places in shared)
    if known.sum() < settings.fewest_samples or way_m < settings.slowest_m:
        return np.full(len(every), np.nan)
    centred = every - np.median(every[known], axis=0)
    misses: F64 = np.minimum(np.sqrt((centred * centred).sum(axis=1)), settings.farthest_m)
    return misses


def _nearest_gap(first: Sequence[Walk], walk: Walk, offset_s: float, settings: SyncSettings) -> F64:
    """Return the differences (K, 2) between a walk and the one of the other camera that shares most of it; NaN elsewhere."""
    best = np.full(walk.places_m.shape, np.nan)
    times = walk.times_s - offset_s
    for other in first:
        inside = (times >= other.times_s[0]) & (times <= other.times_s[-1])
        if inside.sum() < 5 or inside.sum() <= np.isfinite(best[:, 0]).sum():
            continue
        at = [np.interp(times[inside], other.times_s, other.places_m[:, axis]) for axis in range(2)]
        gap = walk.places_m[inside] - np.stack(at, axis=1)
        if float(np.median(np.sqrt((gap * gap).sum(axis=1)))) <= settings.same_walk_m:
            best = np.full(walk.places_m.shape, np.nan)
            best[inside] = gap
    return best
