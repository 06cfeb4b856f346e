"""When a path on the floor has gone through a gate."""

from __future__ import annotations

from typing import Literal

from shapely.geometry import Point

from store_layout.geometry import GatePlace
from vision.people.settings import GateSettings

INSIDE, UNKNOWN, OUTSIDE = 1, 0, -1


def side_of(gate: GatePlace, place_m: tuple[float, float], settings: GateSettings) -> int:
    """Return the side of the gate's line that ``place_m`` is clearly on, UNKNOWN within the hysteresis."""
    _, side = gate.place_of(place_m)
    if abs(side) < settings.hysteresis_m:
        return UNKNOWN
    return INSIDE if side > 0 else OUTSIDE


def passes(gate: GatePlace, place_m: tuple[float, float], settings: GateSettings) -> bool:
    """Return whether ``place_m`` is between the gate's posts, or little beside them."""
    along, _ = gate.place_of(place_m)
    return -settings.beside_m <= along <= gate.length_m + settings.beside_m


def in_area(gate: GatePlace, place_m: tuple[float, float]) -> bool:
    """Return whether ``place_m`` is where people stand while they scan."""
    return bool(gate.area.covers(Point(place_m)))


def crossed(
    gate: GatePlace, before: int, place_m: tuple[float, float], settings: GateSettings
) -> tuple[int, Literal["in", "out"] | None]:
    """Return the side now known and the direction of a crossing, if there was one.

    A path that changes sides beside the gate's posts has walked round the end of the line
    and crosses nothing. Whoever was first seen on the line or right inside it came in there.
    """
    side = side_of(gate, place_m, settings)
    if side in (UNKNOWN, before):
        return before, None
    if before == UNKNOWN:
        came_in = side == INSIDE and gate.kind != "exit" and in_area(gate, place_m)
        return side, "in" if came_in else None
    if side == INSIDE and _may_be_beside(gate, place_m, settings):
        return before, None
    if not passes(gate, place_m, settings):
        return side, None
    return side, "in" if side == INSIDE else "out"


def _may_be_beside(gate: GatePlace, place_m: tuple[float, float], settings: GateSettings) -> bool:
    """Return whether somebody from outside is no more than a little inside, and beside the posts by more than noise.

    There is often a wall, and a mistaken box near the gate takes over whoever has just left.
    """
    along, side = gate.place_of(place_m)
    is_beside = not -settings.hysteresis_m <= along <= gate.length_m + settings.hysteresis_m
    return is_beside and side < settings.surely_inside_m
