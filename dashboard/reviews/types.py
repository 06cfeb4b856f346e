"""What the store asks operators, and how it is answered. Times are the store's own, which a recording may play faster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, in words of a cart: ``quantity`` is positive for what was taken; without ``sku`` nothing happened.

    ``visit_id`` is None where nobody who is known did it.
    """

    visit_id: str | None = None
    sku: str | None = None
    quantity: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer to choose by its number. ``probability`` is the product's, None where vision does not say."""

    number: int
    outcome: Outcome
    probability: float | None


@dataclass(frozen=True, slots=True)
class Near:
    """A visit without a final receipt. ``is_asked`` says that its receipt waits for the answer; ``lines`` are SKU and quantity."""

    visit_id: str
    number: int
    state: str
    lines: tuple[tuple[str, int], ...]
    is_asked: bool


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A camera's clip. ``hidden_pictures`` of its ``pictures`` are hidden as a whole, for nobody knows where heads were."""

    clip_id: str
    camera_id: str
    first_ns: int
    last_ns: int
    pictures: int
    hidden_pictures: int
    is_blurred: bool
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Question:
    """An open review. Unanswered at ``due_ns`` it comes to ``unanswered``.

    Of ``choices`` the likeliest comes first and nothing last; of ``near`` those that are asked about come first.
    ``change`` counts units in the slot, as vision saw it; ``clips_wait`` says that more clips are being made.
    """

    review_id: str
    reason: str
    asked_at_ns: int
    due_ns: int
    slot_id: str | None
    interaction_id: str | None
    change: int | None
    probability: float
    choices: tuple[Choice, ...]
    unanswered: Outcome
    near: tuple[Near, ...] = ()
    clips: tuple[ClipRow, ...] = ()
    clips_wait: bool = False

    @property
    def likeliest(self) -> Outcome:
        """What the pipeline would have said."""
        return self.choices[0].outcome


class Questions(Protocol):
    """The store's open reviews. Safe to use from any thread; errors are ``dashboard.errors``'."""

    def now_ns(self) -> int:
        """Return the time by the store's clock, in which questions fall due."""
        ...

    def open(self) -> tuple[Question, ...]:
        """Return what is open, in any order."""
        ...

    def clips(self, review_id: str) -> tuple[ClipRow, ...]:
        """Return a review's clips, also of one that is open no more."""
        ...

    def clip_file(self, clip_id: str, camera_id: str) -> Path | None:
        """Return a clip's video (MP4), None where there is none, or no longer."""
        ...

    def check(self, review_id: str, outcome: Outcome) -> None:
        """Raise Refused for an answer that cannot be carried out, NotFound for a review that is not open."""
        ...

    def answer(self, review_id: str, outcome: Outcome, at_ns: int) -> None:
        """Give an answer of ``at_ns`` by the store's clock; when this returns it outlives a crash.

        Raises InConflict where another answer waits, Unavailable where it cannot be taken now.
        """
        ...
