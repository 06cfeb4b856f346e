"""Where everything in a store is, in metres: cameras, shelves, slots and gates, and who sees what."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from store_layout.cameras import CameraModel, angles_from_axes, axes_from_angles
from store_layout.errors import LayoutError
from store_layout.model import Gate, Gondola, Point2, Point3, Shelf, Slot, Store

__all__ = [
    "CameraModel",
    "GatePlace",
    "ShelfPlace",
    "SlotPlace",
    "StoreGeometry",
    "angles_from_axes",
    "axes_from_angles",
    "gondola_axes",
    "gondola_footprint",
]

F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

GATE_REACH_M = 0.9
"""How far a gate's area reaches to both sides of its line where the layout gives none (see ``model.Gate``)."""
_TOUCH_M = 0.01
"""A surface this near to either end of a line of sight does not hide: the point lies on it, or the camera hangs on it."""
_AT_ONCE = 1024
"""Points whose lines of sight are tried at once: few enough that the tables of points by screens stay in the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class ShelfPlace:
    """A shelf in the store: the space between its board and the free height above it.

    ``front_corners_m`` (4, 3) are top-left, top-right, bottom-right and bottom-left as a
    shopper in front sees them; ``box_corners_m`` (8, 3) are those and then the same four at
    the back. ``normal`` (3,) points to the shopper, ``along`` (3,) to the shopper's right.
    A shelf shallower than its gondola keeps to the back, as a board on its back panel does.
    """

    shelf_id: str
    gondola_id: str
    front_corners_m: F64
    box_corners_m: F64
    centre_m: F64
    normal: F64
    along: F64
    width_m: float
    depth_m: float
    clearance_m: float
    frame: tuple[float, float, float, float, float, float, float]
    """The front's bottom left corner (x, y, z), then x and y of ``along`` and of ``normal``: for single points."""

    def to_shelf(self, points_m: F64) -> F64:
        """Return (N, 3) shelf coordinates of ``points_m`` (N, 3).

        They are metres along the shelf from its left end, inwards from its front plane
        (negative in front of it), and up from the board.
        """
        offset = np.asarray(points_m, np.float64).reshape(-1, 3) - self.front_corners_m[3]
        along = offset[:, 0] * self.along[0] + offset[:, 1] * self.along[1]
        outwards = offset[:, 0] * self.normal[0] + offset[:, 1] * self.normal[1]
        return np.stack([along, -outwards, offset[:, 2]], axis=1)

    def to_world(self, local_m: F64) -> F64:
        """Return the world points (N, 3) of shelf coordinates ``local_m`` (N, 3); the inverse of :meth:`to_shelf`."""
        local = np.asarray(local_m, np.float64).reshape(-1, 3)
        flat = self.along * local[:, :1] - self.normal * local[:, 1:2]
        world: F64 = self.front_corners_m[3] + flat + np.array([0.0, 0.0, 1.0]) * local[:, 2:]
        return world

    def contains(self, points_m: F64, margin_m: float = 0.0) -> Bool:
        """Return (N,) whether ``points_m`` (N, 3) lie in the shelf's space, widened by ``margin_m`` on all sides."""
        local = self.to_shelf(points_m)
        size = np.array([self.width_m, self.depth_m, self.clearance_m])
        inside: Bool = np.all((local >= -margin_m) & (local <= size + margin_m), axis=1)
        return inside

    def place_of(self, point_m: Point3) -> Point3:
        """Return the shelf coordinates of one point: :meth:`to_shelf` without the cost of arrays."""
        x0, y0, z0, ux, uy, nx, ny = self.frame
        dx, dy = point_m[0] - x0, point_m[1] - y0
        return dx * ux + dy * uy, -(dx * nx + dy * ny), point_m[2] - z0

    def holds(self, point_m: Point3) -> bool:
        """Return whether one point lies in the shelf's space: :meth:`contains` without the cost of arrays."""
        along, inwards, up = self.place_of(point_m)
        return 0 <= along <= self.width_m and 0 <= inwards <= self.depth_m and 0 <= up <= self.clearance_m


@dataclass(frozen=True, slots=True, eq=False)
class SlotPlace:
    """A slot in the store: its stretch of the shelf's space. Corners and axes are as in :class:`ShelfPlace`."""

    slot_id: str
    shelf_id: str
    gondola_id: str
    sku: str
    facings: int
    units_deep: int
    from_m: float
    to_m: float
    front_corners_m: F64
    box_corners_m: F64
    centre_m: F64
    normal: F64
    depth_m: float


