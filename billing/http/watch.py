"""What holds for every call: its size, its headers, and that it is counted, however it ends."""

from __future__ import annotations

from typing import Protocol

from fastapi import Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.http.calls import Clock
from billing.http.problems import HEADERS, problem

MOST_BODY_BYTES = 1_000_000
"""A cart of 500 products is 40 kB."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_TOO_LARGE = f"send at most {MOST_BODY_BYTES} bytes"


class Counts(Protocol):
    """Counts calls."""

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one call."""
        ...


class Watched(Protocol):
    """What an app that is watched has."""

    @property
    def clock(self) -> Clock:
        """Return what gives the Unix time in nanoseconds."""
        ...

    @property
    def metrics(self) -> Counts:
        """Return what counts calls."""
        ...


class Watch:
    """An ASGI middleware: refuses bodies that are too large, said so beforehand or found so while they come in."""

    def __init__(self, app: ASGIApp, parts: Watched) -> None:
        self._app, self._parts = app, parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun_ns = self._parts.clock()
        status, size = 500, 0  # what an error is answered with that comes past here

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        async def measured() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        refusal = _refusal(scope)
        try:
            if refusal is None:
                await self._app(scope, measured, dressed)
            else:
                await refusal(scope, receive, dressed)
        finally:
            seconds = max(0, self._parts.clock() - begun_ns) / 1e9
            self._parts.metrics.count(_method(scope), _route(scope), status, seconds)


def _refusal(scope: Scope) -> Response | None:
    """Return the answer to a call whose headers say that it is too large, or nothing that is a size."""
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if said.isdigit() and len(said) < 20 and int(said) <= MOST_BODY_BYTES:
        return None
    return problem(413, "too-large", _TOO_LARGE)


def _method(scope: Scope) -> str:
    """Return the method; anybody may invent some, and each label is kept for ever."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """Return the template of the path that was found, which is one of few."""
    return getattr(scope.get("route"), "path", "unknown")
