"""Billing's database: SQLite in one file or PostgreSQL, through SQLAlchemy.

The database itself holds the rules that must not bend (schema/versions): a receipt never changes, a key is used
once, a posting is sealed only when it sums to zero, and what is sealed stays as it is.
"""

from __future__ import annotations

import copy
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import DBAPIError

from billing.db.books import Books
from billing.db.locks import BEGIN_VISIT
from billing.db.tables import METADATA
from billing.errors import BillingError, DatabaseUnavailable
from billing.migrations import HEAD, revision, upgrade

_BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another: writes take milliseconds, so this is never reached in health."""

_CACHE_KIB = 65_536
"""SQLite's page cache: holds the inner pages of all indices of a million visits; measured by benchmarks/billing.py."""

_CONNECTIONS = 20
"""Connections to PostgreSQL that are kept; as many again in a rush."""

_WAL_TRIES = 20
"""Processes that open a new file at the same moment: as many as anybody starts on one machine."""


class BillingStore:
    """Billing's database. Safe to use from several threads and processes.

    An empty database is set up; one of an earlier version must be migrated before (``migrate``).
    """

    def __init__(self, database: Path | str) -> None:
        """``database`` is SQLite's file, or a URL (``postgresql://user@host/name``).

        Raises:
            DatabaseUnavailable: it cannot be opened.
            BillingError: the database is of another version than this code.
        """
        self._engine = _engine(database)
        found = _revision(self._engine)
        if found is None:
            upgrade(self._engine)
        elif found != HEAD:
            self._engine.dispose()
            raise BillingError(
                f"the database has schema {found}, this is {HEAD}: migrate it, or run the version it is of"
            )
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        # SQLite forgets what it read when another connection has written: with one that writes all, pages stay in memory.
        self._writing = _engine(database) if self._is_sqlite else self._engine
        # PostgreSQL's readers see each table as of its own moment anyway, so they need no BEGIN and COMMIT on the way.
        alone = {} if self._is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reading = self._engine.execution_options(**alone)
        # SQLite lets one write at a time, and lets others sleep and try again: within a process they wait in line.
        self._one_writer = threading.Lock() if self._is_sqlite else nullcontext()
        self._note: Callable[[Books], None] | None = None

    def close(self) -> None:
        """Close all connections."""
        self._writing.dispose()
        self._engine.dispose()

    def dump(self) -> Iterator[str]:
        """Yield all rows as JSON, table by table in order of their keys: equal databases give equal lines."""
        with self.reading() as books:
            for table in METADATA.sorted_tables:
                for row in books.connection.execute(select(table).order_by(*table.primary_key)):
                    yield json.dumps([table.name, *row])

    @contextmanager
    def transaction(self, visit_id: str | None = None) -> Iterator[Books]:
        """Read and write as one: all of it is kept, or none of it if an exception leaves the block.

        Transactions of one visit wait for each other, so that what was read is still true when it is written; those
        without a visit write only what no visit is about. SQLite has one writer at a time anyway.
        """
        with self._one_writer, self._writing.begin() as connection:
            if self._is_sqlite:  # take the write lock at once, so that what was read is still true when it is written
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif visit_id is not None:
                connection.execute(BEGIN_VISIT, {"visit": visit_id})
            books = Books(connection)
            if self._note is not None:
                note, self._note = self._note, None
                note(books)
            yield books

    def noting(self, note: Callable[[Books], None]) -> Self:
        """Return a view, for one thread, whose first transaction also writes ``note``: with its reason, or not at all."""
        view = copy.copy(self)
        view._note = note
        return view

    @contextmanager
    def reading(self) -> Iterator[Books]:
        """Read; nobody waits for a reader. SQLite reads as of one moment, PostgreSQL each table as it is when it is read."""
        with self._reading.begin() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield Books(connection)


def migrate(database: Path | str) -> str | None:
    """Bring a database to this version's schema; return the revision that it had, None for an empty one."""
    engine = _engine(database)
    before = revision(engine)
    upgrade(engine)
    engine.dispose()
    return before


def _revision(engine: Engine) -> str | None:
    try:
        return revision(engine)
    except DBAPIError as error:
        engine.dispose()
        where = engine.url.render_as_string(hide_password=True)
        raise DatabaseUnavailable(f"{where} cannot be opened: {error.orig}") from error


def _engine(database: Path | str) -> Engine:
    if isinstance(database, str):
        url = make_url(database)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return create_engine(url, pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS, hide_parameters=True)
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(database)),
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
        hide_parameters=True,  # tokens and hashes have no place in an error's text, which is logged
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    """Set up one SQLite connection; transactions are begun by ``BillingStore``, not by the driver."""
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_wal(cursor)
    for pragma in ("foreign_keys = ON", "synchronous = FULL", f"cache_size = -{_CACHE_KIB}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Turn the write-ahead log on. Two that do so at once on a new file are refused at once instead of made to wait."""
    for _ in range(_WAL_TRIES):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            cursor.execute("BEGIN IMMEDIATE")  # waits for the other
            cursor.execute("COMMIT")
        else:
            return
    cursor.execute("PRAGMA journal_mode = WAL")
