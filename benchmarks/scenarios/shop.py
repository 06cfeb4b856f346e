"""Shops for drawn scenarios: three floor plans, stocked by chance, with cameras where they see most of the shelves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.packaging import PackagingSpec
from store_layout.checks import front_grid, front_scale
from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Gate, Gondola, Point2, Product, Shelf, Slot, Store, TaxClass, Wall, Zone

F64 = NDArray[np.float64]

Plan = Literal["hall", "island", "aisle"]
FPS = 10.0
PICTURE_PX = (640, 360)
FOCAL_PX = 450.0
CAMERA_HEIGHT_M = 2.6
DISTORTION = (-0.06, 0.01, 0.0, 0.0, 0.0)
STREET_M = 1.7
DOOR_M = 1.4
WALL_GAP_M = 0.03
GONDOLA_M = (1.3, 0.42, 1.58)
"""Width, depth and height of every gondola."""
BOARDS_M = ((0.46, 0.33), (0.84, 0.33), (1.22, 0.34))
"""Heights of boards and the free height above each."""
HEAD_M = 0.04
SIDE_M = 0.012
GOOD_PX_PER_M = 90.0
"""A camera that sees a shelf with fewer pixels a metre does not count when cameras are chosen; layouts ask for 60."""
SIDEWAYS_DEG = 20.0
"""From so far aside a camera looks past a shopper who stands before a place."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a gondola stands: the left end of its front, as a shopper sees it, and which way it looks."""

    front_left_m: Point2
    facing_deg: float


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """A rectangular shop. The door is in the wall at y = 0; ``cameras`` is how many are hung."""

    size_m: Point2
    door_m: float
    stands: tuple[Stand, ...]
    cameras: int


def floor_plan(plan: Plan) -> FloorPlan:
    """Return a plan by its name."""
    width, depth = {"hall": (6.4, 4.4), "island": (7.4, 6.0), "aisle": (4.6, 6.6)}[plan]
    north = depth - WALL_GAP_M - GONDOLA_M[1]
    west, east = WALL_GAP_M + GONDOLA_M[1], width - WALL_GAP_M - GONDOLA_M[1]
    if plan == "hall":
        stands = [Stand((1.0 + 1.45 * n, north), 270.0) for n in range(3)]
        stands += [Stand((west, 1.5), 0.0), Stand((east, 2.8), 180.0)]
        return FloorPlan((width, depth), 3.2, tuple(stands), 5)
    if plan == "island":
        middle = 3.1
        stands = [Stand((1.2 + 1.7 * n, north), 270.0) for n in range(3)]
        stands += [Stand((west, 1.4), 0.0), Stand((east, 4.2), 180.0)]
        stands += [Stand((2.35 + 1.3 * n, middle), 270.0) for n in range(2)]
        stands += [Stand((2.35 + 1.3 * (n + 1), middle + 0.86), 90.0) for n in range(2)]
        return FloorPlan((width, depth), 1.4, tuple(stands), 8)
    stands = [Stand((west, 1.6 + 1.45 * n), 0.0) for n in range(3)]
    stands += [Stand((east, 2.9 + 1.45 * n), 180.0) for n in range(3)]
    stands += [Stand((1.65, north), 270.0)]
    return FloorPlan((width, depth), 2.3, tuple(stands), 6)


