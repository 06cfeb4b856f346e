"""The route of the gateway's webhooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool

from billing.db.messages import add_gateway_news, has_gateway_news
from billing.errors import UnknownVisit
from billing.http.calls import GatewayNews, Parts, parts_of
from billing.http.problems import open_documented

router = APIRouter(prefix="/v1/gateway", tags=["gateway"])


@router.post("/news", status_code=204, responses=open_documented(400, 404, 409, 413, 422, 503))
async def take_gateway_news(
    request: Request, signature: Annotated[str, Header(alias="Stripe-Signature", max_length=2_000)]
) -> Response:
    """Take news of the gateway's: signed by it, in any order, and as often as it likes.

    They say only what is worth asking about; the gateway's answer counts.
    """
    parts = parts_of(request)
    if parts.news is None:
        raise UnknownVisit("this gateway has no webhooks, or their secret was not given")
    body = await request.body()
    await run_in_threadpool(_take, parts, parts.news(body, signature, parts.clock()))
    return Response(status_code=204)


def _take(parts: Parts, news: GatewayNews) -> None:
    """Ask about what the news are about, and then keep that they came: after a crash they are taken again."""
    with parts.store.reading() as books:
        if has_gateway_news(books, news.news_id):
            return
    at_ns = parts.clock()
    if news.key is not None:
        parts.service.heard_of(news.key, at_ns)
    with parts.store.transaction() as books:
        add_gateway_news(books, news.news_id, news.topic, at_ns)
