"""Puts the dashboard together: pages, API, live socket, headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.texts import texts
from dashboard import sign_in
from dashboard.desk import Desk
from dashboard.errors import DashboardError
from dashboard.health import pages as health
from dashboard.live import socket
from dashboard.stock import api as stock_api
from dashboard.stock import pages as stock_pages
from dashboard.web import CATALOGUES, HERE, POLICY, AnyVisitor, assets, problem_of

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
_STOCK = (stock_pages.pages, stock_api.api)
ROUTERS = (sign_in.router, socket.pages, socket.sockets, health.pages, health.api, *_STOCK, files)


def create_app(
    desk: Desk, *, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
) -> FastAPI:
    """Return the app."""
    app = FastAPI(
        title="Tillfree dashboard",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # its script comes from the internet
        redoc_url=None,
        openapi_url=None,  # nothing but signing in is open
        redirect_slashes=False,
    )
    app.state.desk = desk
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(DashboardError, problem_of)
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
