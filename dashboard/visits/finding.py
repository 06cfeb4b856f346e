"""Finds visits in the projection: by what is asked, a page at a time, and one with all that is known of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from billing.money import Money
from dashboard.visits.projection import Projection
from dashboard.visits.types import Kind, Moment, Page, Search, Story, VisitRow, VisitState

_MOST_SKUS = 500
"""Products that one search may name: SQLite takes some thousand values in a statement."""


def find(projection: Projection, search: Search) -> Page:
    """Return a page of the visits that are looked for. Raises sqlite3.Error."""
    where, values = _where(search)
    newest_first = search.after is None
    order = "DESC" if newest_first else "ASC"
    query = (
        f"SELECT * FROM visits WHERE {' AND '.join(where)} "  # noqa: S608 - values are bound
        f"ORDER BY opened_at_ns {order}, visit_id {order} LIMIT ?"
    )
    with projection.reading() as db:
        found = db.execute(query, (*values, search.limit + 1)).fetchall()
        is_more, found = len(found) > search.limit, found[: search.limit]
        rows = tuple(_row(db, each) for each in (found if newest_first else reversed(found)))
    if newest_first:
        return Page(rows, search.before is not None, is_more)
    return Page(rows, is_more, True)


def story(projection: Projection, visit_id: str) -> Story | None:
    """Return all that is known of a visit but its money, None where there is none. Raises sqlite3.Error."""
    with projection.reading() as db:
        row = db.execute("SELECT * FROM visits WHERE visit_id = ?", (visit_id,)).fetchone()
        if row is None:
            return None
        moments = db.execute("SELECT * FROM moments WHERE visit_id = ? ORDER BY at_ns, position", (visit_id,))
        interactions = db.execute(
            "SELECT i.at_ns, position, 'Interaction' AS kind, body, dismissed FROM interactions i"
            " JOIN seen_in USING (interaction_id) WHERE visit_id = ? ORDER BY i.at_ns, position",
            (visit_id,),
        )
        crossings = db.execute(
            "SELECT c.at_ns, c.position, 'Crossing' AS kind, c.body FROM crossings c JOIN people p USING (person_id)"
            " WHERE p.visit_id = ? ORDER BY c.at_ns, c.position",
            (visit_id,),
        )
        return Story(_row(db, row), *(tuple(_moments(each)) for each in (moments, interactions, crossings)))


def _where(search: Search) -> tuple[list[str], list[object]]:
    s = search
    asked: tuple[tuple[str, object], ...] = (
        ("opened_at_ns >= ?", s.from_ns),
        ("opened_at_ns < ?", s.to_ns),
        ("kind = ?", s.kind),
        ("total_minor >= ?", s.least_minor),
        ("total_minor <= ?", s.most_minor),
    )
    where, values = ["1"], list[object]()
    for condition, value in asked:
        if value is not None:
            where.append(condition)
            values.append(value)
    if s.shopper:
        where.append("shopper >= ? AND shopper < ?")
        values += [s.shopper, s.shopper + "\U0010ffff"]
    if s.states:
        where.append(f"state IN ({', '.join('?' * len(s.states))})")
        values += s.states
    if s.skus is not None:
        marks = ", ".join("?" * len(s.skus[:_MOST_SKUS]))
        where.append(
            f"EXISTS (SELECT 1 FROM lines l WHERE l.visit_id = visits.visit_id AND sku IN ({marks}) AND quantity > 0)"  # noqa: S608
        )
        values += s.skus[:_MOST_SKUS]
    for sign, place in (("<", s.before), (">", s.after)):
        if place is not None:
            where.append(f"(opened_at_ns, visit_id) {sign} (?, ?)")
            values += [place.opened_at_ns, place.visit_id]
    return where, values


def _row(db: sqlite3.Connection, row: sqlite3.Row) -> VisitRow:
    lines = db.execute("SELECT sku, quantity FROM lines WHERE visit_id = ? AND quantity > 0", (row["visit_id"],))
    currency = row["currency"]
    return VisitRow(
        visit_id=row["visit_id"],
        number=row["number"],
        kind=Kind(row["kind"]),
        shopper=row["shopper"],
        opened_at_ns=row["opened_at_ns"],
        party_size=row["party_size"],
        gate_id=row["gate_id"],
        state=VisitState(row["state"]),
        left_at_ns=row["left_at_ns"],
        final_at_ns=row["final_at_ns"],
        reviews=row["reviews"],
        open_reviews=row["open_reviews"],
        charge=row["charge"],
        total=None if currency is None else Money(row["total_minor"], currency),
        refunded=None if currency is None or row["refunded_minor"] is None else Money(row["refunded_minor"], currency),
        lines=tuple((each["sku"], each["quantity"]) for each in lines),
    )


def _moments(rows: sqlite3.Cursor) -> Iterator[Moment]:
    for row in rows:
        body = json.loads(row["body"])
        if "dismissed" in row.keys():  # noqa: SIM118 - a row is a sequence of values
            body["dismissed"] = row["dismissed"]
        yield Moment(row["at_ns"], row["position"], row["kind"], body)
