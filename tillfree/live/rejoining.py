"""Brings people over a restart: notes where they are while the store runs, and looks for them when it starts again."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from shapely.geometry import Point

from checkout.state import State
from store_layout.geometry import StoreGeometry
from store_layout.model import Strict
from tillfree.live.resumption import PersonBefore, Place, Resumption, ResumptionSettings
from vision.pipeline import Instant
from vision.types import Frame, GateCrossing, Observation, People, PersonRejoined, VisionEvent

_GATE_M = 2.0
"""Who stands this near to a gate's line, and on its outer side, has not entered."""


class _Person(Strict):
    person_id: int
    place_m: tuple[float, float]
    visit_id: str | None
    seen_ns: int


class _File(Strict):
    version: Literal[1] = 1
    at_ns: int
    people: tuple[_Person, ...]


class PeopleFile:
    """Who is where inside, as of a second ago: no pictures and no looks, and nothing once the store is empty."""

    def __init__(self, path: Path) -> None:
        """What cannot be read is as good as nothing: the log knows who was inside, if not where."""
        self._path = path
        self._told = _read(path)
        self._is_empty = self._told is None

    @property
    def at_ns(self) -> int | None:
        """When it was last written by the process before, None where it was not."""
        return None if self._told is None else self._told.at_ns

    def before(self, state: State, last_ns: int) -> tuple[PersonBefore, ...]:
        """Return who was inside: by the file, and those besides whom only the log knows, seen at ``last_ns``."""
        found = () if self._told is None else self._told.people
        people: dict[int, PersonBefore] = {}
        for each in found:
            known = state.persons.get(each.person_id)
            visit_id = each.visit_id if known is None else known.visit_id
            if known is None or known.inside:
                people[each.person_id] = PersonBefore(each.person_id, each.place_m, visit_id, each.seen_ns)
        for number, person in state.persons.items():
            if person.inside and number not in people:
                people[number] = PersonBefore(number, None, person.visit_id, last_ns)
        return tuple(people.values())

    def last_person_id(self) -> int:
        """Return the highest id in it, 0 where there is none."""
        return max((each.person_id for each in self._told.people), default=0) if self._told is not None else 0

    def note(self, at_ns: int, people: tuple[PersonBefore, ...]) -> None:
        """Write who is where, all of it or nothing; after a power cut it may be gone. Raises OSError."""
        if self._is_empty and not people:
            return
        rows = tuple(
            _Person(person_id=each.person_id, place_m=each.place_m, visit_id=each.visit_id, seen_ns=each.seen_ns)
            for each in people
            if each.place_m is not None
        )
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.write_text(_File(at_ns=at_ns, people=rows).model_dump_json(), encoding="utf-8")
        draft.replace(self._path)
        self._is_empty = not people


class Rejoining:
    """An ``engine.Watcher`` that looks for the people who were inside, until all are found or given up."""

    def __init__(
        self,
        geometry: StoreGeometry,
        before: tuple[PersonBefore, ...],
        settings: ResumptionSettings,
        hear: Callable[[VisionEvent], None],
        doubt: Callable[[int, int], None],
    ) -> None:
        """``hear`` is told who is who and who has vanished, ``doubt`` of a new person who may be one of several, and when."""
        nowhere = geometry.floor.representative_point()
        self._geometry, self._hear, self._doubt = geometry, hear, doubt
        self._resumption = Resumption(before, settings, (round(nowhere.x, 6), round(nowhere.y, 6)))
        self._inside: dict[int, Place] = {}
        self._at_ns = 0

    def observed(self, frame: Frame, observation: Observation) -> None:
        """See ``Watcher.observed``: nothing is of interest."""

    def happened(self, instant: Instant) -> None:
        """See ``Watcher.happened``."""
        self._inside = inside(self._geometry, instant.people)
        self._at_ns = instant.captured_at_ns
        if self._resumption.is_done or not instant.tracks:
            return
        entered = (e.person_id for e in instant.events if isinstance(e, GateCrossing) and e.direction == "in")
        merged = (event.former_id for event in instant.events if isinstance(event, PersonRejoined))
        known = self._resumption.see(instant.captured_at_ns, self._inside, entered, merged)
        for event in known.events:
            self._hear(event)
        for number in known.doubtful:
            self._doubt(number, instant.captured_at_ns)

    def people(self, state: State) -> tuple[PersonBefore, ...]:
        """Return who is where now, those included who are looked for still."""
        now = (
            PersonBefore(number, place_m, state.visit_of(number), self._at_ns)
            for number, place_m in self._inside.items()
        )
        return (*self._resumption.waiting(), *now)


def inside(geometry: StoreGeometry, people: People) -> dict[int, Place]:
    """Return where everybody stands who is seen in the shop now, to the centimetre."""
    places = ((round(x, 2), round(y, 2)) for x, y in people.floor_m.tolist())
    found = zip(people.person_ids.tolist(), places, people.cameras, strict=True)
    return {number: place for number, place, cameras in found if cameras and _is_inside(geometry, place)}


def _is_inside(geometry: StoreGeometry, place_m: Place) -> bool:
    if not geometry.floor.covers(Point(place_m)):
        return False
    for gate in geometry.gates:
        along_m, side_m = gate.place_of(place_m)
        beside_m = max(-along_m, along_m - gate.length_m, 0.0)
        if side_m < 0 and math.hypot(beside_m, side_m) <= _GATE_M:
            return False
    return True


def _read(path: Path) -> _File | None:
    try:
        return _File.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
