"""Puts the dashboard together: pages, API, live socket, headers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.texts import texts
from dashboard import audit_pages, sign_in
from dashboard.desk import Desk
from dashboard.errors import DashboardError
from dashboard.health import pages as health
from dashboard.live import socket
from dashboard.people import api as people_api
from dashboard.people import pages as people_pages
from dashboard.recordings_desk import api as recordings_api
from dashboard.recordings_desk import pages as recordings_pages
from dashboard.reviews import api as reviews_api
from dashboard.reviews import pages as reviews_pages
from dashboard.settings import pages as settings
from dashboard.stock import api as stock_api
from dashboard.stock import pages as stock_pages
from dashboard.visits import api as visits_api
from dashboard.visits import pages as visits_pages
from dashboard.web import CATALOGUES, HERE, POLICY, AnyVisitor, assets, astray, problem_of

_FOR_EVER = "public, max-age=31536000, immutable"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

files = APIRouter(include_in_schema=False)
_PEOPLE = (people_pages.pages, people_api.api, audit_pages.pages, audit_pages.api, settings.pages, settings.api)
_STOCK = (stock_pages.pages, stock_api.api)
_RECORDINGS = (recordings_pages.pages, recordings_api.api)
_REVIEWS = (reviews_pages.pages, reviews_api.api)
_VISITS = (visits_pages.pages, visits_api.api)
_WATCHED = (socket.pages, socket.sockets, *_REVIEWS, *_VISITS, *_STOCK, *_RECORDINGS, health.pages, health.api)
ROUTERS = (sign_in.router, *_WATCHED, *_PEOPLE, files)


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[None]:
    """Hand answers on while the app is served, and those that wait when it ends."""
    reviews = app.state.desk.reviews
    if reviews is not None:
        reviews.start()
    try:
        yield
    finally:
        if reviews is not None:
            reviews.stop()


def create_app(desk: Desk) -> FastAPI:
    """Return the app."""
    app = FastAPI(
        title="Tillfree dashboard",
        version="1",
        lifespan=_served,
        docs_url=None,  # its script comes from the internet
        redoc_url=None,
        openapi_url=None,  # nothing but signing in is open
        redirect_slashes=False,
    )
    app.state.desk = desk
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(DashboardError, problem_of)
    app.add_exception_handler(HTTPException, astray)
    app.add_middleware(Headed)
    return app


@files.get("/static/{digest}/{name}")
def get_file(digest: str, name: str) -> Response:
    """Return a file of the pages; its address changes with what is in it."""
    path = HERE / "static" / name
    if assets().get(name) != f"/static/{digest}/{name}":
        raise HTTPException(404)
    return FileResponse(path, media_type=_TYPES.get(path.suffix), headers={"Cache-Control": _FOR_EVER})


@files.get("/words.json")
def get_words(who: AnyVisitor) -> Mapping[str, str]:
    """Return what scripts say, in the visitor's language: English texts to theirs, none for English."""
    return dict(texts(who.texts.locale, CATALOGUES).catalogue)


class Headed:
    """An ASGI middleware: every answer has the headers that keep other sites out, and only files are kept by browsers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, dressed if scope["type"] == "http" else send)