@dataclass(frozen=True, slots=True, eq=False)
class GatePlace:
    """A gate on the floor. ``line_m`` is (2, 2); the shop lies to the left, walking from the first point to the second."""

    gate_id: str
    kind: Literal["entry", "exit", "both"]
    line_m: F64
    area: Polygon

    def side(self, points_m: F64) -> F64:
        """Return the signed distance (N,) in m of ``points_m`` (N, 2) from the gate's line, positive inside the shop."""
        points = np.asarray(points_m, np.float64).reshape(-1, 2)
        ux, uy = _unit(self.line_m[1] - self.line_m[0])
        offset = points - self.line_m[0]
        side: F64 = ux * offset[:, 1] - uy * offset[:, 0]
        return side

    def along(self, points_m: F64) -> F64:
        """Return how far (N,) in m along the line, from its first point, ``points_m`` (N, 2) lie."""
        points = np.asarray(points_m, np.float64).reshape(-1, 2)
        ux, uy = _unit(self.line_m[1] - self.line_m[0])
        offset = points - self.line_m[0]
        along: F64 = ux * offset[:, 0] + uy * offset[:, 1]
        return along

    def place_of(self, point_m: Point2) -> Point2:
        """Return :meth:`along` and :meth:`side` of one point, without the cost of arrays."""
        (x0, y0), (x1, y1) = self.line_m.tolist()
        ux, uy = _unit((x1 - x0, y1 - y0))
        dx, dy = point_m[0] - x0, point_m[1] - y0
        return ux * dx + uy * dy, ux * dy - uy * dx

    @property
    def length_m(self) -> float:
        """The gate's width."""
        return math.dist(self.line_m[0].tolist(), self.line_m[1].tolist())


class StoreGeometry:
    """All places of a store, made once from its layout. Raise LayoutError where the layout cannot be built."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cameras: dict[str, CameraModel] = {camera.id: CameraModel.from_layout(camera) for camera in store.cameras}
        self.shelves: tuple[ShelfPlace, ...] = tuple(
            _shelf_place(gondola, shelf) for gondola in store.gondolas for shelf in gondola.shelves
        )
        self.slots: tuple[SlotPlace, ...] = tuple(_slot_places(store, self.shelves))
        self.gates: tuple[GatePlace, ...] = tuple(_gate_place(gate) for gate in store.gates)
        self.floor = Polygon(store.floor_m)
        self._slot_indices = {place.slot_id: index for index, place in enumerate(self.slots)}
        self._shelf_indices = {place.shelf_id: index for index, place in enumerate(self.shelves)}
        self._screens = _screens(store, self.shelves)
        solid = [screen for screen in self._screens if np.cross(screen[1], screen[2]).any()]
        corners, sides_a, sides_b = (np.array([each[part] for each in solid]).reshape(-1, 3) for part in range(3))
        self._screen_arrays = (corners, sides_a, sides_b)

    def slot_index(self, slot_id: str) -> int:
        """Return the place of ``slot_id`` ("gondola/shelf/slot") in ``slots``; LayoutError if there is none."""
        return _index(self._slot_indices, slot_id, "slot")

    def shelf_index(self, shelf_id: str) -> int:
        """Return the place of ``shelf_id`` ("gondola/shelf") in ``shelves``; LayoutError if there is none."""
        return _index(self._shelf_indices, shelf_id, "shelf")

    def sees(self, camera_id: str, points_m: F64) -> Bool:
        """Return (N,) whether ``points_m`` (N, 3) are in the camera's picture and not behind a wall or gondola.

        A gondola hides with its back, its ends, its boards and the plinth below them; its front and
        top are open. Products and people are not looked at. Raise LayoutError for an unknown camera.
        """
        if camera_id not in self.cameras:
            raise LayoutError(f"no camera {camera_id!r}", mend=f"the layout has {', '.join(self.cameras)}")
        camera = self.cameras[camera_id]
        points = np.asarray(points_m, np.float64).reshape(-1, 3)
        pixels, _ = camera.project(points)
        return camera.in_picture(pixels) & ~self.hidden(camera.position_m, points)

    def hidden(self, eye_m: F64, points_m: F64) -> Bool:
        """Return (N,) whether a wall or gondola stands between ``eye_m`` (3,) and each of ``points_m`` (N, 3)."""
        points = np.asarray(points_m, np.float64).reshape(-1, 3)
        eye = np.asarray(eye_m, np.float64)
        blocked = [
            _hidden(eye, points[at : at + _AT_ONCE], self._screen_arrays) for at in range(0, len(points), _AT_ONCE)
        ]
        return np.concatenate([np.zeros(0, np.bool_), *blocked])

    def screen_corners(self) -> tuple[F64, ...]:
        """Return the corners (4, 3) of every flat thing that hides what is behind it."""
        return tuple(np.stack([c, c + a, c + a + b, c + b]) for c, a, b in self._screens)


def _index(indices: dict[str, int], key: str, what: str) -> int:
    if key not in indices:
        raise LayoutError(f"no {what} {key!r} in the layout", mend=f"name one of {', '.join(list(indices)[:8])} …")
    return indices[key]


def _unit(vector: F64 | Point2) -> Point2:
    x, y = float(vector[0]), float(vector[1])
    length = math.hypot(x, y)
    return (x / length, y / length) if length > 0 else (1.0, 0.0)


def gondola_axes(gondola: Gondola) -> tuple[F64, F64]:
    """Return the gondola's unit axes (3,) in the world: along (to the shopper's right) and normal (to the shopper).

    They are rounded to 14 decimals: multiples of 90 degrees come out exact, and the last bit,
    in which the sine may differ from machine to machine, is gone.
    """
    facing = math.radians(gondola.facing_deg)
    cos, sin = round(math.cos(facing), 14) + 0.0, round(math.sin(facing), 14) + 0.0
    return np.array([0.0 - sin, cos, 0.0]), np.array([cos, sin, 0.0])


def gondola_footprint(gondola: Gondola) -> F64:
    """Return the gondola's floor corners (4, 2): front-left, front-right, back-right, back-left from in front."""
    along, normal = gondola_axes(gondola)
    left = np.array(gondola.front_left_m, np.float64)
    right = left + along[:2] * gondola.width_m
    back = normal[:2] * gondola.depth_m
    return np.stack([left, right, right - back, left - back])