def draw_shop(
    plan: Plan, catalogue: Mapping[str, PackagingSpec], rng: np.random.Generator, look_alikes: bool, facings: int
) -> Store:
    """Return a shop of a plan, stocked by chance.

    ``look_alikes``: a brand's products stand side by side, as in most shops; else as far from each other as chance has them.
    ``facings``: how many units of a product stand side by side at most.
    """
    found = floor_plan(plan)
    (width, depth), door = found.size_m, found.door_m
    left, right = door - DOOR_M / 2, door + DOOR_M / 2
    order = _product_order(catalogue, rng, look_alikes)
    gondolas = tuple(
        _gondola(f"g{number + 1}", stand, catalogue, order, facings) for number, stand in enumerate(found.stands)
    )
    used = {slot.sku for gondola in gondolas for shelf in gondola.shelves for slot in shelf.slots}
    store = Store(
        version=1,
        name=f"Shop {plan}",
        currency="EUR",
        tax_classes={"standard": TaxClass(rate_percent=Decimal(19))},
        floor_m=((0.0, -STREET_M), (width, -STREET_M), (width, depth), (0.0, depth)),
        walls=(
            Wall(
                path_m=((left, 0.0), (0.0, 0.0), (0.0, depth), (width, depth), (width, 0.0), (right, 0.0)), height_m=2.8
            ),
        ),
        zones=(
            Zone(id="street", kind="outside", area_m=((0.0, -STREET_M), (width, -STREET_M), (width, 0.0), (0.0, 0.0))),
        ),
        gates=(
            Gate(
                id="main",
                line_m=((left, 0.0), (right, 0.0)),
                area_m=((left, -0.9), (right, -0.9), (right, 0.8), (left, 0.8)),
            ),
        ),
        cameras=(_hung("c0", (0.15, 0.15), (width / 2, depth / 2)),),
        gondolas=gondolas,
        products=tuple(_product(sku, catalogue[sku]) for sku in sorted(used)),
    )
    return store.model_copy(update={"cameras": hang_cameras(store, found)})


def _product_order(catalogue: Mapping[str, PackagingSpec], rng: np.random.Generator, look_alikes: bool) -> list[str]:
    """Return products in the order in which they come on the boards."""
    skus = [str(sku) for sku in rng.permutation(sorted(catalogue))]
    if not look_alikes:
        return skus
    brands = list(dict.fromkeys(catalogue[sku].brand for sku in skus))
    return [sku for brand in brands for sku in skus if catalogue[sku].brand == brand]


def _gondola(
    name: str, stand: Stand, catalogue: Mapping[str, PackagingSpec], order: list[str], facings: int
) -> Gondola:
    """Fill a gondola's boards; takes products off the front of ``order`` and puts them at its end."""
    shelves = tuple(
        Shelf(
            id=f"s{level + 1}",
            height_m=height,
            clearance_m=clearance,
            slots=tuple(_slots(catalogue, order, facings, clearance)),
        )
        for level, (height, clearance) in enumerate(BOARDS_M)
    )
    width, depth, height = GONDOLA_M
    return Gondola(
        id=name,
        front_left_m=stand.front_left_m,
        facing_deg=stand.facing_deg,
        width_m=width,
        depth_m=depth,
        height_m=height,
        shelves=shelves,
    )


def _slots(
    catalogue: Mapping[str, PackagingSpec], order: list[str], facings: int, clearance_m: float
) -> Iterator[Slot]:
    """Yield slots from left to right until the board is full."""
    at, number, here = 0.02, 1, set[str]()
    while True:
        room = GONDOLA_M[0] - 0.02 - at
        fits = (
            sku
            for sku in order
            if sku not in here
            and catalogue[sku].size_m[2] <= clearance_m - HEAD_M
            and catalogue[sku].size_m[0] + SIDE_M <= room
        )
        sku = next(fits, None)
        if sku is None:
            return
        order.remove(sku)
        order.append(sku)
        here.add(sku)
        unit, deep = catalogue[sku].size_m[0] + SIDE_M, catalogue[sku].size_m[1]
        count = max(1, min(facings, int(room / unit)))
        end = round(at + count * unit, 4)
        units_deep = max(1, min(3, int((GONDOLA_M[1] - 0.04) / (deep + 0.01))))
        yield Slot(id=f"p{number}", sku=sku, from_m=round(at, 4), to_m=end, facings=count, units_deep=units_deep)
        at, number = end + 0.005, number + 1


