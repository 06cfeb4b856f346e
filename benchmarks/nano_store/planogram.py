"""Which product stands on which plates: drawn from where the cases say that it was taken.

Cases were filmed on different days, so a few of them claim one plate for two products. A product keeps to its shelf, its places
come as near to what was claimed as the others leave room, and all other plates are filled, as in a store that is open.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.nano_store.data import CaseData, EventData, NanoData, PlateData, ShelfKey
from benchmarks.nano_store.wraps import SIDE_M, Shape, lower, narrower, shape_of
from store_layout.errors import InputError

HEAD_M = 0.035
"""Free height above a pack: a hand has to take it."""
PUT_BACK_WEIGHT = 0.5
"""A put-back tells less of where a product belongs than a pick."""
MOST_FACINGS = 3


@dataclass(frozen=True, slots=True)
class Block:
    """A product's place on a shelf: ``first`` is the index of its leftmost plate, from 0, ``plates`` how many it takes."""

    barcode: str
    first: int
    plates: int

    @property
    def middle(self) -> float:
        """The middle of its plates, as an index."""
        return self.first + (self.plates - 1) / 2

    @property
    def end(self) -> int:
        """The first plate to the right of it."""
        return self.first + self.plates


@dataclass(frozen=True, slots=True)
class Claim:
    """That a product belongs somewhere: the middle of the claimed plates, as an index, how many they are, and how much it tells."""

    middle: float
    plates: int
    weight: float


Claims = dict[ShelfKey, dict[str, list[Claim]]]
"""By shelf and product."""


@dataclass(frozen=True, slots=True)
class Planogram:
    """All shelves: blocks from left to right, the plates' numbers from left to right, and the shape of each product's pack."""

    blocks: Mapping[ShelfKey, tuple[Block, ...]]
    plates: Mapping[ShelfKey, tuple[PlateData, ...]]
    shapes: Mapping[str, Shape]

    def middle(self, event: EventData) -> float:
        """Return the middle of an event's plates, as an index."""
        numbers = [plate.plate for plate in self.plates[event.key]]
        return sum(numbers.index(number) for number in event.plates if number in numbers) / len(event.plates)

    def block_at(self, event: EventData) -> Block:
        """Return the block whose plates an event names: its product's own where that has half of them."""
        home = self.home(event)
        numbers = [plate.plate for plate in self.plates[event.key]]
        if home is not None:
            shared = set(event.plates) & set(numbers[home.first : home.end])
            if 2 * len(shared) >= len(event.plates):
                return home
        middle = self.middle(event)
        return min(self.blocks[event.key], key=lambda block: _away(block, middle))

    def home(self, event: EventData) -> Block | None:
        """Return the block of an event's product on its shelf, the nearest one; None where it has none there."""
        own = [block for block in self.blocks[event.key] if block.barcode == event.barcode]
        return min(own, key=lambda block: _away(block, self.middle(event)), default=None)


def _away(block: Block, middle: float) -> float:
    """How many plates lie between a block and a place; 0 inside it."""
    return max(block.first - middle, middle - (block.end - 1), 0.0)


def draw_planogram(data: NanoData) -> Planogram:
    """Return the planogram of a folder of cases. Raises InputError where a shelf has no room for what was taken from it.

    Where something foreign is put before a product that is taken afterwards, that product has two facings: the real shopper
    took it from beside what he had put there.
    """
    once = _draw(data, frozenset())
    wide = frozenset(_put_before(data.cases, once))
    return _draw(data, wide) if wide else once


def _put_before(cases: Iterable[CaseData], planogram: Planogram) -> Iterator[tuple[ShelfKey, str]]:
    """Yield shelf and product wherever something foreign is put into a product's place, and the product is taken later."""
    for case in cases:
        for number, event in enumerate(case.events):
            there = planogram.block_at(event).barcode
            later = [(each.key, each.barcode) for each in case.events[number:] if each.action == "pick"]
            if event.action == "put_back" and there != event.barcode and (event.key, there) in later:
                yield event.key, there


def _draw(data: NanoData, wide: frozenset[tuple[ShelfKey, str]]) -> Planogram:
    plates = _plates(data)
    claims = _claims(data.cases, plates)
    head = {(each.gondola, each.shelf): each.size_m[2] - HEAD_M for each in data.store.shelves}
    shapes = _shapes(data, claims, plates, head)
    blocks = {}
    for key, wanted in claims.items():
        widths = {
            barcode: _needed(shapes[barcode], plates[key], 2 if (key, barcode) in wide else 1) for barcode in wanted
        }
        _squeeze(key, widths, shapes, plates[key])
        blocks[key] = _placed(wanted, len(plates[key]), widths)
    return Planogram(
        _filled({key: blocks.get(key, ()) for key in plates}, plates, shapes, head, claims), plates, shapes
    )


