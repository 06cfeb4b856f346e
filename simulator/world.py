"""The unmoving store as triangles: floor, walls, ceiling, gondolas, price tags, gates and lamps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from simulator.settings import RenderSettings
from simulator.surfaces import SURFACES, tag_rect
from store_layout.geometry import StoreGeometry, gondola_axes
from store_layout.model import Gondola, Point2, Point3, Store

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

Colour = Sequence[float] | F64

MAX_LAMPS = 6
GLOWS = 1.0
"""Gloss value that marks a surface as shining by itself."""
_WALL_M = 0.02
_PANEL_M = 0.02
_BOARD_M = 0.022
_RAIL_M = 0.042
_STREET_M = 4.0
"""How far ground and backdrop reach beyond the floor: what a camera sees through a gate."""


@dataclass(frozen=True, slots=True, eq=False)
class StaticMesh:
    """Rows of ``vertices`` (N, 12): position 3, normal 3, uv 2, colour 3, gloss 1; ``layers`` (N,) cells; ``faces`` (F, 3)."""

    vertices: F32
    layers: F32
    faces: I32


@dataclass(slots=True)
class _Pile:
    """Collects flat pieces."""

    vertices: list[F64] = field(default_factory=list)
    layers: list[F64] = field(default_factory=list)
    faces: list[NDArray[np.int64]] = field(default_factory=list)
    count: int = 0

    def add(
        self,
        corners: F64,
        layer: int,
        colour: Colour,
        gloss: float = 0.1,
        uv: F64 | None = None,
        faces: NDArray[np.int64] | None = None,
    ) -> None:
        """Add a flat piece; without ``uv`` one cell covers a metre of it."""
        normal = np.cross(corners[1] - corners[0], corners[-1] - corners[0])
        normal = normal / (np.linalg.norm(normal) + 1e-12)
        across = (corners[1] - corners[0]) / (np.linalg.norm(corners[1] - corners[0]) + 1e-12)
        if uv is None:
            offset = corners - corners[0]
            uv = np.stack([offset @ across, offset @ np.cross(normal, across)], axis=1)
        rows = len(corners)
        flat = np.tile([*colour, gloss], (rows, 1))
        self.vertices.append(np.column_stack([corners, np.tile(normal, (rows, 1)), uv, flat]))
        self.layers.append(np.full(rows, float(layer)))
        self.faces.append((np.array([[0, 1, 2], [0, 2, 3]]) if faces is None else faces) + self.count)
        self.count += rows

    def box(self, origin: F64, axes: F64, size: Sequence[float], layer: int, colour: Colour, gloss: float) -> None:
        """Add a box: ``origin`` a corner, ``axes`` (3, 3) unit rows along ``size``, right-handed."""
        x, y, z = (axis * length for axis, length in zip(axes, size, strict=True))
        far = origin + x + y + z
        for corner, first, second in (
            (origin, y, x),
            (origin, x, z),
            (origin, z, y),
            (far, -x, -y),
            (far, -z, -x),
            (far, -y, -z),
        ):
            corners = np.stack([corner, corner + first, corner + first + second, corner + second])
            self.add(corners, layer, colour, gloss)

    def mesh(self) -> StaticMesh:
        return StaticMesh(
            np.concatenate(self.vertices).astype(np.float32),
            np.concatenate(self.layers).astype(np.float32),
            np.concatenate(self.faces).astype(np.int32),
        )


_LAYER = {name: index for index, name in enumerate(SURFACES)}
_WORLD_AXES = np.eye(3)


def _bounds(store: Store) -> tuple[F64, F64]:
    floor = np.array(store.floor_m, np.float64)
    return floor.min(axis=0), floor.max(axis=0)


def ceiling_m(store: Store, settings: RenderSettings) -> float:
    """Height of the ceiling: as set, or above all walls, gondolas and cameras."""
    if settings.room.ceiling_m is not None:
        return settings.room.ceiling_m
    cameras = [camera.position_m[2] + 0.12 for camera in store.cameras]
    gondolas = [gondola.height_m + 0.3 for gondola in store.gondolas]
    return max([2.8, *(wall.height_m for wall in store.walls), *cameras, *gondolas])


def lamps(store: Store, settings: RenderSettings) -> tuple[Point3, ...]:
    """Where the lamps hang: a grid over the floor, at most six, row by row from the least x and y."""
    low, high = _bounds(store)
    across, along = (max(1, round((high[axis] - low[axis]) / settings.lighting.spacing_m)) for axis in (0, 1))
    while across * along > MAX_LAMPS:
        across, along = (across - 1, along) if across >= along else (across, along - 1)
    height = ceiling_m(store, settings) - 0.10
    grid = [
        (low[0] + (high[0] - low[0]) * (column + 0.5) / across, low[1] + (high[1] - low[1]) * (row + 0.5) / along)
        for row in range(along)
        for column in range(across)
    ]
    floor = shapely.Polygon(store.floor_m)
    inside = [point for point in grid if floor.contains(shapely.Point(point))]
    middle = floor.representative_point()
    return tuple((float(x), float(y), height) for x, y in inside or [(middle.x, middle.y)])


def _tint(rng: np.random.Generator, low: float, high: float, spread: float) -> F64:
    return np.clip(rng.uniform(low, high) + rng.normal(0, spread, 3), 0.05, 1.0)


def _polygon(pile: _Pile, area: Sequence[Point2], height: float, layer: int, colour: Colour, gloss: float) -> None:
    """Add a flat polygon on the floor or ceiling, cut into triangles."""
    pieces = shapely.constrained_delaunay_triangles(shapely.Polygon(area))
    for piece in shapely.get_parts(pieces):
        corners = np.array(piece.exterior.coords)[:3]
        (ax, ay), (bx, by) = corners[1] - corners[0], corners[2] - corners[0]
        if ax * by < ay * bx:
            corners = corners[::-1]
        points = np.column_stack([corners, np.full(3, height)])
        pile.add(points, layer, colour, gloss, uv=corners * 2.0, faces=np.array([[0, 1, 2]]))


def _room(pile: _Pile, store: Store, settings: RenderSettings, rng: np.random.Generator) -> None:
    """Floor, ceiling, street and the backdrop behind it."""
    low, high = _bounds(store)
    top = ceiling_m(store, settings)
    layer = {"tile": _LAYER["tile"], "wood": _LAYER["wood"], "plain": _LAYER["wall"]}[settings.room.floor]
    _polygon(pile, store.floor_m, 0.0, layer, _tint(rng, 0.6, 0.88, 0.03), settings.room.floor_gloss)
    x0, y0, x1, y1 = *(low - _STREET_M), *(high + _STREET_M)
    street = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    _polygon(pile, street, -0.006, _LAYER["wall"], _tint(rng, 0.35, 0.6, 0.02), 0.1)
    above = np.array([(x0, y0, top), (x0, y1, top), (x1, y1, top), (x1, y0, top)])
    pile.add(above, _LAYER["wall"], _tint(rng, 0.75, 0.95, 0.01))
    backdrop = _tint(rng, 0.45, 0.7, 0.03)
    for (ax, ay), (bx, by) in zip(street, street[1:] + street[:1], strict=True):
        pile.add(np.array([(ax, ay, 0), (bx, by, 0), (bx, by, top), (ax, ay, top)])[::-1], _LAYER["wall"], backdrop)


def _walls(pile: _Pile, store: Store, settings: RenderSettings, rng: np.random.Generator) -> None:
    colours = [_tint(rng, 0.62, 0.92, 0.04) for _ in range(4)]
    stretches = []
    for wall in store.walls:
        for index, (start, end) in enumerate(zip(wall.path_m, wall.path_m[1:], strict=False)):
            ahead = np.array([end[0] - start[0], end[1] - start[1], 0.0])
            length = float(np.linalg.norm(ahead))
            if length < 1e-6:
                continue
            axes = np.stack([ahead / length, np.cross([0, 0, 1.0], ahead / length), [0, 0, 1.0]])
            origin = np.array([*start, 0.0]) - axes[1] * _WALL_M / 2
            pile.box(origin, axes, (length, _WALL_M, wall.height_m), _LAYER["wall"], colours[index % 4], 0.08)
            stretches.append((origin, axes, length, wall.height_m))
    _posters(pile, stretches, settings.room.posters, rng)


def _posters(pile: _Pile, stretches: list[tuple[F64, F64, float, float]], count: int, rng: np.random.Generator) -> None:
    """Hang posters on both faces of random stretches of wall, above most gondolas."""
    wide = [stretch for stretch in stretches if stretch[2] > 1.2 and stretch[3] > 2.0]
    for _ in range(count if wide else 0):
        origin, axes, length, height = wide[int(rng.integers(len(wide)))]
        width = rng.uniform(0.5, 0.9)
        left, low = rng.uniform(0.1, length - width - 0.1), rng.uniform(1.3, max(1.31, height - 1.1))
        layer = _LAYER["poster-sun"] if rng.random() < 0.5 else _LAYER["poster-stripes"]
        colour = rng.uniform(0.5, 1.0, 3)
        uv = np.array([(0, 1), (1, 1), (1, 0), (0, 0)], np.float64)
        for away, turned in ((-0.004, False), (_WALL_M + 0.004, True)):
            start = origin + axes[0] * left + axes[1] * away + axes[2] * low
            across, up = axes[0] * width, axes[2] * width
            corners = np.stack([start, start + across, start + across + up, start + up])
            corners = corners[[1, 0, 3, 2]] if turned else corners
            pile.add(corners, layer, colour, 0.2, uv=uv)


def _gondola(pile: _Pile, gondola: Gondola, colour: F64) -> None:
    """Back panel, ends, plinth, boards and their price rails."""
    along, normal = gondola_axes(gondola)
    axes = np.stack([along, -normal, [0.0, 0.0, 1.0]])
    front = np.array([*gondola.front_left_m, 0.0])
    metal, up = _LAYER["metal"], axes[2]
    back = front - normal * (gondola.depth_m - _PANEL_M)
    pile.box(back, axes, (gondola.width_m, _PANEL_M, gondola.height_m), metal, colour, 0.3)
    for left in (0.0, gondola.width_m - _PANEL_M / 2):
        pile.box(front + along * left, axes, (_PANEL_M / 2, gondola.depth_m, gondola.height_m), metal, colour, 0.3)
    plinth = min(shelf.height_m for shelf in gondola.shelves) - _BOARD_M
    if plinth > 0:
        pile.box(front - normal * 0.01, axes, (gondola.width_m, 0.02, plinth), metal, colour * 0.8, 0.2)
    for shelf in gondola.shelves:
        depth = gondola.depth_m if shelf.depth_m is None else shelf.depth_m
        edge = front - normal * (gondola.depth_m - depth) + up * (shelf.height_m - _BOARD_M)
        pile.box(edge, axes, (gondola.width_m, depth, _BOARD_M), metal, colour, 0.3)
        rail = edge + up * (_BOARD_M - _RAIL_M) + normal * 0.004
        pile.box(rail, axes, (gondola.width_m, 0.004, _RAIL_M), metal, colour * 0.92, 0.3)


def _tags(pile: _Pile, geometry: StoreGeometry, first_layer: int) -> None:
    """A price tag under the middle of every slot."""
    rows = {product.sku: index for index, product in enumerate(geometry.store.products)}
    for slot in geometry.slots:
        if slot.sku not in rows:
            continue
        cell, (left, top, right, bottom) = tag_rect(rows[slot.sku])
        low_left, low_right = slot.front_corners_m[3], slot.front_corners_m[2]
        along = (low_right - low_left) / np.linalg.norm(low_right - low_left)
        middle = (low_left + low_right) / 2 + slot.normal * 0.0055
        half, down = along * 0.0375, np.array([0.0, 0.0, 0.0385])
        base = middle - [0, 0, 0.002]
        corners = np.stack([base - half - down, base + half - down, base + half, base - half])
        uv = np.array([(left, bottom), (right, bottom), (right, top), (left, top)])
        pile.add(corners, first_layer + cell, (1.0, 1.0, 1.0), 0.1, uv=uv)


def _gates(pile: _Pile, geometry: StoreGeometry) -> None:
    """A pedestal at both ends of each gate, with a lit stripe on top."""
    for gate in geometry.gates:
        ahead = np.array([*(gate.line_m[1] - gate.line_m[0]), 0.0])
        ahead /= np.linalg.norm(ahead)
        axes = np.stack([ahead, np.cross([0, 0, 1.0], ahead), [0, 0, 1.0]])
        for end, shift in ((gate.line_m[0], -0.11), (gate.line_m[1], 0.01)):
            corner = np.array([*end, 0.0]) + ahead * shift - axes[1] * 0.3
            pile.box(corner, axes, (0.10, 0.6, 0.95), _LAYER["metal"], (0.68, 0.70, 0.73), 0.5)
            stripe = corner + ahead * 0.02 + axes[1] * 0.1 + axes[2] * 0.95
            pile.box(stripe, axes, (0.06, 0.4, 0.012), _LAYER["white"], (0.35, 0.8, 0.45), 0.2)


def build_world(geometry: StoreGeometry, settings: RenderSettings) -> StaticMesh:
    """Return the triangles of everything that never moves. Price-tag cells follow ``SURFACES``."""
    store = geometry.store
    rng = np.random.default_rng(settings.room.seed)
    pile = _Pile()
    _room(pile, store, settings, rng)
    _walls(pile, store, settings, rng)
    colour = _tint(rng, 0.55, 0.92, 0.03)
    for gondola in store.gondolas:
        _gondola(pile, gondola, colour)
    _tags(pile, geometry, len(SURFACES))
    _gates(pile, geometry)
    for x, y, z in lamps(store, settings):
        origin = np.array([x - 0.6, y - 0.15, z + 0.05])
        pile.box(origin, _WORLD_AXES, (1.2, 0.3, 0.04), _LAYER["white"], (1.0, 1.0, 1.0), GLOWS)
    return pile.mesh()


def lamp_matrix(lamp: Point3) -> F64:
    """(4, 4) clip matrix of a lamp that looks straight down, 132 degrees wide, 0.3 to 6 m deep."""
    near, far, wide = 0.3, 6.0, math.tan(math.radians(66.0))
    view = np.eye(4)
    view[:3, 3] = -np.array(lamp)
    clip = np.zeros((4, 4))
    clip[0, 0] = clip[1, 1] = 1 / wide
    clip[2, 2], clip[2, 3], clip[3, 2] = -(far + near) / (far - near), -2 * far * near / (far - near), -1
    return clip @ view
