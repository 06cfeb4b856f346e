"""What a compiled scenario consists of: performances, where every item is when, and what was done."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from simulator.appearance import BodyLook
from simulator.packaging import PackagingSpec
from simulator.scenario.model import Scenario
from simulator.scenario.motion import Performance
from simulator.state import ItemState, LightState, SceneState, Side
from store_layout.geometry import StoreGeometry


@dataclass(frozen=True, slots=True)
class ItemMove:
    """From ``at_s`` on an item is as ``state`` says."""

    at_s: float
    state: ItemState


@dataclass(frozen=True, slots=True)
class Deed:
    """One reach of a hand into a shelf. ``from_s`` to ``to_s`` is how long the palm is inside.

    ``kind`` touch changes nothing. ``person`` is a body's number, ``at_s`` when the item changes hands.
    """

    kind: Literal["pick", "put_back", "touch"]
    person: int
    slot_id: str
    shelf_id: str
    item_id: int | None
    sku: str | None
    hand: Side
    from_s: float
    at_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Owning:
    """Whose an item is from ``at_s`` on; ``person`` None: nobody's, it stands on a shelf or on the floor."""

    at_s: float
    item_id: int
    sku: str
    person: int | None
    how: Literal["pick", "put_back", "hand_over", "put_on_floor", "restock"]


@dataclass(frozen=True, slots=True)
class Scan:
    """A token shown at a gate."""

    person: int
    gate_id: str
    at_s: float
    token: str
    party_size: int


class Play:
    """A compiled scenario: the scene at any time, and what its truth is made of. Pure and unchanging."""

    def __init__(
        self,
        scenario: Scenario,
        geometry: StoreGeometry,
        specs: Mapping[str, PackagingSpec],
        performances: Mapping[int, Performance],
        start_items: Sequence[ItemState],
        moves: Sequence[ItemMove],
        deeds: Sequence[Deed],
        ownings: Sequence[Owning],
        scans: Sequence[Scan],
        light: LightState,
    ) -> None:
        self.scenario, self.geometry, self.specs = scenario, geometry, dict(specs)
        self.performances = dict(sorted(performances.items()))
        self.deeds = tuple(sorted(deeds, key=lambda deed: (deed.from_s, deed.person)))
        self.ownings = tuple(sorted(ownings, key=lambda owning: (owning.at_s, owning.item_id)))
        self.scans = tuple(sorted(scans, key=lambda scan: (scan.at_s, scan.token)))
        self.light = light
        self._change_s, self._items = _item_lists(start_items, moves)

    @property
    def looks(self) -> dict[int, BodyLook]:
        """What everybody looks like."""
        return {person: performance.motion.look for person, performance in self.performances.items()}

    def items(self, at_s: float) -> tuple[ItemState, ...]:
        """All items at ``at_s``; the same tuple while nothing changes."""
        return self._items[bisect_right(self._change_s, at_s)]

    def state(self, at_s: float) -> SceneState:
        """The whole scene at ``at_s``."""
        here = [act for act in self.performances.values() if act.present(at_s)]
        return SceneState(at_s, tuple(act.pose(at_s) for act in here), self.items(at_s), self.light)


def _item_lists(
    start: Sequence[ItemState], moves: Sequence[ItemMove]
) -> tuple[list[float], list[tuple[ItemState, ...]]]:
    now = {item.item_id: item for item in start}
    times: list[float] = []
    lists = [tuple(now.values())]
    for move in sorted(moves, key=lambda move: (move.at_s, move.state.item_id)):
        now[move.state.item_id] = move.state
        if times and times[-1] == move.at_s:
            lists[-1] = tuple(now.values())
        else:
            times.append(move.at_s)
            lists.append(tuple(now.values()))
    return times, lists
