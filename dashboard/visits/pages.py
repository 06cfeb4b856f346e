"""The visits' pages: the search, one visit, and before money moves a page that says what will happen."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from billing.errors import BillingError
from billing.money import Money
from billing.types import Dispute, DisputeKind, DisputeState, ItemCount, RefundReason
from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.roles import Right
from dashboard.visits import words
from dashboard.visits.asking import VisitQuery, asked, places
from dashboard.visits.deeds import MOST_NOTE, Deeds, checked_key, refusal_of
from dashboard.visits.desk import VisitDesk, seen_row
from dashboard.visits.finding import find, story
from dashboard.visits.plan import plan_of
from dashboard.visits.timeline import Teller, steps_of
from dashboard.visits.types import Account, Books, CorrectionAsked, RefundAsked, Story
from dashboard.web import PageRoute, Visitor, go, may, may_send, show, status_of

pages = APIRouter(route_class=PageRoute, include_in_schema=False)

Looks = Annotated[Visitor, Depends(may(Right.ANSWER, Right.MONEY))]
_Acts = Annotated[Visitor, Depends(may(Right.ANSWER))]
_Sends = Annotated[Visitor, Depends(may_send(Right.ANSWER))]
_Key = Annotated[str, Form(max_length=64)]
_Items = Annotated[list[str], Form(max_length=200)]
_ITEM = re.compile(r"(\d{1,4}) (.{1,200})")
MOST_UNITS = 9_999
"""Of one product at once."""

_REASONS = {DisputeKind.CONTEST: RefundReason.NOT_TAKEN, DisputeKind.RETURN: RefundReason.RETURNED}
_REFUSALS = (Refused, InConflict, Unavailable)


def visits_of(who: Visitor) -> VisitDesk:
    """Return what the pages work with; 404 where the dashboard shows no visits."""
    if who.desk.visits is None:
        raise HTTPException(404)
    return who.desk.visits


def story_of(desk: VisitDesk, visit_id: str) -> Story:
    """Return what is known of a visit; 404 where there is none."""
    found = story(desk.projection, visit_id)
    if found is None:
        raise NotFound
    return found


def account_of(desk: VisitDesk, visit_id: str) -> tuple[Account, str]:
    """Return what billing has of a visit, and why that is not known, if so."""
    try:
        return desk.account(visit_id), ""
    except BillingError as error:
        return Account(), str(error)


@pages.get("/visits")
def visits_page(who: Looks, query: Annotated[VisitQuery, Query()]) -> Response:
    """Show the search and what it finds."""
    desk, sees_money = visits_of(who), who.may(Right.MONEY)
    given = asked(query, desk, sees_money=sees_money)
    found = find(desk.projection, given.search)
    links = {name: query.link(**{name: place}) for name, place in places(found).items()}
    rows = tuple(seen_row(row, sees_money=sees_money) for row in found.rows)
    values = {"rows": rows, "links": links, "wrong": given.wrong, "typed": query.typed(), "sees_money": sees_money}
    return show(who, "visits", desk=desk, words=words, is_placed=bool(query.before or query.after), **values)


@pages.get("/visits/clips/{clip_id}/{camera_id}.mp4")
def clip_file(who: Looks, clip_id: str, camera_id: str) -> Response:
    """Return a clip, or the part of it that a browser asks for."""
    clips = visits_of(who).clips
    path = None if clips is None else clips.file(clip_id, camera_id)
    if path is None or not path.is_file():
        raise NotFound
    return FileResponse(path, media_type="video/mp4", headers={"Cache-Control": "private, no-store"})


@pages.get("/visits/{visit_id}")
def visit_page(who: Looks, visit_id: str, done: str = "") -> Response:
    """Show one visit."""
    return _visit(who, visit_id, done=done)


@pages.post("/visits/{visit_id}/notes")
def add_note(
    who: _Sends, visit_id: str, text: Annotated[str, Form(max_length=2 * MOST_NOTE)] = "", key: _Key = ""
) -> Response:
    """Keep what somebody writes."""
    desk = visits_of(who)
    story_of(desk, visit_id)
    try:
        _deeds(who).note(visit_id, text, key)
    except _REFUSALS as error:
        return _visit(who, visit_id, error)
    return go(f"/visits/{visit_id}#notes")


@pages.get("/visits/{visit_id}/refund")
def refund_page(who: _Acts, request: Request, visit_id: str, reason: RefundReason = RefundReason.NOT_TAKEN) -> Response:
    """Say what giving back would do."""
    desk, key = visits_of(who), secrets.token_urlsafe(12)
    story_of(desk, visit_id)
    try:
        items = _chosen(request)
        given = RefundAsked(checked_key(key), visit_id, items, reason)
        quote = _books(desk).quote_refund(given)
    except (BillingError, *_REFUSALS) as error:
        return _visit(who, visit_id, error)
    account = desk.account(visit_id)
    values = {"key": key, "items": items, "reason": reason, "quote": quote, "account": account}
    return show(who, "visit_refund", visit_id=visit_id, desk=desk, words=words, **values)


@pages.post("/visits/{visit_id}/refund")
def give_back(
    who: _Sends, visit_id: str, reason: Annotated[RefundReason, Form()], item: _Items, key: _Key = ""
) -> Response:
    """Give units back."""
    story_of(visits_of(who), visit_id)
    try:
        _deeds(who).refund(RefundAsked(checked_key(key), visit_id, _items(item), reason))
    except _REFUSALS as error:
        return _visit(who, visit_id, error)
    return go(f"/visits/{visit_id}?done=refund")


@pages.get("/visits/{visit_id}/correct")
def correct_page(
    who: _Acts, visit_id: str, sku: str = "", quantity: Annotated[int, Query(ge=1, le=MOST_UNITS)] = 1
) -> Response:
    """Say what charging more would do."""
    desk, key = visits_of(who), secrets.token_urlsafe(12)
    story_of(desk, visit_id)
    try:
        items = (ItemCount(_known_sku(desk, sku), quantity),)
        quote = _books(desk).quote_correction(CorrectionAsked(checked_key(key), visit_id, items, who.me.name))
    except (BillingError, *_REFUSALS) as error:
        return _visit(who, visit_id, error)
    before = desk.account(visit_id).receipt
    more = quote.total - (Money.zero(desk.currency) if before is None else before.total)
    values = {"key": key, "items": items, "quote": quote, "more": more}
    return show(who, "visit_correct", visit_id=visit_id, desk=desk, words=words, **values)


@pages.post("/visits/{visit_id}/correct")
def charge_more(who: _Sends, visit_id: str, item: _Items, key: _Key = "") -> Response:
    """Charge units that the receipt lacks."""
    story_of(visits_of(who), visit_id)
    try:
        _deeds(who).correct(CorrectionAsked(checked_key(key), visit_id, _items(item), who.me.name))
    except _REFUSALS as error:
        return _visit(who, visit_id, error)
    return go(f"/visits/{visit_id}?done=correct")


@pages.get("/visits/{visit_id}/disputes/{dispute_id}")
def dispute_page(who: _Acts, visit_id: str, dispute_id: str) -> Response:
    """Say what either decision would do."""
    desk = visits_of(who)
    story_of(desk, visit_id)
    try:
        dispute = _dispute_of(desk, visit_id, dispute_id)
        reason = _REASONS[dispute.asked.kind]
        quote = _books(desk).quote_refund(RefundAsked(f"quote:{dispute_id}", visit_id, dispute.asked.items, reason))
    except (BillingError, *_REFUSALS) as error:
        return _visit(who, visit_id, error)
    return show(who, "visit_dispute", visit_id=visit_id, desk=desk, words=words, dispute=dispute, quote=quote)


@pages.post("/visits/{visit_id}/disputes/{dispute_id}")
def decide(
    who: _Sends,
    visit_id: str,
    dispute_id: str,
    state: Annotated[DisputeState, Form()],
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Uphold what the shopper contests, or reject it."""
    desk = visits_of(who)
    story_of(desk, visit_id)
    try:
        _dispute_of(desk, visit_id, dispute_id)
        _deeds(who).decide(visit_id, dispute_id, state, note)
    except _REFUSALS as error:
        return _visit(who, visit_id, error)
    return go(f"/visits/{visit_id}?done=decided")


