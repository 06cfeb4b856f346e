"""What every screen needs: who looks, in which language, forms that only our own pages can send, and errors as pages."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from billing.cards import CardDesk
from billing.db.shoppers import Shopper
from billing.errors import AccessDenied, BillingError, GatewayTimeout, UnknownVisit
from billing.http.calls import Parts, parts_of
from billing.http.problems import TooManyRequests
from billing.lookup import Lookup
from billing.page_settings import PageSettings
from billing.shoppers import Shoppers
from billing.texts import LOCALES, Texts, best_locale, texts

HERE = Path(__file__).parent
SESSION_COOKIE = "till_session"
GUEST_COOKIE = "till_guest"
LANGUAGE_COOKIE = "till_language"
_YEAR_S = 365 * 86_400
_HOME_HOSTS = ("localhost", "127.0.0.1", "::1")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the page works with. ``url`` is where shoppers reach it, such as https://shop.example."""

    shoppers: Shoppers
    lookup: Lookup
    desk: CardDesk
    settings: PageSettings
    url: str
    form_key: bytes

    @property
    def is_secure(self) -> bool:
        """Tell whether cookies go over TLS alone: everywhere but on the machine that serves."""
        return urlsplit(self.url).hostname not in _HOME_HOSTS


class FormExpired(AccessDenied):
    """A form that none of our pages made for who sends it."""


class SignInNeeded(AccessDenied):
    """A screen for somebody who is signed in."""


def page_of(request: Request) -> Page:
    """Return what the page was made with."""
    page: Page = request.app.state.page
    return page


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever looks at the page: a shopper who is signed in by ``token``, or a guest."""

    request: Request
    parts: Parts
    page: Page
    shopper: Shopper | None
    token: str
    guest: str
    texts: Texts
    at_ns: int

    @property
    def csrf(self) -> str:
        """Return what our own forms carry, and no other page can know."""
        told = f"form|{self.guest}|{self.token}".encode()
        return hmac.new(self.page.form_key, told, hashlib.sha256).hexdigest()

    @property
    def me(self) -> Shopper:
        """Return the shopper. Raises SignInNeeded for a guest."""
        if self.shopper is None:
            raise SignInNeeded("sign in first")
        return self.shopper


def visitor(request: Request) -> Visitor:
    """Return who looks. Raises TooManyRequests."""
    who = _visitor(request)
    if who.shopper is not None:
        wait_s = who.parts.limiter.wait_s(f"shopper {who.shopper.shopper_id}", who.at_ns)
        if wait_s > 0:
            raise TooManyRequests(wait_s)
    return who


def _visitor(request: Request) -> Visitor:
    parts, page = parts_of(request), page_of(request)
    at_ns, cookies = parts.clock(), request.cookies
    token = cookies.get(SESSION_COOKIE, "")
    shopper = page.shoppers.who(token, at_ns) if token else None
    locale = _locale(request, shopper)
    guest = cookies.get(GUEST_COOKIE) or secrets.token_urlsafe(16)
    known = token if shopper is not None else ""
    return Visitor(request, parts, page, shopper, known, guest, texts(locale), at_ns)


def signed_in(who: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """Return who looks. Raises SignInNeeded for a guest."""
    return replace(who, shopper=who.me)


def sends(who: Annotated[Visitor, Depends(visitor)], csrf: Annotated[str, Form(max_length=100)] = "") -> Visitor:
    """Return who sends a form of ours. Raises FormExpired for any other."""
    if not hmac.compare_digest(csrf.encode(), who.csrf.encode()):
        raise FormExpired("the form is of another session")
    return who


def shopper_sends(who: Annotated[Visitor, Depends(sends)]) -> Visitor:
    """Return the shopper who sends a form of ours."""
    return replace(who, shopper=who.me)


AnyVisitor = Annotated[Visitor, Depends(visitor)]
Signed = Annotated[Visitor, Depends(signed_in)]
Sends = Annotated[Visitor, Depends(sends)]
ShopperSends = Annotated[Visitor, Depends(shopper_sends)]


def show(who: Visitor, template: str, status: int = 200, /, **values: Any) -> Response:
    """Return a screen by its template."""
    context = {"who": who, "_": who.texts, "page": who.page, "path": who.request.url.path, "assets": assets(), **values}
    response = HTMLResponse(environment().get_template(f"{template}.html.j2").render(context), status)
    response.headers["Content-Security-Policy"] = POLICY
    if who.request.cookies.get(GUEST_COOKIE) != who.guest:
        set_cookie(who.page, response, GUEST_COOKIE, who.guest, _YEAR_S)
    return response


def go(path: str) -> Response:
    """Send the browser on after a form, so that loading again sends nothing twice."""
    return RedirectResponse(path, 303)


def set_cookie(page: Page, response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send along with a form."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=page.is_secure, httponly=True, samesite="lax")


def inside(path: str, otherwise: str = "/") -> str:
    """Return ``path`` if it leads to this page and nowhere else."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours and " " not in path else otherwise


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
    """Return the address of each file of the page with its digest, so that browsers keep it until it changes."""
    files = sorted((HERE / "static").iterdir())
    return {file.name: f"/static/{file.name}?{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}" for file in files}


class PageRoute(APIRoute):
    """A route whose errors are screens, not problem+json."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's own handler."""
        handle: Callable[[Request], Any] = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response: Response = await handle(request)
            except (BillingError, RequestValidationError, HTTPException) as error:
                return await run_in_threadpool(_sorry, request, error)
            return response

        return handled


def _sorry(request: Request, error: Exception) -> Response:
    """Return the screen that an error leads to."""
    if isinstance(error, SignInNeeded):
        if request.url.path.startswith("/live/"):
            return Response(status_code=204, headers={"X-Next": "/sign-in"})
        return go(f"/sign-in?next={quote(request.url.path)}" if request.method == "GET" else "/sign-in")
    status = _status(error)
    response = show(_visitor(request), "sorry", status, code=status)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(max(1, round(error.wait_s)))
    return response


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    for kind, status in ((TooManyRequests, 429), (FormExpired, 403), (UnknownVisit, 404), (GatewayTimeout, 503)):
        if isinstance(error, kind):
            return status
    return 400


def _locale(request: Request, shopper: Shopper | None) -> str:
    chosen = shopper.locale if shopper is not None else request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in LOCALES else best_locale(request.headers.get("accept-language"))
