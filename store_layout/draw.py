"""A layout as a picture: floor plan with the cameras' views, the shelf fronts, and the products.

Drawing reads the geometry and decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPoint, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from store_layout.errors import InputError
from store_layout.geometry import CameraModel, StoreGeometry, gondola_axes, gondola_footprint
from store_layout.model import Gondola, Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

F64 = NDArray[np.float64]

INK, PAPER, FLOOR, WALL, SHELF = "#1f2933", "#ffffff", "#f6f3ec", "#3e4c59", "#e3ddd1"
CAMERA_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b5ea7", "#8a6d3b")
GATE_COLOURS = {"entry": "#1b8a3a", "exit": "#c0392b", "both": "#1565c0"}
ZONE_FILLS = {"shop": ("none", ""), "staff": ("#f5e6c8", ""), "outside": ("#dde3e8", "////"), "other": ("#e6eef2", "")}
FAR_M = 60.0
"""Where a line of sight that never meets the floor is cut off: beyond any store that one camera covers."""
FRONTS_SHAPE = 1.33
"""Width over height of the room for the shelf fronts."""
DOTS_PER_INCH = 130
"""Makes the plan about 2000 pixels wide: slot numbers stay legible."""


@dataclass(frozen=True, slots=True)
class ProductKey:
    """How the picture marks a product: a number and a colour."""

    number: int
    name: str
    colour: tuple[float, float, float]


def draw_plan(geometry: StoreGeometry, path: str | Path) -> Path:
    """Draw the layout into ``path``, a .png or .svg, and return it; InputError for another ending."""
    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg"):
        raise InputError("is neither .png nor .svg", file=path, mend="name the picture as in plan.png")
    figure = plan_figure(geometry)
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed salt and no date: the same layout gives the same SVG, byte for byte.
    with mpl.rc_context({"svg.hashsalt": "tillfree"}):
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata=metadata, facecolor=PAPER)
    return path


def plan_figure(geometry: StoreGeometry) -> Figure:
    """Return the whole picture as a matplotlib figure that is bound to no window."""
    from matplotlib.figure import Figure as NewFigure

    keys = product_keys(geometry.store)
    figure = NewFigure(figsize=(16, 9.5))
    plan = figure.add_axes((0.02, 0.04, 0.47, 0.87))
    fronts = figure.add_axes((0.51, 0.31, 0.475, 0.6))
    legend = figure.add_axes((0.51, 0.03, 0.475, 0.25))
    figure.text(0.02, 0.955, geometry.store.name, fontsize=19, weight="bold", color=INK)
    figure.text(0.02, 0.928, _summary(geometry), fontsize=10, color=WALL)
    draw_floor(plan, geometry, keys)
    draw_fronts(fronts, geometry, keys)
    _draw_legend(legend, keys)
    return figure


def _summary(geometry: StoreGeometry) -> str:
    store = geometry.store
    counts = (
        (len(store.cameras), "camera"),
        (len(store.gates), "gate"),
        (len(store.gondolas), "shelf unit"),
        (len(geometry.slots), "slot"),
        (len(store.products), "product"),
    )
    return f"{geometry.floor.area:.1f} m²  ·  " + "  ·  ".join(
        f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts
    )


def product_keys(store: Store) -> dict[str, ProductKey]:
    """Return each SKU's number and colour, in file order; neighbours in the list differ in hue."""
    import colorsys

    golden = 0.61803398875
    keys = {}
    for index, product in enumerate(store.products):
        light, rich = (0.72, 0.55) if index % 2 else (0.62, 0.5)
        colour = colorsys.hls_to_rgb((0.08 + index * golden) % 1.0, light, rich)
        keys[product.sku] = ProductKey(index + 1, product.name, colour)
    return keys


