"""Who of the people inside after a restart is who of those before: by place and by the time there was to walk.

Pure: places and times in, events for checkout out. One to one, the pairing of least walks in all; where another pairing
that pays otherwise walks hardly more, nobody is guessed: what such a person takes is asked about, as of anybody without a
scan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from store_layout.model import Strict
from vision.types import PersonRejoined, PersonVanished

_S = 1_000_000_000
_TOO_FAR_M = 1e6
"""Stands for pairs that cannot be, in sums of walks: more than all walks in a store together."""

Place = tuple[float, float]


class ResumptionSettings(Strict):
    """How people are known again after a restart."""

    snapshot_s: float = Field(
        default=1.0, gt=0, le=60, description="s between notes of who is where; people walk about a metre in it"
    )
    untold_s: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="s before a stop of which a deed may not have been told: a slot is judged once the hand is gone and nobody hides it. Visits that were under way then are asked about",
    )
    gather_s: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description="s from the first picture in which people are gathered before they are matched: somebody new is known after about one, in the view of all cameras after two",
    )
    give_up_s: float = Field(
        default=15.0,
        ge=0,
        le=600,
        description="s after which somebody who was not seen again counts as vanished; longer than anybody stands behind a shelf unseen",
    )
    gap_max_s: float = Field(
        default=120.0,
        ge=0,
        le=3_600,
        description="s without pictures after which places say nothing any more: everybody may be anywhere, or have left",
    )
    reach_m: float = Field(default=1.0, ge=0, le=10, description="m by which a place may be wrong, before and after")
    walking_m_per_s: float = Field(
        default=1.4, gt=0, le=5, description="m/s; people in a hurry cross a shop no faster than a street"
    )
    margin_m: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="m that another pairing must walk more in all, or the two are not told apart",
    )
    margin_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="share of the way that could have been walked, by which the margin grows: the longer nobody looked, the less the nearest is the right one",
    )


@dataclass(frozen=True, slots=True)
class PersonBefore:
    """Somebody who was inside. ``place_m`` is None where only the log knows of them; ``visit_id`` is who pays."""

    person_id: int
    place_m: Place | None
    visit_id: str | None
    seen_ns: int


@dataclass(frozen=True, slots=True)
class _New:
    person_id: int
    place_m: Place
    seen_ns: int


@dataclass(frozen=True, slots=True)
class Known:
    """What an instant settled. ``doubtful`` are new ids that may be one of several people before."""

    events: tuple[PersonRejoined | PersonVanished, ...] = ()
    doubtful: tuple[int, ...] = ()


class Resumption:
    """Call ``see`` with each instant until ``is_done``."""

    def __init__(self, before: Iterable[PersonBefore], settings: ResumptionSettings, nowhere_m: Place) -> None:
        """``nowhere_m`` is where people are told to have vanished of whom no place is known: not at a gate."""
        self._before = {each.person_id: each for each in before}
        self._settings, self._nowhere_m = settings, nowhere_m
        self._new: dict[int, _New] = {}
        self._by_gate: set[int] = set()
        self._began_ns: int | None = None
        self._told_doubtful: set[int] = set()

    @property
    def is_done(self) -> bool:
        """Whether nobody is looked for any more."""
        return not self._before

    def waiting(self) -> tuple[PersonBefore, ...]:
        """Return who is looked for still."""
        return tuple(self._before.values())

    def see(
        self, at_ns: int, inside: Mapping[int, Place], entered: Iterable[int] = (), merged: Iterable[int] = ()
    ) -> Known:
        """Take an instant: who stands where inside, who came in by a gate, and which ids were folded into others."""
        if self._began_ns is None:
            self._began_ns = at_ns
        self._by_gate |= {*entered, *merged}
        for person_id, place_m in inside.items():
            self._new.setdefault(person_id, _New(person_id, place_m, at_ns))
        self._new = {number: new for number, new in self._new.items() if number not in self._by_gate}
        rejoined, doubtful = self._matched(at_ns)
        return Known((*rejoined, *self._vanished(at_ns)), doubtful)

    def _matched(self, at_ns: int) -> tuple[list[PersonRejoined], tuple[int, ...]]:
        assert self._began_ns is not None
        placed = [each for each in self._before.values() if each.place_m is not None]
        pairing = _Pairing(placed, list(self._new.values()), self._settings)
        clear = pairing.clear()
        is_gathered = at_ns - self._began_ns >= self._settings.gather_s * _S
        if not is_gathered and len(clear) < len(self._before):
            return [], ()
        events = []
        for before, new, distance_m in clear:
            del self._before[before.person_id], self._new[new.person_id]
            self._by_gate.add(new.person_id)  # is known, and so matches nobody else
            chance = math.exp(-distance_m / (self._settings.reach_m + pairing.walked_m(before, new)))
            events.append(PersonRejoined(new.person_id, before.person_id, at_ns, round(chance, 6)))
        doubtful = tuple(number for number in pairing.doubtful() if number not in self._told_doubtful)
        self._told_doubtful.update(doubtful)
        return events, doubtful

    def _vanished(self, at_ns: int) -> list[PersonVanished]:
        """Give up whoever was not seen again in time, or was seen too long ago."""
        assert self._began_ns is not None
        waited = at_ns - self._began_ns >= self._settings.give_up_s * _S
        longest_ns = self._settings.gap_max_s * _S
        gone = [each for each in self._before.values() if waited or self._began_ns - each.seen_ns > longest_ns]
        for each in gone:
            del self._before[each.person_id]
        return [PersonVanished(each.person_id, at_ns, each.place_m or self._nowhere_m) for each in gone]


class _Pairing:
    """The pairing of least walks between people before and new ones, as many pairs as can be."""

    def __init__(self, before: list[PersonBefore], new: list[_New], settings: ResumptionSettings) -> None:
        self._before, self._new, self._settings = before, new, settings
        self._walks_m = np.array([[self._walk_m(one, other) for other in new] for one in before], np.float64).reshape(
            len(before), len(new)
        )
        rows, columns = linear_sum_assignment(self._walks_m)
        chosen = zip(rows.tolist(), columns.tolist(), strict=True)
        self._pairs = {row: column for row, column in chosen if self._walks_m[row, column] < _TOO_FAR_M}

    def walked_m(self, before: PersonBefore, new: _New) -> float:
        """Return how far somebody can have walked meanwhile."""
        return self._settings.walking_m_per_s * max(0, new.seen_ns - before.seen_ns) / _S

    def clear(self) -> list[tuple[PersonBefore, _New, float]]:
        """Return the pairs that no other pairing calls into doubt, with the distance of their places in metres."""
        return [
            (self._before[row], self._new[column], float(self._walks_m[row, column]))
            for row, column in self._pairs.items()
            if not self._is_doubtful(row, column)
        ]

    def doubtful(self) -> list[int]:
        """Return the new ids of the other pairs."""
        return [self._new[column].person_id for row, column in self._pairs.items() if self._is_doubtful(row, column)]

    def _walk_m(self, before: PersonBefore, new: _New) -> float:
        assert before.place_m is not None
        distance_m = math.dist(before.place_m, new.place_m)
        return distance_m if distance_m <= self._settings.reach_m + self.walked_m(before, new) else _TOO_FAR_M

    def _is_doubtful(self, row: int, column: int) -> bool:
        """Tell whether another pairing, in which somebody else pays, walks hardly more."""
        margin_m = self._settings.margin_m
        margin_m += self._settings.margin_share * self.walked_m(self._before[row], self._new[column])
        return self._least_more_m(row, column) < margin_m

    def _least_more_m(self, row: int, column: int) -> float:
        """Return how many metres more the best other pairing walks that gives one of the two to somebody else."""
        walks_m, mine_m = self._walks_m, float(self._walks_m[row, column])
        row_of = {other: each for each, other in self._pairs.items()}
        more: list[float] = []
        for other in range(len(self._before)):
            if other == row or self._same_payer(row, other):
                continue
            if other not in self._pairs:
                more.append(float(walks_m[other, column]) - mine_m)
            else:
                place = self._pairs[other]
                swapped_m = float(walks_m[other, column] + walks_m[row, place])
                more.append(swapped_m - mine_m - float(walks_m[other, place]))
        more += [float(walks_m[row, place]) - mine_m for place in range(len(self._new)) if place not in row_of]
        return min(more, default=_TOO_FAR_M)

    def _same_payer(self, row: int, other: int) -> bool:
        visit_id = self._before[row].visit_id
        return visit_id is not None and visit_id == self._before[other].visit_id
