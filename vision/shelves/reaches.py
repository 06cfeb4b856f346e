"""Hands at shelves: when which person's hand was where along which shelf."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

import numpy as np

from store_layout.geometry import ShelfPlace, SlotPlace, StoreGeometry
from vision.shelves.settings import ReachSettings
from vision.types import F64, People

NS_PER_S = 1_000_000_000
_KEPT_NS = 120 * NS_PER_S


@dataclass(slots=True)
class Reach:
    """One hand's stay at one shelf. ``points`` are (at_ns, along_m, inwards_m, up_m, confidence)."""

    person_id: int
    shelf: int
    hand: int
    points: list[tuple[int, float, float, float, float]] = field(default_factory=list)

    @property
    def opened_ns(self) -> int:
        """When the hand came."""
        return self.points[0][0]

    @property
    def closed_ns(self) -> int:
        """When it was last there."""
        return self.points[-1][0]

    @property
    def deepest_m(self) -> float:
        """How far behind the shelf's front plane the hand came."""
        return max(point[2] for point in self.points)


class Reaches:
    """Remembers the last two minutes of hands at shelves, and of bodies in front of them."""

    def __init__(self, geometry: StoreGeometry, settings: ReachSettings) -> None:
        self._shelves, self._settings = geometry.shelves, settings
        self._open: dict[tuple[int, int, int], Reach] = {}
        self._waiting: list[Reach] = []
        self.closed: deque[Reach] = deque()
        self._bodies: deque[tuple[int, int, F64]] = deque()

    def take(self, people: People) -> list[Reach]:
        """Take one instant; return the reaches that ended, once nothing of that hand's stay is open any more."""
        at_ns = people.captured_at_ns
        for row, person in enumerate(people.person_ids.tolist()):
            self._bodies.append((at_ns, person, people.floor_m[row].copy()))
            self._touch(at_ns, person, people.hands_m[row], people.hands_confidence[row])
        while self._bodies and self._bodies[0][0] < at_ns - _KEPT_NS:
            self._bodies.popleft()
        while self.closed and self.closed[0].closed_ns < at_ns - _KEPT_NS:
            self.closed.popleft()
        return self._end(at_ns - round(self._settings.gap_s * NS_PER_S))

    def finish(self) -> list[Reach]:
        """End all reaches."""
        return self._end(2**62)

    def _touch(self, at_ns: int, person: int, hands_m: F64, confidence: F64) -> None:
        """Note at which shelves a person's hands (2, 3) are now."""
        seen = [
            hand
            for hand in range(2)
            if float(confidence[hand]) >= self._settings.confidence_min and np.isfinite(hands_m[hand]).all()
        ]
        for index, shelf in enumerate(self._shelves):
            places = {hand: shelf.to_shelf(hands_m[hand][None])[0].tolist() for hand in seen}
            near = [hand for hand in seen if _near(shelf, places[hand], self._settings.margin_m)]
            for hand in near:
                if len(near) == 1:
                    self._go_on_as((person, hand, index), places[hand])
                reach = self._open.setdefault((person, hand, index), Reach(person, index, hand))
                along, inwards, up = places[hand]
                reach.points.append((at_ns, along, inwards, up, float(confidence[hand])))

    def _go_on_as(self, key: tuple[int, int, int], place: list[float]) -> None:
        """Let the other hand's reach go on as this hand's, where it was a moment ago: which is left is not sure."""
        person, hand, index = key
        other = self._open.get((person, 1 - hand, index))
        if key in self._open or other is None:
            return
        moved2 = sum((new - old) ** 2 for new, old in zip(place, other.points[-1][1:4], strict=True))
        if moved2 < self._settings.two_hands_m * self._settings.two_hands_m:
            self._open[key] = self._open.pop((person, 1 - hand, index))
            other.hand = hand

    def _end(self, before_ns: int) -> list[Reach]:
        ended = [key for key in sorted(self._open) if self._open[key].closed_ns < before_ns]
        found = [self._open.pop(key) for key in ended]
        kept = [each for each in found if each.closed_ns - each.opened_ns >= round(self._settings.dwell_s * NS_PER_S)]
        self.closed.extend(kept)
        return self._settled(kept)

    def _settled(self, ended: list[Reach]) -> list[Reach]:
        """Return the reaches, of now or before, that no open reach of the same person overlaps: only those can be compared."""
        self._waiting += ended
        until_ns: dict[int, int] = {}
        for reach in self._waiting:
            until_ns[reach.person_id] = max(until_ns.get(reach.person_id, 0), reach.closed_ns)
        busy = {each.person_id for each in self._open.values() if each.opened_ns <= until_ns.get(each.person_id, -1)}
        settled = [reach for reach in self._waiting if reach.person_id not in busy]
        self._waiting = [reach for reach in self._waiting if reach.person_id in busy]
        return settled

    def is_likeliest(self, reach: Reach) -> bool:
        """Tell whether no other shelf explains this hand better at the same time.

        A hand between two boards, or where two gondolas meet, is within the margin of both, but is one
        hand. What loses against a third shelf takes nothing away.
        """
        rivals = [
            other for other in self.closed if self._rank(other) > self._rank(reach) and self._is_one(reach, other)
        ]
        return not any(self.is_likeliest(other) for other in rivals)

    def _rank(self, reach: Reach) -> tuple[float, int, int, int]:
        return (self._closeness_sum(reach), -reach.shelf, -reach.hand, -reach.opened_ns)

    def _is_one(self, reach: Reach, other: Reach) -> bool:
        """Tell whether two reaches are one hand's: one person's, at one time, and not seen in two places at once."""
        shared_ns = min(reach.closed_ns, other.closed_ns) - max(reach.opened_ns, other.opened_ns)
        shorter_ns = min(reach.closed_ns - reach.opened_ns, other.closed_ns - other.opened_ns)
        if other is reach or other.person_id != reach.person_id or 2 * shared_ns < shorter_ns:
            return False
        return reach.hand == other.hand or self._apart_m(reach, other) < self._settings.two_hands_m

    def _apart_m(self, reach: Reach, other: Reach) -> float:
        """Return the median distance of two hands at the instants that show both; 0 where none does."""
        theirs = {point[0]: point[1:4] for point in other.points}
        both = [(point[1:4], theirs[point[0]]) for point in reach.points if point[0] in theirs]
        if not both:
            return 0.0
        ours = self._shelves[reach.shelf].to_world(np.array([a for a, _ in both]))
        gap = ours - self._shelves[other.shelf].to_world(np.array([b for _, b in both]))
        return float(np.median(np.sqrt((gap * gap).sum(axis=1))))

    def _closeness_sum(self, reach: Reach) -> float:
        shelf = self._shelves[reach.shelf]
        return round(sum(_in_shelf(shelf, point, self._settings) for point in reach.points), 6)

    def weights(self, slot: SlotPlace, shelf: int, begin_ns: int, end_ns: int) -> dict[int, tuple[float, int, int]]:
        """Return for each person a weight for having been at ``slot`` in the time, and when their hand was there."""
        s = self._settings
        found: dict[int, tuple[float, int, int]] = {}
        slack = round(s.slack_s * NS_PER_S)
        for reach in (*self.closed, *self._open.values()):
            if reach.shelf != shelf or reach.closed_ns < begin_ns - slack or reach.opened_ns > end_ns + slack:
                continue
            meanwhile = (point for point in reach.points if begin_ns - slack <= point[0] <= end_ns + slack)
            best = max((_closeness(slot, self._shelves[shelf], point, s) for point in meanwhile), default=0.0)
            if best > found.get(reach.person_id, (0.0, 0, 0))[0]:
                found[reach.person_id] = (best, reach.opened_ns, reach.closed_ns)
        for at_ns, person, floor_m in reversed(self._bodies):
            if at_ns < begin_ns - slack:
                break
            if at_ns <= end_ns + slack:
                away = max(float(np.hypot(*(floor_m - slot.centre_m[:2]))) - s.arm_m, 0.0)
                near = s.body_weight * float(np.exp(-0.5 * (away / s.body_spread_m) ** 2))
                if near > found.get(person, (0.0, 0, 0))[0]:
                    found[person] = (near, at_ns, at_ns)
        return found


