"""Examples for training and evaluation: what was asked, and what an operator answered. docs/dashboard.md describes the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from dashboard.reviews.types import ClipRow, Outcome, Question
from store_layout.errors import InputError
from store_layout.model import Strict

_S = 1_000_000_000


class OutcomeLabel(Strict):
    """What happened; without ``sku`` nothing did. ``quantity`` is positive for what was taken."""

    visit_id: str | None
    sku: str | None
    quantity: int

    @classmethod
    def of(cls, outcome: Outcome) -> OutcomeLabel:
        """Take an outcome apart."""
        return cls(visit_id=outcome.visit_id, sku=outcome.sku, quantity=outcome.quantity)

    @property
    def outcome(self) -> Outcome:
        """Return it as the dashboard has it."""
        return Outcome(self.visit_id, self.sku, self.quantity)


class CandidateLabel(OutcomeLabel):
    """An answer that was offered; ``probability`` is the product's."""

    probability: float | None


class ClipLabel(Strict):
    """A clip of it: ``clips/CLIP_ID/CAMERA_ID.mp4`` in the store's evidence, for as long as clips are kept."""

    clip_id: str
    camera_id: str
    first_ns: int
    last_ns: int


class Example(Strict):
    """A question with its answer. Times are Unix ns of the store's clock."""

    version: Literal[1] = 1
    store: str
    review_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
    reason: str
    asked_at_ns: int
    slot_id: str | None
    interaction_id: str | None
    change: int | None
    probability: float
    candidates: tuple[CandidateLabel, ...]
    unanswered: OutcomeLabel
    visit_ids: tuple[str, ...]
    other_visit_ids: tuple[str, ...]
    clips: tuple[ClipLabel, ...]
    answer: OutcomeLabel
    answered_by: str
    answered_at_ns: int

    @property
    def file_name(self) -> str:
        """Return the name of its file: ids of reviews come again when a store's log begins anew, with another time."""
        return f"{self.asked_at_ns // _S}-{self.review_id}.json"


def example_of(question: Question, answer: Outcome, store: str, by: str, at_ns: int) -> Example:
    """Return the example of an answer."""
    return Example(
        store=store,
        review_id=question.review_id,
        reason=question.reason,
        asked_at_ns=question.asked_at_ns,
        slot_id=question.slot_id,
        interaction_id=question.interaction_id,
        change=question.change,
        probability=question.probability,
        candidates=tuple(
            CandidateLabel(**OutcomeLabel.of(each.outcome).model_dump(), probability=each.probability)
            for each in question.choices
        ),
        unanswered=OutcomeLabel.of(question.unanswered),
        visit_ids=tuple(each.visit_id for each in question.near if each.is_asked),
        other_visit_ids=tuple(each.visit_id for each in question.near if not each.is_asked),
        clips=clip_labels(question.clips),
        answer=OutcomeLabel.of(answer),
        answered_by=by,
        answered_at_ns=at_ns,
    )


def clip_labels(clips: tuple[ClipRow, ...]) -> tuple[ClipLabel, ...]:
    """Return what an example says of clips."""
    return tuple(
        ClipLabel(clip_id=each.clip_id, camera_id=each.camera_id, first_ns=each.first_ns, last_ns=each.last_ns)
        for each in clips
    )


def write_example(folder: Path, example: Example) -> Path:
    """Write an example's file whole, or not at all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / example.file_name
    write_whole(path, example.model_dump_json(indent=1) + "\n")
    return path


def read_examples(folder: Path) -> Iterator[Example]:
    """Yield a folder's examples, the oldest question first. Raises InputError for a file that is none."""
    found = [_read(path) for path in folder.glob("*.json")]
    yield from sorted(found, key=lambda each: (each.asked_at_ns, each.review_id))


def _read(path: Path) -> Example:
    try:
        return Example.model_validate_json(path.read_bytes())
    except ValidationError as error:
        mend = "move it away"
        raise InputError(f"is no example: {error.errors()[0]['msg']}", file=path, mend=mend) from error


def write_whole(path: Path, text: str) -> None:
    """Put ``text`` in place of a file, on the disk when this returns, for its owner alone. Raises OSError."""
    draft = path.with_name(f"{path.name}.part")
    file = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
