"""From tracks in one camera to places on the floor, each with a covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store_layout.cameras import CameraRig
from store_layout.geometry import StoreGeometry
from vision.people.floor_filter import Sym2, added, inverse
from vision.people.settings import SightingSettings
from vision.types import F32, F64, I64, Detections, Tracks

Bool = NDArray[np.bool_]

ANKLES = [15, 16]
"""Rows of COCO's 17 keypoints."""
CELL_M = 0.1
SHIN_HEIGHT_M = 0.25
MIXED_SHARE = 0.35
"""A box of which another covers this much shows both people: its look is nobody's."""


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
        hidden = geometry.hidden(self.camera.position_m, grid.reshape(-1, 3)).reshape(self._shape)
        self._hidden: list[list[bool]] = hidden.tolist()

    def hides_shins_at(self, place_m: tuple[float, float]) -> bool:
        """Return whether a wall or shelf hides the shins of somebody at ``place_m``; False off the floor."""
        column, row = (int((value - low) // CELL_M) for value, low in zip(place_m, self._low, strict=True))
        inside = 0 <= column < self._shape[0] and 0 <= row < self._shape[1]
        return inside and self._hidden[column][row]


class FloorViews:
    """Several cameras' views of the floor, asked together."""

    def __init__(self, views: Sequence[FloorView]) -> None:
        self.views = tuple(views)
        self.rig = CameraRig([view.camera for view in views])
        self.places = {view.camera.camera_id: place for place, view in enumerate(views)}
        self.sizes_px = np.array([(view.camera.width_px, view.camera.height_px) for view in views], np.float64)


def sightings_of(tracks: Tracks, view: FloorView, settings: SightingSettings) -> list[Sighting]:
    """Return what ``tracks`` say about the floor, in row order; rows that say nothing are left out.

    Feet give the place where they are seen. Where the picture cuts them off, somebody nearer
    or a shelf hides them, the top of the head does, at an assumed body height.
    """
    return all_sightings([tracks], FloorViews([view]), settings)[0]


def all_sightings(tracks: Sequence[Tracks], views: FloorViews, settings: SightingSettings) -> list[list[Sighting]]:
    """Return :func:`sightings_of` of each camera's tracks, worked out for all of them together."""
    lengths = [len(each) for each in tracks]
    if not any(lengths):
        return [[] for _ in tracks]
    rows = _rows_of(tracks, views)
    places = _Places(rows, views, settings)
    hidden, crowded = _crowding(rows.boxes, lengths, settings.overlap_hides)
    result, at = [], 0
    for each, n in zip(tracks, lengths, strict=True):
        view = views.views[views.places[each.detections.camera_id]]
        result.append(_camera_sightings(each, view, places, hidden[at : at + n], crowded[at : at + n], at))
        at += n
    return result


def _camera_sightings(
    tracks: Tracks, view: FloorView, places: _Places, hidden: list[bool], crowded: list[bool], first: int
) -> list[Sighting]:
    """Return the sightings of one camera, whose rows begin at ``first`` among all."""
    found, result = tracks.detections, []
    looks = None if found.appearance is None else found.appearance.astype(np.float64)
    scores = found.scores.tolist()
    for row, track in enumerate(tracks.track_ids.tolist()):
        if scores[row] < places.settings.minimum_score:
            continue
        place = _chosen_place(places, first + row, hidden[row], view)
        if place is not None:
            look = None if looks is None else looks[row]
            height = _height_m(places, first + row)
            result.append(Sighting(found.camera_id, track, row, *place, look, not crowded[row], height))
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The tracked boxes of all cameras, one below the other.

    ``which`` (N,) is the camera's place in the views, ``boxes`` (N, 4), ``ankles`` (N, 2, 3), ``skeletons`` (N,)
    whether ankles are known at all.
    """

    which: I64
    boxes: F64
    ankles: F64
    skeletons: Bool


def _rows_of(tracks: Sequence[Tracks], views: FloorViews) -> _Rows:
    found = [each.detections for each in tracks if len(each)]
    counts = [len(each) for each in found]
    places = np.array([views.places[each.camera_id] for each in found], np.int64)
    return _Rows(
        np.repeat(places, counts),
        np.concatenate([each.boxes_xyxy_px for each in found]).astype(np.float64),
        np.concatenate([_ankles(each) for each in found]).astype(np.float64),
        np.repeat(np.array([each.keypoints_px is not None for each in found]), counts),
    )


def _ankles(found: Detections) -> F32:
    if found.keypoints_px is None:
        return np.zeros((len(found), 2, 3), np.float32)
    return found.keypoints_px[:, ANKLES]


Place = tuple[float, float]
Estimate = tuple[Place, Sym2]


class _Places:
    """Where feet and heads of all rows lie on the floor, by the rays of one call to the cameras.

    Lists have a value for each row; an estimate is None where the place is unknown or too vague.
    """

    def __init__(self, rows: _Rows, views: FloorViews, settings: SightingSettings) -> None:
        self.settings = settings
        boxes, n = rows.boxes, len(rows.boxes)
        height = boxes[:, 3] - boxes[:, 1]
        step = np.maximum(settings.pixel_std_heights * height, settings.pixel_std_px)
        feet, feet_std, by_ankles = _foot_pixels(rows, step, settings)
        head = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1]], axis=1)
        shifts = np.zeros((6, n, 2))
        shifts[1, :, 0], shifts[2, :, 1], shifts[4, :, 0], shifts[5, :, 1] = feet_std[0], -feet_std[1], step, step
        pixels = np.stack([feet, feet, feet, head, head, head]) + shifts
        rays = views.rig.rays(np.tile(rows.which, 6), pixels.reshape(-1, 2)).reshape(6, n, 3)
        origin = views.rig.positions_m[rows.which]
        heights = np.empty((7, n))
        heights[:3] = np.where(by_ankles, settings.ankle_height_m, 0.0)
        heights[3:6], heights[6] = settings.body_height_m, settings.body_height_m + settings.body_height_std_m
        places = _at_height(origin, np.concatenate([rays, rays[3:4]]), heights)
        foot, head_places = places[:3], places[3:]
        foot += np.where(by_ankles, 0.0, settings.toe_m)[:, None] * _away(origin, foot[0])
        edge, sizes = settings.edge_px, views.sizes_px[rows.which]
        side_cut = (boxes[:, 0] <= edge) | (boxes[:, 2] >= sizes[:, 0] - edge)
        slopes = head_places[1:] - head_places[0]
        slopes[0] *= np.where(side_cut, 2.0, 1.0)[:, None]
        own_std_m = np.where(rows.skeletons, settings.place_std_m, settings.boxed_std_m)
        self.by_foot = _estimates(foot[0], foot[1:] - foot[0], own_std_m, settings)
        self.by_head = _estimates(head_places[0], slopes, own_std_m, settings)
        self.tall_m: list[float] = _heights_above(origin, rays[3], foot[0]).tolist()
        self.by_ankles: list[bool] = by_ankles.tolist()
        self.bottom_cut: list[bool] = (boxes[:, 3] >= sizes[:, 1] - edge).tolist()
        self.top_cut: list[bool] = (boxes[:, 1] <= edge).tolist()
        self.skeletons: list[bool] = rows.skeletons.tolist()


def _at_height(origin: F64, rays: F64, height_m: F64) -> F64:
    """Return where rays (K, N, 3) from ``origin`` (N, 3) come down to ``height_m`` (K, N), as (K, N, 2); NaN where never."""
    fall = rays[:, :, 2]
    drop = (height_m - origin[:, 2]) / np.where(np.abs(fall) > 1e-9, fall, np.nan)
    places: F64 = origin[:, :2] + rays[:, :, :2] * np.where(drop > 0, drop, np.nan)[:, :, None]
    return places


def _away(origin: F64, places: F64) -> F64:
    """Return the unit directions (N, 2) on the floor that lead away from the cameras at ``origin`` (N, 3); 0 right below."""
    away = places - origin[:, :2]
    length = np.sqrt(away[:, 0] ** 2 + away[:, 1] ** 2)[:, None]
    directions: F64 = np.where(length > 0.05, away / np.maximum(length, 0.05), 0.0)
    return directions


def _heights_above(origin: F64, rays: F64, feet: F64) -> F64:
    """Return how high (N,) heads on ``rays`` (N, 3) are if the feet are where they seem to be (N, 2); NaN straight below."""
    flat2 = rays[:, 0] * rays[:, 0] + rays[:, 1] * rays[:, 1]
    away = feet - origin[:, :2]
    share = (away[:, 0] * rays[:, 0] + away[:, 1] * rays[:, 1]) / np.where(flat2 < 1e-9, np.nan, flat2)
    heights: F64 = origin[:, 2] + share * rays[:, 2]
    return heights


def _foot_pixels(rows: _Rows, step: F64, settings: SightingSettings) -> tuple[F64, F64, Bool]:
    """Return foot pixels (N, 2), their standard deviations (2, N) in x and y, and (N,) whether ankles gave them."""
    boxes, ankles = rows.boxes, rows.ankles
    both: Bool = (ankles[:, :, 2] >= settings.ankle_confidence).all(axis=1) & rows.skeletons
    mean = (ankles[:, 0, :2] + ankles[:, 1, :2]) / 2
    bottom = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    beside = np.maximum(2 * step, 0.15 * (boxes[:, 2] - boxes[:, 0]))
    vague = np.where(rows.skeletons, 0.0, settings.bottom_std_heights * (boxes[:, 3] - boxes[:, 1]))
    boxed = np.stack([beside, np.maximum(1.5 * step, vague)])
    return np.where(both[:, None], mean, bottom), np.where(both, step, boxed), both


def _estimates(at: F64, slopes: F64, own_std_m: F64, settings: SightingSettings) -> list[Estimate | None]:
    """Add up one-sigma shifts (K, N, 2) of places (N, 2) into covariances; None where unknown or too vague."""
    own = own_std_m * own_std_m
    x, y = slopes[:, :, 0], slopes[:, :, 1]
    xx, xy, yy = own + (x * x).sum(axis=0), (x * y).sum(axis=0), own + (y * y).sum(axis=0)
    largest = (xx + yy) / 2 + np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    known = (largest <= settings.widest_std_m**2).tolist()  # False where it is NaN
    covariances = zip(xx.tolist(), xy.tolist(), yy.tolist(), strict=True)
    placed = zip(known, np.round(at, 6).tolist(), covariances, strict=True)
    return [((place[0], place[1]), covariance) if good else None for good, place, covariance in placed]


def _chosen_place(places: _Places, row: int, hidden: bool, view: FloorView) -> Estimate | None:
    """Return the place on the floor and its covariance from feet, head or both; None where neither tells."""
    settings = places.settings
    foot = None if places.bottom_cut[row] and not places.by_ankles[row] else places.by_foot[row]
    head = None if places.top_cut[row] else places.by_head[row]
    tall = places.tall_m[row] if foot is not None and not places.top_cut[row] else settings.body_height_m
    usual = abs(tall - settings.body_height_m) <= 2.5 * settings.body_height_std_m
    if not places.skeletons[row]:
        usual = settings.short_m <= tall <= settings.body_height_m + 0.45
    if foot is not None and head is not None and not (usual and not view.hides_shins_at(head[0])):
        head = None if _feet_are_seen(places, row, tall, hidden, head[0], view) else head
        foot = None if head is not None else foot
    if foot is not None and head is not None:
        return _blended(foot, head)
    return foot if foot is not None else head


def _height_m(places: _Places, row: int) -> float | None:
    """Return how tall somebody upright is whose ankles and head are both seen, or None."""
    if not places.by_ankles[row] or places.top_cut[row]:
        return None
    tall, settings = places.tall_m[row], places.settings
    usual = abs(tall - settings.body_height_m) <= 2.5 * settings.body_height_std_m
    return round(tall, 6) if usual else None


def _feet_are_seen(places: _Places, row: int, tall: float, hidden: bool, head_place: Place, view: FloorView) -> bool:
    """Return whether a box of an unusual height still ends at the feet.

    It does when the person crouches; it does not when somebody nearer stands before them, or
    when a shelf would hide the shins of somebody upright at ``head_place``.
    """
    settings = places.settings
    if not settings.crouched_height_m <= tall <= settings.body_height_m + 0.45:
        return False
    if places.by_ankles[row]:
        return True
    return not hidden and not view.hides_shins_at(head_place)


def _blended(a: Estimate, b: Estimate) -> Estimate:
    """Return the estimate that two independent ones make together."""
    ia, ib = inverse(a[1]), inverse(b[1])
    covariance = inverse(added(ia, ib))
    wx = ia[0] * a[0][0] + ia[1] * a[0][1] + ib[0] * b[0][0] + ib[1] * b[0][1]
    wy = ia[1] * a[0][0] + ia[2] * a[0][1] + ib[1] * b[0][0] + ib[2] * b[0][1]
    place = (covariance[0] * wx + covariance[1] * wy, covariance[1] * wx + covariance[2] * wy)
    return (round(place[0], 6), round(place[1], 6)), covariance


def _crowding(boxes: F64, lengths: list[int], hides: float) -> tuple[list[bool], list[bool]]:
    """Return for each row whether a nearer box hides its feet, and whether others cover it so far that looks mix."""
    hidden: list[bool] = []
    crowded: list[bool] = []
    at = 0
    for n in lengths:
        if n > 1:
            own = boxes[at : at + n]
            hidden += _hidden_by_others(own, hides).tolist()
            crowded += (_covered_share(own) >= MIXED_SHARE).tolist()
        else:
            hidden += [False] * n
            crowded += [False] * n
        at += n
    return hidden, crowded


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