def _box(origin_m: F64, along: F64, normal: F64, size_m: tuple[float, float, float]) -> F64:
    """Return the corners (8, 3) of a box: ``origin_m`` is its front bottom left, size is width, depth, height."""
    width, depth, height = size_m
    right, up, back = along * width, np.array([0.0, 0.0, height]), -normal * depth
    front = np.stack([origin_m + up, origin_m + right + up, origin_m + right, origin_m])
    return np.concatenate([front, front + back])


def _shelf_place(gondola: Gondola, shelf: Shelf) -> ShelfPlace:
    along, normal = gondola_axes(gondola)
    depth = gondola.depth_m if shelf.depth_m is None else shelf.depth_m
    left = np.array([*gondola.front_left_m, shelf.height_m], np.float64)
    origin = left - normal * (gondola.depth_m - depth)
    corners = _box(origin, along, normal, (gondola.width_m, depth, shelf.clearance_m))
    return ShelfPlace(
        shelf_id=f"{gondola.id}/{shelf.id}",
        gondola_id=gondola.id,
        front_corners_m=corners[:4],
        box_corners_m=corners,
        centre_m=(corners[0] + corners[6]) / 2,
        normal=normal,
        along=along,
        width_m=gondola.width_m,
        depth_m=depth,
        clearance_m=shelf.clearance_m,
        frame=(*corners[3].tolist(), *along[:2].tolist(), *normal[:2].tolist()),
    )


def _slot_place(shelf: ShelfPlace, slot: Slot) -> SlotPlace:
    origin = shelf.front_corners_m[3] + shelf.along * slot.from_m
    corners = _box(origin, shelf.along, shelf.normal, (slot.to_m - slot.from_m, shelf.depth_m, shelf.clearance_m))
    return SlotPlace(
        slot_id=f"{shelf.shelf_id}/{slot.id}",
        shelf_id=shelf.shelf_id,
        gondola_id=shelf.gondola_id,
        sku=slot.sku,
        facings=slot.facings,
        units_deep=slot.units_deep,
        from_m=slot.from_m,
        to_m=slot.to_m,
        front_corners_m=corners[:4],
        box_corners_m=corners,
        centre_m=(corners[0] + corners[6]) / 2,
        normal=shelf.normal,
        depth_m=shelf.depth_m,
    )


