"""Who is who: looks are remembered when seen clearly, doubted after people met, and settled by looks again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.people.person import Person, cosine
from vision.people.settings import PeopleSettings
from vision.types import F64, PersonRejoined

NS_PER_S = 1_000_000_000
_Pair = tuple[int, int]


class _Meeting:
    """Two people who came so near that they may have been taken for each other."""

    def __init__(self, a: Person, b: Person) -> None:
        self.before: tuple[F64 | None, F64 | None] = (a.look, b.look)
        self.doubtful = False
        self.apart_since_ns: int | None = None


class Identities:
    """Watches everybody's looks and nearness; one instance belongs to one fusion."""

    def __init__(self, settings: PeopleSettings) -> None:
        self._settings = settings
        self._meetings: dict[_Pair, _Meeting] = {}

    def update(self, people: list[Person], at_ns: int) -> list[PersonRejoined]:
        """Remember looks, mark and settle doubts; fold ids that are one person, and return those."""
        rejoined = self._fold(people, at_ns)
        confirmed = [person for person in people if person.confirmed]
        self._forget({person.key for person in confirmed})
        for a, b in self._to_watch(confirmed):
            self._watch(a, b, at_ns)
        meeting = {key for pair, each in self._meetings.items() if each.apart_since_ns is None for key in pair}
        for person in people:
            if person.key not in meeting:
                person.remember_look([each.look for each in person.now if each.clear and each.look is not None])
        return rejoined

    def _forget(self, keys: set[int]) -> None:
        for pair in [pair for pair in self._meetings if not keys.issuperset(pair)]:
            del self._meetings[pair]

    def _to_watch(self, confirmed: list[Person]) -> list[tuple[Person, Person]]:
        """Return the pairs that are near each other or have met, in the order of ``confirmed``."""
        place = {person.key: place for place, person in enumerate(confirmed)}
        met = {(place[a], place[b]) for a, b in self._meetings}
        return [(confirmed[i], confirmed[j]) for i, j in sorted({*near_pairs(confirmed, self._settings.near_m), *met})]

    def _watch(self, a: Person, b: Person, at_ns: int) -> None:
        """Open, follow and settle the meeting of two people."""
        s = self._settings
        pair = (a.key, b.key)
        meeting = self._meetings.get(pair)
        distance = a.distance_m(b)
        if meeting is None:
            if distance < s.near_m:
                self._meetings[pair] = _Meeting(a, b)
            return
        meeting.doubtful = meeting.doubtful or self._may_be_swapped(a, b, distance)
        if meeting.doubtful and distance < s.apart_m:
            a.uncertain = b.uncertain = True
        if distance < s.apart_m or not (a.now and b.now):
            meeting.apart_since_ns = None
            return
        if meeting.apart_since_ns is None:
            meeting.apart_since_ns = at_ns
            a.fresh_look = b.fresh_look = None
        elif at_ns - meeting.apart_since_ns >= s.apart_s * NS_PER_S:
            del self._meetings[pair]
            if meeting.doubtful:
                self._settle(a, b, meeting)

    def _may_be_swapped(self, a: Person, b: Person, distance: float) -> bool:
        """Return whether no camera tells the two apart at this instant while they are near."""
        together = set(a.cameras) & set(b.cameras)
        return distance < self._settings.near_m and not together

    def _settle(self, a: Person, b: Person, meeting: _Meeting) -> None:
        """Compare looks after the meeting with those before it; exchange, trust or go on doubting."""
        kept = [cosine(meeting.before[0], a.fresh_look), cosine(meeting.before[1], b.fresh_look)]
        swapped = [cosine(meeting.before[0], b.fresh_look), cosine(meeting.before[1], a.fresh_look)]
        if None in kept or None in swapped:
            return
        gain = sum(value for value in kept if value is not None) - sum(value for value in swapped if value is not None)
        if abs(gain) < self._settings.looks_margin:
            return
        if gain < 0:
            exchange(a, b)
        a.look, b.look = _known(meeting.before[0], a), _known(meeting.before[1], b)
        busy = {key for pair, each in self._meetings.items() if each.doubtful for key in pair}
        for person in (a, b):
            person.uncertain = person.key in busy

    def _fold(self, people: list[Person], at_ns: int) -> list[PersonRejoined]:
        """Fold a later id into an earlier one if the two stand together and no camera ever sees both."""
        s = self._settings
        rejoined: list[PersonRejoined] = []
        ordered = sorted(people, key=lambda person: person.key)
        place = {person.key: place for place, person in enumerate(ordered)}
        before = {(i, place[key]) for i, a in enumerate(ordered) for key in a.near_since_ns if key in place}
        for i, j in sorted({*near_pairs(ordered, s.rejoin_m), *before}):
            a, b = ordered[i], ordered[j]
            if a not in people or b not in people or not (a.confirmed and (a.now or b.now)):
                continue
            since = a.near_since_ns.setdefault(b.key, at_ns) if self._may_be_one(a, b, at_ns) else None
            if since is None:
                a.near_since_ns.pop(b.key, None)
            elif at_ns - since >= s.rejoin_after_s * NS_PER_S:
                rejoined += self._joined(a, b, cosine(a.look, b.look), at_ns)
                people.remove(b)
        return rejoined

    def _may_be_one(self, a: Person, b: Person, at_ns: int) -> bool:
        """Return whether a later person ``b`` stands where ``a`` does, looks alike, and no camera sees both."""
        s = self._settings
        young = b.born_ns >= at_ns - round(4.0 * NS_PER_S) or not b.confirmed
        if not young or a.distance_m(b) >= s.rejoin_m or set(a.cameras) & set(b.cameras):
            return False
        alike = cosine(a.look, b.look)
        return alike is None or alike >= s.rejoin_cosine

    def _joined(self, a: Person, b: Person, alike: float | None, at_ns: int) -> list[PersonRejoined]:
        if not a.now or b.seen_ns > a.seen_ns:
            a.state = b.state
        a.now += b.now
        a.cameras = tuple(sorted({*a.cameras, *b.cameras}))
        a.links |= b.links
        a.camera_seen_ns |= b.camera_seen_ns
        a.seen_ns = max(a.seen_ns, b.seen_ns)
        if not b.confirmed:
            return []
        probability = 0.5 if alike is None else min(max(alike, 0.5), 0.99)
        return [PersonRejoined(a.person_id, b.person_id, at_ns, round(probability, 6))]


def near_pairs(people: Sequence[Person], within_m: float) -> list[tuple[int, int]]:
    """Return the places i < j of all that are about ``within_m`` from each other or nearer: those worth a closer look."""
    if len(people) < 2:
        return []
    places = np.array([person.place_m for person in people])
    away = places[:, None] - places
    first, second = np.nonzero((away * away).sum(axis=2) <= 1.000001 * within_m * within_m)
    return [(i, j) for i, j in zip(first.tolist(), second.tolist(), strict=True) if i < j]


def exchange(a: Person, b: Person) -> None:
    """Give each person the other's body: place, cameras' tracks, hands and what was just seen of it."""
    for name in (
        "state", "seen_ns", "links", "cameras", "now", "camera_seen_ns", "fresh_look", "hands_m",
        "hands_confidence", "last_hands_m", "last_hands_ns", "gate_sides", "sightings", "height_m",
    ):  # fmt: skip
        mine, others = getattr(a, name), getattr(b, name)
        setattr(a, name, others)
        setattr(b, name, mine)


def _known(before: F64 | None, person: Person) -> F64 | None:
    return before if person.fresh_look is None else person.fresh_look
