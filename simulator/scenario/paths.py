"""Where people can walk: a grid of free floor, and natural routes over it."""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from shapely import STRtree, contains_xy, points
from shapely.geometry import LineString, Polygon
from shapely.ops import unary_union

from store_layout.geometry import StoreGeometry, gondola_footprint

F64 = NDArray[np.float64]

CELL_M = 0.08
MARGIN_M = 0.25
"""Half a body's width: no middle of a body comes nearer than this to a wall or a shelf unit."""
COMFORT_M = 0.45
"""Nearer to walls and shelf units than this, walking costs more."""
_STEPS = [(dx, dy) for dx in (-2, -1, 0, 1, 2) for dy in (-2, -1, 0, 1, 2) if math.gcd(dx, dy) == 1]
_EDGE = 2


class FloorMap:
    """Free floor of a store: its floor, gate areas and outside zones, without shelf units and walls."""

    def __init__(self, geometry: StoreGeometry) -> None:
        store = geometry.store
        outside = [Polygon(zone.area_m) for zone in store.zones if zone.kind == "outside"]
        floor = unary_union([geometry.floor, *outside, *(gate.area for gate in geometry.gates)])
        units = [Polygon(gondola_footprint(gondola)) for gondola in store.gondolas]
        solid = [*units, *(LineString(wall.path_m) for wall in store.walls)]
        left, low, right, high = floor.bounds
        self.origin_m: F64 = np.array([left, low])
        self.shape = (int((right - left) / CELL_M) + 1, int((high - low) / CELL_M) + 1)
        xs, ys = np.meshgrid(*(np.arange(n) for n in self.shape), indexing="ij")
        self.centres_m: F64 = np.stack([xs, ys], axis=-1) * CELL_M + self.origin_m
        x, y = self.centres_m[..., 0].ravel(), self.centres_m[..., 1].ravel()
        inside = contains_xy(floor, x, y).reshape(self.shape)
        self.clearance_m: F64 = np.full(self.shape, math.inf)
        if solid:
            tree = STRtree(solid)
            pairs, far = tree.query_nearest(points(x, y), return_distance=True, all_matches=False)
            nearest = np.full(x.size, math.inf)
            nearest[pairs[0]] = far
            self.clearance_m = nearest.reshape(self.shape)
        padded = np.pad(inside, 1, constant_values=False)
        self.clearance_m = np.minimum(self.clearance_m, distance_transform_edt(padded)[1:-1, 1:-1] * CELL_M + 0.2)
        self.free: NDArray[np.bool_] = inside & (self.clearance_m >= MARGIN_M)

    def cell(self, point_m: F64) -> tuple[int, int]:
        """The grid cell of a point, clipped to the grid."""
        at = np.rint((np.asarray(point_m) - self.origin_m) / CELL_M).astype(int)
        return (int(np.clip(at[0], 0, self.shape[0] - 1)), int(np.clip(at[1], 0, self.shape[1] - 1)))

    def is_free(self, points_m: F64, slack_m: float = 0.0) -> bool:
        """Whether all (N, 2) points keep the margin, less ``slack_m``."""
        at = np.rint((np.asarray(points_m).reshape(-1, 2) - self.origin_m) / CELL_M).astype(int)
        inside = ((at >= 0) & (at < self.shape)).all()
        return bool(inside and (self.clearance_m[at[:, 0], at[:, 1]] >= MARGIN_M - slack_m).all())

    def nearest_free(self, point_m: F64) -> F64:
        """The free cell's middle nearest to a point (2,)."""
        away = ((self.centres_m - np.asarray(point_m)) ** 2).sum(axis=-1)
        away[~self.free] = math.inf
        return np.array(self.centres_m[np.unravel_index(int(np.argmin(away)), self.shape)])

    def taste(self, rng: np.random.Generator) -> F64:
        """A person's own liking of places: a smooth field (shape) around 0 that bends their routes."""
        field = gaussian_filter(rng.standard_normal(self.shape), 6.0)
        return np.asarray(0.18 * field / (field.std() + 1e-12))

    def route(self, start_m: F64, goal_m: F64, taste: F64, avoid_m: F64, keep_m: float) -> F64 | None:
        """A smooth route (N, 2) from start to goal in steps of about 5 cm, or None where there is none.

        ``avoid_m`` (K, 2) are people who stand: nearer to them than ``keep_m`` is closed, and up to
        twice that costs more.
        """
        cost = 1.0 + np.clip(taste, -0.35, 0.6) + np.clip((COMFORT_M - self.clearance_m) * 3, 0, 0.8)
        closed = ~self.free
        for body in np.asarray(avoid_m).reshape(-1, 2):
            away = np.sqrt(((self.centres_m - body) ** 2).sum(axis=-1))
            cost = cost + np.clip((2 * keep_m - away) / keep_m, 0, 1) * 2.0
            closed = closed | (away < keep_m)
        cells = _search(cost, closed, self.cell(start_m), self.cell(goal_m))
        if cells is None:
            return None
        middle = self.centres_m[tuple(np.array(cells).T)]
        line = np.concatenate([[start_m], middle[1:-1], [goal_m]]) if len(cells) > 2 else np.array([start_m, goal_m])
        return self._smooth(line)

    def _smooth(self, line: F64) -> F64:
        """Round the corners of a polyline as far as the free floor allows."""
        dense = resample(line, 0.05)
        for window_m in (0.8, 0.5, 0.3):
            smooth = _moving_mean(dense, max(1, int(window_m / 0.05)) | 1)
            if self.is_free(smooth, slack_m=0.06):
                return resample(smooth, 0.05)
        return dense


