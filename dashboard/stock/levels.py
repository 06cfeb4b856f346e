"""What slots seem to hold: a fold of what happened and of what was counted, whatever comes first."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from dashboard.stock.types import Counted, Happening, Kind, SlotPlan, Units

_MOST_MOVES = 2_000
"""Moves of a slot since it was counted that are kept one by one; the older half of more is added up, and not corrected any more."""


@dataclass(frozen=True, slots=True)
class SlotStock:
    """What a slot seems to hold, and how far to believe it.

    Since it was counted last, ``unsure_units`` moved with doubt, ``unread`` hands were in it that nobody knows of what they did,
    and ``asked_units`` wait for an operator; ``unexplained_units`` were taken though the slot seemed to hold none of them.
    """

    slot_id: str
    sku: str
    capacity: int
    level: int
    misplaced: tuple[Units, ...] = ()
    unsure_units: int = 0
    unread: int = 0
    asked_units: int = 0
    unexplained_units: int = 0
    counted_at_ns: int | None = None
    counted_by: str = ""

    @property
    def misplaced_units(self) -> int:
        """How many things lie there that do not belong there."""
        return sum(each.units for each in self.misplaced)

    @property
    def doubt_units(self) -> int:
        """By how many units the level may be wrong, as far as is known; a hand that was not read is one."""
        return self.unsure_units + self.unread + self.asked_units + self.unexplained_units


@dataclass(slots=True)
class _Net:
    """What an interaction came to, with all that corrected it."""

    at_ns: int
    units: dict[str, int] = field(default_factory=dict)
    is_sure: bool = True

    @property
    def unsure_units(self) -> int:
        return 0 if self.is_sure else sum(abs(units) for units in self.units.values())


@dataclass(slots=True)
class _Contents:
    """What lies in a slot by product, never less than nothing of any."""

    held: Counter[str] = field(default_factory=Counter)
    unsure_units: int = 0
    unexplained_units: int = 0

    def copy(self) -> _Contents:
        return _Contents(Counter(self.held), self.unsure_units, self.unexplained_units)

    def add(self, net: _Net) -> None:
        """Let an interaction have happened. Who takes what was not known to be there shows that it was."""
        self.unsure_units += net.unsure_units
        for sku, units in net.units.items():
            self.unexplained_units += max(0, -units - self.held[sku])
            self.held[sku] = max(0, self.held[sku] + units)


class _Slot:
    """A slot since its last count."""

    def __init__(self, plan: SlotPlan, units: int) -> None:
        self.plan = plan
        self.counted: Counted | None = None
        self._base = _Contents(Counter({plan.sku: units}))
        self._nets: dict[str, _Net] = {}
        self._unread: dict[str, int] = {}
        self._asked: dict[str, tuple[int, int]] = {}
        self._now: SlotStock | None = None

    def apply(self, event: Happening, unsure_below: float) -> None:
        if event.kind is Kind.LAPSED or event.kind is Kind.ANSWERED:
            self._close(event)
        elif self.counted is None or event.at_ns > self.counted.at_ns:
            self._take(event, unsure_below)
        self._now = None

    def _take(self, event: Happening, unsure_below: float) -> None:
        match event.kind:
            case Kind.MOVED:
                self._move(event, unsure_below)
            case Kind.UNREAD:
                self._unread[event.reference] = event.at_ns
            case Kind.ASKED:
                self._asked[event.reference] = (event.at_ns, abs(event.units) or 1)
            case _:
                pass

    def _move(self, event: Happening, unsure_below: float) -> None:
        assert event.sku is not None
        net = self._nets.get(event.reference)
        if net is None:
            net = self._nets[event.reference] = _Net(event.at_ns, is_sure=event.probability >= unsure_below)
        net.units[event.sku] = net.units.get(event.sku, 0) + event.units
        if len(self._nets) > _MOST_MOVES:
            self._settle()

    def _close(self, event: Happening) -> None:
        self._asked.pop(event.reference, None)
        if event.kind is Kind.ANSWERED:
            self._unread.pop(event.reference, None)
            if event.reference in self._nets:
                self._nets[event.reference].is_sure = True

    def _settle(self) -> None:
        """Add the older half up."""
        for name, net in self._ordered()[: _MOST_MOVES // 2]:
            self._base.add(net)
            del self._nets[name]

    def _ordered(self) -> list[tuple[str, _Net]]:
        return sorted(self._nets.items(), key=lambda item: item[1].at_ns)

    def count(self, said: Counted) -> None:
        """Take what somebody counted; what happened until then is in it."""
        if self.counted is not None and said.at_ns < self.counted.at_ns:
            return
        self.counted = said
        held = Counter({each.sku: each.units for each in said.misplaced})
        held[said.sku] += said.units
        self._base = _Contents(held)
        self._nets = {name: net for name, net in self._nets.items() if net.at_ns > said.at_ns}
        self._unread = {name: at_ns for name, at_ns in self._unread.items() if at_ns > said.at_ns}
        self._asked = {name: asked for name, asked in self._asked.items() if asked[0] > said.at_ns}
        self._now = None

    def now(self) -> SlotStock:
        if self._now is None:
            self._now = self._told()
        return self._now

    def _told(self) -> SlotStock:
        found = self._base.copy()
        for _name, net in self._ordered():
            found.add(net)
        plan, said = self.plan, self.counted
        others = tuple(Units(sku, n) for sku, n in sorted(found.held.items()) if n > 0 and sku != plan.sku)
        asked = sum(units for name, (_at_ns, units) in self._asked.items() if name not in self._nets)
        return SlotStock(
            plan.slot_id, plan.sku, plan.capacity, found.held[plan.sku], others, found.unsure_units, len(self._unread),
            asked, found.unexplained_units, None if said is None else said.at_ns, "" if said is None else said.who,
        )  # fmt: skip


class StockFold:
    """All slots. What happened and what was counted may come in any order, but for corrections, which follow what they correct."""

    def __init__(self, plan: Iterable[SlotPlan], unsure_below: float, *, is_full: bool = True) -> None:
        """``is_full`` says what a slot holds until it is counted: all that fits, or nothing."""
        self._slots = {each.slot_id: _Slot(each, each.capacity if is_full else 0) for each in plan}
        self._unsure_below = unsure_below
        self._homes: dict[str, list[_Slot]] = {}
        for slot in self._slots.values():
            self._homes.setdefault(slot.plan.sku, []).append(slot)
        self._unplaced: dict[str, deque[tuple[int, int]]] = {}

    def apply(self, event: Happening) -> None:
        """Fold in what happened; slots that the layout no longer has pass by."""
        if event.slot_id is None:
            if event.kind is Kind.MOVED and event.sku is not None:
                kept = self._unplaced.setdefault(event.sku, deque(maxlen=_MOST_MOVES))
                kept.append((event.at_ns, event.units))
        elif event.slot_id in self._slots:
            self._slots[event.slot_id].apply(event, self._unsure_below)

    def count(self, said: Counted) -> None:
        """Fold in what somebody counted."""
        if said.slot_id in self._slots:
            self._slots[said.slot_id].count(said)

    def slot(self, slot_id: str) -> SlotStock | None:
        """Return a slot, None where the layout has no such one."""
        found = self._slots.get(slot_id)
        return None if found is None else found.now()

    def slots(self) -> tuple[SlotStock, ...]:
        """Return all slots in the order of the layout."""
        return tuple(slot.now() for slot in self._slots.values())

    def unplaced(self) -> tuple[Units, ...]:
        """Return what came back to shelves, or went (negative), in slots that nobody knows, since one of its own was counted."""
        found = (
            (sku, sum(units for at_ns, units in kept if at_ns > self._counted_ns(sku)))
            for sku, kept in self._unplaced.items()
        )
        return tuple(Units(sku, units) for sku, units in sorted(found) if units)

    def _counted_ns(self, sku: str) -> int:
        counts = (slot.counted for slot in self._homes.get(sku, []))
        return max((said.at_ns for said in counts if said is not None), default=-1)
