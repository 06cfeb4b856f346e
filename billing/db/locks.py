"""PostgreSQL's advisory locks: who waits for whom. SQLite has one writer at a time and needs none."""

from __future__ import annotations

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select

_EVENTS: tuple[ColumnElement[int], ...] = (literal_column("7155"), literal_column("1"))
"""A pair of numbers of our own; visits are locked by one long number, which is another space of locks."""

BEGIN_VISIT = select(
    func.pg_advisory_xact_lock(func.hashtextextended(bindparam("visit"), 0)),
    func.pg_advisory_xact_lock_shared(*_EVENTS),
)
"""Waits for other transactions of a visit, then says that events may be written."""

ALL_EVENTS = select(func.pg_advisory_xact_lock(*_EVENTS))
"""Waits until all events that have a number are there: numbers are given before transactions end, in any order."""
