"""What one visit really writes: rows by table and by commit, read from a database after real visits."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import BigInteger, Connection, event

from benchmarks.billing_load.client import visit_calls
from benchmarks.billing_load.shop import cart, write_prices
from billing.access import Access, Scope
from billing.db.tables import METADATA
from billing.gateway import SandboxGateway
from billing.policy import BillingPolicy
from billing.pricefile import read_price_file
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import ItemCount, OpenVisit, ReceiptInput
from tillfree.serving import make_app

TEMPLATES = 200
S = 10**9
_JSON = "application/json"

Row = tuple[Any, ...]
Inserts = tuple[tuple[str, tuple[Row, ...]], ...]
"""Rows by table, in an order in which they can be inserted."""

TABLES = {table.name: table for table in METADATA.sorted_tables}
COLUMNS = {
    name: tuple(
        column.name
        for column in table.columns
        if not (column.primary_key and isinstance(column.type, BigInteger) and not column.foreign_keys)
    )
    for name, table in TABLES.items()
}
"""Columns of each table but for the running numbers, which the database gives."""


@dataclass(frozen=True, slots=True)
class Template:
    """A real visit: its rows by commit, as they stand at its end."""

    visit_id: str
    commits: tuple[Inserts, ...]

    @property
    def opened_at_ns(self) -> int:
        """Return when it was opened."""
        (visit,) = (rows[0] for inserts in self.commits for table, rows in inserts if table == "visits")
        found: int = visit[COLUMNS["visits"].index("opened_at_ns")]
        return found

    def copy(self, visit_id: str, shift_ns: int) -> tuple[Inserts, ...]:
        """Return the same rows for another visit, at another time. Digests, and times inside JSON, stay as they were."""
        return tuple(
            tuple(
                (table, tuple(self._row(COLUMNS[table], row, visit_id, shift_ns) for row in rows))
                for table, rows in inserts
            )
            for inserts in self.commits
        )

    def _row(self, columns: tuple[str, ...], row: Row, visit_id: str, shift_ns: int) -> Row:
        changed = []
        for name, value in zip(columns, row, strict=True):
            if isinstance(value, str):
                changed.append(value.replace(self.visit_id, visit_id))
            elif value is not None and name.endswith("_ns"):
                changed.append(value + shift_ns)
            else:
                changed.append(value)
        return tuple(changed)


def trace(count: int = TEMPLATES) -> tuple[Template, ...]:
    """Make ``count`` visits through the whole service, one after the other, and return what each wrote in which commit."""
    with TemporaryDirectory(prefix="tillfree-trace-") as name:
        place = Path(name)
        store = BillingStore(place / "billing.sqlite")
        counter = _Counter(store)
        book = read_price_file(write_prices(place / "prices.yaml"))
        access = Access(store)
        key = access.add_client("trace", frozenset({Scope.GATE, Scope.VISION}), 1)
        app = make_app(book, store, SandboxGateway(), BillingPolicy(), tend_every_s=3_600.0)
        written: list[tuple[str, list[dict[str, int]]]] = []
        with TestClient(app) as client:
            for number in range(count):
                visit_id = f"visit-{number:09d}"
                counter.commits.clear()
                for call in visit_calls(visit_id, cart(random.Random(number))):
                    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": call.key, "Content-Type": _JSON}
                    answer = client.request(call.method, call.path, content=call.body, headers=headers)
                    call.check(answer.status_code, answer.json())
                written.append((visit_id, list(counter.commits)))
        return tuple(_templates(place / "billing.sqlite", written))


def trace_debt() -> Template:
    """Return a visit whose card was declined, at the gate and thrice later, and that was written off."""
    with TemporaryDirectory(prefix="tillfree-trace-") as name:
        place, policy = Path(name), BillingPolicy()
        store = BillingStore(place / "billing.sqlite")
        counter = _Counter(store)
        book = read_price_file(write_prices(place / "prices.yaml"))
        visit_id, token, at_ns = "visit-debt", "card-visit-debt", 1_700_000_000 * S
        service = BillingService(book, store, SandboxGateway(declined_tokens=[token]), policy)
        service.open_visit(OpenVisit(visit_id, token, at_ns))
        service.finalise(ReceiptInput(visit_id, token, at_ns, (ItemCount("product-007", 2),)))
        for hours in (*policy.debt_retry_hours, policy.write_off_days * 24):
            service.collect_debts(at_ns + int(hours * 3_600 * S) + S)
        store.close()
        (template,) = _templates(place / "billing.sqlite", [(visit_id, list(counter.commits))])
        return template


class _Counter:
    """Notes at each commit that wrote something how many rows each table has gained."""

    def __init__(self, store: BillingStore) -> None:
        self.commits: list[dict[str, int]] = []
        self._last: dict[str, int] = {}
        self._changes: dict[int, int] = {}
        event.listen(store._writing, "commit", self._note)

    def _note(self, connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        before, self._changes[id(raw)] = self._changes.get(id(raw), 0), raw.total_changes
        if raw.total_changes == before:
            return
        now = {name: raw.execute(f"SELECT COALESCE(MAX(rowid), 0) FROM {name}").fetchone()[0] for name in TABLES}
        self.commits.append({name: count - self._last.get(name, 0) for name, count in now.items()})
        self._last = now


def _templates(database: Path, written: list[tuple[str, list[dict[str, int]]]]) -> Iterator[Template]:
    """Yield each visit with its rows, which are in the order in which they were inserted."""
    raw = sqlite3.connect(database)
    cursors = {name: raw.execute(_all_of(name)) for name in TABLES if name not in ("clients", "endpoints")}
    for visit_id, commits in written:
        yield Template(visit_id, _spread([_rows_of(cursors, gained) for gained in commits]))
    left_over = {name for name, cursor in cursors.items() if cursor.fetchone() is not None}
    raw.close()
    if left_over:
        raise AssertionError(f"rows of {sorted(left_over)} were written outside the visits' commits")


def _all_of(table: str) -> str:
    names = ", ".join(f'"{name}"' for name in COLUMNS[table])
    return f"SELECT {names} FROM {table} ORDER BY rowid"


def _rows_of(cursors: Mapping[str, sqlite3.Cursor], gained: Mapping[str, int]) -> list[tuple[str, Row]]:
    """Return the next rows of each table; a posting as it is inserted, not yet sealed."""
    found = [(name, row) for name, count in gained.items() if count for row in cursors[name].fetchmany(count)]
    sealed = COLUMNS["postings"].index("sealed")
    return [(name, (*row[:sealed], 0, *row[sealed + 1 :]) if name == "postings" else row) for name, row in found]


def _spread(commits: list[list[tuple[str, Row]]]) -> tuple[Inserts, ...]:
    """Give each commit that only changed rows the last row of the one before: an empty one would not reach the disk."""
    for before, after in pairwise(commits):
        if not after:
            after.append(before.pop())
    return tuple(
        tuple((name, rows) for name in TABLES if (rows := tuple(row for table, row in commit if table == name)))
        for commit in commits
    )
