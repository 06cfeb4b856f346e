"""Pages of long lists, each from where the one before ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, Select, func, select

from billing.db.books import Books, visit_of_row
from billing.db.disputes import dispute_of_row
from billing.db.locks import ALL_EVENTS
from billing.db.tables import AUDIT, CHARGES, DELIVERIES, DISPUTES, EVENTS, PAYMENTS, REFUNDS, VISITS
from billing.types import Dispute, StoredVisit

Position = tuple[int, str] | tuple[int]
"""Where a page ended: time and id, or a running number."""


def visits_page(books: Books, after: Position | None, limit: int) -> list[StoredVisit]:
    """Return visits, latest first."""
    query = select(VISITS).order_by(VISITS.c.opened_at_ns.desc(), VISITS.c.visit_id.desc()).limit(limit)
    return [
        visit_of_row(row) for row in _rows(books, _after_time(query, VISITS.c.opened_at_ns, VISITS.c.visit_id, after))
    ]


def disputes_page(books: Books, state: str | None, after: Position | None, limit: int) -> list[Dispute]:
    """Return disputes in ``state``, or all, latest first."""
    query = select(DISPUTES).order_by(DISPUTES.c.opened_at_ns.desc(), DISPUTES.c.dispute_id.desc()).limit(limit)
    if state is not None:
        query = query.where(DISPUTES.c.state == state)
    query = _after_time(query, DISPUTES.c.opened_at_ns, DISPUTES.c.dispute_id, after)
    return [dispute_of_row(row) for row in _rows(books, query)]


def audit_page(books: Books, after: Position | None, limit: int) -> list[Row[Any]]:
    """Return the audit log, latest first."""
    query = select(AUDIT).order_by(AUDIT.c.audit_id.desc()).limit(limit)
    return _rows(books, query if after is None else query.where(AUDIT.c.audit_id < after[0]))


def events_page(books: Books, topic: str | None, after: Position | None, limit: int) -> list[Row[Any]]:
    """Return events of ``topic``, or all, earliest first: none will come before the last of them any more."""
    if books.connection.dialect.name == "postgresql":
        ALL_EVENTS.first(books.connection)
    query = select(EVENTS).order_by(EVENTS.c.event_id).limit(limit)
    if topic is not None:
        query = query.where(EVENTS.c.topic == topic)
    return _rows(books, query if after is None else query.where(EVENTS.c.event_id > after[0]))


def counts(books: Books) -> Mapping[str, dict[str, float]]:
    """Return how many charges, payments, refunds, disputes and deliveries there are in each state."""
    tables = (CHARGES, PAYMENTS, REFUNDS, DISPUTES, DELIVERIES)
    found = {}
    for table in tables:
        query = select(table.c.state, func.count()).group_by(table.c.state)
        found[table.name] = {state: float(count) for state, count in books.connection.execute(query)}
    return found


def data_of(row: Row[Any]) -> dict[str, Any]:
    """Return an event's body."""
    found: dict[str, Any] = json.loads(row.body)
    return found


def _after_time(query: Select[Any], time: Any, key: Any, after: Position | None) -> Select[Any]:
    if after is None or len(after) != 2:
        return query
    return query.where((time < after[0]) | ((time == after[0]) & (key < after[1])))


def _rows(books: Books, query: Select[Any]) -> list[Row[Any]]:
    return list(books.connection.execute(query))
