"""News of the gateway's inside one transaction: our own record of them, because the gateway forgets its own."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from billing.db.books import Books
from billing.db.tables import GATEWAY_NEWS


def has_gateway_news(books: Books, news_id: str) -> bool:
    """Tell whether these news came before."""
    query = select(GATEWAY_NEWS.c.news_id).where(GATEWAY_NEWS.c.news_id == news_id)
    return books.connection.execute(query).one_or_none() is not None


def add_gateway_news(books: Books, news_id: str, topic: str, at_ns: int) -> None:
    """Keep that news came, unless it is known."""
    if not has_gateway_news(books, news_id):
        books.connection.execute(insert(GATEWAY_NEWS).values(news_id=news_id, topic=topic, received_at_ns=at_ns))


def prune_gateway_news(books: Books, before_ns: int) -> int:
    """Forget news that came before then; return how many."""
    return books.connection.execute(delete(GATEWAY_NEWS).where(GATEWAY_NEWS.c.received_at_ns < before_ns)).rowcount
