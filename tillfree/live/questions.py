"""What the dashboard's reviews are told of a store that runs, and how they are answered: by the inbox, as over the gates' API."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from checkout.types import ReviewAnswered, ReviewOpened
from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.reviews.types import Choice, ClipRow, Near, Outcome, Question
from tillfree.live import errors
from tillfree.live.clips import Clip, ClipStore
from tillfree.live.node import NodeView, VisitRow
from tillfree.live.reviews import candidates, named


class NodeAnswers(Protocol):
    """What is asked of the engine's side: see ``NodePort``."""

    def view(self) -> NodeView:
        """See ``NodePort.view``."""
        ...

    def answer(self, given: ReviewAnswered) -> None:
        """See ``NodePort.answer``."""
        ...


class ReviewClips(Protocol):
    """What is asked of evidence."""

    @property
    def store(self) -> ClipStore:
        """The clips that are there."""
        ...

    def waiting_reviews(self) -> frozenset[str]:
        """Return the reviews of which clips are still to be made."""
        ...


@dataclass(frozen=True, slots=True)
class LiveQuestions:
    """A dashboard's ``Questions``. ``clock`` is the store's; ``skus`` are its products."""

    node: NodeAnswers
    evidence: ReviewClips
    skus: Collection[str]
    clock: Callable[[], int]

    def now_ns(self) -> int:
        """See ``Questions.now_ns``."""
        return self.clock()

    def open(self) -> tuple[Question, ...]:
        """See ``Questions.open``."""
        view = self.node.view()
        clips = self._clips_by_review({each.review_id for each in view.reviews})
        waiting = self.evidence.waiting_reviews()
        return tuple(
            _question(each, view.visits, clips.get(each.review_id, ()), is_waited_for=each.review_id in waiting)
            for each in view.reviews
        )

    def clips(self, review_id: str) -> tuple[ClipRow, ...]:
        """See ``Questions.clips``."""
        return self._clips_by_review({review_id}).get(review_id, ())

    def clip_file(self, clip_id: str, camera_id: str) -> Path | None:
        """See ``Questions.clip_file``: only what the store of clips knows by these names is a file."""
        clip = self.evidence.store.find(clip_id, camera_id)
        return None if clip is None else clip.path

    def check(self, review_id: str, outcome: Outcome) -> None:
        """See ``Questions.check``."""
        try:
            self._named(review_id, outcome, self.clock())
        except errors.UnknownReview as error:
            raise NotFound(str(error)) from error
        except errors.AnswerRefused as error:
            raise Refused(str(error)) from error

    def answer(self, review_id: str, outcome: Outcome, at_ns: int) -> None:
        """See ``Questions.answer``. Whether the review is still open is the engine's to say: it knows the order of things."""
        given = ReviewAnswered(review_id, at_ns, outcome.visit_id, outcome.sku, outcome.quantity)
        try:
            self.node.answer(given)
        except errors.ReviewAnswered as error:
            raise InConflict(str(error)) from error
        except (errors.NodeFull, errors.NodeStopped) as error:
            raise Unavailable(str(error)) from error

    def _named(self, review_id: str, outcome: Outcome, at_ns: int) -> ReviewAnswered:
        view = self.node.view()
        return named(view, review_id, outcome.visit_id, outcome.sku, outcome.quantity, self.skus, at_ns)

    def _clips_by_review(self, wanted: Collection[str]) -> dict[str, tuple[ClipRow, ...]]:
        found: dict[str, tuple[ClipRow, ...]] = {}
        for clip in self.evidence.store.clips():
            for review_id in clip.review_ids:
                if review_id in wanted:
                    found[review_id] = (*found.get(review_id, ()), _clip(clip))
        return found


def _question(
    review: ReviewOpened, visits: tuple[VisitRow, ...], clips: tuple[ClipRow, ...], *, is_waited_for: bool
) -> Question:
    asked = [row for review_visit in review.visit_ids for row in visits if row.visit_id == review_visit]
    others = [row for row in visits if row.visit_id not in review.visit_ids and row.opened_at_ns <= review.at_ns]
    return Question(
        review.review_id,
        review.reason,
        review.at_ns,
        review.due_ns,
        review.slot_id,
        review.interaction_id,
        review.change,
        review.probability,
        tuple(
            Choice(each.number, Outcome(each.visit_id, each.sku, each.quantity), each.probability)
            for each in candidates(review)
        ),
        Outcome(review.timeout_visit_id, review.timeout_sku, review.timeout_quantity_delta),
        tuple(_near(row, is_asked=row.visit_id in review.visit_ids) for row in (*asked, *others)),
        clips,
        clips_wait=is_waited_for,
    )


def _near(row: VisitRow, *, is_asked: bool) -> Near:
    lines = tuple((line.sku, line.quantity) for line in row.lines)
    return Near(row.visit_id, row.number, row.state.value, lines, is_asked)


def _clip(clip: Clip) -> ClipRow:
    return ClipRow(
        clip.clip_id,
        clip.camera_id,
        clip.first_ns,
        clip.last_ns,
        clip.pictures,
        clip.hidden_pictures,
        clip.blurred,
        clip.is_whole,
    )
