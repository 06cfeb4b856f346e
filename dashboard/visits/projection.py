"""Visits as the event log and billing tell of them, in SQLite: made to be searched, and to be thrown away and made anew."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from dashboard.visits.schema import SCHEMA, TABLES, VERSION
from dashboard.visits.types import EventSource, News
from dashboard.visits.writing import Writer

_BUSY_S = 5.0
_UNREADABLE = ("file is not a database", "malformed")


class Projection:
    """The file. One thread writes; any number may read meanwhile (``reading``)."""

    def __init__(self, path: Path, name_of: Callable[[str], str]) -> None:
        """Open the file, or make it; one of another version, or that cannot be read, is made anew. See ``Writer`` for ``name_of``.

        Raises sqlite3.Error or OSError where it cannot be opened.
        """
        self._path = path
        self._db = self._opened()
        self._writer = Writer(self._db, name_of)

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    @property
    def position(self) -> int:
        """The first line of the log that is not in it yet."""
        return int(self._meta("position") or 0)

    @property
    def news(self) -> int:
        """The last of billing's events that is in it."""
        return int(self._meta("news") or 0)

    def check(self, log: EventSource) -> None:
        """Begin anew where the log no longer has, at its place, the last line that is in here: a power cut took it."""
        position = self.position
        last = next(iter(log.after(position - 1)), None) if position else None
        if position and (last is None or last[0] != position - 1 or mark_of(last[1]) != self._meta("mark")):
            self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            _make(self._db)

    def take(self, events: Sequence[tuple[int, object]]) -> None:
        """Write lines of the log, in order and without a gap; those that are in here already change nothing."""
        position = self.position
        fresh = [(at, event) for at, event in events if at >= position]
        if not fresh:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for at, event in fresh:
                self._writer.take(at, event)
            self._set(position=str(fresh[-1][0] + 1), mark=mark_of(fresh[-1][1]))

    def hear(self, news: Sequence[News]) -> None:
        """Write what billing tells, in order; what is in here already changes nothing."""
        last = self.news
        fresh = [each for each in news if each.number > last]
        if not fresh:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for each in fresh:
                self._writer.hear(each)
            self._set(news=str(fresh[-1].number))

    def forget(self, before: int) -> None:
        """Forget what is older than the log's oldest line: it is deleted because nobody should know it any more."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._writer.forget(before)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read as of one moment, in any thread. Raises sqlite3.Error."""
        place = f"file:{quote(str(self._path))}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=_BUSY_S, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("BEGIN")
            yield db

    def dump(self) -> Iterator[str]:
        """Yield all rows but what says how far it is, table by table: equal projections give equal lines."""
        with self.reading() as db:
            for table in TABLES[1:]:
                for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own names
                    yield json.dumps([table, *row])

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.DatabaseError as error:
            if not any(said in str(error) for said in _UNREADABLE):
                raise
        for end in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)
        return self._connected()

    def _connected(self) -> sqlite3.Connection:
        self._path.touch(0o600)
        db = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # a power cut costs what the log still has
            if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                with db:
                    db.execute("BEGIN IMMEDIATE")
                    _make(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _meta(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, **values: str) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def mark_of(event: object) -> str:
    """Return a short mark by which a line of the log is known again, whether it was heard or read."""
    told = json.dumps([type(event).__name__, asdict(cast("Any", event))])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _make(db: sqlite3.Connection) -> None:
    """Drop whatever tables are there and make ours, inside the transaction that there is."""
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        db.execute(f'DROP TABLE "{name}"')
    for statement in SCHEMA.split(";"):
        if statement.strip():
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
