"""The HTTP service of a store's machine: gates scan and report, operators look and answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute

from billing.access import Principal, RateLimiter, Scope
from billing.errors import NotKnown
from billing.http import problems
from billing.http.calls import Clock, Credentials
from billing.http.models import Id
from billing.http.openapi import document
from billing.http.problems import TooManyRequests, documented, open_documented, problem
from billing.http.watch import Watch
from store_layout.model import Identifier
from tillfree.live import errors
from tillfree.live.gatekeeper import Gatekeeper
from tillfree.live.health import HealthReport
from tillfree.live.keys import Keys
from tillfree.live.metrics import NodeMetrics
from tillfree.live.models import (
    AlertOut,
    AnswerRequest,
    DecisionOut,
    NodeHealth,
    NodeVisitOut,
    NodeVisits,
    Probe,
    ReportRequest,
    ReviewOut,
    Reviews,
    ScanRequest,
    Taken,
    health_of,
    is_ready,
)
from tillfree.live.node import NodePort
from tillfree.live.reviews import chosen, named

_ABOUT = """Gates, reviews and health of one store.

A gate posts what was shown and does what the answer's `outcome` says; a scan with the `scan_id` or `Idempotency-Key` of one
before gets the decision of before (`Idempotent-Replayed: true`). Times are RFC 3339 in UTC. Errors are problem+json (RFC 9457)."""

_STATUSES: dict[type[errors.LiveError], tuple[int, str]] = {
    errors.UnknownGate: (404, "unknown-gate"),
    errors.UnknownReview: (404, "unknown-review"),
    errors.ReviewAnswered: (409, "review-answered"),
    errors.AnswerRefused: (422, "answer-refused"),
    errors.ScanReused: (422, "request-reused"),
    errors.NodeFull: (503, "node-full"),
    errors.NodeStopped: (503, "node-stopped"),
}

router = APIRouter()


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What the routes work with; ``skus`` are the store's products."""

    gatekeeper: Gatekeeper
    node: NodePort
    keys: Keys
    skus: Collection[str]
    clock: Clock
    limiter: RateLimiter
    metrics: NodeMetrics


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may do what they ask for."""

    parts: NodeParts
    who: Principal
    at_ns: int


def create_app(
    gatekeeper: Gatekeeper,
    node: NodePort,
    keys: Keys,
    skus: Collection[str],
    clock: Clock,
    *,
    per_s: float = 50.0,
    health: Callable[[], HealthReport] | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Return the app. ``per_s``: calls a second that each key may make, ten seconds' worth at once; ``health`` is for metrics."""
    app = FastAPI(
        title="Tillfree node",
        version="1",
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # its script comes from the internet
        redoc_url=None,
        openapi_url=None,  # nothing but the probe is open: ``get_document`` serves it
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    limiter = RateLimiter(per_s, max(1, int(per_s * 10)))
    app.state.node = NodeParts(gatekeeper, node, keys, skus, clock, limiter, NodeMetrics(node.view, health))
    app.include_router(router)
    problems.install(app)
    app.add_exception_handler(errors.LiveError, _live_error)
    app.add_middleware(Watch, parts=app.state.node)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _parts(request: Request) -> NodeParts:
    parts: NodeParts = request.app.state.node
    return parts


def allowed(*scopes: Scope) -> Callable[..., Caller]:
    """Return a dependency: the caller has a key with one of ``scopes``."""

    def caller(request: Request, credentials: Credentials) -> Caller:
        parts = _parts(request)
        at_ns = parts.clock()
        if credentials is None:
            raise NotKnown("send a key as Authorization: Bearer")
        key = credentials.credentials
        who = parts.keys.remembered(key, at_ns) or parts.keys.who(key, at_ns)
        wait_s = parts.limiter.wait_s(who.asker, at_ns)
        if wait_s > 0:
            raise TooManyRequests(wait_s)
        who.needs(*scopes)
        return Caller(parts, who, at_ns)

    return caller


_ANY = tuple(Scope)
_Gate = Annotated[Caller, Depends(allowed(Scope.GATE))]
_Operator = Annotated[Caller, Depends(allowed(Scope.OPERATOR))]
_Look = Annotated[Caller, Depends(allowed(Scope.OPERATOR, Scope.VISION, Scope.AUDITOR))]
_All = Annotated[Caller, Depends(allowed(*_ANY))]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="in place of a scan_id, for clients that send one with every call anyway",
    ),
]
_GateId = Annotated[Identifier, Path(description="as the layout calls it", examples=["door"])]


