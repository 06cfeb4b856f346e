"""From tracks in one camera to places on the floor, each with a covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store_layout.geometry import CameraModel, StoreGeometry
from vision.people.floor_filter import Sym2, added, inverse
from vision.people.settings import SightingSettings
from vision.types import F64, Tracks

Bool = NDArray[np.bool_]

ANKLES = [15, 16]
"""Rows of COCO's 17 keypoints."""
CELL_M = 0.1
SHIN_HEIGHT_M = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One tracked person in one camera at one instant, put on the floor.

    ``place_m`` is x, y and ``covariance_m2`` xx, xy, yy. ``look`` is the detector's appearance,
    a unit row, or None; ``clear`` says that nobody else's box covers much of this one, so
    that the look is this person's. ``row`` is the place in the camera's tracks. ``height_m`` is
    how tall somebody is whose ankles and head are seen, or None.
    """

    camera_id: str
    track_id: int
    row: int
    place_m: tuple[float, float]
    covariance_m2: Sym2
    look: F64 | None
    clear: bool
    height_m: float | None = None


class FloorView:
    """One camera's view of the floor: its model, and where shelves and walls hide a person's shins from it.

    What is hidden is looked up on a grid of ``CELL_M``, since asking the geometry costs milliseconds.
    """

    def __init__(self, geometry: StoreGeometry, camera_id: str) -> None:
        self.camera = geometry.cameras[camera_id]
        low_x, low_y, high_x, high_y = geometry.floor.bounds
        self._low = (float(low_x), float(low_y))
        self._shape = tuple(int((high - low) / CELL_M) + 1 for low, high in ((low_x, high_x), (low_y, high_y)))
        x, y = (low + CELL_M * (np.arange(n) + 0.5) for low, n in zip(self._low, self._shape, strict=True))
        grid = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full(self._shape, SHIN_HEIGHT_M)], axis=2)
        self._hidden = geometry.hidden(self.camera.position_m, grid.reshape(-1, 3)).reshape(self._shape)

    def hides_shins_at(self, place_m: tuple[float, float]) -> bool:
        """Return whether a wall or shelf hides the shins of somebody at ``place_m``; False off the floor."""
        cell = [int((value - low) // CELL_M) for value, low in zip(place_m, self._low, strict=True)]
        inside = all(0 <= index < n for index, n in zip(cell, self._shape, strict=True))
        return inside and bool(self._hidden[cell[0], cell[1]])


def sightings_of(tracks: Tracks, view: FloorView, settings: SightingSettings) -> list[Sighting]:
    """Return what ``tracks`` say about the floor, in row order; rows that say nothing are left out.

    Feet give the place where they are seen. Where the picture cuts them off, somebody nearer
    or a shelf hides them, the top of the head does, at an assumed body height.
    """
    found = tracks.detections
    if len(tracks) == 0:
        return []
    boxes = found.boxes_xyxy_px.astype(np.float64)
    feet, feet_std = _foot_pixels(found.keypoints_px, boxes, settings)
    foot_height = np.where(feet_std[:, 2] > 0, settings.ankle_height_m, 0.0)
    head = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1]], axis=1)
    places = _Places(view.camera, settings, feet, feet_std, foot_height, head, boxes)
    places.skeletons = found.keypoints_px is not None
    hidden = _hidden_by_others(boxes, settings.overlap_hides)
    crowding = _covered_share(boxes)
    looks = found.appearance
    result = []
    for row in range(len(tracks)):
        if float(found.scores[row]) < settings.minimum_score:
            continue
        place = _chosen_place(places, row, bool(hidden[row]), view, settings)
        if place is not None:
            look = None if looks is None else looks[row].astype(np.float64)
            where, covariance = place
            result.append(
                Sighting(
                    found.camera_id,
                    int(tracks.track_ids[row]),
                    row,
                    where,
                    covariance,
                    look,
                    bool(crowding[row] < 0.35),
                    _height_m(places, row, settings),
                )
            )
    return result


class _Places:
    """Where feet and heads of all rows lie on the floor, by the rays of one call to the camera."""

    def __init__(
        self,
        camera: CameraModel,
        settings: SightingSettings,
        feet: F64,
        feet_std: F64,
        foot_height_m: F64,
        head: F64,
        boxes: F64,
    ) -> None:
        n = len(feet)
        step = np.maximum(settings.pixel_std_heights * (boxes[:, 3] - boxes[:, 1]), settings.pixel_std_px)
        right, down = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        feet_x, feet_y = feet_std[:, :1] * right, feet_std[:, 1:2] * down
        head_x, head_y = step[:, None] * right, step[:, None] * down
        pixels = np.concatenate([feet, feet + feet_x, feet - feet_y, head, head + head_x, head + head_y])
        origin, rays = camera.rays(pixels)
        rays = rays.reshape(6, n, 3)
        self.camera = camera
        self.origin = origin
        self.rays = rays
        self.by_ankles: Bool = np.asarray(feet_std[:, 2] > 0)
        foot = _at_height(origin, rays[:3], foot_height_m)
        self.foot = foot + np.where(self.by_ankles, 0.0, settings.toe_m)[:, None] * _away(origin, foot[0])
        tall = np.full(n, settings.body_height_m)
        self.head = _at_height(origin, rays[3:], tall)
        self.head_taller = _at_height(origin, rays[3:4], tall + settings.body_height_std_m)[0]
        edge = settings.edge_px
        self.bottom_cut: Bool = np.asarray(boxes[:, 3] >= camera.height_px - edge)
        self.side_cut: Bool = (boxes[:, 0] <= edge) | (boxes[:, 2] >= camera.width_px - edge)
        self.top_cut: Bool = np.asarray(boxes[:, 1] <= edge)
        self.skeletons = True

    def head_height_above_foot(self, row: int) -> float:
        """Return how high the head is if the feet are where they seem to be (m)."""
        ray = self.rays[3, row]
        flat2 = ray[0] * ray[0] + ray[1] * ray[1]
        if flat2 < 1e-9:
            return float("nan")
        away = self.foot[0, row] - self.origin[:2]
        share = (away[0] * ray[0] + away[1] * ray[1]) / flat2
        return float(self.origin[2] + share * ray[2])


def _at_height(origin: F64, rays: F64, height_m: F64) -> F64:
    """Return where rays (K, N, 3) from ``origin`` come down to ``height_m`` (N,), as (K, N, 2); NaN where never."""
    drop = (height_m[None, :] - origin[2]) / np.where(np.abs(rays[:, :, 2]) > 1e-9, rays[:, :, 2], np.nan)
    places: F64 = origin[:2] + rays[:, :, :2] * np.where(drop > 0, drop, np.nan)[:, :, None]
    return places


def _away(origin: F64, places: F64) -> F64:
    """Return the unit directions (N, 2) on the floor that lead away from the camera; 0 right below it."""
    away = places - origin[:2]
    length = np.sqrt(away[:, 0] ** 2 + away[:, 1] ** 2)[:, None]
    directions: F64 = np.where(length > 0.05, away / np.maximum(length, 0.05), 0.0)
    return directions


def _foot_pixels(keypoints: np.ndarray | None, boxes: F64, settings: SightingSettings) -> tuple[F64, F64]:
    """Return foot pixels (N, 2) and (N, 3): their standard deviations in x and y, and 1 where ankles gave them."""
    height = boxes[:, 3] - boxes[:, 1]
    step = np.maximum(settings.pixel_std_heights * height, settings.pixel_std_px)
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    feet = np.stack([middle, boxes[:, 3]], axis=1)
    std = np.stack([np.maximum(2 * step, 0.15 * (boxes[:, 2] - boxes[:, 0])), 1.5 * step, np.zeros_like(step)], axis=1)
    if keypoints is None:
        std[:, 1] = np.maximum(std[:, 1], settings.bottom_std_heights * height)
        return feet, std
    ankles = keypoints[:, ANKLES].astype(np.float64)
    good = ankles[:, :, 2] >= settings.ankle_confidence
    both: Bool = good[:, 0] & good[:, 1]
    mean = (ankles[:, 0, :2] + ankles[:, 1, :2]) / 2
    feet = np.where(both[:, None], mean, feet)
    return feet, np.where(both[:, None], np.stack([step, step, np.ones_like(step)], axis=1), std)


def _chosen_place(
    places: _Places, row: int, hidden: bool, view: FloorView, settings: SightingSettings
) -> tuple[tuple[float, float], Sym2] | None:
    """Return the place on the floor and its covariance from feet, head or both; None where neither tells."""
    foot = None if places.bottom_cut[row] and not places.by_ankles[row] else _by_foot(places, row, settings)
    head = None if places.top_cut[row] else _by_head(places, row, settings)
    tall = (
        places.head_height_above_foot(row) if foot is not None and not places.top_cut[row] else settings.body_height_m
    )
    usual = abs(tall - settings.body_height_m) <= 2.5 * settings.body_height_std_m
    if not places.skeletons:
        usual = settings.short_m <= tall <= settings.body_height_m + 0.45
    if foot is not None and head is not None and not (usual and not view.hides_shins_at(head[0])):
        head = None if _feet_are_seen(places, row, tall, hidden, head[0], view, settings) else head
        foot = None if head is not None else foot
    if foot is not None and head is not None:
        return _blended(foot, head)
    return foot if foot is not None else head


def _height_m(places: _Places, row: int, settings: SightingSettings) -> float | None:
    """Return how tall somebody upright is whose ankles and head are both seen, or None."""
    if not places.by_ankles[row] or places.top_cut[row]:
        return None
    tall = places.head_height_above_foot(row)
    usual = abs(tall - settings.body_height_m) <= 2.5 * settings.body_height_std_m
    return round(tall, 6) if usual else None


def _feet_are_seen(
    places: _Places,
    row: int,
    tall: float,
    hidden: bool,
    head_place: tuple[float, float],
    view: FloorView,
    settings: SightingSettings,
) -> bool:
    """Return whether a box of an unusual height still ends at the feet.

    It does when the person crouches; it does not when somebody nearer stands before them, or
    when a shelf would hide the shins of somebody upright at ``head_place``.
    """
    if places.by_ankles[row] and settings.crouched_height_m <= tall <= settings.body_height_m + 0.45:
        return True
    if hidden or not settings.crouched_height_m <= tall <= settings.body_height_m + 0.45:
        return False
    return not view.hides_shins_at(head_place)


Estimate = tuple[tuple[float, float], Sym2]


def _by_foot(places: _Places, row: int, settings: SightingSettings) -> Estimate | None:
    at, beside, below = places.foot[:, row]
    return _estimate(at, (beside - at, below - at), _own_std_m(places, settings), settings)


def _own_std_m(places: _Places, settings: SightingSettings) -> float:
    return settings.place_std_m if places.skeletons else settings.boxed_std_m


def _by_head(places: _Places, row: int, settings: SightingSettings) -> Estimate | None:
    at, beside, below = places.head[:, row]
    taller = places.head_taller[row]
    shift = 2.0 if places.side_cut[row] else 1.0
    return _estimate(at, (shift * (beside - at), below - at, taller - at), _own_std_m(places, settings), settings)


def _estimate(at: F64, slopes: tuple[F64, ...], own_std_m: float, settings: SightingSettings) -> Estimate | None:
    """Add up one-sigma shifts on the floor into a covariance; None where the place is unknown or too vague."""
    own = own_std_m * own_std_m
    xx = own + sum(float(s[0] * s[0]) for s in slopes)
    xy = sum(float(s[0] * s[1]) for s in slopes)
    yy = own + sum(float(s[1] * s[1]) for s in slopes)
    largest = (xx + yy) / 2 + float(np.sqrt(((xx - yy) / 2) ** 2 + xy * xy))
    if not np.isfinite(largest) or largest > settings.widest_std_m**2:
        return None
    return (round(float(at[0]), 6), round(float(at[1]), 6)), (xx, xy, yy)


def _blended(a: Estimate, b: Estimate) -> Estimate:
    """Return the estimate that two independent ones make together."""
    ia, ib = inverse(a[1]), inverse(b[1])
    covariance = inverse(added(ia, ib))
    wx = ia[0] * a[0][0] + ia[1] * a[0][1] + ib[0] * b[0][0] + ib[1] * b[0][1]
    wy = ia[1] * a[0][0] + ia[2] * a[0][1] + ib[1] * b[0][0] + ib[2] * b[0][1]
    place = (covariance[0] * wx + covariance[1] * wy, covariance[1] * wx + covariance[2] * wy)
    return (round(place[0], 6), round(place[1], 6)), covariance


def _shared(windows: F64, boxes: F64) -> F64:
    """Return the share (N, M) of each window (N, 4) that each box (M, 4) covers."""
    low = np.maximum(windows[:, None, :2], boxes[None, :, :2])
    high = np.minimum(windows[:, None, 2:], boxes[None, :, 2:])
    size = np.maximum(high - low, 0.0)
    own = np.maximum((windows[:, 2] - windows[:, 0]) * (windows[:, 3] - windows[:, 1]), 1e-9)
    share: F64 = size[:, :, 0] * size[:, :, 1] / own[:, None]
    return share


def _hidden_by_others(boxes: F64, at_least: float) -> Bool:
    """Return (N,) whether a box that ends lower in the picture covers the lower third of each box."""
    lower = boxes.copy()
    lower[:, 1] = boxes[:, 3] - (boxes[:, 3] - boxes[:, 1]) / 3
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    hidden: Bool = np.any(nearer & (_shared(lower, boxes) >= at_least), axis=1)
    return hidden


def _covered_share(boxes: F64) -> F64:
    """Return (N,) the largest share of each box that another box covers."""
    share = _shared(boxes, boxes)
    np.fill_diagonal(share, 0.0)
    most: F64 = share.max(axis=1)
    return most
