"""Errors as problem+json (RFC 9457): one table says which error is which status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError, OperationalError
from starlette.exceptions import HTTPException

from billing.errors import (
    AccessDenied,
    BillingError,
    ChargeStateError,
    CorrectionError,
    DisputeError,
    EndpointError,
    GatewayTimeout,
    KeyConflict,
    NotKnown,
    PassError,
    PriceError,
    RefundError,
    RequestReused,
    UnknownEndpoint,
    UnknownVisit,
    VersionConflict,
)

MEDIA_TYPE = "application/problem+json"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer, where a route does not say otherwise: money stays out of caches, and nothing runs in a browser."""


class MissingToken(BillingError, ValueError):
    """A visit that nobody pays for, or with a token of another kind of visit."""


_STATUSES: tuple[tuple[type[BillingError], int], ...] = (
    (NotKnown, 401),
    (AccessDenied, 403),
    (UnknownVisit, 404),
    (UnknownEndpoint, 404),
    (EndpointError, 422),
    (VersionConflict, 412),
    (RequestReused, 422),
    (KeyConflict, 409),
    (ChargeStateError, 409),
    (PriceError, 422),
    (PassError, 422),
    (RefundError, 422),
    (CorrectionError, 422),
    (DisputeError, 422),
    (MissingToken, 422),
    (GatewayTimeout, 503),
    (BillingError, 400),
)
"""First match counts."""

_TITLES = {
    304: "Not changed since",
    400: "The request cannot be served",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "In conflict with what is known",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    422: "Something in the request is wrong",
    429: "Too many requests",
    500: "A mistake in the service",
    503: "Not available at present",
}


_MOST_FAULTS, _MOST_CHARACTERS = 20, 200
"""What is told of a request that is wrong throughout."""

_HTTP_KINDS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}
"""Kinds of errors that the web framework finds."""

_UNIQUE = {"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
"""How PostgreSQL and SQLite say that a key is there already."""


class Fault(BaseModel):
    """One field that is wrong, and what is wrong about it."""

    field: str
    message: str


class Problem(BaseModel):
    """What went wrong. ``type`` names the kind of error and stays the same between versions."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] = ()


class TooManyRequests(BillingError):
    """More than the rate limit allows; ``wait_s`` says when to come again."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(f"come again in {wait_s:.0f} s")


def status_of(error: BillingError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, TooManyRequests):
        return 429
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's errors: ``statuses``, and what every call may be answered."""
    return _told({*statuses, 401, 403, 429, 503})


def change_documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the errors of a route that takes a body and an ``Idempotency-Key``."""
    return documented(*statuses, 400, 409, 413, 422)


def open_documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the errors of a route that asks for no key."""
    return _told(set(statuses))


def typed(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of an answer that is a text of its own, no JSON."""
    return {200: {"description": "Done", "content": {media_type: {"schema": {"type": "string"}}}}}


def tagged(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of answers that carry an ``ETag``."""
    header = {"ETag": {"description": "of this version", "schema": {"type": "string"}}}
    return {status: {"description": _TITLES.get(status, "Done"), "headers": header} for status in statuses}


def _told(statuses: set[int]) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    wait = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return {
        status: {"description": _TITLES[status], "content": content}
        | ({"headers": wait} if status in (429, 503) else {})
        for status in sorted(statuses)
    }


def problem(
    status: int, kind: str, detail: str, errors: tuple[Fault, ...] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response that says what went wrong."""
    body = Problem(
        type=f"urn:tillfree:{kind}", title=_TITLES.get(status, "Error"), status=status, detail=detail, errors=errors
    )
    return Response(body.model_dump_json(), status, dict(headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let ``app`` answer all errors as problems."""
    app.add_exception_handler(BillingError, _billing_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(OperationalError, _database_error)
    app.add_exception_handler(IntegrityError, _taken)
    app.add_exception_handler(Exception, _mistake)


def _kind(error: Exception) -> str:
    """Return an error's name in kebab case."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in type(error).__name__).lstrip("-")


async def _billing_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BillingError)
    status = status_of(error)
    headers = {401: {"WWW-Authenticate": "Bearer"}}.get(status, {})
    if isinstance(error, TooManyRequests):
        headers = {"Retry-After": str(max(1, round(error.wait_s)))}
    if status == 503:
        headers = {"Retry-After": "5"}
    return problem(status, _kind(error), str(error), headers=headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = tuple(
        Fault(field=_printable(".".join(str(part) for part in each["loc"])), message=_printable(each["msg"]))
        for each in error.errors()[:_MOST_FAULTS]
    )
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:3])
    return problem(422, "invalid-request", detail, faults)


def _printable(text: str) -> str:
    """Return a text that JSON can carry: a caller's own field names may hold half a character, or a whole book."""
    return text[:_MOST_CHARACTERS].encode(errors="replace").decode()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _HTTP_KINDS.get(error.status_code, "http-error")
    headers = dict(error.headers or {}) | ({"Allow": _allowed(request)} if error.status_code == 405 else {})
    return problem(error.status_code, kind, str(error.detail), headers=headers)


def _allowed(request: Request) -> str:
    """Return the methods of a path; the framework knows those of the first route alone."""
    path = getattr(request.scope.get("route"), "path", "")
    return ", ".join(sorted(method.upper() for method in request.app.openapi()["paths"].get(path, ())))


async def _database_error(_request: Request, error: Exception) -> Response:
    """The database is locked or away: nothing was written, so asking again is safe."""
    assert isinstance(error, OperationalError)
    return problem(503, "database-unavailable", "the database does not answer: ask again", headers={"Retry-After": "1"})


async def _taken(_request: Request, error: Exception) -> Response:
    """Two calls used one id for different things at the same moment; the first was kept. Raises what is no such thing."""
    assert isinstance(error, IntegrityError)
    named = (getattr(error.orig, name, None) for name in ("sqlstate", "sqlite_errorname"))
    if not _UNIQUE.intersection(named):
        raise error
    return problem(409, "id-taken", "an id in this request was used for something else at the same moment")


async def _mistake(_request: Request, _error: Exception) -> Response:
    """Say nothing of what broke: the server's log has it. This is answered outside of all that adds headers."""
    return problem(
        500, "mistake", "the service made a mistake; asking again with the same key is safe", headers=HEADERS
    )


def problem_schema() -> dict[str, Any]:
    """Return the JSON schema of a Problem, with its parts, for OpenAPI's components."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = schema.pop("$defs", {})
    return {"Problem": schema, **parts}
