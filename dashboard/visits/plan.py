"""A visit on the store's plan: what it did at which slot, its gates, and where its people were last seen.

The log does not keep where people walked: the order of what they did is drawn, not their way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.visits.types import Story
from store_layout.geometry import F64, StoreGeometry, gondola_footprint

_AWAY_M = 0.3
"""How far before a slot its mark stands."""
_MARGIN_M = 0.4


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the drawing with the numbers of what was done there."""

    x_m: float
    y_m: float
    numbers: tuple[int, ...]

    @property
    def label(self) -> str:
        """Return the numbers; of many, the first two."""
        return "·".join(str(each) for each in self.numbers[:2]) + ("…" if len(self.numbers) > 2 else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn; points are as SVG writes them, in metres, with y downwards as on the live page's plan."""

    view: str
    floor: str
    walls: tuple[str, ...]
    gondolas: tuple[str, ...]
    gates: tuple[tuple[str, str], ...]
    order: str
    marks: tuple[Mark, ...]
    last_seen: tuple[tuple[float, float], ...]


def plan_of(geometry: StoreGeometry, story: Story, marks: Mapping[str, int]) -> Plan:
    """Return a visit's plan."""
    store = geometry.store
    floor = np.asarray(store.floor_m, np.float64)
    low, high = floor.min(axis=0) - _MARGIN_M, floor.max(axis=0) + _MARGIN_M
    turned = _Turned(float(low[1] + high[1]))
    places = _places(geometry, story, marks)
    order = [place for _, place in sorted((number, place) for place, numbers in places.items() for number in numbers)]
    crossed = {each.body["gate_id"] for each in story.crossings if each.body["kind"] == "GateCrossing"}
    crossed.add(story.row.gate_id)
    lost = [each.body["last_floor_m"] for each in story.crossings if each.body["kind"] == "PersonVanished"]
    return Plan(
        view=f"{low[0]:.2f} {low[1]:.2f} {high[0] - low[0]:.2f} {high[1] - low[1]:.2f}",
        floor=turned.points(floor),
        walls=tuple(turned.points(wall.path_m) for wall in store.walls),
        gondolas=tuple(turned.points(gondola_footprint(gondola)) for gondola in store.gondolas),
        gates=tuple((turned.points(gate.line_m), "used" if gate.gate_id in crossed else "") for gate in geometry.gates),
        order=turned.points(order),
        marks=tuple(Mark(*turned.point(place), tuple(numbers)) for place, numbers in places.items()),
        last_seen=tuple(turned.point(place) for place in lost),
    )


def _places(geometry: StoreGeometry, story: Story, marks: Mapping[str, int]) -> dict[tuple[float, float], list[int]]:
    """Return what was done where; slots of one stretch of a shelf, above each other, are one place."""
    slots = {slot.slot_id: slot for slot in geometry.slots}
    found: dict[tuple[float, float], list[int]] = {}
    for each in story.interactions:
        slot = slots.get(each.body["slot_id"] or "")
        if slot is not None:
            x_m, y_m = (slot.centre_m[:2] + _AWAY_M * slot.normal[:2]).tolist()
            found.setdefault((round(x_m, 1), round(y_m, 1)), []).append(marks[each.body["interaction_id"]])
    return found


@dataclass(frozen=True, slots=True)
class _Turned:
    """Turns the floor, where y goes up, to a drawing, where it goes down."""

    sum_m: float

    def point(self, place: Sequence[float]) -> tuple[float, float]:
        return round(place[0], 2), round(self.sum_m - place[1], 2)

    def points(self, places: Iterable[Sequence[float]] | F64) -> str:
        rows = np.asarray(list(places), np.float64).reshape(-1, 2).tolist()
        return " ".join(f"{x_m},{y_m}" for x_m, y_m in map(self.point, rows))
