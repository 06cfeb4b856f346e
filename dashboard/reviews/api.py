"""The reviews' API, for scripts and programs: a session's cookie, and for commands the token in ``X-CSRF``."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from dashboard.errors import InConflict, NotFound, Refused
from dashboard.reviews.desk import Entry, ReviewDesk
from dashboard.reviews.given import chosen
from dashboard.reviews.models import AnswerIn, NextOut, PendingOut, ReviewOut, ReviewsOut
from dashboard.reviews.types import Outcome
from dashboard.roles import Right
from dashboard.web import Visitor, may, may_call, program_router

api = program_router("reviews")

ReviewId = Annotated[str, Path(description="as the queue calls it; any other is not found")]
_Looks = Annotated[Visitor, Depends(may(Right.ANSWER))]
_Calls = Annotated[Visitor, Depends(may_call(Right.ANSWER))]


def reviews_of(who: Visitor) -> ReviewDesk:
    """Return the queue. Raises NotFound where the dashboard shows no store that runs."""
    if who.desk.reviews is None:
        raise NotFound("there are no reviews here")
    return who.desk.reviews


@api.get("/v1/desk/reviews")
def list_reviews(who: _Looks) -> ReviewsOut:
    """Return the queue."""
    return ReviewsOut(items=tuple(_told(who, each) for each in reviews_of(who).queue(who.at_ns)))


@api.post("/v1/desk/reviews/next")
def claim_next(who: _Calls) -> NextOut:
    """Claim the most urgent question that nobody else has."""
    review_id = reviews_of(who).next(who.me.name, who.at_ns)
    return NextOut(review=None if review_id is None else _one(who, review_id))


@api.get("/v1/desk/reviews/{review_id}")
def get_review(review_id: ReviewId, who: _Looks) -> ReviewOut:
    """Return one question, without claiming it."""
    return _one(who, review_id)


@api.post("/v1/desk/reviews/{review_id}/claim")
def claim_review(review_id: ReviewId, who: _Calls) -> ReviewOut:
    """Claim a question, or renew the claim, which holds for 45 seconds."""
    entry = reviews_of(who).claim(review_id, who.me.name, who.at_ns)
    if entry.pending is not None or entry.holder != who.me.name:
        raise InConflict(f"{entry.holder if entry.pending is None else entry.pending.who} has it")
    return _told(who, entry)


@api.post("/v1/desk/reviews/{review_id}/release", status_code=204)
def release_review(review_id: ReviewId, who: _Calls) -> None:
    """Let others have a question."""
    reviews_of(who).release(review_id, who.me.name)


@api.post("/v1/desk/reviews/{review_id}/answer", status_code=202)
def answer_review(review_id: ReviewId, given: AnswerIn, who: _Calls) -> PendingOut:
    """Answer a question; the answer can be taken back for ten seconds."""
    reviews = reviews_of(who)
    if given.choice is None:
        outcome = Outcome(given.visit_id, given.sku, given.quantity)
    elif (given.visit_id, given.sku, given.quantity) == (None, None, 0):
        outcome = chosen(reviews.look(review_id, who.at_ns).question, given.choice)
    else:
        raise Refused("say the number of a choice, or an answer of your own, not both")
    return PendingOut.of(reviews.answer(review_id, outcome, who.me.name, who.at_ns), who.at_ns)


@api.post("/v1/desk/reviews/{review_id}/undo")
def undo_answer(review_id: ReviewId, who: _Calls) -> ReviewOut:
    """Take one's own answer back, and have the question again."""
    reviews_of(who).undo(review_id, who.me.name, who.at_ns)
    return _one(who, review_id)


@api.post("/v1/desk/reviews/{review_id}/send", status_code=204)
def send_answer(review_id: ReviewId, who: _Calls) -> None:
    """Give one's own answer to the store at once."""
    reviews_of(who).send(review_id, who.me.name, who.at_ns)


def _one(who: Visitor, review_id: str) -> ReviewOut:
    return _told(who, reviews_of(who).look(review_id, who.at_ns))


def _told(who: Visitor, entry: Entry) -> ReviewOut:
    return ReviewOut.of(entry, who.at_ns, reviews_of(who).questions.now_ns())
