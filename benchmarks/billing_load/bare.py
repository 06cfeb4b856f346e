"""The same rows as real visits, written through the driver alone in the same number of commits.

What the bare insert leaves out: everything that is read, all rows' later changes (a payment or charge is inserted as
settled, a posting is inserted and never sealed) and the gateway. What it has as in reality: schema, indices, triggers,
foreign keys, pragmas and durability. A commit that in reality only changed rows gets one row of the commit before it.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from benchmarks.billing_load.rows import COLUMNS, TABLES, Inserts, Template
from billing.store import _prepare


def bare_visits_per_s(
    database: Path | str, templates: Sequence[Template], prefix: str, seconds: float, lines: int
) -> float:
    """Return visits per second that the driver alone writes.

    SQLite has one writer, so there ``lines`` is 1 whatever is asked; PostgreSQL gets as many connections as the load
    has clients, which lets it put commits together as it does for the service.
    """
    write = _sqlite_line if isinstance(database, Path) else _postgres_line
    numbers = itertools.count()

    def visits() -> Iterator[tuple[Inserts, ...]]:
        for number in numbers:
            yield templates[number % len(templates)].copy(f"{prefix}-{number:07d}", 0)

    if isinstance(database, Path):
        return write(database, visits(), seconds)
    with ThreadPoolExecutor(lines) as pool:
        return sum(pool.map(lambda _: write(database, visits(), seconds), range(lines)))


def connect_sqlite(database: Path) -> sqlite3.Connection:
    """Open a file with the service's own pragmas."""
    connection = sqlite3.connect(database)
    _prepare(connection, None)
    return connection


def postgres_dsn(database: str) -> str:
    """Return a URL as the driver takes it."""
    return database.replace("postgresql+psycopg:", "postgresql:")


def _sqlite_line(database: Path | str, visits: Iterator[tuple[Inserts, ...]], seconds: float) -> float:
    connection = connect_sqlite(Path(database))
    sql = {name: insert_into(name, "?") for name in TABLES}

    def write(visit: tuple[Inserts, ...]) -> None:
        for inserts in visit:
            connection.execute("BEGIN IMMEDIATE")
            for name, rows in inserts:
                connection.executemany(sql[name], rows)
            connection.execute("COMMIT")

    found = _timed(write, visits, seconds)
    connection.close()
    return found


def _postgres_line(database: Path | str, visits: Iterator[tuple[Inserts, ...]], seconds: float) -> float:
    sql = {name: insert_into(name, "%s") for name in TABLES}
    with psycopg.connect(postgres_dsn(str(database)), autocommit=True, prepare_threshold=1) as connection:

        def write(visit: tuple[Inserts, ...]) -> None:
            for inserts in visit:
                with connection.transaction():
                    for name, rows in inserts:
                        for row in rows:
                            connection.execute(sql[name], row)

        return _timed(write, visits, seconds)


def _timed(
    write: Callable[[tuple[Inserts, ...]], None], visits: Iterator[tuple[Inserts, ...]], seconds: float
) -> float:
    """Return how many visits are written a second; making their rows does not count."""
    for _ in range(20):  # what is first is slower: statements are prepared, pages are read
        write(next(visits))
    count, used_s = 0, 0.0
    while used_s < seconds:
        some = list(itertools.islice(visits, 20))
        begin_s = time.perf_counter()
        for visit in some:
            write(visit)
        used_s += time.perf_counter() - begin_s
        count += len(some)
    return count / used_s


def insert_into(table: str, mark: str) -> str:
    """Return the statement that writes one row into a table."""
    names = ", ".join(f'"{name}"' for name in COLUMNS[table])
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join([mark] * len(COLUMNS[table]))})"
