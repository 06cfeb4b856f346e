"""Signing in and out, the first manager's account, language and theme."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response

from billing.errors import AccessDenied, NotKnown
from billing.passwords import LEAST_CHARACTERS, MOST_CHARACTERS
from billing.texts import LOCALES
from dashboard.audit import Deed
from dashboard.errors import NotAllowed
from dashboard.roles import SCOPES, Role
from dashboard.web import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    THEME_COOKIE,
    THEMES,
    AnyVisitor,
    PageRoute,
    Sends,
    Stranger,
    Visitor,
    go,
    inside,
    set_cookie,
    show,
)

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_Typed = Annotated[str, Form(max_length=500)]
_Next = Annotated[str, Query(max_length=300)]
_NS = 10**9
_YEAR_S = 365 * 86_400
SIGNED_IN = "session.start"
"""What the audit log calls it; the list of people tells by it who was there when."""


@router.get("/sign-in")
def sign_in_page(who: AnyVisitor, next: _Next = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the form to sign in with."""
    if who.person is not None:
        return go("/")
    return show(who, "sign_in", next=inside(next), login="", wrong=False)


@router.post("/sign-in")
def sign_in(who: Stranger, login: _Typed = "", password: _Typed = "", next: _Typed = "/") -> Response:  # noqa: A002
    """Sign a person in. Tries are limited by address."""
    try:
        token, ends_ns = who.desk.access.sign_in(login, password, who.at_ns)
    except NotKnown:
        return show(who, "sign_in", 401, next=inside(next), login=login, wrong=True)
    who.desk.did(Deed(who.at_ns, login, SIGNED_IN, login))
    return signed_in(who, token, ends_ns, inside(next))


@router.post("/sign-out")
def sign_out(who: Sends) -> Response:
    """End this browser's session."""
    if who.session:
        who.desk.access.sign_out(who.session)
        who.desk.did(Deed(who.at_ns, who.me.name, "session.end", who.me.name))
    response = go("/sign-in")
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.get("/setup")
def setup_page(who: AnyVisitor, token: _Next = "") -> Response:
    """Show the form that makes the first manager's account, to whoever has the link."""
    _check_link(who, token)
    return _setup(who, token)


@router.post("/setup")
def set_up(who: Stranger, token: _Typed = "", login: _Typed = "", password: _Typed = "") -> Response:
    """Make the first manager's account, and sign them in."""
    _check_link(who, token)
    access = who.desk.access
    try:
        access.add_operator(login, password, SCOPES[Role.MANAGER], who.at_ns)
    except AccessDenied:
        return _setup(
            who, token, login, "login" if LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS else "password"
        )
    assert who.desk.setup is not None
    who.desk.setup.end()
    session, ends_ns = access.sign_in(login, password, who.at_ns)
    who.desk.did(Deed(who.at_ns, login, "person.first", login))
    who.desk.did(Deed(who.at_ns, login, SIGNED_IN, login))
    return signed_in(who, session, ends_ns, "/")


@router.post("/language")
def choose_language(who: Sends, locale: _Typed = "en", path: _Typed = "/") -> Response:
    """Remember a language in this browser."""
    response = go(inside(path))
    if locale in LOCALES:
        set_cookie(who.desk, response, LANGUAGE_COOKIE, locale, _YEAR_S)
    return response


@router.post("/theme")
def choose_theme(who: Sends, theme: _Typed = "auto", path: _Typed = "/") -> Response:
    """Remember light or dark in this browser; ``auto`` is as the system has it."""
    response = go(inside(path))
    if theme in THEMES:
        set_cookie(who.desk, response, THEME_COOKIE, theme, _YEAR_S)
    return response


def _setup(who: Visitor, token: str, login: str = "", wrong: str = "") -> Response:
    return show(who, "setup", 422 if wrong else 200, token=token, login=login, wrong=wrong, least=LEAST_CHARACTERS)


def _check_link(who: Visitor, token: str) -> None:
    if who.desk.setup is None or not who.desk.setup.is_token(token):
        raise NotAllowed


def signed_in(who: Visitor, token: str, ends_ns: int, path: str) -> Response:
    """Lead somebody on with a new session."""
    response = go(path)
    keep_session(who, response, token, ends_ns)
    return response


def keep_session(who: Visitor, response: Response, token: str, ends_ns: int) -> None:
    """Let the browser keep a session until it ends."""
    set_cookie(who.desk, response, SESSION_COOKIE, token, max(1, (ends_ns - who.at_ns) // _NS))
