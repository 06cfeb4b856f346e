"""What stands where on the shelves while a scenario is played."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.packaging import PackagingSpec
from simulator.scenario.errors import ScenarioError
from simulator.scenario.model import Stock
from simulator.scenario.streams import stream
from store_layout.geometry import ShelfPlace, SlotPlace, StoreGeometry
from store_layout.model import Point3

FRONT_GAP_M = 0.035
"""How far the front row stands behind the board's edge."""
ROW_GAP_M = 0.008


@dataclass(frozen=True, slots=True)
class Cell:
    """A place for one unit: ``column`` 0 is the left facing seen from in front, ``row`` 0 the front row."""

    slot_id: str
    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a product as it stands: the middle of its underside, and the way its front looks."""

    item_id: int
    sku: str
    position_m: Point3
    yaw_deg: float


class Shelves:
    """The units on all shelves at one moment of the play. Filled full but for the scenario's gaps."""

    def __init__(self, geometry: StoreGeometry, specs: dict[str, PackagingSpec], stock: Stock, seed: int) -> None:
        self.geometry, self.specs = geometry, specs
        self._shelf = {place.shelf_id: place for place in geometry.shelves}
        self._slot = {place.slot_id: place for place in geometry.slots}
        self._rng = stream(seed, "placing")
        self.units: dict[Cell, Unit] = {}
        missing = {gap.slot: gap.missing for gap in stock.gaps}
        for slot in geometry.slots:
            self._fill(slot, stock.gap_share, missing.get(slot.slot_id, 0), stream(seed, "stock", slot.slot_id))
        self._next_id = len(self.units) + 1

    def _fill(self, slot: SlotPlace, gap_share: float, missing: int, rng: np.random.Generator) -> None:
        gone = self._missing(slot, gap_share, missing, rng)
        for cell in self.cells(slot.slot_id):
            if cell not in gone:
                self.units[cell] = self._stand(cell, slot.sku, len(self.units) + 1, rng)

    def _missing(self, slot: SlotPlace, gap_share: float, missing: int, rng: np.random.Generator) -> set[Cell]:
        """The empty cells of a slot: units are missing from the front, as shoppers leave it."""
        depth = [0] * slot.facings
        total = slot.facings * self.deep(slot)
        named = min(missing, total)
        count = named or min(int(rng.binomial(total, gap_share)), total - 1)
        for _ in range(count):
            shallow = [column for column in range(slot.facings) if depth[column] < self.deep(slot)]
            least = [column for column in shallow if depth[column] == min(depth[c] for c in shallow)]
            depth[int(rng.choice(least))] += 1
        return {Cell(slot.slot_id, column, row) for column in range(slot.facings) for row in range(depth[column])}

    def deep(self, slot: SlotPlace) -> int:
        """Units that fit one behind the other: what the layout says, as far as the board allows."""
        size = self.specs[slot.sku].size_m
        return max(1, min(slot.units_deep, int((slot.depth_m - FRONT_GAP_M) / (size[1] + ROW_GAP_M))))

    def place(self, slot_id: str) -> SlotPlace:
        """The slot's place in the store."""
        return self._slot[slot_id]

    def shelf(self, slot_id: str) -> ShelfPlace:
        """The shelf on which a slot is."""
        return self._shelf[self._slot[slot_id].shelf_id]

    def cells(self, slot_id: str) -> list[Cell]:
        """All places of a slot, by column and then row."""
        slot = self._slot[slot_id]
        return [Cell(slot_id, column, row) for column in range(slot.facings) for row in range(self.deep(slot))]

    def _stand(self, cell: Cell, sku: str, item_id: int, rng: np.random.Generator) -> Unit:
        slot, own = self._slot[cell.slot_id], self.specs[self._slot[cell.slot_id].sku].size_m
        size = self.specs[sku].size_m
        low_left, low_right = slot.front_corners_m[3], slot.front_corners_m[2]
        step = (low_right - low_left) / slot.facings
        inward = FRONT_GAP_M + size[1] / 2 + cell.row * (own[1] + ROW_GAP_M) + rng.uniform(0, 0.006)
        sideways = step / np.linalg.norm(step) * rng.uniform(-0.002, 0.002)
        at = low_left + step * (cell.column + 0.5) + sideways - slot.normal * inward
        yaw = math.degrees(math.atan2(slot.normal[1], slot.normal[0])) + float(rng.uniform(-4, 4))
        return Unit(item_id, sku, (round(float(at[0]), 6), round(float(at[1]), 6), round(float(at[2]) + 1e-3, 6)), yaw)

    def take(self, slot_id: str, stray: bool, near_along_m: float) -> tuple[Cell, Unit]:
        """Take the front-most unit of the facing nearest to ``near_along_m`` along the shelf.

        Units of the slot's own product unless ``stray``. Raises ScenarioError for an empty slot.
        """
        sku = self._slot[slot_id].sku
        fronts = [cell for cell in self._fronts(slot_id) if (self.units[cell].sku != sku) == stray]
        if not fronts:
            what = "product that does not belong there" if stray else "unit left"
            raise ScenarioError(f"slot {slot_id} has no {what}", mend="change the script or the stock")
        cell = min(fronts, key=lambda c: (c.row, abs(self._along(c) - near_along_m), c.column))
        return cell, self.units.pop(cell)

    def look(self, slot_id: str) -> tuple[Cell, Unit] | None:
        """The front-most unit of a slot, nearest row first; None where it is empty."""
        fronts = self._fronts(slot_id)
        cell = min(fronts, key=lambda c: (c.row, c.column), default=None)
        return None if cell is None else (cell, self.units[cell])

    def _fronts(self, slot_id: str) -> list[Cell]:
        columns: dict[int, Cell] = {}
        for cell in self.cells(slot_id):
            if cell in self.units:
                columns.setdefault(cell.column, cell)
        return list(columns.values())

    def _along(self, cell: Cell) -> float:
        slot = self._slot[cell.slot_id]
        return slot.from_m + (slot.to_m - slot.from_m) * (cell.column + 0.5) / slot.facings

    def new_id(self) -> int:
        """A number for a unit that was not in the store before."""
        self._next_id += 1
        return self._next_id - 1

    def put(self, slot_id: str, sku: str, item_id: int, home: Cell | None = None) -> tuple[Cell, Unit]:
        """Put a unit into ``home`` or the hindmost free cell that can be reached. Raises ScenarioError if none is free."""
        free = [home] if home is not None and home not in self.units else self._free(slot_id)
        fits = [cell for cell in free if self._fits(cell, sku)]
        if not fits:
            mend = "leave a gap there with stock.gaps, wide enough for it"
            raise ScenarioError(f"slot {slot_id} has no room for {sku}", mend=mend)
        cell = fits[0]
        self.units[cell] = self._stand(cell, sku, item_id, self._rng)
        return cell, self.units[cell]

    def _free(self, slot_id: str) -> list[Cell]:
        """Of each facing with an empty front, the hindmost free cell; the nearest to the front first."""
        found: dict[int, Cell] = {}
        for cell in self.cells(slot_id):
            blocked = any(Cell(slot_id, cell.column, row) in self.units for row in range(cell.row + 1))
            if not blocked:
                found[cell.column] = cell
        return sorted(found.values(), key=lambda c: (c.row, c.column))

    def _fits(self, cell: Cell, sku: str) -> bool:
        slot, size = self._slot[cell.slot_id], self.specs[sku].size_m
        if slot.sku == sku:
            return True
        own = self.specs[slot.sku].size_m
        wide = (slot.to_m - slot.from_m) / slot.facings
        room = 2 * wide - own[0] if slot.facings > 1 else wide
        shallow = size[1] <= own[1] + 0.02 or cell.row == self.deep(slot) - 1
        return size[0] <= room and size[2] < self.shelf(cell.slot_id).clearance_m - 0.01 and shallow
