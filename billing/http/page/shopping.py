"""Screens of a visit: the entry pass, the cart as it is, receipts, what is contested or returned, debts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Response

from billing.db.books import Books
from billing.db.disputes import disputes_of
from billing.db.shoppers import visits_of
from billing.errors import ChargeStateError, DisputeError, KeyConflict, RefundError, UnknownVisit
from billing.http.cursors import timed, written
from billing.http.models import Id
from billing.http.page.base import AnyVisitor, PageRoute, ShopperSends, Signed, Visitor, go, show
from billing.http.page.words import Frame, VisitView, card_name, cart_lines, held, visit_view
from billing.money import Money
from billing.pdf import render_pdf
from billing.qr import qr_svg
from billing.receipt_view import view_of
from billing.types import DisputeKind, DisputeRequest, ItemCount, LineKind, StoredVisit, VisitKind

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_PAGE = 20
_LATELY_NS = 600 * 10**9
"""How long the pass says that its last scan was turned away."""
_GATE_EVERY_MS = _CART_EVERY_MS = 2_000
_RECEIPT_EVERY_MS = 4_000
_SETTLED_EVERY_MS = 30_000
"""How often a screen asks what has become of it."""


@router.get("/")
def home(who: AnyVisitor) -> Response:
    """Show the entry pass, or the way to one."""
    if who.shopper is None:
        return show(who, "welcome", hold=_hold(who))
    if who.shopper.card is None:
        return go("/register/card")
    return show(who, "home", hold=_hold(who), debts=_debts(who), qr=_qr(who), every_ms=_GATE_EVERY_MS, **_now(who))


@router.get("/live/pass")
def live_pass(who: Signed) -> Response:
    """Return the next pass as a picture."""
    return Response("", 204, {"X-Next": "/"}) if who.me.card is None else Response(_qr(who), media_type="text/html")


@router.get("/live/home")
def live_home(who: Signed) -> Response:
    """Return what became of the last scan; lead to the cart once it opened a visit."""
    now = _now(who)
    response = show(who, "now", **now)
    if now["visit"] is not None:
        response.headers["X-Next"] = "/cart"
    return response


@router.get("/cart")
def cart(who: Signed) -> Response:
    """Show the cart as it is."""
    return show(who, "cart", every_ms=_CART_EVERY_MS, **_cart(who))


@router.get("/live/cart")
def live_cart(who: Signed, visit: Annotated[str, Query(max_length=80)] = "") -> Response:
    """Return the cart as it is; lead to the receipt once it is final."""
    response = show(who, "cart_now", **_cart(who))
    if visit and _has_receipt(who, visit):
        response.headers["X-Next"] = f"/receipts/{visit}"
    return response


@router.get("/receipts")
def receipts(who: Signed, cursor: Annotated[str | None, Query(max_length=300)] = None) -> Response:
    """List visits, latest first."""
    with who.parts.store.reading() as books:
        visits = visits_of(books, who.me.shopper_id, timed(cursor), _PAGE)
        views = [_view(who, books, visit) for visit in visits]
    last = visits[-1].opened if len(visits) == _PAGE else None
    older = "" if last is None else f"/receipts?cursor={written(last.at_ns, last.visit_id)}"
    return show(who, "receipts", views=views, older=older, is_first=cursor is None)


@router.get("/receipts/{visit_id}")
def receipt(who: Signed, visit_id: Id, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show a receipt with all its money."""
    return _receipt_page(who, visit_id, done=done)


@router.get("/live/receipts/{visit_id}")
def live_receipt(who: Signed, visit_id: Id) -> Response:
    """Return how a receipt stands."""
    with who.parts.store.reading() as books:
        view = _view(who, books, _mine(who, books, visit_id))
    return show(who, "receipt_now", view=view)


@router.get("/receipts/{visit_id}/receipt.pdf")
def receipt_pdf(who: Signed, visit_id: Id) -> Response:
    """Return a receipt to keep."""
    with who.parts.store.reading() as books:
        _mine(who, books, visit_id)
        found, charges = books.receipt(visit_id), books.charges(visit_id)
    if found is None:
        raise UnknownVisit(f"visit {visit_id!r} has no receipt")
    settings = who.page.settings
    charge = charges[-1] if charges else None
    body = render_pdf(found, charge, settings.store_name, who.texts.locale, settings.zone)
    name = {"Content-Disposition": f'attachment; filename="receipt-{visit_id.replace(":", "-")}.pdf"'}
    return Response(body, media_type="application/pdf", headers=name)


@router.post("/receipts/{visit_id}/disputes")
def contest(
    who: ShopperSends,
    visit_id: Id,
    sku: Annotated[str, Form(max_length=64)],
    kind: Annotated[DisputeKind, Form()],
    request_id: Annotated[str, Form(pattern=r"^[0-9a-f]{16}$")],
    quantity: Annotated[int, Form(ge=1, le=10_000)] = 1,
    text: Annotated[str, Form(max_length=500, pattern=r"^[^\x00]*$")] = "",
) -> Response:
    """Contest a line, or return a product."""
    dispute_id = f"web-{request_id}"
    with who.parts.store.reading() as books:
        view = _view(who, books, _mine(who, books, visit_id))
        is_known = dispute_id in {each.asked.dispute_id for each in disputes_of(books, visit_id)}
    left = sum(line.left for line in view.lines if line.sku == sku)
    if quantity > left and not is_known:
        return _receipt_page(who, visit_id, problem=(sku, kind.value), status=422)
    asked = DisputeRequest(
        dispute_id=dispute_id,
        visit_id=visit_id,
        kind=kind,
        items=(ItemCount(sku, quantity),),
        text=text.strip(),
        at_ns=who.at_ns,
        shopper_id=who.me.shopper_id,
    )
    try:
        who.parts.service.contest(asked)
    except (DisputeError, RefundError, KeyConflict):
        return _receipt_page(who, visit_id, problem=(sku, kind.value), status=422)
    return go(f"/receipts/{visit_id}?done=asked#requests")


