"""PostgreSQL's advisory locks: who waits for whom. SQLite has one writer at a time and needs none."""

from __future__ import annotations

from sqlalchemy import String, bindparam, func, literal_column, select

from billing.db.prepared import Prepared

ONE_VISIT = Prepared(
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("visit", type_=String()), literal_column("0"))))
)
"""Waits for other transactions of a visit."""

PEOPLE = Prepared(select(func.pg_advisory_xact_lock(literal_column("7411"), literal_column("3"))))
"""Waits for other transactions that change who may do what: each must see whom the others leave."""

ALL_EVENTS = Prepared(select(func.pg_advisory_xact_lock(literal_column("7411"), literal_column("2"))))
"""Waits until all events that have a number are there: numbers are given before transactions end, in any order.

Writers of events share this lock by the trigger ``events_in_order`` (schema/versions/v0002_service.py).
"""