def _shapes(
    data: NanoData,
    claims: Claims,
    plates: Mapping[ShelfKey, tuple[PlateData, ...]],
    head_m: Mapping[ShelfKey, float],
) -> dict[str, Shape]:
    """Return every product's pack, low enough for the shelves it is taken from and no wider than the plates it moved."""
    shapes = {barcode: shape_of(product) for barcode, product in data.products.items() if product.weight_g > 0}
    spans: dict[str, int] = {}
    for wanted in claims.values():
        for barcode, found in wanted.items():
            spans[barcode] = max(spans.get(barcode, 0), *(claim.plates for claim in found))
    for key, wanted in claims.items():
        plate_m = plates[key][0].size_m[0]
        for barcode in wanted:
            shape = lower(shapes.get(barcode) or shape_of(data.products[barcode]), head_m[key])
            shapes[barcode] = narrower(shape, spans[barcode] * plate_m - SIDE_M)
    return shapes


def _squeeze(key: ShelfKey, widths: dict[str, int], shapes: dict[str, Shape], plates: tuple[PlateData, ...]) -> None:
    """Where products claim more plates than a shelf has, make the widest narrower. Raises InputError where that is not enough."""
    while sum(widths.values()) > len(plates):
        widest = max(widths, key=lambda barcode: (widths[barcode], barcode))
        if widths[widest] == 1:
            message = f"gondola {key[0]}, shelf {key[1]} has {len(plates)} plates for {len(widths)} products"
            raise InputError(message, mend="leave out a case that claims the same plates for other products")
        widths[widest] -= 1
        shapes[widest] = narrower(shapes[widest], widths[widest] * plates[0].size_m[0] - SIDE_M)


def _plates(data: NanoData) -> dict[ShelfKey, tuple[PlateData, ...]]:
    """Return each shelf's plates from left to right."""
    order = sorted(data.store.plates, key=lambda each: (each.gondola, each.shelf, each.translation_m[0]))
    return {key: tuple(group) for key, group in itertools.groupby(order, key=lambda each: (each.gondola, each.shelf))}


def _claims(cases: Iterable[CaseData], plates: Mapping[ShelfKey, tuple[PlateData, ...]]) -> Claims:
    found: Claims = {}
    for event, weight in itertools.chain.from_iterable(_claiming(case) for case in cases):
        numbers = [plate.plate for plate in plates[event.key]]
        indices = [numbers.index(number) for number in event.plates if number in numbers]
        if indices:
            here = found.setdefault(event.key, {}).setdefault(event.barcode, [])
            here.append(Claim(float(np.mean(indices)), len(indices), weight))
    picked = {(key, barcode) for key, wanted in found.items() for barcode, all_ in wanted.items() if _is_home(all_)}
    return {
        key: {barcode: claims for barcode, claims in wanted.items() if (key, barcode) in picked}
        for key, wanted in found.items()
    }


def _is_home(claims: list[Claim]) -> bool:
    return any(claim.weight == 1.0 for claim in claims)


def _claiming(case: CaseData) -> Iterator[tuple[EventData, float]]:
    """Yield what a case says of where products belong: not picks of what was put to another place before."""
    for number, event in enumerate(case.events):
        before = [each for each in case.events[:number] if (each.barcode, each.key) == (event.barcode, event.key)]
        near = [each for each in before if set(each.plates) & set(event.plates)]
        if event.action == "put_back":
            yield event, PUT_BACK_WEIGHT
        elif not near or near[0].action == "pick":
            yield event, 1.0


def _placed(wanted: Mapping[str, list[Claim]], room: int, widths: Mapping[str, int]) -> tuple[Block, ...]:
    """Place the claimed products of a shelf as near to their claims as there is room."""
    order = sorted(wanted, key=lambda barcode: (_mean(wanted[barcode]), barcode))
    cost, starts = _best_starts(order, wanted, widths, room)
    improved = True
    while (
        improved
    ):  # who stands left of whom: neighbours change places as long as that brings them nearer to their claims
        improved = False
        for row in range(len(order) - 1):
            other = [*order[:row], order[row + 1], order[row], *order[row + 2 :]]
            other_cost, other_starts = _best_starts(other, wanted, widths, room)
            if other_cost < cost - 1e-9:
                order, cost, starts, improved = other, other_cost, other_starts, True
    return tuple(Block(barcode, start, widths[barcode]) for barcode, start in zip(order, starts, strict=True))


