"""Stocks a layout's shelves: which units stand in which slot, and where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simulator.errors import SimulatorError
from simulator.packaging import PackagingSpec
from simulator.state import ItemState
from store_layout.geometry import SlotPlace, StoreGeometry

_FRONT_GAP_M = 0.02
"""How far the front row stands behind the board's edge."""
_ROW_GAP_M = 0.008


@dataclass(frozen=True, slots=True)
class StockedItem:
    """One unit and where it stands: ``row`` 0 is the front row, ``column`` 0 the left facing seen from in front."""

    item: ItemState
    slot_id: str
    column: int
    row: int


def stock_shelves(
    geometry: StoreGeometry,
    specs: Mapping[str, PackagingSpec],
    rng: np.random.Generator,
    fill: float = 1.0,
    first_id: int = 1,
) -> tuple[StockedItem, ...]:
    """Fill every slot with its product, ``fill`` of the places that the layout gives it.

    Missing units are missing in front, as shoppers leave it. Units stand a little askew.
    Raises SimulatorError for a product that has no packaging.
    """
    stocked: list[StockedItem] = []
    for slot in geometry.slots:
        if slot.sku not in specs:
            raise SimulatorError(f"no packaging for {slot.sku} of slot {slot.slot_id}")
        for column, row in _places(slot, specs[slot.sku]):
            if rng.random() <= fill:
                item = _unit(slot, specs[slot.sku], (column, row), first_id + len(stocked), rng)
                stocked.append(StockedItem(item, slot.slot_id, column, row))
    return tuple(stocked)


def _places(slot: SlotPlace, spec: PackagingSpec) -> list[tuple[int, int]]:
    """Columns and rows of a slot, as many units deep as fit the board."""
    deep = max(1, min(slot.units_deep, int((slot.depth_m - _FRONT_GAP_M) / (spec.size_m[1] + _ROW_GAP_M))))
    return [(column, row) for column in range(slot.facings) for row in range(deep)]


def _unit(
    slot: SlotPlace, spec: PackagingSpec, place: tuple[int, int], item_id: int, rng: np.random.Generator
) -> ItemState:
    column, row = place
    low_left, low_right = slot.front_corners_m[3], slot.front_corners_m[2]
    along = (low_right - low_left) / slot.facings
    inward = _FRONT_GAP_M + spec.size_m[1] / 2 + row * (spec.size_m[1] + _ROW_GAP_M) + rng.uniform(0, 0.005)
    unit_along = along / np.linalg.norm(along)
    at = low_left + along * (column + 0.5) + unit_along * rng.normal(0, 0.002) - slot.normal * inward
    yaw = math.degrees(math.atan2(slot.normal[1], slot.normal[0])) + rng.normal(0, 3.0)
    return ItemState(item_id, slot.sku, (float(at[0]), float(at[1]), float(at[2]) + 0.001), float(yaw))
