"""What every page needs: who looks, in which language, forms that only our own pages can send, and errors as pages."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from billing.errors import NotKnown
from billing.http.system import network
from billing.texts import LOCALES, Texts, best_locale, texts
from dashboard.desk import Desk, Person, form_token
from dashboard.errors import (
    DashboardError,
    FormExpired,
    InConflict,
    NotAllowed,
    NotFound,
    Refused,
    SignInNeeded,
    TooOften,
    Unavailable,
)
from dashboard.roles import Right, rights_of

HERE = Path(__file__).parent
CATALOGUES = HERE / "locales"
SESSION_COOKIE, GUEST_COOKIE, LANGUAGE_COOKIE, THEME_COOKIE = (
    "desk_session",
    "desk_guest",
    "desk_language",
    "desk_theme",
)
CSRF_HEADER = "X-CSRF"
THEMES = ("auto", "light", "dark")
_YEAR_S = 365 * 86_400

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing evaluated, nothing from elsewhere: see docs/adr/0028."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever looks: a person who is signed in by ``session``, or nobody known."""

    request: Request
    desk: Desk
    person: Person | None
    session: str
    guest: str
    texts: Texts
    theme: str
    at_ns: int

    @property
    def csrf(self) -> str:
        """Return what our own forms carry."""
        guest = (
            "" if self.person is not None else self.guest
        )  # a session is enough, and a program may keep no other cookie
        return form_token(self.desk.form_key, self.session, guest)

    @property
    def me(self) -> Person:
        """Return who is signed in. Raises SignInNeeded."""
        if self.person is None:
            raise SignInNeeded
        return self.person

    def may(self, right: str) -> bool:
        """Tell whether they may; nobody may anything before they signed in."""
        return self.person is not None and self.person.may(Right(right))


def desk_of(connection: HTTPConnection) -> Desk:
    """Return what the app was made with."""
    desk: Desk = connection.app.state.desk
    return desk


def person_of(connection: HTTPConnection) -> Person | None:
    """Return who a browser's session belongs to, None where there is none, or it has ended."""
    desk, session = desk_of(connection), connection.cookies.get(SESSION_COOKIE, "")
    if not session:
        return None
    try:
        found = desk.access.who(session, desk.clock())
    except NotKnown:
        return None
    return Person(found.name, rights_of(found.scopes)) if found.is_person else None


def visitor(request: Request) -> Visitor:
    """Return who looks."""
    desk, cookies, person = desk_of(request), request.cookies, person_of(request)
    session = cookies.get(SESSION_COOKIE, "") if person is not None else ""
    chosen, theme = cookies.get(LANGUAGE_COOKIE), cookies.get(THEME_COOKIE, "")
    locale = chosen if chosen in LOCALES else best_locale(request.headers.get("accept-language"))
    guest = cookies.get(GUEST_COOKIE) or secrets.token_urlsafe(16)
    said = texts(locale, CATALOGUES)
    return Visitor(request, desk, person, session, guest, said, theme if theme in THEMES else THEMES[0], desk.clock())


def may(*rights: Right) -> Callable[[Visitor], Visitor]:
    """Return a dependency: somebody is signed in who has one of ``rights``."""

    def allowed(who: Annotated[Visitor, Depends(visitor)]) -> Visitor:
        if who.me.rights.isdisjoint(rights):
            raise NotAllowed
        return who

    return allowed


def sends(who: Annotated[Visitor, Depends(visitor)], csrf: Annotated[str, Form(max_length=100)] = "") -> Visitor:
    """Return who sends a form of ours. Raises FormExpired for any other."""
    if not hmac.compare_digest(csrf.encode(), who.csrf.encode()):
        raise FormExpired
    return who


def may_send(*rights: Right) -> Callable[[Visitor], Visitor]:
    """Return a dependency: somebody sends a form of ours who has one of ``rights``."""

    def allowed(who: Annotated[Visitor, Depends(sends)]) -> Visitor:
        if who.me.rights.isdisjoint(rights):
            raise NotAllowed
        return who

    return allowed


def may_call(*rights: Right) -> Callable[[Visitor, str], Visitor]:
    """Return a dependency: a script or program of somebody who has one of ``rights`` sends a command.

    It has the token of ``/v1/desk/me`` in a header, which no other site can add.
    """

    def allowed(
        who: Annotated[Visitor, Depends(visitor)], csrf: Annotated[str, Header(alias=CSRF_HEADER, max_length=100)] = ""
    ) -> Visitor:
        if who.me.rights.isdisjoint(rights):
            raise NotAllowed
        if not hmac.compare_digest(csrf.encode(), who.csrf.encode()):
            raise FormExpired
        return who

    return allowed