def _mean(claims: list[Claim]) -> float:
    return sum(claim.middle * claim.weight for claim in claims) / sum(claim.weight for claim in claims)


def _needed(shape: Shape, plates: tuple[PlateData, ...], facings: int = 1) -> int:
    """How many plates so many facings take."""
    return max(1, math.ceil(facings * (shape.size_m[0] + SIDE_M) / plates[0].size_m[0]))


def _best_starts(
    order: list[str], wanted: Mapping[str, list[Claim]], widths: Mapping[str, int], room: int
) -> tuple[float, list[int]]:
    """Return the least weighted sum of distances to what was claimed, and the first plate of each product that gives it."""
    best: list[tuple[float, list[int]]] = [(0.0, [])] * (room + 1)  # by how many plates are used up
    for barcode in order:
        width = widths[barcode]
        following: list[tuple[float, list[int]]] = [(math.inf, [])] * (room + 1)
        for end in range(width, room + 1):
            start = end - width
            middle = start + (width - 1) / 2
            cost, before = best[start]
            here = cost + sum(claim.weight * abs(middle - claim.middle) for claim in wanted[barcode])
            following[end] = min(following[end - 1], (here, [*before, start]))
        best = following
    return best[room]


def _filled(
    blocks: Mapping[ShelfKey, tuple[Block, ...]],
    plates: Mapping[ShelfKey, tuple[PlateData, ...]],
    shapes: Mapping[str, Shape],
    head_m: Mapping[ShelfKey, float],
    claims: Claims,
) -> dict[ShelfKey, tuple[Block, ...]]:
    """Fill all other plates: with products that no case takes, each once, then with more facings, then with any that fits."""
    claimed = {barcode for wanted in claims.values() for barcode in wanted}
    unclaimed = [barcode for barcode in sorted(shapes) if barcode not in claimed]
    others = itertools.cycle(sorted(shapes))
    found = {}
    for key in sorted(blocks):
        found[key] = _fill_shelf(list(blocks[key]), plates[key], shapes, head_m[key], unclaimed, others, len(shapes))
    return found


def _fill_shelf(
    placed: list[Block],
    plates: tuple[PlateData, ...],
    shapes: Mapping[str, Shape],
    head_m: float,
    unclaimed: list[str],
    others: Iterator[str],
    most: int,
) -> tuple[Block, ...]:
    """Fill one shelf; takes what it uses out of ``unclaimed``."""

    def fits(barcode: str, room: int) -> bool:
        shape = shapes[barcode]
        here = {block.barcode for block in placed}
        return barcode not in here and shape.size_m[2] <= head_m and _needed(shape, plates) <= room

    while (run := _free_run(placed, len(plates))) is not None:
        first, room = run
        left = next((block for block in placed if block.end == first), None)
        barcode = next((each for each in unclaimed if fits(each, room)), None)
        if barcode is not None:
            unclaimed.remove(barcode)
        elif left is not None and left.plates < MOST_FACINGS * _needed(shapes[left.barcode], plates):
            placed[placed.index(left)] = replace(left, plates=left.plates + 1)
            continue
        else:
            barcode = next((each for each in itertools.islice(others, most) if fits(each, room)), None)
        if barcode is None:  # too narrow for anything else: whoever stands beside it has more room
            _widen(placed, first)
            continue
        placed.append(Block(barcode, first, min(room, _needed(shapes[barcode], plates))))
    return tuple(sorted(placed, key=lambda block: block.first))


def _free_run(placed: list[Block], room: int) -> tuple[int, int] | None:
    """Return the first run of free plates: where it begins and how long it is."""
    taken = {plate for block in placed for plate in range(block.first, block.end)}
    free = [plate for plate in range(room) if plate not in taken]
    if not free:
        return None
    length = next((n for n, plate in enumerate(free) if plate != free[0] + n), len(free))
    return free[0], length


def _widen(placed: list[Block], plate: int) -> None:
    """Give a plate to the block at its left, or at its right."""
    beside = [row for row, block in enumerate(placed) if block.end == plate or block.first == plate + 1]
    if not beside:
        raise InputError("no product is low and narrow enough for a shelf", mend="add one to products.json")
    block = placed[beside[0]]
    placed[beside[0]] = replace(block, first=min(block.first, plate), plates=block.plates + 1)
