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
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import DBAPIError

from billing.db.books import Books
from billing.db.locks import ONE_VISIT
from billing.db.prepared import Prepared
from billing.db.tables import METADATA
from billing.errors import BillingError, DatabaseUnavailable
from billing.migrations import HEAD, revision, upgrade

_BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another: writes take milliseconds, so this is never reached in health."""

CACHE_KIB = 65_536
"""SQLite's page cache: holds the inner pages of all indices of a million visits; measured by benchmarks/billing.py."""

ONE_STORE_CACHE_KIB = 1_024
"""For the books of one store in the store's own process: asked a few times a visit, and each connection has a cache."""

_BEGIN_READING, _BEGIN_WRITING = Prepared(text("BEGIN")), Prepared(text("BEGIN IMMEDIATE"))

_CONNECTIONS = 20
"""Connections to PostgreSQL that are kept; as many again in a rush."""

_WAL_TRIES = 20
"""Processes that open a new file at the same moment: as many as anybody starts on one machine."""


class BillingStore:
    """Billing's database. Safe to use from several threads and processes.

    An empty database is set up; one of an earlier version must be migrated before (``migrate``).
    """

    def __init__(self, database: Path | str, cache_kib: int = CACHE_KIB) -> None:
        """``database`` is SQLite's file, or a URL (``postgresql://user@host/name``).

        ``cache_kib`` is what each of SQLite's connections keeps in memory at most.

        Raises:
            DatabaseUnavailable: it cannot be opened.
            BillingError: the database is of another version than this code.
        """
        self._engine = _engine(database, cache_kib)
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
        self._writing = _engine(database, cache_kib) if self._is_sqlite else self._engine
        # PostgreSQL's readers see each table as of its own moment anyway, so they need no BEGIN and COMMIT on the way.
        alone = {} if self._is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reading = self._engine.execution_options(**alone)
        self._one_writer = _OneWriter(self._writing) if self._is_sqlite else None
        self._note: Callable[[Books], None] | None = None

    def close(self) -> None:
        """Close all connections."""
        if self._one_writer is not None:
            self._one_writer.close()
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
        begun = self._engine.begin() if self._one_writer is None else self._one_writer.begin()
        with begun as connection:
            if self._is_sqlite:  # take the write lock at once, so that what was read is still true when it is written
                _BEGIN_WRITING.do(connection)
            elif visit_id is not None:
                ONE_VISIT.first(connection, visit=visit_id)
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
                _BEGIN_READING.do(connection)
            yield Books(connection)


class _OneWriter:
    """SQLite lets one write at a time, and lets others sleep and try again: within a process they wait in line.

    They share one connection, which stays at hand unless something went wrong with it: taking one from the pool and
    giving it back costs as much as a statement or two.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self._connection: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Wait for those before, and yield the connection in a transaction."""
        with self._lock:
            connection = self._connection or self._engine.connect()
            self._connection = None
            try:
                with connection.begin():
                    yield connection
                self._connection = connection
            finally:
                if self._connection is None:
                    connection.close()

    def close(self) -> None:
        """Give the connection back to the pool; the next writer takes a new one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


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


def _engine(database: Path | str, cache_kib: int = CACHE_KIB) -> Engine:
    if isinstance(database, str):
        url = make_url(database)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return create_engine(
            url,
            pool_size=_CONNECTIONS,
            max_overflow=_CONNECTIONS,
            pool_use_lifo=True,  # the server knows those best that were used last
            connect_args={"prepare_threshold": 1},  # a statement that comes a second time comes often
            hide_parameters=True,
        )
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(database)),
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
        hide_parameters=True,  # tokens and hashes have no place in an error's text, which is logged
    )
    event.listen(engine, "connect", lambda connection, _record: _prepare(connection, cache_kib))
    return engine


def _prepare(connection: Any, cache_kib: int) -> None:
    """Set up one SQLite connection; transactions are begun by ``BillingStore``, not by the driver."""
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_wal(cursor)
    for pragma in ("foreign_keys = ON", "synchronous = FULL", f"cache_size = -{cache_kib}"):
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
