"""Cross-checks of a layout: what one key alone cannot show to be wrong.

``store_problems`` needs the layout alone; ``check_store`` also looks at the reference
pictures and at what the cameras see.
"""

from __future__ import annotations

import itertools
import math
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon
from shapely.validation import explain_validity

from store_layout.cameras import CameraModel
from store_layout.errors import LayoutError
from store_layout.geometry import ShelfPlace, StoreGeometry, gondola_footprint
from store_layout.model import Camera, Gondola, Product, Shelf, Store
from store_layout.settings import ViewSettings

F64 = NDArray[np.float64]

_ROUNDING_M = 0.001
"""Lengths in a layout are written to the millimetre: sums may be out by so much."""
_BUILDING_M = 0.03
"""How far a gate or gondola may stand over the edge of the floor: floors are measured by tape."""
_OVERLAP_M2 = 0.001
"""Areas that overlap by less (3 x 3 cm) touch at an edge that was measured twice."""
_VIEW_GRID = (8, 3)
"""Points along and up a shelf's front at which the view is judged."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a layout: where, what, and how to mend it."""

    severity: Literal["error", "warning"]
    field: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}. Mend: {self.mend}"


def check_store(store: Store, base_dir: Path, view: ViewSettings | None = None) -> tuple[Problem, ...]:
    """Return all problems of ``store``, whose reference pictures lie relative to ``base_dir``.

    What the cameras see is judged only where nothing else is wrong, since it needs sound places.
    """
    problems = [*store_problems(store), *_picture_problems(store, base_dir)]
    if not any(problem.severity == "error" for problem in store_problems(store)):
        problems += _view_problems(store, view or ViewSettings())
    return tuple(problems)


def store_problems(store: Store) -> Iterator[Problem]:
    """Yield what makes ``store`` inconsistent in itself; looks at no other file."""
    yield from _id_problems(store)
    yield from _time_zone_problems(store)
    for product in store.products:
        yield from _product_problems(product, store)
    for camera in store.cameras:
        yield from _camera_problems(camera)
    for gondola in store.gondolas:
        yield from _gondola_problems(gondola, store)
    yield from _floor_problems(store)


def _id_problems(store: Store) -> Iterator[Problem]:
    yield from _unique("cameras", "id", (camera.id for camera in store.cameras))
    yield from _unique("gates", "id", (gate.id for gate in store.gates))
    yield from _unique("zones", "id", (zone.id for zone in store.zones))
    yield from _unique("gondolas", "id", (gondola.id for gondola in store.gondolas))
    yield from _unique("products", "sku", (product.sku for product in store.products))
    barcodes = (product.barcode for product in store.products if product.barcode is not None)
    yield from _unique("products", "barcode", barcodes)


def _unique(field: str, key: str, ids: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(ids).items():
        if count > 1:
            yield Problem("error", field, f"the {key} {name!r} is given {count} times", f"give each its own {key}")


def _time_zone_problems(store: Store) -> Iterator[Problem]:
    try:
        zoneinfo.ZoneInfo(store.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        mend = "name one as in 'Europe/Berlin', or install the system's time zone data"
        yield Problem("warning", "time_zone", f"{store.time_zone!r} is not known here", mend)


def _product_problems(product: Product, store: Store) -> Iterator[Problem]:
    field = f"products[{product.sku}]"
    if product.tax_class not in store.tax_classes:
        known = ", ".join(store.tax_classes) or "none"
        message = f"there is no tax class {product.tax_class!r}"
        yield Problem("error", f"{field}.tax_class", message, f"add it to tax_classes, or use one of: {known}")
    if product.size_m is not None and min(product.size_m) <= 0:
        yield Problem("error", f"{field}.size_m", "a side is not above 0", "give width, depth and height in metres")


def _picture_problems(store: Store, base_dir: Path) -> Iterator[Problem]:
    for product in store.products:
        for picture in product.reference_pictures:
            if not (base_dir / picture).is_file():
                field = f"products[{product.sku}].reference_pictures"
                mend = "paths are relative to the layout file"
                yield Problem("error", field, f"there is no file {picture!r}", mend)


def _camera_problems(camera: Camera) -> Iterator[Problem]:
    field = f"cameras[{camera.id}]"
    try:
        model = CameraModel.from_layout(camera)
    except LayoutError as wrong:
        yield Problem("error", wrong.field or field, wrong.message, wrong.mend or "")
        return
    cx, cy = model.camera_matrix[0, 2], model.camera_matrix[1, 2]
    if not (0 < cx < model.width_px and 0 < cy < model.height_px):
        mend = "give pixels from the top-left corner, or leave it out for the middle"
        yield Problem("error", f"{field}.principal_point_px", "lies outside the picture", mend)
    width, height = float(model.width_px), float(model.height_px)
    _, directions = model.rays(np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]))
    if np.isnan(directions).any():
        mend = "the outer parts of this camera's picture are not used; fit the lens again if that is not meant"
        yield Problem("warning", f"{field}.distortion", "the lens model ends inside the picture", mend)


