"""Labels: what really happened in a recording, who says so, and changes that can be taken back. No files, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from recordings.model import TrueInteraction

NEAR_S = 1.0
"""A proposal and a label of one kind on one shelf that overlap, or are less than this apart, are one: as the evaluation matches."""
MOST_UNDONE = 200
"""How many changes can be taken back."""


@dataclass(frozen=True, slots=True)
class Label:
    """One event. ``label_id`` is its name while it is labelled, and is not written down."""

    label_id: int
    done: TrueInteraction

    @property
    def is_settled(self) -> bool:
        """Tell whether a person, or the recording's maker, stands for it."""
        return self.done.provenance != "proposed"


@dataclass(frozen=True, slots=True)
class Labels:
    """All labels of a recording, by time. ``is_complete``: somebody says that nothing else happened."""

    labels: tuple[Label, ...] = ()
    is_complete: bool = False
    next_id: int = 1

    @property
    def proposed(self) -> int:
        """Return how many nobody has confirmed."""
        return sum(not each.is_settled for each in self.labels)

    def get(self, label_id: int) -> Label:
        """Return one. Raises KeyError where there is none."""
        return next((each for each in self.labels if each.label_id == label_id), None) or _missing(label_id)

    def add(self, done: TrueInteraction) -> Labels:
        """Add what a person saw."""
        return self._with(done.model_copy(update={"provenance": "added"}))

    def edit(self, label_id: int, **changes: Any) -> Labels:
        """Change one; what a person added stays theirs. Raises KeyError."""
        old = self.get(label_id).done
        by = "added" if old.provenance == "added" else "edited"
        return self._put(Label(label_id, old.model_copy(update={**changes, "provenance": by})))

    def confirm(self, label_id: int) -> Labels:
        """Say that a proposal is right; says nothing new of any other. Raises KeyError."""
        found = self.get(label_id)
        if found.is_settled:
            return self
        return self._put(Label(label_id, found.done.model_copy(update={"provenance": "confirmed"})))

    def remove(self, label_id: int) -> Labels:
        """Take one out. Raises KeyError."""
        self.get(label_id)
        return replace(self, labels=tuple(each for each in self.labels if each.label_id != label_id))

    def propose(self, found: Iterable[TrueInteraction]) -> Labels:
        """Add what the pipeline found, except what stands here already. What is proposed has to be looked at: no longer complete."""
        labels = self
        for done in found:
            if not any(is_same(done, each.done) for each in labels.labels):
                labels = labels._with(done.model_copy(update={"provenance": "proposed"}))
        return replace(labels, is_complete=labels.is_complete and not labels.proposed)

    def say_complete(self, *, is_complete: bool) -> Labels:
        """Say that all that happened is here, or that it is not. Raises ValueError while something is only proposed."""
        if is_complete and self.proposed:
            raise ValueError("confirm or remove what is only proposed first")
        return replace(self, is_complete=is_complete)

    def _with(self, done: TrueInteraction) -> Labels:
        label = Label(self.next_id, done)
        return replace(self, labels=_by_time((*self.labels, label)), next_id=self.next_id + 1)

    def _put(self, label: Label) -> Labels:
        others = (label if each.label_id == label.label_id else each for each in self.labels)
        return replace(self, labels=_by_time(others))


def is_same(one: TrueInteraction, other: TrueInteraction) -> bool:
    """Tell whether two may be one event: of one kind, on one shelf, and near in time."""
    gap_s = max(one.from_s, other.from_s) - min(one.to_s, other.to_s)
    return one.kind == other.kind and one.shelf == other.shelf and gap_s < NEAR_S


def pairs_of(true: Iterable[TrueInteraction], seen: Iterable[TrueInteraction]) -> tuple[tuple[int, int], ...]:
    """Return which of ``true`` is which of ``seen``, by their numbers: each once, the nearest in time first.

    The evaluation pairs as many as can be; this is quicker, and differs from it only where events of a shelf are crowded.
    """
    ahead = list(enumerate(seen))
    near = [
        (abs(a.from_s + a.to_s - b.from_s - b.to_s), i, j)
        for i, a in enumerate(true)
        for j, b in ahead
        if is_same(a, b)
    ]
    left: dict[int, int] = {}
    for _, i, j in sorted(near):
        if i not in left and j not in left.values():
            left[i] = j
    return tuple(sorted(left.items()))


@dataclass(frozen=True, slots=True)
class History:
    """Labels, and what they were before the latest changes. ``revision`` counts every change, those that take back among them."""

    now: Labels = field(default_factory=Labels)
    before: tuple[Labels, ...] = ()
    revision: int = 0

    def then(self, labels: Labels) -> History:
        """Go on to ``labels``; a change that changed nothing is none."""
        if labels == self.now:
            return self
        return History(labels, (*self.before, self.now)[-MOST_UNDONE:], self.revision + 1)

    def undo(self) -> History:
        """Take the latest change back; nothing happens where there is none."""
        if not self.before:
            return self
        return History(self.before[-1], self.before[:-1], self.revision + 1)


def _by_time(labels: Iterable[Label]) -> tuple[Label, ...]:
    return tuple(sorted(labels, key=lambda each: (each.done.from_s, each.label_id)))


def _missing(label_id: int) -> Label:
    raise KeyError(label_id)
