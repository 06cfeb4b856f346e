"""Many stored visits, loaded in bulk: copies of real ones, so that the service meets a database as years leave it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.billing_load.bare import insert_into, postgres_dsn
from benchmarks.billing_load.rows import COLUMNS, TABLES, Row, S, Template
from billing.policy import OutboxPolicy
from billing.store import BillingStore
from billing.worker import KEEP_REQUESTS_NS

VISIT_EVERY_NS = 90 * S
"""Between stored visits: a thousand a day, so a million in almost three years."""
DEBT_EVERY = 500
"""One visit in so many was never paid and was written off."""
_CHUNK = 2_000
"""Visits that are made in memory at once: 60 MB."""

_DAY_NS = 86_400 * S
KEPT_NS = {"requests": KEEP_REQUESTS_NS, "events": int(OutboxPolicy().keep_days * _DAY_NS)}
"""What the service forgets when it is older: after years, only the last days' are there."""

Chunk = Mapping[str, list[Row]]
_SEALED = COLUMNS["postings"].index("sealed")


def load_in_bulk(
    database: Path | str,
    templates: Sequence[Template],
    debt: Template,
    count: int,
    now_ns: int,
    tell: Callable[[int], None],
) -> None:
    """Set a new database up and write ``count`` visits into it, the last one just before ``now_ns``.

    ``tell`` is told how many visits are written, now and then. Each visit has ids, tokens, keys and times of its own;
    digests, and times inside JSON, are those of the visit that it copies.
    """
    BillingStore(database).close()
    with _writer(database) as write:
        for begin in range(0, count, _CHUNK):
            end = min(count, begin + _CHUNK)
            write(_chunk(templates, debt, range(begin, end), now_ns - count * VISIT_EVERY_NS, now_ns))
            tell(end)


def _chunk(templates: Sequence[Template], debt: Template, numbers: range, begin_ns: int, now_ns: int) -> Chunk:
    """Return the rows of some visits by table, as they stand at the visits' ends: postings are sealed."""
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for number in numbers:
        template = debt if number % DEBT_EVERY == 0 else templates[number % len(templates)]
        opened_at_ns = begin_ns + number * VISIT_EVERY_NS
        shift_ns = opened_at_ns - template.opened_at_ns
        for inserts in template.copy(f"stored-{number:08d}", shift_ns):
            for name, some in inserts:
                if now_ns - opened_at_ns <= KEPT_NS.get(name, now_ns):
                    rows[name] += some
    rows["postings"] = [(*row[:_SEALED], 1, *row[_SEALED + 1 :]) for row in rows["postings"]]
    return rows


@contextmanager
def _writer(database: Path | str) -> Iterator[Callable[[Chunk], None]]:
    with _sqlite(database) if isinstance(database, Path) else _postgres(database) as write:
        yield write


@contextmanager
def _sqlite(database: Path) -> Iterator[Callable[[Chunk], None]]:
    """Write without log, indices and triggers, and put those back at the end."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    query = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    rest = connection.execute(query).fetchall()
    for kind, name, _ in rest:
        connection.execute(f"DROP {kind} {name}")

    def write(chunk: Chunk) -> None:
        connection.execute("BEGIN")
        for name, rows in chunk.items():
            connection.executemany(insert_into(name, "?"), rows)
        connection.execute("COMMIT")

    yield write
    for _, _, sql in rest:
        connection.execute(sql)
    connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


@contextmanager
def _postgres(database: str) -> Iterator[Callable[[Chunk], None]]:
    """Write with COPY, without triggers, foreign keys and secondary indices, and put those back at the end."""
    with psycopg.connect(postgres_dsn(database), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        query = """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT IN
            (SELECT conname FROM pg_constraint)"""
        rest = connection.execute(query).fetchall()
        for name, _ in rest:
            connection.execute(f"DROP INDEX {name}".encode())

        def write(chunk: Chunk) -> None:
            for name, rows in chunk.items():
                columns = ", ".join(f'"{column}"' for column in COLUMNS[name])
                with connection.cursor().copy(f"COPY {name} ({columns}) FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)

        yield write
        for _, sql in rest:
            connection.execute(sql.encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