def _product(sku: str, spec: PackagingSpec) -> Product:
    return Product(
        sku=sku,
        name=f"{spec.brand} {spec.name}, {spec.size_text}",
        weight_g=spec.weight_g,
        size_m=spec.size_m,
        price_minor=spec.price_minor or 100,
        reference_pictures=(f"products/{sku}.jpg",),
    )


# -- cameras ------------------------------------------------------------------


def _hung(name: str, place_m: Point2, towards_m: Point2) -> Camera:
    return Camera(
        id=name,
        resolution_px=PICTURE_PX,
        fps=FPS,
        position_m=(place_m[0], place_m[1], CAMERA_HEIGHT_M),
        look_at_m=(towards_m[0], towards_m[1], 0.85),
        focal_px=FOCAL_PX,
        distortion=DISTORTION,
    )


def hang_cameras(store: Store, plan: FloorPlan) -> tuple[Camera, ...]:
    """Return cameras, chosen one after the other by what they add to how the places on shelves' fronts are seen.

    A place seen at all counts most; then one seen from its left and from its right, since a shopper before it hides it from the middle.
    """
    candidates = list(_candidates(plan, store))
    geometry = StoreGeometry(store.model_copy(update={"cameras": tuple(candidates)}))
    views = np.array([_views(geometry, camera.id) for camera in candidates])
    worth = np.array([1.5, 0.9, 0.9])[None, :, None]
    covered = np.zeros(views.shape[1:], np.bool_)
    chosen: list[int] = []
    for _ in range(plan.cameras):
        gains = ((views & ~covered) * worth).sum(axis=(1, 2))
        gains[chosen] = -1.0
        chosen.append(int(np.argmax(gains)))
        covered |= views[chosen[-1]]
    return tuple(candidates[index].model_copy(update={"id": f"cam{number + 1}"}) for number, index in enumerate(chosen))


def _candidates(plan: FloorPlan, store: Store) -> Iterator[Camera]:
    """Yield cameras along the walls and on a line through the room, each towards each gondola."""
    (width, depth), inset = plan.size_m, 0.15
    places = [(x, y) for x in np.arange(inset, width, 0.6) for y in (inset, depth - inset)]
    places += [(x, y) for y in np.arange(inset, depth, 0.6) for x in (inset, width - inset)]
    places += [(x, depth / 2) for x in np.arange(0.9, width - 0.5, 0.8)]
    for number, place in enumerate(places):
        for gondola in store.gondolas:
            facing = math.radians(gondola.facing_deg)
            along = (-math.sin(facing) * GONDOLA_M[0] / 2, math.cos(facing) * GONDOLA_M[0] / 2)
            middle = (gondola.front_left_m[0] + along[0], gondola.front_left_m[1] + along[1])
            if 1.2 < math.dist(place, middle) < 4.2:
                here = (round(float(place[0]), 3), round(float(place[1]), 3))
                yield _hung(f"n{number}-{gondola.id}", here, (round(middle[0], 3), round(middle[1], 3)))


def _views(geometry: StoreGeometry, camera_id: str) -> NDArray[np.bool_]:
    """Return (3, P): which places on all shelves' fronts a camera sees well, and sees from their left and from their right."""
    camera = geometry.cameras[camera_id]
    found = []
    for shelf in geometry.shelves:
        points = front_grid(shelf)
        to_camera = camera.position_m[None, :2] - points[:, :2]
        ahead = to_camera @ shelf.normal[:2]
        sideways = np.degrees(np.arctan2(to_camera @ np.array([-shelf.normal[1], shelf.normal[0]]), ahead))
        good = geometry.sees(camera_id, points) & (front_scale(camera, shelf, points) >= GOOD_PX_PER_M) & (ahead > 0)
        found.append(np.stack([good, good & (sideways < -SIDEWAYS_DEG), good & (sideways > SIDEWAYS_DEG)]))
    return np.concatenate(found, axis=1)