@router.get("/receipts/{visit_id}/disputes")
@router.get("/receipts/{visit_id}/pay")
def back_to_receipt(visit_id: Id) -> Response:
    """Lead back to the receipt, for whoever loads the answer to a form again."""
    return go(f"/receipts/{visit_id}")


@router.get("/debts")
def debts(who: Signed) -> Response:
    """Show what is not paid."""
    return show(who, "debts", views=_debts(who), card=_card(who))


@router.post("/receipts/{visit_id}/pay")
def pay(who: ShopperSends, visit_id: Id, number: Annotated[int, Form(ge=1)]) -> Response:
    """Charge what is owed to the card on file, once for each time that it was shown as declined."""
    with who.parts.store.reading() as books:
        _mine(who, books, visit_id)
        charges = books.charges(visit_id)
    if who.me.card is not None and charges and charges[-1].number == number:
        try:
            who.parts.service.charge_again(visit_id, who.me.card.token, who.at_ns)
        except ChargeStateError:  # paid, or asked for, meanwhile: the receipt says so
            return go(f"/receipts/{visit_id}")
    return go(f"/receipts/{visit_id}?done=paid")


def _qr(who: Visitor) -> str:
    text = who.page.shoppers.issue_pass(who.me.shopper_id, who.at_ns)
    return qr_svg(text, title=who.texts("Entry pass"))


def _hold(who: Visitor) -> str:
    """Return what is held for each person at the gate; empty for nothing."""
    service = who.parts.service
    minor = service.policy.hold_minor
    return who.texts.money(Money(minor, service.book.currency)) if minor else ""


def _now(who: Visitor) -> dict[str, Any]:
    """Return the visit that is under way, or how the gate turned the shopper away just now."""
    visit = who.page.shoppers.current_visit(who.me.shopper_id, who.at_ns)
    if visit is not None:
        return {"visit": visit, "turned_away": ""}
    with who.parts.store.reading() as books:
        last = next(iter(visits_of(books, who.me.shopper_id, None, 1)), None)
        is_late = last is None or who.at_ns - last.opened.at_ns > _LATELY_NS
        view = None if last is None or is_late else _view(who, books, last)
    turned_away = view.state if view is not None and view.receipt is None and not view.is_open else ""
    return {"visit": None, "turned_away": turned_away}


def _cart(who: Visitor) -> dict[str, Any]:
    visit = who.page.shoppers.current_visit(who.me.shopper_id, who.at_ns)
    empty: dict[str, Any] = {"visit": visit, "lines": (), "view": None, "hold": "", "count": 0, "card": _card(who)}
    if visit is None:
        return empty
    visit_id = visit.opened.visit_id
    now = held(who.parts.service.payments(visit_id))
    empty |= {"hold": "" if now is None else who.texts.money(now), "is_member": visit.opened.is_member}
    draft = who.parts.service.draft(visit_id, who.at_ns)
    if draft is None:
        return empty
    priced = draft[1]
    view = view_of(priced, None, "", who.texts.locale, who.page.settings.zone)
    count = sum(line.quantity for line in priced.lines if line.kind is LineKind.PRODUCT)
    return empty | {"lines": cart_lines(priced, who.texts), "view": view, "count": count}


def _card(who: Visitor) -> str:
    return "" if who.me.card is None else card_name(who.me.card)


def _debts(who: Visitor) -> Sequence[VisitView]:
    owing = who.page.shoppers.debts(who.me.shopper_id)
    with who.parts.store.reading() as books:
        return [_view(who, books, _mine(who, books, visit_id)) for visit_id in owing]


def _mine(who: Visitor, books: Books, visit_id: str) -> StoredVisit:
    """Return a visit of the shopper's. Raises UnknownVisit for those of others and for none alike."""
    visit = books.visit(visit_id)
    if visit is None or visit.opened.shopper_id != who.me.shopper_id or visit.opened.kind is not VisitKind.SHOPPER:
        raise UnknownVisit("there is no such receipt")
    return visit


def _view(who: Visitor, books: Books, visit: StoredVisit) -> VisitView:
    settings, service = who.page.settings, who.parts.service
    window_days, currency = service.policy.refund_window_days, service.book.currency
    frame = Frame(who.texts, settings.zone, window_days, currency, settings.store_name)
    return visit_view(books, visit, frame, who.at_ns)


def _has_receipt(who: Visitor, visit_id: str) -> bool:
    with who.parts.store.reading() as books:
        visit = books.visit(visit_id)
        is_mine = visit is not None and visit.opened.shopper_id == who.me.shopper_id
        return is_mine and books.receipt(visit_id) is not None


def _receipt_page(
    who: Visitor, visit_id: str, *, done: str = "", problem: tuple[str, str] = ("", ""), status: int = 200
) -> Response:
    with who.parts.store.reading() as books:
        view = _view(who, books, _mine(who, books, visit_id))
    return show(
        who,
        "receipt",
        status,
        view=view,
        done=done,
        problem=problem,
        card=_card(who),
        new_id=lambda: secrets.token_hex(8),
        every_ms=_RECEIPT_EVERY_MS if view.is_settling else _SETTLED_EVERY_MS,
    )