def _visit(who: Visitor, visit_id: str, refused: Exception | None = None, done: str = "") -> Response:
    desk, sees_money = visits_of(who), who.may(Right.MONEY)
    found = story_of(desk, visit_id)
    account, problem = account_of(desk, visit_id)
    teller = Teller(desk, found, account, desk.notes.of(visit_id), who.texts, sees_money)
    entries = teller.entries()
    error = refusal_of(refused) if isinstance(refused, BillingError) else refused
    values: dict[str, Any] = {
        "row": seen_row(found.row, sees_money=sees_money),
        "entries": entries,
        "steps": steps_of(entries, found.row.opened_at_ns, found.row.left_at_ns or 0),
        "plan": plan_of(who.desk.geometry, found, teller.marks()),
        "account": account,
        "left": account.left(),
        "problem": problem,
        "refused": "" if error is None else words.refusal_words(str(error), who.texts),
        "done": done,
        "key": secrets.token_urlsafe(12),
        "sees_money": sees_money,
        "acts": who.may(Right.ANSWER),
    }
    status = 200 if error is None else status_of(error)
    return show(who, "visit", status, desk=desk, words=words, **values)


def _deeds(who: Visitor) -> Deeds:
    return Deeds(who.desk, visits_of(who), who.me.name, who.at_ns)


def _books(desk: VisitDesk) -> Books:
    if desk.books is None:
        raise Unavailable(words.ELSEWHERE)
    return desk.books


def _dispute_of(desk: VisitDesk, visit_id: str, dispute_id: str) -> Dispute:
    """Return a visit's dispute. Raises NotFound for one of another visit."""
    found = (each for each in desk.account(visit_id).disputes if each.asked.dispute_id == dispute_id)
    dispute = next(found, None)
    if dispute is None:
        raise NotFound
    return dispute


def _chosen(request: Request) -> tuple[ItemCount, ...]:
    """Return the units that were typed beside the receipt's lines, in fields ``units.SKU``. Raises Refused."""
    typed = (
        (name.removeprefix("units."), value)
        for name, value in request.query_params.items()
        if name.startswith("units.")
    )
    return _items([f"{value} {sku}" for sku, value in typed if value.strip() not in ("", "0")])


def _items(texts: list[str]) -> tuple[ItemCount, ...]:
    """Return units of products as forms carry them: ``2 tea``. Raises Refused where there are none."""
    found = [_ITEM.fullmatch(text) for text in texts]
    if not found or not all(found):
        raise Refused(words.NO_UNITS)
    return tuple(ItemCount(each[2], int(each[1])) for each in found if each is not None)


def _known_sku(desk: VisitDesk, text: str) -> str:
    """Return the product of that SKU or name. Raises Refused."""
    part = text.strip().casefold()
    found = [sku for sku, name in desk.names.items() if part in (sku.casefold(), name.casefold())]
    if not found:
        raise Refused(words.NO_PRODUCT)
    return found[0]
