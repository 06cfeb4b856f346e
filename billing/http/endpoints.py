"""Routes of the store's own systems that want to be told what happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from billing.access import Scope
from billing.errors import UnknownEndpoint
from billing.http.calls import Call, Parts, Reader, changes, reads
from billing.http.cursors import Cursor, Limit, numbered, written
from billing.http.models import Page
from billing.http.problems import documented
from billing.http.times import UtcIn, UtcOut
from billing.news import TOPICS
from billing.outbox import Outbox
from billing.types import Delivery, DeliveryState, Endpoint
from store_layout.model import Strict

router = APIRouter(prefix="/v1", tags=["webhooks"])
_Admin = Annotated[Call, Depends(changes(Scope.ADMIN))]
_Look = Annotated[Reader, Depends(reads(Scope.ADMIN, Scope.AUDITOR))]
_EndpointId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$")]
_Number = Annotated[int, Path(ge=1, lt=2**63)]


class EndpointIn(Strict):
    """Where to send, and what."""

    url: Annotated[str, Field(max_length=2_000, pattern=r"^[!-~]+$", examples=["https://shop.example/hooks"])]
    topics: Annotated[tuple[str, ...], Field(min_length=1, max_length=len(TOPICS), examples=[["receipt.final"]])]


class ReplayIn(Strict):
    """From when on to send all again."""

    since: UtcIn


class EndpointOut(Strict):
    """Somebody who is told; the secret is shown when it is made, and never again."""

    endpoint_id: str
    url: str
    topics: tuple[str, ...]
    created_at: UtcOut
    disabled_at: UtcOut | None
    secret: str | None = None


class Endpoints(Strict):
    """All endpoints, oldest first."""

    items: tuple[EndpointOut, ...]


class DeliveryOut(Strict):
    """An event on its way to an endpoint; ``problem`` is why it did not arrive when it was last tried."""

    delivery_id: int
    event_id: int
    topic: str
    visit_id: str
    state: DeliveryState
    tries: int
    next_at: UtcOut
    delivered_at: UtcOut | None
    problem: str | None


class DeliveryPage(Page):
    """Deliveries, latest first."""

    items: tuple[DeliveryOut, ...]


class Replayed(Strict):
    """How many deliveries are due again."""

    count: int


@router.post("/endpoints", status_code=201, response_model=EndpointOut, responses=documented(404, 409, 422))
def add_endpoint(given: EndpointIn, call: _Admin) -> Response:
    """Send events of these topics to a URL from now on; keep the secret, it is shown this once."""

    def add(_service: object, at_ns: int) -> BaseModel:
        return _shown(*_outbox(call.parts).add_endpoint(given.url, given.topics, at_ns))

    return call.run(add, 201)


@router.get("/endpoints", response_model=Endpoints, responses=documented(404))
def list_endpoints(reader: _Look) -> Endpoints:
    """Return who is told what."""
    return Endpoints(items=tuple(_shown(each) for each in _outbox(reader.parts).endpoints()))


@router.post("/endpoints/{endpoint_id}/disable", response_model=EndpointOut, responses=documented(404, 422))
def disable_endpoint(endpoint_id: _EndpointId, call: _Admin) -> Response:
    """Send nothing more there."""
    return call.run(lambda _, at_ns: _shown(_outbox(call.parts).disable(endpoint_id, at_ns)))


@router.post("/endpoints/{endpoint_id}/enable", response_model=EndpointOut, responses=documented(404, 422))
def enable_endpoint(endpoint_id: _EndpointId, call: _Admin) -> Response:
    """Send there again, what was left over too."""
    return call.run(lambda _, _at_ns: _shown(_outbox(call.parts).enable(endpoint_id)))


@router.post("/endpoints/{endpoint_id}/replay", response_model=Replayed, responses=documented(404, 422))
def replay_endpoint(endpoint_id: _EndpointId, given: ReplayIn, call: _Admin) -> Response:
    """Send all events of an endpoint's topics once more, from a time on."""

    def replay(_service: object, at_ns: int) -> BaseModel:
        return Replayed(count=_outbox(call.parts).replay_since(endpoint_id, at_ns, since_ns=given.since))

    return call.run(replay)


@router.get("/endpoints/{endpoint_id}/deliveries", response_model=DeliveryPage, responses=documented(400, 404, 422))
def list_deliveries(
    endpoint_id: _EndpointId,
    reader: _Look,
    state: Annotated[DeliveryState | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """Return an endpoint's deliveries, latest first."""
    after = numbered(cursor)
    found = _outbox(reader.parts).deliveries(endpoint_id, limit, None if after is None else after[0], state)
    last = written(found[-1].delivery_id) if len(found) == limit else None
    return DeliveryPage(items=tuple(_delivery(each) for each in found), cursor=last)


@router.post("/deliveries/{delivery_id}/replay", response_model=Replayed, responses=documented(404, 422))
def replay_delivery(delivery_id: _Number, call: _Admin) -> Response:
    """Send one event once more, whatever became of it."""

    def replay(_service: object, at_ns: int) -> BaseModel:
        _outbox(call.parts).replay(delivery_id, at_ns)
        return Replayed(count=1)

    return call.run(replay)


def _outbox(parts: Parts) -> Outbox:
    if parts.outbox is None:
        raise UnknownEndpoint("this service has no outbox")
    return parts.outbox


def _shown(endpoint: Endpoint, secret: str | None = None) -> EndpointOut:
    return EndpointOut(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        topics=endpoint.topics,
        created_at=endpoint.created_at_ns,
        disabled_at=endpoint.disabled_at_ns,
        secret=secret,
    )


def _delivery(delivery: Delivery) -> DeliveryOut:
    return DeliveryOut(
        delivery_id=delivery.delivery_id,
        event_id=delivery.event_id,
        topic=delivery.topic,
        visit_id=delivery.visit_id,
        state=delivery.state,
        tries=delivery.tries,
        next_at=delivery.next_at_ns,
        delivered_at=delivery.delivered_at_ns,
        problem=delivery.problem,
    )
