"""Random stores: no two alike, none like a bundled recording's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import shapely

from simulator.packaging import PackagingSpec
from simulator.settings import CameraEffects, Lighting, RenderSettings, RoomLook
from simulator.state import ItemState
from store_layout.geometry import SlotPlace, StoreGeometry
from store_layout.model import Camera, Gondola, Point2, Product, Shelf, Slot, Store, TaxClass, Wall

WALL_GAP_M = 0.03
BOARD_M = 0.03
GAP_M = 0.012
RESOLUTION_PX = (640, 360)


def draw_store(rng: np.random.Generator, catalogue: Mapping[str, PackagingSpec], cameras: int) -> Store:
    """Draw a room of 4.5 to 8 by 4 to 7 m with 3 to 7 gondolas, and ``cameras`` cameras 2.2 to 3 m high."""
    size = (float(rng.uniform(4.5, 8.0)), float(rng.uniform(4.0, 7.0)))
    height = float(rng.uniform(2.7, 3.3))
    gondolas = _draw_gondolas(rng, size, catalogue)
    corners = ((0.0, 0.0), (size[0], 0.0), size, (0.0, size[1]), (0.0, 0.0))
    return Store(
        version=1,
        name="training",
        currency="EUR",
        tax_classes={"standard": TaxClass(rate_percent=Decimal(20))},
        floor_m=corners[:4],
        walls=(Wall(path_m=corners, height_m=height),),
        cameras=tuple(_draw_camera(rng, f"c{index}", size, height) for index in range(cameras)),
        gondolas=gondolas,
        products=tuple(
            Product(sku=sku, name=spec.name or sku, size_m=spec.size_m, price_minor=100)
            for sku, spec in catalogue.items()
        ),
    )


def draw_settings(rng: np.random.Generator) -> RenderSettings:
    """Draw a room's look, its lamps and a camera's faults: dim and bright, warm and cold, sharp and soft."""
    floors = ("tile", "wood", "plain")
    balance = 1 + rng.normal(0, 0.06, 3)
    return RenderSettings(
        supersampling=1.0,
        effects=CameraEffects(
            noise_read=float(rng.uniform(0.3, 4.0)),
            noise_shot=float(rng.uniform(0.02, 0.25)),
            exposure=float(np.exp(rng.normal(0, 0.15))),
            white_balance=(float(balance[0]), float(balance[1]), float(balance[2])),
            blur_px=float(rng.uniform(0.3, 1.1)),
            vignette=float(rng.uniform(0, 0.35)),
            saturation=float(rng.uniform(0.4, 1.3)),
        ),
        room=RoomLook(
            seed=int(rng.integers(1 << 30)),
            floor=floors[int(rng.integers(3))],
            floor_gloss=float(rng.uniform(0.05, 0.5)),
            posters=int(rng.integers(0, 6)),
        ),
        lighting=Lighting(
            strength=float(np.exp(rng.uniform(-0.5, 0.1))), ambient=float(np.exp(rng.uniform(-0.5, 0.3)))
        ),
    )


def draw_items(
    rng: np.random.Generator, geometry: StoreGeometry, catalogue: Mapping[str, PackagingSpec]
) -> list[ItemState]:
    """Stand products in the slots: whole rows, gaps, and here and there an empty slot."""
    facing = {gondola.id: gondola.facing_deg for gondola in geometry.store.gondolas}
    items: list[ItemState] = []
    for slot in geometry.slots:
        if rng.random() < 0.12:
            continue
        for position in _standing_places(slot, catalogue[slot.sku].size_m):
            if rng.random() < 0.85:
                yaw = facing[slot.gondola_id] + float(rng.normal(0, 5))
                items.append(ItemState(len(items), slot.sku, position, yaw))
    return items


def _standing_places(slot: SlotPlace, size_m: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Return where units stand in a slot, at most two rows deep."""
    left, right = slot.front_corners_m[3], slot.front_corners_m[2]
    along = right - left
    width = float(np.linalg.norm(along))
    along = along / max(width, 1e-9)
    columns = max(1, int(width // (size_m[0] + GAP_M)))
    rows = min(2, max(1, int((slot.depth_m - 0.04) // (size_m[1] + GAP_M))))
    places = []
    for column in range(columns):
        for row in range(rows):
            across = width / 2 + (column - (columns - 1) / 2) * (size_m[0] + GAP_M)
            inwards = 0.025 + size_m[1] / 2 + row * (size_m[1] + GAP_M)
            point = left + along * across - slot.normal * inwards
            places.append((float(point[0]), float(point[1]), float(point[2]) + 0.001))
    return places


@dataclass(frozen=True, slots=True)
class _Stand:
    front_left_m: Point2
    facing_deg: float
    width_m: float
    depth_m: float


def _draw_gondolas(
    rng: np.random.Generator, size_m: tuple[float, float], catalogue: Mapping[str, PackagingSpec]
) -> tuple[Gondola, ...]:
    stands = _candidate_stands(rng, size_m)
    chosen: list[_Stand] = []
    taken: list[shapely.Polygon] = []
    wanted = int(rng.integers(3, 8))
    for index in rng.permutation(len(stands)):
        shape = _footprint(stands[index])
        if len(chosen) < wanted and all(shape.distance(other) > 1e-3 for other in taken):
            chosen.append(stands[index])
            taken.append(shape)
    return tuple(_fill(rng, f"g{index}", stand, catalogue) for index, stand in enumerate(chosen))


def _candidate_stands(rng: np.random.Generator, size_m: tuple[float, float]) -> list[_Stand]:
    """Stands along the four walls, and back to back along a line through the room."""
    width, depth = float(rng.choice([0.9, 1.0, 1.25])), float(rng.uniform(0.34, 0.5))
    step = width + 0.02
    stands = []
    for facing, length in ((270.0, size_m[0]), (90.0, size_m[0]), (0.0, size_m[1]), (180.0, size_m[1])):
        start = float(rng.uniform(0.5, 1.0))
        for begin in np.arange(start, length - 0.5 - width, step):
            middle = float(begin) + width / 2
            back = {
                270.0: (middle, size_m[1] - WALL_GAP_M),
                90.0: (middle, WALL_GAP_M),
                0.0: (WALL_GAP_M, middle),
                180.0: (size_m[0] - WALL_GAP_M, middle),
            }[facing]
            stands.append(_stand(back, facing, width, depth))
    line = float(rng.uniform(0.4, 0.6)) * size_m[1]
    for begin in np.arange(1.5, size_m[0] - 1.5 - width, step):
        middle = float(begin) + width / 2
        stands += [
            _stand((middle, line + 0.01), 90.0, width, depth),
            _stand((middle, line - 0.01), 270.0, width, depth),
        ]
    return stands


def _stand(back_m: Point2, facing_deg: float, width_m: float, depth_m: float) -> _Stand:
    """Return the stand whose back's middle is at ``back_m``; its front's left end is as a shopper sees it."""
    facing = math.radians(facing_deg)
    normal = np.array([math.cos(facing), math.sin(facing)])
    to_right = np.array([-normal[1], normal[0]])
    corner = np.array(back_m) + normal * depth_m - to_right * width_m / 2
    return _Stand((float(corner[0]), float(corner[1])), facing_deg, width_m, depth_m)


def _footprint(stand: _Stand) -> shapely.Polygon:
    facing = math.radians(stand.facing_deg)
    normal = np.array([math.cos(facing), math.sin(facing)])
    along = np.array([-normal[1], normal[0]]) * stand.width_m
    corner, inwards = np.array(stand.front_left_m), -normal * stand.depth_m
    return shapely.Polygon([corner, corner + along, corner + along + inwards, corner + inwards])


def _fill(rng: np.random.Generator, name: str, stand: _Stand, catalogue: Mapping[str, PackagingSpec]) -> Gondola:
    """Put 3 to 5 boards on a stand and products that fit on them."""
    levels = int(rng.integers(3, 6))
    pitch = float(rng.uniform(0.30, 0.40))
    low = float(rng.uniform(0.1, 0.25))
    shelves = []
    for level in range(levels):
        clearance = pitch - BOARD_M
        fitting = [sku for sku, spec in catalogue.items() if spec.size_m[2] < clearance - 0.03]
        count = int(rng.integers(3, 6))
        edges = np.linspace(0.02, stand.width_m - 0.02, count + 1)
        slots = tuple(
            Slot(id=f"p{place}", sku=fitting[int(rng.integers(len(fitting)))], from_m=float(a), to_m=float(b))
            for place, (a, b) in enumerate(itertools.pairwise(edges))
        )
        shelves.append(Shelf(id=f"s{level}", height_m=low + level * pitch, clearance_m=clearance, slots=slots))
    return Gondola(
        id=name,
        front_left_m=stand.front_left_m,
        facing_deg=stand.facing_deg,
        width_m=stand.width_m,
        depth_m=stand.depth_m,
        height_m=low + levels * pitch + float(rng.uniform(0, 0.1)),
        shelves=tuple(shelves),
    )


def _draw_camera(rng: np.random.Generator, name: str, size_m: tuple[float, float], ceiling_m: float) -> Camera:
    """Draw a camera, mostly near a wall, that looks across the room and 15 to 55 degrees down."""
    height = min(float(rng.uniform(2.2, 3.0)), ceiling_m - 0.15)
    while True:
        place = np.array([rng.uniform(0.15, size_m[0] - 0.15), rng.uniform(0.15, size_m[1] - 0.15)])
        if rng.random() < 0.75:
            wall = int(rng.integers(4))
            place[wall // 2] = (0.15, size_m[wall // 2] - 0.15)[wall % 2]
        towards = np.array(size_m) * rng.uniform(0.2, 0.8, 2) - place
        if np.linalg.norm(towards) > 1.2:
            break
    half_view = math.radians(float(rng.uniform(30, 50)))
    return Camera(
        id=name,
        resolution_px=RESOLUTION_PX,
        fps=10,
        position_m=(float(place[0]), float(place[1]), height),
        yaw_deg=math.degrees(math.atan2(towards[1], towards[0])),
        pitch_deg=-float(rng.uniform(15, 55)),
        focal_px=RESOLUTION_PX[0] / 2 / math.tan(half_view),
    )
