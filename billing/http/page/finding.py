"""Find my receipt: for whoever has no account to look into, and telling strangers nothing."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from billing.access import RateLimiter
from billing.http.calls import parts_of
from billing.http.page.base import AnyVisitor, PageRoute, Sends, Visitor, show
from billing.http.page.words import cart_lines
from billing.http.problems import TooManyRequests
from billing.http.system import stranger
from billing.lookup import month_of
from billing.receipt_view import view_of
from billing.types import Receipt

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_Typed = Annotated[str, Form(max_length=40)]
_LAST4 = re.compile(r"[0-9]{4}")

EVERYBODY = "everybody who looks for a receipt"


def finders() -> RateLimiter:
    """Return the limit for all who look for receipts together: who guesses from many addresses gains nothing by it."""
    return RateLimiter(0.5, 30)


def _unhurried(request: Request, address: Annotated[str, Depends(stranger)]) -> str:
    """Return who looks, after taking a token of theirs and one of everybody's. Raises TooManyRequests."""
    limiter: RateLimiter = request.app.state.finders
    wait_s = limiter.wait_s(EVERYBODY, parts_of(request).clock())
    if wait_s > 0:
        raise TooManyRequests(wait_s)
    return address


@router.get("/find")
def find_page(who: AnyVisitor) -> Response:
    """Show the form."""
    return show(who, "find", last4="", expiry="", day="", flaws={}, asked=False, found=())


@router.post("/find")
def find(
    who: Sends, _address: Annotated[str, Depends(_unhurried)], last4: _Typed = "", expiry: _Typed = "", day: _Typed = ""
) -> Response:
    """Show the receipts of a card on a day, without anything about the person; none looks alike, whatever the reason."""
    month, date = month_of(expiry), _date(day)
    flaws = {
        name: "invalid"
        for name, is_good in (
            ("last4", _LAST4.fullmatch(last4.strip())),
            ("expiry", month),
            ("day", date),
        )
        if not is_good
    }
    typed = {"last4": last4, "expiry": expiry, "day": day}
    if flaws or month is None or date is None:
        return show(who, "find", 422, flaws=flaws, asked=False, found=(), **typed)
    found = who.page.lookup.find(last4.strip(), month, date)
    return show(who, "find", flaws={}, asked=True, found=[_shown(who, each) for each in found], **typed)


def _shown(who: Visitor, receipt: Receipt) -> dict[str, object]:
    settings = who.page.settings
    view = view_of(receipt, None, settings.store_name, who.texts.locale, settings.zone)
    promotions = tuple(row for row in view.items if row.kind == "promotion")
    return {"view": view, "lines": cart_lines(receipt, who.texts), "promotions": promotions}


def _date(typed: str) -> dt.date | None:
    """Return the day that a date field sends, None for anything else."""
    try:
        return dt.date.fromisoformat(typed.strip())
    except ValueError:
        return None
