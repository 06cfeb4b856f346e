"""Puts the HTTP service together: routes, errors, limits, metrics, OpenAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from billing.access import Access, RateLimiter
from billing.db.pages import counts
from billing.http import endpoints, money, problems, receipts, system, visits
from billing.http import news as gateway_news
from billing.http.calls import Clock, NewsReader, Parts
from billing.http.metrics import Metrics
from billing.http.page import routes
from billing.http.page.base import Page
from billing.inbox import Inbox
from billing.outbox import Outbox
from billing.service import BillingService
from billing.store import BillingStore

MOST_BODY_BYTES = 1_000_000
"""A cart of 500 products is 40 kB."""

_ABOUT = """Holds, receipts, charges, refunds and disputes of a cashierless store.

Every unsafe call takes an `Idempotency-Key`: the same call with the same key again is answered as before
(`Idempotent-Replayed: true`), with another body it is refused (422). Amounts are integers in minor units of a
currency; times are RFC 3339 in UTC. Errors are problem+json (RFC 9457). Lists come in pages: ask for the next with
the page's `cursor`."""

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(
    service: BillingService,
    store: BillingStore,
    clock: Clock,
    *,
    news: NewsReader | None = None,
    page: Page | None = None,
    outbox: Outbox | None = None,
    per_s: float = 500.0,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Return the app. ``news`` reads the gateway's webhooks, where it has some.

    Without ``page``, the shopper's page, entry passes open nothing. ``per_s``: calls a second that each client may make,
    ten seconds' worth at once.
    Strangers (who sign in, or look for a receipt) may make ten calls at once, and one every six seconds.
    """
    app = FastAPI(title="Tillfree billing", version="1", description=_ABOUT, lifespan=lifespan)
    app.state.parts = Parts(
        service=service,
        store=store,
        access=Access(store),
        inbox=Inbox(store),
        clock=clock,
        limiter=RateLimiter(per_s, max(1, int(per_s * 10))),
        strangers=RateLimiter(1 / 6, 10),
        metrics=Metrics(lambda: _gauges(store)),
        news=news,
        shoppers=None if page is None else page.shoppers,
        outbox=outbox,
    )
    for router in (visits.router, receipts.router, money.router, gateway_news.router, endpoints.router, system.router):
        app.include_router(router)
    problems.install(app)
    if page is not None:
        routes.install(app, page)
    app.middleware("http")(_watched)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


async def _watched(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what is too large, count what is answered, and keep money out of caches."""
    parts: Parts = request.app.state.parts
    begun_ns = parts.clock()
    size = request.headers.get("content-length", "0")
    if not size.isdigit() or int(size) > MOST_BODY_BYTES or "chunked" in request.headers.get("transfer-encoding", ""):
        response = problems.problem(413, "too-large", f"send at most {MOST_BODY_BYTES} bytes, with a Content-Length")
    else:
        response = await go_on(request)
    route = getattr(request.scope.get("route"), "path", "unknown")
    parts.metrics.count(request.method, route, response.status_code, max(0, parts.clock() - begun_ns) / 1e9)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _gauges(store: BillingStore) -> Iterator[tuple[str, str, dict[str, float]]]:
    with store.reading() as books:
        found: Mapping[str, dict[str, float]] = counts(books)
    for name, values in found.items():
        yield name, f"Rows of {name} by state.", values


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return OpenAPI with the Problem that every error is, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schema["components"]["schemas"].update(problems.problem_schema())
        app.openapi_schema = schema
    return app.openapi_schema
