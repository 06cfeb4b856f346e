"""Routes of sessions, health and metrics."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError

from billing.access import Scope, operator_asker
from billing.errors import NotKnown
from billing.http.calls import Credentials, Reader, parts_of, reads
from billing.http.models import Health, SessionOut, SignInIn
from billing.http.problems import TooManyRequests, documented, open_documented
from billing.inbox import Incoming

router = APIRouter(tags=["system"])
_ANY = tuple(Scope)


def stranger(request: Request) -> str:
    """Return where somebody asks from, after taking a token of theirs. Raises TooManyRequests."""
    parts = parts_of(request)
    address = network(request.client.host) if request.client is not None else "nowhere"
    wait_s = parts.strangers.wait_s(address, parts.clock())
    if wait_s > 0:
        raise TooManyRequests(wait_s)
    return address


def network(host: str) -> str:
    """Return an address; of an IPv6 address the /64, since whoever has one has all of them."""
    try:
        address = ip_address(host)
    except ValueError:  # a socket of this machine
        return host
    return host if address.version == 4 else str(IPv6Network((int(address), 64), strict=False))


@router.post(
    "/v1/sessions", status_code=201, response_model=SessionOut, responses=open_documented(400, 401, 413, 422, 429, 503)
)
def sign_in(given: SignInIn, request: Request, address: Annotated[str, Depends(stranger)]) -> SessionOut:
    """Sign an operator in. Tries are limited by address."""
    parts = parts_of(request)
    at_ns = parts.clock()
    asked = Incoming(operator_asker(given.login), "", "", "POST /v1/sessions", address, at_ns)
    try:
        token, ends_ns = parts.access.sign_in(given.login, given.password, at_ns)
    except NotKnown as error:
        parts.inbox.told(asked, 401, str(error))
        raise
    parts.inbox.told(asked, 201, "signed in")
    return SessionOut(token=token, expires_at=ends_ns)


@router.delete("/v1/sessions", status_code=204, responses=documented())
def sign_out(request: Request, reader: Annotated[Reader, Depends(reads(*_ANY))], credentials: Credentials) -> Response:
    """End the session whose token this call carries; a key stays as it is."""
    parts, at_ns = parts_of(request), reader.at_ns
    assert credentials is not None  # somebody is known by them
    parts.access.sign_out(credentials.credentials)
    parts.inbox.told(Incoming(reader.who.asker, "", "", "DELETE /v1/sessions", "", at_ns), 204, "signed out")
    return Response(status_code=204)


@router.get("/healthz", response_model=Health)
def get_health() -> Health:
    """Say that the process runs."""
    return Health(status="ok", checks={})


@router.get("/readyz", response_model=Health, responses={503: {"model": Health, "description": "Not ready"}})
def get_readiness(request: Request, response: Response) -> Health:
    """Say whether the database answers."""
    try:
        with parts_of(request).store.reading() as books:
            books.visit("")
    except SQLAlchemyError as error:
        response.status_code = 503
        return Health(status="not ready", checks={"database": type(error).__name__})
    return Health(status="ok", checks={"database": "ok"})


@router.get("/metrics", response_class=PlainTextResponse, responses=documented())
def get_metrics(reader: Annotated[Reader, Depends(reads(*_ANY))]) -> Response:
    """Return Prometheus' metrics; give the scraper a key of its own."""
    return Response(reader.parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