def draw_floor(axes: Axes, geometry: StoreGeometry, keys: dict[str, ProductKey]) -> None:
    """Draw the floor plan into ``axes``, in metres."""
    _frame(axes, geometry)
    _fill(axes, geometry.floor, facecolor=FLOOR, edgecolor="none", zorder=0)
    _draw_zones(axes, geometry)
    for index, camera in enumerate(geometry.cameras.values()):
        _draw_view(axes, geometry, camera, CAMERA_COLOURS[index % len(CAMERA_COLOURS)])
    for gondola in geometry.store.gondolas:
        _draw_gondola(axes, gondola, keys)
    for wall in geometry.store.walls:
        xs, ys = zip(*wall.path_m, strict=True)
        axes.plot(xs, ys, color=WALL, linewidth=5, solid_capstyle="projecting", solid_joinstyle="miter", zorder=6)
    _draw_gates(axes, geometry)
    for index, camera in enumerate(geometry.cameras.values()):
        _draw_camera(axes, geometry, camera, CAMERA_COLOURS[index % len(CAMERA_COLOURS)])
    _draw_scale(axes, geometry)


def _bounds(geometry: StoreGeometry) -> tuple[float, float, float, float]:
    """Return left, bottom, right, top of everything on the plan, with room for labels."""
    points = [geometry.floor.bounds[:2], geometry.floor.bounds[2:]]
    points += [camera.position_m[:2] for camera in geometry.store.cameras]
    points += [corner for wall in geometry.store.walls for corner in wall.path_m]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    room = 0.06 * max(max(xs) - min(xs), max(ys) - min(ys)) + 0.1
    return min(xs) - room, min(ys) - 1.6 * room, max(xs) + room, max(ys) + room


def _frame(axes: Axes, geometry: StoreGeometry) -> None:
    left, bottom, right, top = _bounds(geometry)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")
    axes.set_anchor("W")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(math.ceil(left), math.floor(right) + 1))
    axes.set_yticks(np.arange(math.ceil(bottom), math.floor(top) + 1))
    axes.tick_params(length=0, labelsize=8, labelcolor="#7b8794")
    axes.grid(color="#d9d4c8", linewidth=0.6, zorder=0.5)
    axes.set_axisbelow(True)


