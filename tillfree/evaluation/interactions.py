"""Picks and put-backs against truth: found or not, whose, what, and how far off in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np

from recordings.model import Recording, TrueInteraction, seconds_to_ns
from tillfree.evaluation.outcome import InteractionKind, PredictedInteraction

NEAR_NS = 1_000_000_000
"""Two intervals match where they overlap or are less than this apart (design.md)."""


@dataclass(frozen=True, slots=True)
class KindCounts:
    """How many of one kind were there, were predicted, and were matched one to one."""

    true: int = 0
    predicted: int = 0
    matched: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.true + other.true, self.predicted + other.predicted, self.matched + other.matched)


@dataclass(frozen=True, slots=True)
class InteractionCounts:
    """Counts that add up over recordings.

    ``attributed`` are matched interactions whose visit the truth knows, in recordings with two or
    more shoppers; ``named`` those whose SKU it knows; ``timed`` all matched ones, and
    ``time_error_s`` the sum of the distances between the middles of their intervals.
    """

    pick: KindCounts = field(default_factory=KindCounts)
    put_back: KindCounts = field(default_factory=KindCounts)
    attributed: int = 0
    attributed_right: int = 0
    named: int = 0
    named_right: int = 0
    timed: int = 0
    time_error_s: float = 0.0

    def __add__(self, other: Self) -> Self:
        sums = {part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(self)}
        return type(self)(**sums)


@dataclass(frozen=True, slots=True)
class TimedInteraction:
    """What matching looks at, of a true or a predicted interaction."""

    kind: InteractionKind
    shelf_id: str
    from_ns: int
    to_ns: int

    @property
    def middle_ns(self) -> float:
        """The middle of the interval."""
        return (self.from_ns + self.to_ns) / 2


def match_interactions(
    true: Sequence[TimedInteraction], predicted: Sequence[TimedInteraction]
) -> tuple[tuple[int, int], ...]:
    """Return index pairs (true, predicted) of the same kind on the same shelf that overlap or are near in time.

    One to one, as many as can be, and among those the nearest in time: an assignment whose costs
    are -1 a match and, for the time, parts too small to outweigh a match together.
    """
    from scipy.optimize import linear_sum_assignment

    if not true or not predicted:
        return ()
    apart_s = np.array([[abs(a.middle_ns - b.middle_ns) / 1e9 for b in predicted] for a in true])
    fits = np.array([[_fits(a, b) for b in predicted] for a in true])
    tie_break = apart_s / (1 + apart_s) / (min(fits.shape) + 1)
    rows, columns = linear_sum_assignment(np.where(fits, tie_break - 1, 0.0))
    return tuple((int(i), int(j)) for i, j in zip(rows, columns, strict=True) if fits[i, j])


def _fits(a: TimedInteraction, b: TimedInteraction) -> bool:
    gap_ns = max(a.from_ns, b.from_ns) - min(a.to_ns, b.to_ns)
    return a.kind == b.kind and a.shelf_id == b.shelf_id and gap_ns < NEAR_NS


def count_interactions(
    recording: Recording,
    true: Sequence[TrueInteraction],
    predicted: Sequence[PredictedInteraction],
    matched_visits: Mapping[str, str],
    shoppers: int,
) -> InteractionCounts:
    """Return the counts of one recording.

    ``matched_visits`` gives the true visit of each predicted one; ``shoppers`` is how many true
    visits the recording has: with fewer than two there is nobody to mistake a shopper for.
    """
    wanted = [_timed_true(recording, done) for done in true]
    got = [TimedInteraction(guess.kind, guess.shelf_id, guess.opened_at_ns, guess.closed_at_ns) for guess in predicted]
    pairs = match_interactions(wanted, got)
    total = InteractionCounts(pick=_kind("pick", wanted, got, pairs), put_back=_kind("put_back", wanted, got, pairs))
    for i, j in pairs:
        total += _score_pair(true[i], predicted[j], matched_visits, shoppers)
        total += InteractionCounts(timed=1, time_error_s=abs(wanted[i].middle_ns - got[j].middle_ns) / 1e9)
    return total


def _timed_true(recording: Recording, done: TrueInteraction) -> TimedInteraction:
    from_ns, to_ns = seconds_to_ns(recording, done.from_s), seconds_to_ns(recording, done.to_s)
    return TimedInteraction(done.kind, done.shelf, from_ns, to_ns)


def _kind(
    kind: InteractionKind,
    wanted: Sequence[TimedInteraction],
    got: Sequence[TimedInteraction],
    pairs: Sequence[tuple[int, int]],
) -> KindCounts:
    return KindCounts(
        true=sum(done.kind == kind for done in wanted),
        predicted=sum(guess.kind == kind for guess in got),
        matched=sum(wanted[i].kind == kind for i, _ in pairs),
    )


def _score_pair(
    done: TrueInteraction, guess: PredictedInteraction, matched_visits: Mapping[str, str], shoppers: int
) -> InteractionCounts:
    attributed = int(done.visit is not None and shoppers >= 2)
    named = int(done.sku is not None)
    said = None if guess.visit_id is None else matched_visits.get(guess.visit_id)
    return InteractionCounts(
        attributed=attributed,
        attributed_right=int(bool(attributed) and said == done.visit),
        named=named,
        named_right=int(bool(named) and guess.sku == done.sku),
    )
