"""Puts the HTTP service together: routes, errors, limits, metrics, OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi.routing import APIRoute

from billing.access import Access, RateLimiter
from billing.db.pages import counts
from billing.http import endpoints, gates, money, problems, receipts, reference, system, visits
from billing.http import news as gateway_news
from billing.http.calls import Clock, NewsReader, Parts
from billing.http.metrics import Metrics
from billing.http.openapi import document
from billing.http.page import routes
from billing.http.page.base import Page
from billing.http.watch import Watch
from billing.inbox import Inbox
from billing.outbox import Outbox
from billing.service import BillingService
from billing.store import BillingStore

_ABOUT = """Holds, receipts, charges, refunds and disputes of a cashierless store.

Every unsafe call takes an `Idempotency-Key`: the same call with the same key again is answered as before
(`Idempotent-Replayed: true`), with another body it is refused (422). Amounts are integers in minor units of a
currency; times are RFC 3339 in UTC. Errors are problem+json (RFC 9457). Lists come in pages: ask for the next with
the page's `cursor`."""


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
    app = FastAPI(
        title="Tillfree billing",
        version="1",
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # its script comes from the internet: ``reference`` is in its place
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
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
    routers = (gates, visits, receipts, money, gateway_news, endpoints, system, reference)
    for router in (module.router for module in routers):
        app.include_router(router)
    problems.install(app)
    if page is not None:
        routes.install(app, page)
    app.add_middleware(Watch, parts=app.state.parts)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def _operation_id(route: APIRoute) -> str:
    """Return what generated clients call an operation: the function's name, which stays the same between versions."""
    return route.name


def _gauges(store: BillingStore) -> Iterator[tuple[str, str, dict[str, float]]]:
    with store.reading() as books:
        found: Mapping[str, dict[str, float]] = counts(books)
    for name, values in found.items():
        yield name, f"Rows of {name} by state.", values