def _fill(axes: Axes, shape: BaseGeometry, **style: Any) -> None:
    """Fill a shapely polygon, with its holes, or several."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    for part in getattr(shape, "geoms", [shape]):
        if isinstance(part, Polygon) and not part.is_empty:
            rings = [part.exterior, *part.interiors]
            outline = Outline.make_compound_path(
                *(Outline(np.asarray(ring.coords)[:, :2], closed=True) for ring in rings)
            )
            axes.add_patch(PathPatch(outline, **style))


def _label(axes: Axes, x: float, y: float, text: str, colour: str, size: float = 9, **more: Any) -> None:
    from matplotlib import patheffects

    halo = [patheffects.withStroke(linewidth=2.6, foreground=PAPER)]
    style: dict[str, Any] = {"ha": "center", "va": "center", "weight": "bold", "zorder": 12} | more
    axes.text(x, y, text, color=colour, fontsize=size, path_effects=halo, **style)


def _draw_zones(axes: Axes, geometry: StoreGeometry) -> None:
    for zone in geometry.store.zones:
        colour, hatch = ZONE_FILLS[zone.kind]
        shape = Polygon(zone.area_m)
        _fill(
            axes,
            shape,
            facecolor=colour,
            edgecolor="#c3ccd3" if hatch else "#b8ad95",
            hatch=hatch,
            linewidth=0.0,
            zorder=1,
        )
        _fill(axes, shape, facecolor="none", edgecolor="#a89f8c", linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.2)
        middle = shape.representative_point()
        style = {"style": "italic", "weight": "normal"}
        _label(axes, middle.x, middle.y, zone.id, "#8a8270", 8.5, **style)


def _draw_view(axes: Axes, geometry: StoreGeometry, camera: CameraModel, colour: str) -> None:
    seen = visible_floor(geometry, camera)
    _fill(axes, seen, facecolor=colour, edgecolor="none", alpha=0.10, zorder=2)
    _fill(axes, seen, facecolor="none", edgecolor=colour, alpha=0.55, linewidth=1.1, zorder=2.1)


def visible_floor(geometry: StoreGeometry, camera: CameraModel) -> BaseGeometry:
    """Return the part of the floor (m) that ``camera`` shows and that no wall or gondola hides."""
    seen = view_outline(camera).intersection(geometry.floor)
    shadows = [shadow(camera.position_m, corners) for corners in geometry.screen_corners()]
    bodies = [Polygon(gondola_footprint(gondola)) for gondola in geometry.store.gondolas]
    return seen.difference(unary_union([*shadows, *bodies]))


def view_outline(camera: CameraModel) -> BaseGeometry:
    """Return where the picture's edge meets the floor, cut off ``FAR_M`` away where it meets it farther or not at all."""
    steps = np.linspace(0.0, 1.0, 33)[:-1]
    zero, one = np.zeros_like(steps), np.ones_like(steps)
    edge = np.concatenate(
        [np.stack(side, axis=1) for side in ((steps, zero), (one, steps), (1 - steps, one), (zero, 1 - steps))]
    )
    origin, directions = camera.rays(edge * np.array([camera.width_px, camera.height_px], np.float64))
    directions = directions[~np.isnan(directions[:, 0])]
    reach = np.where(directions[:, 2] < -1e-6, origin[2] / np.maximum(-directions[:, 2], 1e-6), np.inf)
    flat = np.hypot(directions[:, 0], directions[:, 1])
    reach = np.minimum(reach, FAR_M / np.maximum(flat, 1e-6))
    outline = Polygon(origin[:2] + directions[:, :2] * reach[:, None])
    return outline if outline.is_valid else MultiPoint(list(outline.exterior.coords)).convex_hull


def shadow(eye_m: F64, corners_m: F64) -> BaseGeometry:
    """Return what a flat screen with ``corners_m`` (4, 3) hides on the floor from ``eye_m`` (3,)."""
    offset = corners_m - eye_m
    down = offset[:, 2] < -1e-6
    share = np.where(down, eye_m[2] / np.where(down, -offset[:, 2], 1.0), np.inf)
    flat = np.maximum(np.hypot(offset[:, 0], offset[:, 1]), 1e-6)
    share = np.minimum(share, FAR_M / flat)
    return MultiPoint((eye_m[:2] + offset[:, :2] * share[:, None]).tolist()).convex_hull


def _draw_gondola(axes: Axes, gondola: Gondola, keys: dict[str, ProductKey]) -> None:
    """Draw a shelf unit from above; its shelves are strips side by side, the lowest at the front."""
    corners = gondola_footprint(gondola)
    _fill(axes, Polygon(corners), facecolor=SHELF, edgecolor=INK, linewidth=1.0, zorder=4)
    along, normal = (axis[:2] for axis in gondola_axes(gondola))
    strip = gondola.depth_m / len(gondola.shelves)
    for row, shelf in enumerate(sorted(gondola.shelves, key=lambda shelf: shelf.height_m)):
        for slot in shelf.slots:
            start = corners[0] - normal * strip * (row + 0.1) + along * slot.from_m
            side, deep = along * (slot.to_m - slot.from_m), -normal * strip * 0.8
            patch = Polygon([start, start + side, start + side + deep, start + deep])
            colour = keys[slot.sku].colour if slot.sku in keys else "#999999"
            _fill(axes, patch, facecolor=colour, edgecolor=PAPER, linewidth=0.3, zorder=4.5)
    axes.plot(*corners[:2].T, color=INK, linewidth=2.6, solid_capstyle="butt", zorder=5)
    middle = (corners[0] + corners[1]) / 2 + normal * 0.13
    angle = math.degrees(math.atan2(along[1], along[0]))
    upright = (angle + 90) % 180 - 90
    _label(axes, float(middle[0]), float(middle[1]), gondola.id, INK, 9, rotation=upright, rotation_mode="anchor")