def _gondola_problems(gondola: Gondola, store: Store) -> Iterator[Problem]:
    field = f"gondolas[{gondola.id}].shelves"
    yield from _unique(field, "id", (shelf.id for shelf in gondola.shelves))
    products = {product.sku: product for product in store.products}
    for shelf in gondola.shelves:
        yield from _shelf_problems(f"{field}[{shelf.id}]", shelf, gondola)
        yield from _slot_problems(f"{field}[{shelf.id}].slots", shelf, gondola, products)
    by_height = sorted(gondola.shelves, key=lambda shelf: shelf.height_m)
    for lower, upper in itertools.pairwise(by_height):
        if lower.height_m + lower.clearance_m > upper.height_m + _ROUNDING_M:
            message = f"its space reaches into the shelf {upper.id!r} above it"
            mend = f"make clearance_m at most {upper.height_m - lower.height_m:.3f}"
            yield Problem("error", f"{field}[{lower.id}].clearance_m", message, mend)


def _shelf_problems(field: str, shelf: Shelf, gondola: Gondola) -> Iterator[Problem]:
    if shelf.height_m + shelf.clearance_m > gondola.height_m + _ROUNDING_M:
        mend = f"lower it, or make the gondola {shelf.height_m + shelf.clearance_m:.3f} m high"
        yield Problem("error", f"{field}.clearance_m", "the shelf's space ends above the gondola", mend)
    if shelf.depth_m is not None and shelf.depth_m > gondola.depth_m + _ROUNDING_M:
        mend = f"make it at most {gondola.depth_m}"
        yield Problem("error", f"{field}.depth_m", "the shelf is deeper than its gondola", mend)


def _slot_problems(field: str, shelf: Shelf, gondola: Gondola, products: dict[str, Product]) -> Iterator[Problem]:
    yield from _unique(field, "id", (slot.id for slot in shelf.slots))
    for slot in shelf.slots:
        here = f"{field}[{slot.id}]"
        if slot.sku not in products:
            mend = "add it to products, or correct the SKU"
            yield Problem("error", f"{here}.sku", f"no product has the SKU {slot.sku!r}", mend)
        if slot.from_m >= slot.to_m:
            yield Problem("error", f"{here}.to_m", "is not right of from_m", "give from_m below to_m")
        if slot.to_m > gondola.width_m + _ROUNDING_M:
            mend = f"make it at most the gondola's width_m, {gondola.width_m}"
            yield Problem("error", f"{here}.to_m", "the slot ends beyond the shelf", mend)
    for left, right in itertools.pairwise(sorted(shelf.slots, key=lambda slot: slot.from_m)):
        if left.to_m > right.from_m + _ROUNDING_M:
            message = f"overlaps the slot {left.id!r}"
            yield Problem("error", f"{field}[{right.id}].from_m", message, f"make it at least {left.to_m}")
    yield from _fit_problems(field, shelf, gondola, products)


def _fit_problems(field: str, shelf: Shelf, gondola: Gondola, products: dict[str, Product]) -> Iterator[Problem]:
    """Yield a warning where the units that a slot names do not go into it."""
    depth_m = gondola.depth_m if shelf.depth_m is None else shelf.depth_m
    for slot in shelf.slots:
        product = products.get(slot.sku)
        if product is None or product.size_m is None:
            continue
        need_m = (product.size_m[0] * slot.facings, product.size_m[1] * slot.units_deep, product.size_m[2])
        room_m = (slot.to_m - slot.from_m, depth_m, shelf.clearance_m)
        for word, need, room in zip(("wide", "deep", "high"), need_m, room_m, strict=True):
            if need > room + _ROUNDING_M:
                message = f"its units are {need:.3f} m {word}, the slot {room:.3f}"
                mend = "correct the slot, its counts, or the product's size_m"
                yield Problem("warning", f"{field}[{slot.id}]", message, mend)