def _near(shelf: ShelfPlace, place: list[float], margin_m: float) -> bool:
    along, inwards, up = place
    beside = -margin_m <= along <= shelf.width_m + margin_m
    return (
        beside and -margin_m <= inwards <= shelf.depth_m + margin_m and -margin_m <= up <= shelf.clearance_m + margin_m
    )


def _closeness(
    slot: SlotPlace, shelf: ShelfPlace, point: tuple[int, float, float, float, float], s: ReachSettings
) -> float:
    """Return how surely a hand was at the slot. How deep it seems to be says nothing against that."""
    return _nearness(shelf, (slot.from_m, slot.to_m, inf), point, s)


def _in_shelf(shelf: ShelfPlace, point: tuple[int, float, float, float, float], s: ReachSettings) -> float:
    """Return how surely a hand was in the shelf."""
    return _nearness(shelf, (0.0, shelf.width_m, shelf.depth_m), point, s)


def _nearness(
    shelf: ShelfPlace,
    space: tuple[float, float, float],
    point: tuple[int, float, float, float, float],
    s: ReachSettings,
) -> float:
    """Return a hand's confidence, less the farther it was from ``space``: from and to along the shelf, and its depth."""
    _, along, inwards, up, confidence = point
    from_m, to_m, depth_m = space
    beside = max(from_m - along, along - to_m, 0.0)
    above = max(-up, up - shelf.clearance_m, 0.0)
    before = max(-inwards, inwards - depth_m, 0.0)
    away = beside**2 + above**2 + before**2
    return confidence * float(np.exp(-0.5 * away / s.spread_m**2))