def stranger(who: Annotated[Visitor, Depends(sends)]) -> Visitor:
    """Return who sends a form without being known, after taking one of the tries of where they ask from. Raises TooOften."""
    client = who.request.client
    wait_s = who.desk.strangers.wait_s(network(client.host) if client is not None else "nowhere", who.at_ns)
    if wait_s > 0:
        raise TooOften(wait_s)
    return who


AnyVisitor = Annotated[Visitor, Depends(visitor)]
Sends = Annotated[Visitor, Depends(sends)]
Stranger = Annotated[Visitor, Depends(stranger)]


def show(who: Visitor, template: str, status: int = 200, /, **values: Any) -> Response:
    """Return a page by its template."""
    context = {"who": who, "_": who.texts, "path": who.request.url.path, "assets": assets(), **values}
    response = HTMLResponse(environment().get_template(f"{template}.html.j2").render(context), status)
    if who.request.cookies.get(GUEST_COOKIE) != who.guest:
        set_cookie(who.desk, response, GUEST_COOKIE, who.guest, _YEAR_S)
    return response


def go(path: str) -> Response:
    """Send the browser on after a form, so that loading again sends nothing twice."""
    return RedirectResponse(path, 303)


def set_cookie(desk: Desk, response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie that scripts cannot read and other sites cannot have sent."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=desk.is_secure, httponly=True, samesite="strict")


def inside(path: str, otherwise: str = "/") -> str:
    """Return ``path`` if it leads to this dashboard and nowhere else."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours and " " not in path else otherwise


def is_own_origin(connection: HTTPConnection) -> bool:
    """Tell whether a script of our own pages asks: browsers say so themselves, with every WebSocket."""
    origin = urlsplit(connection.headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc == connection.headers.get("host", "")


@cache
def environment() -> Environment:
    """Return what renders templates: everything is escaped, and a missing value is an error."""
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def assets() -> Mapping[str, str]:
    """Return the address of each file of the pages, under a digest of them all: scripts name each other without one."""
    files = sorted(file for file in (HERE / "static").iterdir() if file.is_file())
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:12]
    return {file.name: f"/static/{digest}/{file.name}" for file in files}


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's own handler."""
        handle: Callable[[Request], Any] = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response: Response = await handle(request)
            except (DashboardError, RequestValidationError, HTTPException) as error:
                return await run_in_threadpool(_sorry, request, error)
            return response

        return handled


class ProgramRoute(APIRoute):
    """A route whose errors are problem+json."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's own handler."""
        handle: Callable[[Request], Any] = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response: Response = await handle(request)
            except (DashboardError, RequestValidationError, HTTPException) as error:
                return problem_of(request, error)
            return response

        return handled


def _sorry(request: Request, error: Exception) -> Response:
    """Return the page that an error leads to."""
    if isinstance(error, SignInNeeded):
        return go(f"/sign-in?next={quote(request.url.path)}" if request.method == "GET" else "/sign-in")
    status = status_of(error)
    response = show(visitor(request), "sorry", status, code=status)
    if isinstance(error, TooOften):
        response.headers["Retry-After"] = str(max(1, round(error.wait_s)))
    return response


_KINDS = {
    400: "bad-request",
    401: "not-signed-in",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    409: "in-conflict",
    422: "refused",
    429: "too-many-requests",
    503: "not-available",
}
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (SignInNeeded, 401),
    (NotAllowed, 403),
    (FormExpired, 403),
    (NotFound, 404),
    (InConflict, 409),
    (Refused, 422),
    (TooOften, 429),
    (Unavailable, 503),
)


class Problem(BaseModel):
    """What a program is told of an error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None


def program_router(tag: str) -> APIRouter:
    """Return a router for programs, whose errors are problem+json and stand in its document."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    answers: dict[int | str, dict[str, Any]] = {
        status: {"description": kind.replace("-", " "), "content": content} for status, kind in _KINDS.items()
    }
    return APIRouter(route_class=ProgramRoute, tags=[tag], responses=answers)


def astray(request: Request, error: Exception) -> Response:
    """Return what an address that there is none of leads to: a problem where programs ask, else a page."""
    return (problem_of if request.url.path.startswith("/v1/") else _sorry)(request, error)


def problem_of(_request: Request, error: Exception) -> Response:
    """Return the same for a program: problem+json (RFC 9457)."""
    status = status_of(error)
    kind = _KINDS.get(status, _KINDS[400])
    told = {"type": f"urn:tillfree:{kind}", "title": kind.replace("-", " "), "status": status}
    if isinstance(error, DashboardError) and str(error):
        told["detail"] = str(error)
    return JSONResponse(told, status, media_type="application/problem+json")


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 400)
