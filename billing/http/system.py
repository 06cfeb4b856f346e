"""Routes of sessions, health and metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from billing.access import Scope
from billing.errors import NotKnown
from billing.http.calls import Reader, parts_of, reads
from billing.http.models import Health, SessionOut, SignInIn
from billing.http.problems import TooManyRequests, documented
from billing.inbox import Incoming

router = APIRouter(tags=["system"])
_ANY = tuple(Scope)


def stranger(request: Request) -> str:
    """Return the address of who asks, after taking a token of theirs. Raises TooManyRequests."""
    parts = parts_of(request)
    address = request.client.host if request.client is not None else "nowhere"
    wait_s = parts.strangers.wait_s(address, parts.clock())
    if wait_s > 0:
        raise TooManyRequests(wait_s)
    return address


@router.post("/v1/sessions", status_code=201, response_model=SessionOut, responses=documented(422))
def sign_in(given: SignInIn, request: Request, address: Annotated[str, Depends(stranger)]) -> SessionOut:
    """Sign an operator in. Tries are limited by address."""
    parts = parts_of(request)
    at_ns = parts.clock()
    asked = Incoming(given.login, "", "", "POST /v1/sessions", address, at_ns)
    try:
        token, ends_ns = parts.access.sign_in(given.login, given.password, at_ns)
    except NotKnown as error:
        parts.inbox.refused(asked, 401, str(error))
        raise
    parts.inbox.refused(asked, 201, "signed in")
    return SessionOut(token=token, expires_at=ends_ns)


@router.delete("/v1/sessions", status_code=204, responses=documented())
def sign_out(
    request: Request, _reader: Annotated[Reader, Depends(reads(*_ANY))], authorization: Annotated[str, Header()] = ""
) -> Response:
    """End the session whose token this call carries."""
    parts_of(request).access.sign_out(authorization.partition(" ")[2])
    return Response(status_code=204)


@router.get("/healthz", response_model=Health)
def health() -> Health:
    """Say that the process runs."""
    return Health(status="ok", checks={})


@router.get("/readyz", response_model=Health, responses={503: {"model": Health, "description": "Not ready"}})
def ready(request: Request, response: Response) -> Health:
    """Say whether the database answers."""
    try:
        with parts_of(request).store.reading() as books:
            books.visit("")
    except SQLAlchemyError as error:
        response.status_code = 503
        return Health(status="not ready", checks={"database": type(error).__name__})
    return Health(status="ok", checks={"database": "ok"})


@router.get("/metrics", responses=documented() | {200: {"content": {"text/plain": {}}}})
def metrics(reader: Annotated[Reader, Depends(reads(*_ANY))]) -> Response:
    """Return Prometheus' metrics; give the scraper a key of its own."""
    return Response(reader.parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
