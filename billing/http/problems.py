"""Errors as problem+json (RFC 9457): one table says which error is which status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
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
    (GatewayTimeout, 503),
    (BillingError, 400),
)
"""First match counts."""

_TITLES = {
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
    503: "Not available at present",
}


class Fault(BaseModel):
    """One field that is wrong."""

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
    """Return what OpenAPI says of a route's errors; each is a Problem."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": _TITLES[status], "content": content} for status in sorted({*statuses, 401, 403, 429})
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
        Fault(field=".".join(str(part) for part in each["loc"]), message=each["msg"]) for each in error.errors()
    )
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:3])
    return problem(422, "invalid-request", detail, faults)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, "http-error", str(error.detail), headers=error.headers)


async def _database_error(_request: Request, error: Exception) -> Response:
    """The database is locked or away: nothing was written, so asking again is safe."""
    assert isinstance(error, OperationalError)
    return problem(503, "database-unavailable", "the database does not answer: ask again", headers={"Retry-After": "1"})


def problem_schema() -> dict[str, Any]:
    """Return the JSON schema of a Problem, with its parts, for OpenAPI's components."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = schema.pop("$defs", {})
    return {"Problem": schema, **parts}
