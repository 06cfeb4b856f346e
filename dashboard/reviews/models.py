"""What the reviews' API says and is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from billing.http.times import UtcOut
from dashboard.reviews.desk import Entry
from dashboard.reviews.pending import Pending
from dashboard.reviews.types import Choice, ClipRow, Near, Outcome
from store_layout.model import Identifier, Strict


class OutcomeOut(Strict):
    """What happened; without ``sku`` nothing did. ``quantity`` is positive for what was taken."""

    visit_id: str | None
    sku: str | None
    quantity: int

    @classmethod
    def of(cls, outcome: Outcome) -> OutcomeOut:
        """Take an outcome apart."""
        return cls(visit_id=outcome.visit_id, sku=outcome.sku, quantity=outcome.quantity)


class ChoiceOut(OutcomeOut):
    """An answer to choose by its number; ``probability`` is the product's."""

    number: int
    probability: float | None

    @classmethod
    def of_choice(cls, choice: Choice) -> ChoiceOut:
        """Take a choice apart."""
        told = OutcomeOut.of(choice.outcome).model_dump()
        return cls(**told, number=choice.number, probability=choice.probability)


class HeldOut(Strict):
    """So many of one product."""

    sku: str
    quantity: int


class NearOut(Strict):
    """A visit without a final receipt; ``is_asked`` where its receipt waits for the answer."""

    visit_id: str
    number: int
    state: str
    is_asked: bool
    lines: tuple[HeldOut, ...]

    @classmethod
    def of(cls, near: Near) -> NearOut:
        """Take a visit apart."""
        lines = tuple(HeldOut(sku=sku, quantity=quantity) for sku, quantity in near.lines)
        return cls(visit_id=near.visit_id, number=near.number, state=near.state, is_asked=near.is_asked, lines=lines)


class ClipOut(Strict):
    """A camera's clip, and where its video is."""

    clip_id: str
    camera_id: str
    url: str
    first_at: UtcOut
    last_at: UtcOut
    pictures: int
    is_blurred: bool
    is_whole: bool

    @classmethod
    def of(cls, clip: ClipRow) -> ClipOut:
        """Take a clip apart."""
        return cls(
            clip_id=clip.clip_id,
            camera_id=clip.camera_id,
            url=clip_url(clip),
            first_at=clip.first_ns,
            last_at=clip.last_ns,
            pictures=clip.pictures,
            is_blurred=clip.is_blurred,
            is_whole=clip.is_whole,
        )


class PendingOut(Strict):
    """An answer that can be taken back for ``undo_s`` more seconds, and then goes to the store."""

    review_id: str
    by: str
    answer: OutcomeOut
    undo_s: float

    @classmethod
    def of(cls, pending: Pending, at_ns: int) -> PendingOut:
        """Take an answer apart, as of ``at_ns``."""
        answer = OutcomeOut.of(pending.example.answer.outcome)
        undo_s = max(0, pending.send_at_ns - at_ns) / 1e9
        return cls(review_id=pending.review_id, by=pending.who, answer=answer, undo_s=round(undo_s, 1))


class ReviewOut(Strict):
    """A question. ``due_s`` is how long it is open by the store's clock; ``claimed_by`` has it before them."""

    review_id: str
    reason: str
    asked_at: UtcOut
    due_at: UtcOut
    due_s: float
    slot_id: str | None
    change: int | None
    probability: float
    choices: tuple[ChoiceOut, ...]
    unanswered: OutcomeOut
    near: tuple[NearOut, ...]
    clips: tuple[ClipOut, ...]
    clips_wait: bool
    claimed_by: str | None
    pending: PendingOut | None

    @classmethod
    def of(cls, entry: Entry, at_ns: int, store_ns: int) -> ReviewOut:
        """Take a question apart, as of ``at_ns`` by the dashboard's clock and ``store_ns`` by the store's."""
        found = entry.question
        return cls(
            review_id=found.review_id,
            reason=found.reason,
            asked_at=found.asked_at_ns,
            due_at=found.due_ns,
            due_s=round((found.due_ns - store_ns) / 1e9, 1),
            slot_id=found.slot_id,
            change=found.change,
            probability=found.probability,
            choices=tuple(ChoiceOut.of_choice(each) for each in found.choices),
            unanswered=OutcomeOut.of(found.unanswered),
            near=tuple(NearOut.of(each) for each in found.near),
            clips=tuple(ClipOut.of(each) for each in found.clips),
            clips_wait=found.clips_wait,
            claimed_by=entry.holder,
            pending=None if entry.pending is None else PendingOut.of(entry.pending, at_ns),
        )


class ReviewsOut(Strict):
    """What is open, what falls due first at the top."""

    items: tuple[ReviewOut, ...]


class NextOut(Strict):
    """The most urgent question that nobody else has, now claimed; None where there is none."""

    review: ReviewOut | None


class AnswerIn(Strict):
    """The number of a choice, or visit, product and quantity (positive: taken); none of them: nothing happened."""

    choice: Annotated[int, Field(ge=1, le=1_000)] | None = None
    visit_id: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    sku: Identifier | None = None
    quantity: Annotated[int, Field(ge=-100, le=100)] = 0


def clip_url(clip: ClipRow) -> str:
    """Return where a clip's video is."""
    return f"/reviews/clips/{clip.clip_id}/{clip.camera_id}.mp4"
