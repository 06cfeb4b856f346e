"""The sandbox's card form, which stands in for the gateway's own and takes test cards alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse

from billing.errors import CardFormError, UnknownVisit
from billing.http.page.base import AnyVisitor, PageRoute, Visitor, go
from billing.sandbox_cards import SandboxCardDesk

router = APIRouter(prefix="/sandbox/card", route_class=PageRoute, include_in_schema=False)
_Typed = Annotated[str, Form(max_length=60)]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""The form brings its own style with it."""


@router.get("/{reference}")
def card_form(who: AnyVisitor, reference: str) -> Response:
    """Show the form."""
    return _form(who, reference, None, 200)


@router.post("/{reference}")
def submit(who: AnyVisitor, reference: str, number: _Typed = "", expiry: _Typed = "", cvc: _Typed = "") -> Response:
    """Take what was typed; the reference, which cannot be guessed, says for whom."""
    try:
        return go(_desk(who).submit(reference, number, expiry, cvc, who.at_ns))
    except CardFormError as wrong:
        return _form(who, reference, wrong, 422)


def _form(who: Visitor, reference: str, wrong: CardFormError | None, status: int) -> Response:
    body = _desk(who).form_html(reference, who.texts.locale, wrong)
    return HTMLResponse(body, status, {"Content-Security-Policy": _POLICY})


def _desk(who: Visitor) -> SandboxCardDesk:
    desk = who.page.desk
    if not isinstance(desk, SandboxCardDesk):
        raise UnknownVisit("there is no sandbox here")
    return desk