def _draw_gates(axes: Axes, geometry: StoreGeometry) -> None:
    for gate in geometry.gates:
        colour = GATE_COLOURS[gate.kind]
        _fill(axes, gate.area, facecolor=colour, edgecolor="none", alpha=0.09, zorder=2.5)
        axes.plot(*gate.line_m.T, color=colour, linewidth=3.2, linestyle=(0, (2, 0.8)), zorder=7)
        way = gate.line_m[1] - gate.line_m[0]
        inwards = np.array([-way[1], way[0]]) / max(gate.length_m, 1e-9)
        middle = gate.line_m.mean(axis=0)
        style = {"entry": "-|>", "exit": "<|-", "both": "<|-|>"}[gate.kind]
        arrow = {"arrowstyle": style, "color": colour, "lw": 2.0, "mutation_scale": 16, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", middle + inwards * 0.36, middle - inwards * 0.36, arrowprops=arrow, zorder=8)
        place = middle - inwards * 0.55
        words = {"entry": "entry", "exit": "exit", "both": "entry and exit"}[gate.kind]
        _label(axes, float(place[0]), float(place[1]), f"{gate.gate_id} ({words})", colour, 8.5)


def _draw_camera(axes: Axes, geometry: StoreGeometry, camera: CameraModel, colour: str) -> None:
    x, y = camera.position_m[:2]
    ahead = camera.rotation[2, :2]
    length = math.hypot(*ahead)
    ux, uy = (ahead / length) if length > 1e-6 else (0.0, 0.0)
    size = 0.028 * (geometry.floor.bounds[2] - geometry.floor.bounds[0] + 3)
    lens = [
        (x, y),
        (x + size * (ux - 0.6 * uy), y + size * (uy + 0.6 * ux)),
        (x + size * (ux + 0.6 * uy), y + size * (uy - 0.6 * ux)),
    ]
    if length > 1e-6:
        _fill(axes, Polygon(lens), facecolor=colour, edgecolor=PAPER, linewidth=0.8, zorder=10)
        axes.plot([x, x + 4 * size * ux], [y, y + 4 * size * uy], color=colour, linewidth=1.2, linestyle=":", zorder=9)
    axes.plot([x], [y], marker="o", markersize=8, color=colour, markeredgecolor=PAPER, zorder=11)
    left, bottom, right, top = _bounds(geometry)
    side = 1.0 if x < (left + right) / 2 else -1.0
    rise = -1.0 if y > (bottom + top) / 2 else 1.0
    text = f"{camera.camera_id}  {camera.position_m[2]:.1f} m up"
    align = "left" if side > 0 else "right"
    _label(axes, x - side * 0.05, y - rise * 0.17, text, colour, 9, ha=align)


def _draw_scale(axes: Axes, geometry: StoreGeometry) -> None:
    left, bottom, right, _ = _bounds(geometry)
    length = 1.0 if right - left < 15 else 5.0
    x, y = right - length - 0.15, bottom + 0.3 * (geometry.floor.bounds[1] - bottom)
    for part, colour in enumerate((INK, PAPER, INK, PAPER)):
        start, end = x + part * length / 4, x + (part + 1) * length / 4
        bar = Polygon([(start, y), (end, y), (end, y + 0.06), (start, y + 0.06)])
        _fill(axes, bar, facecolor=colour, edgecolor=INK, linewidth=0.8, zorder=12)
    _label(axes, x + length / 2, y + 0.16, f"{length:.0f} m", INK, 8.5)


def draw_fronts(axes: Axes, geometry: StoreGeometry, keys: dict[str, ProductKey]) -> None:
    """Draw every shelf unit as a shopper in front sees it, side by side and to one scale, into ``axes``."""
    axes.axis("off")
    axes.set_aspect("equal")
    axes.set_anchor("NW")
    gondolas = geometry.store.gondolas
    places, wide, high = _best_rows(gondolas)
    for gondola, place in zip(gondolas, places, strict=True):
        _draw_front(axes, gondola, place, keys)
    axes.set_xlim(-0.05, wide)
    axes.set_ylim(-high, 0.0)


def _best_rows(gondolas: tuple[Gondola, ...]) -> tuple[list[tuple[float, float]], float, float]:
    """Return each shelf unit's lower left corner, and the width and height of all, in as many rows as show them largest."""
    layouts = [_in_rows(gondolas, rows) for rows in range(1, max(1, len(gondolas)) + 1)]
    return min(layouts, key=lambda layout: max(layout[1] / FRONTS_SHAPE, layout[2]))


def _in_rows(gondolas: tuple[Gondola, ...], rows: int) -> tuple[list[tuple[float, float]], float, float]:
    gap, title = 0.25, 0.3
    in_row = math.ceil(len(gondolas) / rows) or 1
    places: list[tuple[float, float]] = []
    wide, bottom = 1.0, 0.0
    for start in range(0, len(gondolas), in_row):
        row = gondolas[start : start + in_row]
        bottom -= max(gondola.height_m for gondola in row) + title
        x = 0.0
        for gondola in row:
            places.append((x, bottom))
            x += gondola.width_m + gap
        wide = max(wide, x)
        bottom -= 0.1
    return places, wide, max(-bottom, 1.0)


def _draw_front(axes: Axes, gondola: Gondola, origin: tuple[float, float], keys: dict[str, ProductKey]) -> None:
    from matplotlib.patches import Rectangle

    x, y = origin
    axes.add_patch(Rectangle(origin, gondola.width_m, gondola.height_m, facecolor=FLOOR, edgecolor=INK, linewidth=1.0))
    axes.text(x, y + gondola.height_m + 0.05, gondola.id, fontsize=10, weight="bold", color=INK)
    for shelf in gondola.shelves:
        board = y + shelf.height_m
        axes.plot([x, x + gondola.width_m], [board, board], color=INK, linewidth=2.2, solid_capstyle="butt", zorder=3)
        for slot in shelf.slots:
            key = keys.get(slot.sku)
            corner, wide, high = (x + slot.from_m, board), slot.to_m - slot.from_m, shelf.clearance_m
            box = Rectangle(
                corner, wide, high * 0.93, facecolor=key.colour if key else "#999999", edgecolor=PAPER, linewidth=0.8
            )
            axes.add_patch(box)
            for line in range(1, slot.facings):
                at = corner[0] + wide * line / slot.facings
                axes.plot([at, at], [board, board + high * 0.93], color=PAPER, linewidth=0.5, alpha=0.6)
            _label(axes, corner[0] + wide / 2, board + high * 0.46, str(key.number) if key else "?", INK, 8)


def _draw_legend(axes: Axes, keys: dict[str, ProductKey]) -> None:
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    columns = 2 if len(keys) <= 24 else 3 if len(keys) <= 54 else 5
    rows = max(8, math.ceil(len(keys) / columns))
    size = 9 if rows <= 13 else 6.5
    letters = int(95 / columns * 9 / size)
    for index, key in enumerate(keys.values()):
        x, y = (index // rows) / columns, 1 - (index % rows + 0.5) / rows
        axes.plot([x + 0.012], [y], marker="s", markersize=size + 3, color=key.colour, clip_on=False)
        axes.text(x + 0.012, y, str(key.number), fontsize=size - 2.5, ha="center", va="center", color=INK)
        name = key.name if len(key.name) <= letters else f"{key.name[: letters - 1]}…"
        axes.text(x + 0.03, y, name, fontsize=size, va="center", color=INK)