def _search(
    cost: F64, closed: NDArray[np.bool_], start: tuple[int, int], goal: tuple[int, int]
) -> list[tuple[int, int]] | None:
    """A* over the grid with sixteen directions; None where the goal cannot be reached.

    Cells are numbers here, row by row in a grid with a closed edge two cells wide: plain lists are several times as fast as arrays.
    """
    least, width = float(cost.min()), cost.shape[1] + 2 * _EDGE
    dear: list[float] = np.pad(cost, _EDGE).ravel().tolist()
    shut: list[bool] = np.pad(closed, _EDGE, constant_values=True).ravel().tolist()
    first, last = ((cell[0] + _EDGE) * width + cell[1] + _EDGE for cell in (start, goal))
    shut[last] = False
    to_x, to_y = divmod(last, width)
    steps = [(dx * width + dy, math.hypot(dx, dy)) for dx, dy in _STEPS]
    best: dict[int, float] = {first: 0.0}
    came: dict[int, int] = {}
    queue = [(0.0, first)]
    done: set[int] = set()
    while queue:
        _, here = heapq.heappop(queue)
        if here == last:
            return [(cell // width - _EDGE, cell % width - _EDGE) for cell in _trace(came, here)]
        if here in done:
            continue
        done.add(here)
        so_far = best[here]
        for step, length in steps:
            there = here + step
            if shut[there]:
                continue
            total = so_far + length * dear[there]
            if total < best.get(there, math.inf) - 1e-12:
                best[there], came[there] = total, here
                left = math.hypot(to_x - there // width, to_y - there % width) * least
                heapq.heappush(queue, (total + left, there))
    return None


def _trace(came: dict[int, int], end: int) -> list[int]:
    cells = [end]
    while cells[-1] in came:
        cells.append(came[cells[-1]])
    return cells[::-1]


def resample(line: F64, step_m: float) -> F64:
    """The polyline (N, 2) at even steps of about ``step_m``, ends kept."""
    lengths = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(line, axis=0) ** 2).sum(axis=1)))])
    count = max(2, round(float(lengths[-1]) / step_m) + 1)
    at = np.linspace(0.0, lengths[-1], count)
    return np.stack([np.interp(at, lengths, line[:, axis]) for axis in (0, 1)], axis=1)


def _moving_mean(line: F64, window: int) -> F64:
    half = window // 2
    before = 2 * line[0] - line[1 : half + 1][::-1] if len(line) > half else np.repeat(line[:1], half, axis=0)
    after = 2 * line[-1] - line[-half - 1 : -1][::-1] if len(line) > half else np.repeat(line[-1:], half, axis=0)
    padded = np.concatenate([before, line, after])
    sums = np.cumsum(np.concatenate([np.zeros((1, 2)), padded]), axis=0)
    mean = (sums[window:] - sums[:-window]) / window
    mean[0], mean[-1] = line[0], line[-1]
    return np.asarray(mean)
