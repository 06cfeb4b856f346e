"""The reviews' pages: the queue, and a question with its clips. Answering works without scripts."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.health.pages import FRAGMENT
from dashboard.live.plan import plan_of
from dashboard.reviews.api import ReviewId, reviews_of
from dashboard.reviews.desk import Entry
from dashboard.reviews.given import NOBODY, Typed, chosen, meant
from dashboard.reviews.models import clip_url
from dashboard.reviews.types import Outcome, Question
from dashboard.reviews.words import Wording
from dashboard.roles import Right
from dashboard.web import PageRoute, Visitor, go, may, may_send, show
from store_layout.geometry import StoreGeometry

pages = APIRouter(route_class=PageRoute, include_in_schema=False)

_Looks = Annotated[Visitor, Depends(may(Right.ANSWER))]
_Sends = Annotated[Visitor, Depends(may_send(Right.ANSWER))]
_Text = Annotated[str, Form(max_length=200)]
_Number = Annotated[int | None, Form(ge=0, le=1_000)]
_Count = Annotated[int, Form(ge=-1_000, le=1_000)]
_PRIVATE = {"Cache-Control": "private, no-store"}


@pages.get("/reviews")
def queue_page(who: _Looks, request: Request, told: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show what waits, the most urgent first."""
    reviews = reviews_of(who)
    entries = reviews.queue(who.at_ns)
    return show(
        who,
        "reviews_now" if FRAGMENT in request.headers else "reviews",
        entries=entries,
        say=_wording(who, [each.question for each in entries]),
        mine=reviews.mine(who.me.name),
        news=reviews.told(who.at_ns),
        store_ns=reviews.questions.now_ns(),
        told=told,
    )


@pages.get("/reviews/next")
def next_question(who: _Looks, skip: Annotated[str, Query(max_length=80)] = "") -> Response:
    """Open the most urgent question that nobody else has; the queue where there is none."""
    found = reviews_of(who).next(who.me.name, who.at_ns, skip)
    return go("/reviews" if found is None else f"/reviews/{found}")


@pages.get("/reviews/clips/{clip_id}/{camera_id}.mp4")
def get_clip(clip_id: str, camera_id: str, who: _Looks) -> Response:
    """Return a clip's video, or the part of it that a browser asks for."""
    path = reviews_of(who).questions.clip_file(clip_id, camera_id)
    try:
        found = None if path is None else path.stat()
    except OSError:  # retention was quicker
        found = None
    if path is None or found is None:
        raise HTTPException(404)
    return FileResponse(path, media_type="video/mp4", headers=_PRIVATE, stat_result=found)


@pages.get("/reviews/{review_id}")
def question_page(review_id: ReviewId, who: _Looks, request: Request) -> Response:
    """Show a question, and claim it unless somebody else has it."""
    try:
        entry = reviews_of(who).claim(review_id, who.me.name, who.at_ns)
    except NotFound:
        return _closed(who)
    return _question(who, entry, template="review_clips" if FRAGMENT in request.headers else "review")


@pages.post("/reviews/{review_id}/answer")
def answer(
    review_id: ReviewId,
    who: _Sends,
    choice: _Number = None,
    visit: _Text = "",
    product: _Text = "",
    direction: _Text = "take",
    count: _Count = 1,
) -> Response:
    """Take an answer, and go on with the next question."""
    reviews, typed = reviews_of(who), Typed(visit, product, direction, count)
    try:
        entry = reviews.look(review_id, who.at_ns)
        try:
            outcome = meant(typed, _names(who)) if choice is None else chosen(entry.question, choice)
            reviews.answer(review_id, outcome, who.me.name, who.at_ns)
        except (Refused, Unavailable) as error:
            status = 422 if isinstance(error, Refused) else 503
            return _question(who, entry, status, wrong=status, typed=typed if choice is None else None)
    except NotFound:
        return go("/reviews?told=closed")
    except InConflict:
        return go("/reviews?told=taken")
    return go("/reviews/next")


@pages.post("/reviews/{review_id}/undo")
def undo(review_id: ReviewId, who: _Sends) -> Response:
    """Take an answer back, and show its question again."""
    try:
        reviews_of(who).undo(review_id, who.me.name, who.at_ns)
    except NotFound:
        return go("/reviews?told=sent")
    except Unavailable:
        return go("/reviews?told=not-kept")
    return go(f"/reviews/{review_id}")


@pages.post("/reviews/{review_id}/send")
def send(review_id: ReviewId, who: _Sends) -> Response:
    """Give an answer to the store at once."""
    with suppress(NotFound):  # it went by itself a moment ago
        reviews_of(who).send(review_id, who.me.name, who.at_ns)
    return go("/reviews")


@pages.post("/reviews/{review_id}/leave")
def leave(review_id: ReviewId, who: _Sends) -> Response:
    """Hear that a question's page goes: others can have it in a moment, unless it is loaded again."""
    reviews_of(who).leave(review_id, who.me.name, who.at_ns)
    return Response(status_code=204)


def _question(
    who: Visitor, entry: Entry, status: int = 200, wrong: int = 0, typed: Typed | None = None, template: str = "review"
) -> Response:
    reviews, question = reviews_of(who), entry.question
    first = question.likeliest
    return show(
        who,
        template,
        status,
        entry=entry,
        question=question,
        say=_wording(who, [question]),
        mine=reviews.mine(who.me.name),
        store_ns=reviews.questions.now_ns(),
        is_mine=entry.pending is None and entry.holder in (None, who.me.name),
        choices=[each for each in question.choices if each.outcome.sku is not None],
        areas=_areas(who.desk.geometry, question.slot_id),
        url_of=clip_url,
        names=_names(who),
        nobody=NOBODY,
        typed=typed or _start(first, question),
        is_open=typed is not None or first.sku is None,
        wrong=wrong,
    )


def _start(first: Outcome, question: Question) -> Typed:
    """Return what the form for another answer begins with: the likeliest one."""
    direction = "put" if first.quantity < 0 or (question.change or 0) > 0 else "take"
    asked = next((each.visit_id for each in question.near if each.is_asked), NOBODY)
    return Typed(first.visit_id or asked, "", direction, abs(first.quantity) or 1)


def _closed(who: Visitor) -> Response:
    return show(who, "review_closed", 404, mine=reviews_of(who).mine(who.me.name), say=_wording(who, []))


def _names(who: Visitor) -> dict[str, str]:
    """Return products' names by SKU; where several have the same one, with the SKU."""
    products = who.desk.geometry.store.products
    times = Counter(product.name for product in products)
    return {each.sku: each.name if times[each.name] == 1 else f"{each.name} ({each.sku})" for each in products}


def _wording(who: Visitor, questions: list[Question]) -> Wording:
    return Wording.of(who.texts, _names(who), questions)


@lru_cache(maxsize=4)
def _cameras(geometry: StoreGeometry) -> dict[str, dict[str, list[list[float]]]]:
    found = plan_of(geometry)["cameras"]
    return {camera["id"]: {slot["id"]: slot["area"] for slot in camera["slots"]} for camera in found}


def _areas(geometry: StoreGeometry, slot_id: str | None) -> dict[str, str]:
    """Return where a slot is in each camera's picture that shows it: corners in shares of its size."""
    slots = {camera: areas.get(slot_id or "") for camera, areas in _cameras(geometry).items()}
    return {camera: " ".join(f"{x},{y}" for x, y in area) for camera, area in slots.items() if area}
