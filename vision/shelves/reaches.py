"""Hands at shelves: when which person's hand was where along which shelf."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain, repeat, takewhile
from math import exp, inf

import numpy as np

from store_layout.geometry import ShelfPlace, SlotPlace, StoreGeometry
from vision.shelves.settings import ReachSettings
from vision.types import F64, I64, People

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
        self._bodies: deque[tuple[int, I64, F64]] = deque()
        self._frames: F64 = np.array([shelf.frame for shelf in self._shelves], np.float64).reshape(-1, 7)
        sizes = [(shelf.width_m, shelf.depth_m, shelf.clearance_m) for shelf in self._shelves]
        self._ends: F64 = np.array(sizes, np.float64).reshape(-1, 3) + settings.margin_m

    def take(self, people: People) -> list[Reach]:
        """Take one instant; return the reaches that ended, once nothing of that hand's stay is open any more."""
        at_ns = people.captured_at_ns
        if len(people):
            self._bodies.append((at_ns, people.person_ids, people.floor_m))
            self._touch(people)
        while self._bodies and self._bodies[0][0] < at_ns - _KEPT_NS:
            self._bodies.popleft()
        while self.closed and self.closed[0].closed_ns < at_ns - _KEPT_NS:
            self.closed.popleft()
        return self._end(at_ns - round(self._settings.gap_s * NS_PER_S))

    def finish(self) -> list[Reach]:
        """End all reaches."""
        return self._end(2**62)

    def _touch(self, people: People) -> None:
        """Note at which shelves everybody's hands are now."""
        rows, hands = np.nonzero(people.hands_confidence >= self._settings.confidence_min)
        if not len(rows):
            return
        places = self._at_shelves(people.hands_m[rows, hands])
        near = ((places >= -self._settings.margin_m) & (places <= self._ends)).all(axis=2)  # NaN is near nothing
        at = {(int(rows[k]), int(shelf), int(hands[k])): places[k, shelf].tolist() for k, shelf in np.argwhere(near)}
        for row, shelf, hand in sorted(at):
            place = at[row, shelf, hand]
            key = (int(people.person_ids[row]), hand, shelf)
            if (row, shelf, 1 - hand) not in at:
                self._go_on_as(key, place)
            reach = self._open.setdefault(key, Reach(key[0], shelf, hand))
            reach.points.append((people.captured_at_ns, *place, float(people.hands_confidence[row, hand])))

    def _at_shelves(self, points_m: F64) -> F64:
        """Return the coordinates (H, K, 3) of points (H, 3) at each of the K shelves: see ``ShelfPlace.to_shelf``."""
        x0, y0, z0, ux, uy, nx, ny = self._frames.T
        dx, dy, up = points_m[:, :1] - x0, points_m[:, 1:2] - y0, points_m[:, 2:] - z0
        return np.stack([dx * ux + dy * uy, -(dx * nx + dy * ny), up], axis=2)

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
        for person, (near, at_ns) in self._nearest_bodies(slot, begin_ns - slack, end_ns + slack).items():
            if near > found.get(person, (0.0, 0, 0))[0]:
                found[person] = (near, at_ns, at_ns)
        return found

    def _nearest_bodies(self, slot: SlotPlace, begin_ns: int, end_ns: int) -> dict[int, tuple[float, int]]:
        """Return for each person how near, 0 to 1, they stood to the slot at the best instant, and when that was.

        Of equal ones the last instant counts.
        """
        s, (x, y) = self._settings, slot.centre_m[:2].tolist()
        meanwhile = list(takewhile(lambda each: each[0] >= begin_ns, reversed(self._bodies)))
        meanwhile = [each for each in meanwhile if each[0] <= end_ns]
        if not meanwhile:
            return {}
        places = np.concatenate([floor_m for _, _, floor_m in meanwhile])
        away = np.maximum(np.hypot(places[:, 0] - x, places[:, 1] - y) - s.arm_m, 0.0)
        near = s.body_weight * np.exp(-0.5 * (away / s.body_spread_m) ** 2)
        best: dict[int, tuple[float, int]] = {}
        persons = np.concatenate([ids for _, ids, _ in meanwhile]).tolist()
        times = chain.from_iterable(repeat(at_ns, len(ids)) for at_ns, ids, _ in meanwhile)
        for person, weight, at_ns in zip(persons, near.tolist(), times, strict=True):
            if person not in best or weight > best[person][0]:
                best[person] = (weight, at_ns)
        return best


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
    return confidence * exp(-0.5 * away / s.spread_m**2)