def _slot_places(store: Store, shelves: tuple[ShelfPlace, ...]) -> Iterator[SlotPlace]:
    all_shelves = [shelf for gondola in store.gondolas for shelf in gondola.shelves]
    for place, shelf in zip(shelves, all_shelves, strict=True):
        for slot in shelf.slots:
            yield _slot_place(place, slot)


def _gate_place(gate: Gate) -> GatePlace:
    line = np.array(gate.line_m, np.float64)
    if gate.area_m is not None:
        return GatePlace(gate.id, gate.kind, line, Polygon(gate.area_m))
    ux, uy = _unit(line[1] - line[0])
    reach = np.array([-uy, ux]) * GATE_REACH_M
    area = Polygon([line[0] - reach, line[1] - reach, line[1] + reach, line[0] + reach])
    return GatePlace(gate.id, gate.kind, line, area)


Screen = tuple[F64, F64, F64]
"""A parallelogram that hides what is behind it: a corner (3,) and its two sides (3,)."""


def _screens(store: Store, shelves: tuple[ShelfPlace, ...]) -> tuple[Screen, ...]:
    walls = [
        _upright(np.array(a), np.array(b), 0.0, wall.height_m)
        for wall in store.walls
        for a, b in zip(wall.path_m, wall.path_m[1:], strict=False)
    ]
    gondolas = [screen for gondola in store.gondolas for screen in _gondola_screens(gondola)]
    boards = [(p.front_corners_m[3], p.along * p.width_m, -p.normal * p.depth_m) for p in shelves]
    return tuple(walls + gondolas + boards)


def _gondola_screens(gondola: Gondola) -> list[Screen]:
    front_left, front_right, back_right, back_left = gondola_footprint(gondola)
    plinth = min(shelf.height_m for shelf in gondola.shelves)
    return [
        _upright(back_left, back_right, 0.0, gondola.height_m),
        _upright(front_left, back_left, 0.0, gondola.height_m),
        _upright(front_right, back_right, 0.0, gondola.height_m),
        _upright(front_left, front_right, 0.0, plinth),
    ]


def _upright(a: F64, b: F64, low_m: float, high_m: float) -> Screen:
    corner = np.array([a[0], a[1], low_m], np.float64)
    return corner, np.array([b[0] - a[0], b[1] - a[1], 0.0]), np.array([0.0, 0.0, high_m - low_m])


def _hidden(eye: F64, points: F64, screens: tuple[F64, F64, F64]) -> Bool:
    """Return (N,) whether a line of sight from ``eye`` to ``points`` (N, 3) passes through any of M parallelograms.

    ``screens`` are corners and the two sides from each, (M, 3) all.
    """
    corner, side_a, side_b = screens
    normal = _crossed(side_a.T, side_b.T).T
    length2 = (normal * normal).sum(axis=1)
    sight = points - eye
    x, y, z = (sight[:, axis, None] for axis in range(3))
    slope = x * normal[:, 0] + y * normal[:, 1] + z * normal[:, 2]
    away = ((corner - eye) * normal).sum(axis=1)
    meets = np.abs(slope) > 1e-12
    share = away / np.where(meets, slope, 1.0)
    offset = np.stack([eye[axis] + line * share - corner[:, axis] for axis, line in enumerate((x, y, z))])
    along_a = _dotted(_crossed(offset, side_b.T), normal.T) / length2
    along_b = _dotted(_crossed(side_a.T, offset), normal.T) / length2
    distance = np.sqrt((sight * sight).sum(axis=1))[:, None]
    between = (share * distance > _TOUCH_M) & ((1 - share) * distance > _TOUCH_M)
    on_screen = (along_a >= 0) & (along_a <= 1) & (along_b >= 0) & (along_b <= 1)
    hidden: Bool = np.any(meets & between & on_screen, axis=1)
    return hidden


def _crossed(a: F64, b: F64) -> F64:
    """Return the cross products (3, ...) of (3, ...); ``np.cross`` is many times slower on few rows."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _dotted(a: F64, b: F64) -> F64:
    dotted: F64 = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return dotted
