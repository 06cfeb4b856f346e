"""The store's geometry, cameras and planogram as a layout of Tillfree."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.nano_store.data import CameraData, GondolaData, NanoData, PlateData, ShelfData
from benchmarks.nano_store.planogram import Block, Planogram
from benchmarks.nano_store.wraps import SIDE_M, Shape, wrap
from simulator.packaging import PackagingSpec
from store_layout.cameras import angles_from_axes
from store_layout.model import Camera, Gate, Gondola, Point2, Product, Shelf, Slot, Store, TaxClass, Wall, Zone

CAMERAS = ("2", "4", "6", "8", "10", "12")
"""The six that hang opposite the shelves and look at their fronts. The others hang above the shelves and look away from them: they
see people, as these do, and no product."""
PICTURE_PX = (640, 360)
FPS = 10.0
_INCH_M = 0.0254
_BACK_M = 0.0318
"""Thickness of a gondola's back, where the data does not say another."""
_DEEPEST = 4
"""Units behind each other at most: more would only be drawn where nobody sees them."""
_FRONT_M = 0.035

FLOOR_M: tuple[Point2, ...] = ((-0.62, -2.8), (5.0, -2.8), (5.0, 0.56), (-0.62, 0.56))
WALLS: tuple[Wall, ...] = (
    Wall(path_m=((3.0, -1.62), (-0.6, -1.62), (-0.6, 0.54), (4.98, 0.54), (4.98, -1.62), (4.2, -1.62)), height_m=2.6),
)
DOOR_M: tuple[Point2, Point2] = ((3.0, -1.62), (4.2, -1.62))
"""Room and door as the competition's stills show them: a corridor before the shelves, with a glass front and a glass door in it. The data
has no measure of them, so they are read off by eye and right to some 20 cm; none of the chosen cameras sees through the glass."""


def build_store(data: NanoData, planogram: Planogram) -> Store:
    """Return the layout."""
    products = {block.barcode for blocks in planogram.blocks.values() for block in blocks}
    specs = catalogue(data, planogram)
    return Store(
        version=1,
        name="Nano store",
        currency="USD",
        time_zone="America/Los_Angeles",
        tax_classes={"standard": TaxClass(rate_percent="0", inclusive=True)},
        floor_m=FLOOR_M,
        walls=WALLS,
        zones=(Zone(id="street", kind="outside", area_m=((-0.62, -2.8), (5.0, -2.8), (5.0, -1.62), (-0.62, -1.62))),),
        gates=(Gate(id="door", kind="both", line_m=DOOR_M, area_m=_around(DOOR_M, 0.75)),),
        cameras=tuple(build_camera(name, data.cameras[name]) for name in CAMERAS if name in data.cameras),
        gondolas=tuple(_gondola(each, data, planogram) for each in data.store.gondolas),
        products=tuple(_product(barcode, data, specs[barcode]) for barcode in sorted(products)),
    )


def catalogue(data: NanoData, planogram: Planogram) -> dict[str, PackagingSpec]:
    """Return what every product looks like."""
    return {barcode: wrap(data.products[barcode], shape) for barcode, shape in sorted(planogram.shapes.items())}


def build_camera(name: str, camera: CameraData) -> Camera:
    """Return a camera of the layout: inches become metres, and a picture of size 1 becomes one of 640x360."""
    to_world = np.array(camera.Tw, np.float64)
    yaw, pitch, roll = angles_from_axes(np.ascontiguousarray(to_world[:3, :3].T))
    width, height = PICTURE_PX
    return Camera(
        id=f"cam{name}",
        resolution_px=PICTURE_PX,
        fps=FPS,
        position_m=tuple(round(float(value) * _INCH_M, 5) for value in to_world[:3, 3]),  # type: ignore[arg-type]
        yaw_deg=round(yaw, 5),
        pitch_deg=round(pitch, 5),
        roll_deg=round(roll, 5),
        focal_px=(round(camera.K[0][0] * width, 4), round(camera.K[1][1] * height, 4)),
        principal_point_px=(round(camera.K[0][2] * width, 4), round(camera.K[1][2] * height, 4)),
        distortion=camera.dist_coeffs,
    )


def _around(line: tuple[Point2, Point2], away_m: float) -> tuple[Point2, ...]:
    """Return a rectangle around a line along x."""
    (left, y), (right, _) = line
    return ((left, y - away_m), (right, y - away_m), (right, y + away_m), (left, y + away_m))


def _gondola(gondola: GondolaData, data: NanoData, planogram: Planogram) -> Gondola:
    """Return a gondola: its shelves stand out in its own -y, which is where it looks."""
    shelves = [shelf for shelf in data.store.shelves if shelf.gondola == gondola.gondola]
    turn = gondola.rotation_rodrigues[2]
    reach_m = max(-shelf.translation_m[1] for shelf in shelves)
    x, y, _ = gondola.translation_m
    front = (x + math.sin(turn) * reach_m, y - math.cos(turn) * reach_m)
    return Gondola(
        id=f"g{gondola.gondola}",
        front_left_m=(round(front[0], 4), round(front[1], 4)),
        facing_deg=round(math.degrees(turn) - 90.0, 2) % 360.0,
        width_m=gondola.size_m[0],
        depth_m=round(reach_m + (gondola.size_m[1] or _BACK_M), 4),
        height_m=gondola.size_m[2],
        shelves=tuple(_shelf(shelf, planogram) for shelf in sorted(shelves, key=lambda each: each.shelf)),
    )


def _shelf(shelf: ShelfData, planogram: Planogram) -> Shelf:
    key = (shelf.gondola, shelf.shelf)
    plates = planogram.plates[key]
    slots = [_slot(block, plates, planogram.shapes[block.barcode], shelf) for block in planogram.blocks[key]]
    return Shelf(
        id=f"s{shelf.shelf}",
        height_m=shelf.translation_m[2],
        clearance_m=shelf.size_m[2],
        slots=tuple(slots),
    )


def slot_id(block: Block, shelf: tuple[int, int]) -> str:
    """Return the name by which scripts know a block: the number of its first plate, from 1, stands in it."""
    return f"g{shelf[0]}/s{shelf[1]}/p{block.first + 1}"


def _slot(block: Block, plates: tuple[PlateData, ...], shape: Shape, shelf: ShelfData) -> Slot:
    first, last = plates[block.first], plates[block.end - 1]
    left, right = first.translation_m[0], last.translation_m[0] + last.size_m[0]
    width, depth, _ = shape.size_m
    return Slot(
        id=f"p{block.first + 1}",
        sku=block.barcode,
        from_m=round(left, 4),
        to_m=round(min(right, shelf.size_m[0]), 4),
        facings=max(1, int((right - left) / (width + SIDE_M))),
        units_deep=max(1, min(_DEEPEST, int((shelf.size_m[1] - _FRONT_M) / (depth + SIDE_M)))),
    )


def _product(barcode: str, data: NanoData, spec: PackagingSpec) -> Product:
    product = data.products[barcode]
    return Product(
        sku=barcode,
        name=f"{spec.brand} {spec.name.title()}",
        barcode=barcode,
        weight_g=product.weight_g or None,
        size_m=spec.size_m,
        price_minor=spec.price_minor or 0,
        reference_pictures=(f"products/{barcode}.jpg",),
    )