@router.post(
    "/v1/gates/{gate_id}/scans", response_model=DecisionOut, responses=documented(400, 404, 413, 422), tags=["gates"]
)
def scan_gate(gate_id: _GateId, given: ScanRequest, caller: _Gate, response: Response, key: _Key = None) -> DecisionOut:
    """Say what a gate does about something that was shown. It waits for no payment gateway."""
    gatekeeper = caller.parts.gatekeeper
    _check_gate(gatekeeper, gate_id)
    # Ids are the reader's own words: one reader's are not another's.
    name = None if key is None else f"{caller.who.asker} {key}"
    decision = gatekeeper.decide(given.scan(gate_id, name), caller.at_ns)
    caller.parts.metrics.decided(gate_id, decision)
    if decision.is_repeat:
        response.headers["Idempotent-Replayed"] = "true"
    return DecisionOut.of(decision)


@router.post(
    "/v1/gates/{gate_id}/reports",
    status_code=202,
    response_model=Taken,
    responses=documented(400, 404, 413, 422),
    tags=["gates"],
)
def report_gate(gate_id: _GateId, given: ReportRequest, caller: _Gate) -> Taken:
    """Tell of a gate's door or exit button; with ``at``, telling it twice tells it once."""
    _check_gate(caller.parts.gatekeeper, gate_id)
    at_ns = given.at or caller.at_ns
    caller.parts.node.report(gate_id, given.kind, at_ns)
    return Taken(at=at_ns)


@router.get("/v1/reviews", response_model=Reviews, responses=documented(), tags=["reviews"])
def list_reviews(caller: _Operator) -> Reviews:
    """Return the open reviews with the answers to choose from, and what else an operator should look into."""
    view = caller.parts.node.view()
    found = sorted(view.reviews, key=lambda each: (each.due_ns, each.review_id))
    return Reviews(
        items=tuple(ReviewOut.of(each, caller.at_ns) for each in found),
        alerts=tuple(AlertOut.of(each) for each in view.alerts),
    )


@router.post(
    "/v1/reviews/{review_id}/answer",
    status_code=202,
    response_model=Taken,
    responses=documented(400, 404, 409, 413, 422),
    tags=["reviews"],
)
def answer_review(review_id: Id, given: AnswerRequest, caller: _Operator) -> Taken:
    """Answer a review: a candidate by its number, or visit, product and quantity. The same answer again changes nothing."""
    node, at_ns = caller.parts.node, caller.at_ns
    view = node.view()
    if given.candidate is not None:
        if (given.visit_id, given.sku, given.quantity) != (None, None, 0):
            raise errors.AnswerRefused("say the number of a candidate, or an answer of your own, not both")
        answer = chosen(view, review_id, given.candidate, at_ns)
    else:
        skus = caller.parts.skus
        answer = named(view, review_id, given.visit_id, given.sku, given.quantity, skus, at_ns)
    node.answer(answer)
    return Taken(at=at_ns)


@router.get("/v1/visits", response_model=NodeVisits, responses=documented(), tags=["visits"])
def list_visits(caller: _Look) -> NodeVisits:
    """Return the visits without a final receipt, with their carts."""
    view = caller.parts.node.view()
    rows = sorted(view.visits, key=lambda each: (each.opened_at_ns, each.visit_id))
    return NodeVisits(people_inside=view.people_inside, items=tuple(NodeVisitOut.of(row) for row in rows))


@router.get(
    "/healthz",
    response_model=Probe,
    responses=open_documented(422) | {503: {"model": Probe, "description": "Not ready"}},
    tags=["system"],
)
def get_probe(
    request: Request, response: Response, probe: Annotated[Literal["live", "ready"], Query()] = "live"
) -> Probe:
    """Say that the process lives, and whether gates let people in; with ``probe=ready``, 503 where they do not. Needs no key."""
    parts = _parts(request)
    ready = is_ready(parts.node.view(), parts.clock(), parts.gatekeeper.settings.view_age_max_s)
    if probe == "ready" and not ready:
        response.status_code = 503
    return Probe(is_ready=ready)


@router.get("/v1/health", response_model=NodeHealth, responses=documented(), tags=["system"])
def get_health(caller: _All) -> NodeHealth:
    """Return how store, engine, cameras and gates are."""
    return health_of(caller.parts.node.view(), caller.at_ns, caller.parts.gatekeeper.settings.view_age_max_s)


@router.get("/metrics", response_class=PlainTextResponse, responses=documented(), tags=["system"])
def get_metrics(caller: _All) -> Response:
    """Return Prometheus' metrics; give the scraper a key of its own."""
    return Response(caller.parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/openapi.json", include_in_schema=False)
def get_document(request: Request, caller: _All) -> dict[str, object]:
    """Return the description of all calls."""
    del caller
    found: dict[str, object] = request.app.openapi()
    return found


def _check_gate(gatekeeper: Gatekeeper, gate_id: str) -> None:
    if gate_id not in gatekeeper.gates:
        raise errors.UnknownGate(f"the store has no gate {gate_id!r}: see the layout")


async def _live_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.LiveError)
    status, kind = _STATUSES[type(error)]
    return problem(status, kind, str(error), headers={"Retry-After": "1"} if status == 503 else {})