def _floor_problems(store: Store) -> Iterator[Problem]:
    shapes = {"floor_m": Polygon(store.floor_m)}
    shapes |= {f"zones[{zone.id}].area_m": Polygon(zone.area_m) for zone in store.zones}
    shapes |= {f"gates[{gate.id}].area_m": Polygon(gate.area_m) for gate in store.gates if gate.area_m is not None}
    crooked = [field for field, shape in shapes.items() if not shape.is_valid or shape.area < _OVERLAP_M2]
    for field in crooked:
        message = f"is not a simple polygon ({explain_validity(shapes[field])}, {shapes[field].area:.3f} m²)"
        yield Problem("error", field, message, "name its corners in order, once around")
    if crooked:
        return
    yield from _overlap_problems(
        {f"zones[{zone.id}]": shapes[f"zones[{zone.id}].area_m"] for zone in store.zones}, "area_m"
    )
    floor = shapes["floor_m"].buffer(_BUILDING_M)
    yield from _gate_problems(store, floor)
    footprints = {f"gondolas[{gondola.id}]": Polygon(gondola_footprint(gondola)) for gondola in store.gondolas}
    yield from _overlap_problems(footprints, "front_left_m")
    for field, footprint in footprints.items():
        if not floor.covers(footprint):
            mend = "move it, or correct facing_deg (the direction in which its front looks)"
            yield Problem("error", f"{field}.front_left_m", "the gondola does not stand on the floor", mend)


def _overlap_problems(shapes: dict[str, Polygon], key: str) -> Iterator[Problem]:
    for (first, one), (second, other) in itertools.combinations(shapes.items(), 2):
        shared_m2 = one.intersection(other).area
        if shared_m2 > _OVERLAP_M2:
            message = f"overlaps {first} by {shared_m2:.2f} m²"
            yield Problem("error", f"{second}.{key}", message, "let them touch at most at an edge")


def _gate_problems(store: Store, floor: Polygon) -> Iterator[Problem]:
    for gate in store.gates:
        field = f"gates[{gate.id}].line_m"
        if math.dist(*gate.line_m) < _BUILDING_M:
            yield Problem("error", field, "its two points are the same", "give both ends of the line")
        elif not floor.covers(LineString(gate.line_m)):
            yield Problem("error", field, "the gate is not on the floor", "move it, or widen floor_m")


def _view_problems(store: Store, settings: ViewSettings) -> Iterator[Problem]:
    geometry = StoreGeometry(store)
    for shelf in geometry.shelves:
        share, best_px_per_m = shelf_view(geometry, shelf, settings.min_px_per_m)
        if share >= settings.min_share:
            continue
        gondola, board = shelf.shelf_id.split("/")
        message = (
            f"the cameras see {share:.0%} of this shelf's front at {settings.min_px_per_m:.0f} pixels per metre or more"
            f" (best: {best_px_per_m:.0f}), {settings.min_share:.0%} is needed"
        )
        mend = "move or turn a camera towards it, or film at a higher resolution"
        yield Problem("error", f"gondolas[{gondola}].shelves[{board}]", message, mend)


def shelf_view(geometry: StoreGeometry, shelf: ShelfPlace, min_px_per_m: float) -> tuple[float, float]:
    """Return the share of a shelf's front that some camera sees at ``min_px_per_m``, and the best scale found (px/m)."""
    points = front_grid(shelf)
    scales = np.zeros((len(geometry.cameras), len(points)))
    for row, (camera_id, camera) in enumerate(geometry.cameras.items()):
        facing = float(((camera.position_m - shelf.centre_m) * shelf.normal).sum()) > 0
        if facing:
            scales[row] = np.where(geometry.sees(camera_id, points), front_scale(camera, shelf, points), 0.0)
    best = scales.max(axis=0)
    return float((best >= min_px_per_m).mean()), float(best.max())


def front_grid(shelf: ShelfPlace) -> F64:
    """Return points (N, 3) spread evenly over the front of ``shelf``."""
    along, up = (np.arange(count) + 0.5 for count in _VIEW_GRID)
    flat = np.stack(np.meshgrid(along / _VIEW_GRID[0], up / _VIEW_GRID[1]), axis=-1).reshape(-1, 2)
    local = np.stack([flat[:, 0] * shelf.width_m, np.zeros(len(flat)), flat[:, 1] * shelf.clearance_m], axis=1)
    return shelf.to_world(local)


def front_scale(camera: CameraModel, shelf: ShelfPlace, points_m: F64) -> F64:
    """Return pixels per metre (N,) of the front plane at ``points_m`` (N, 3): the root of the area's magnification."""
    step_m = 0.005
    up = np.array([0.0, 0.0, 1.0])
    here, _ = camera.project(points_m)
    right = (camera.project(points_m + shelf.along * step_m)[0] - here) / step_m
    above = (camera.project(points_m + up * step_m)[0] - here) / step_m
    area = np.abs(right[:, 0] * above[:, 1] - right[:, 1] * above[:, 0])
    scale: F64 = np.nan_to_num(np.sqrt(area))
    return scale
