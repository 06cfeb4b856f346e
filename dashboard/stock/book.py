"""The stock's own book: an SQLite file that is only ever added to, by the store's process alone."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from dashboard.stock.types import Counted, Happening, Kind, Units

_VERSION = 1
_KEPT = "event_id, at_ns, kind, reference, slot_id, sku, units, probability"
_COUNTED = "at_ns, who, slot_id, sku, units, misplaced, was"
_SCHEMA = (
    (
        "CREATE TABLE happenings (number INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, at_ns INTEGER NOT NULL, "
        "kind TEXT NOT NULL, reference TEXT NOT NULL, slot_id TEXT, sku TEXT, units INTEGER NOT NULL, probability REAL NOT NULL)"
    ),
    "CREATE INDEX happenings_by_time ON happenings (kind, at_ns)",
    "CREATE INDEX happenings_by_slot ON happenings (slot_id, at_ns)",
    (
        "CREATE TABLE counts (number INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, who TEXT NOT NULL, slot_id TEXT NOT NULL, "
        "sku TEXT NOT NULL, units INTEGER NOT NULL, misplaced TEXT NOT NULL, was INTEGER NOT NULL)"
    ),
    "CREATE INDEX counts_by_slot ON counts (slot_id, number)",
    *(
        f"CREATE TRIGGER {table}_{what.lower()} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'only added to'); END"
        for table in ("happenings", "counts")
        for what in ("UPDATE", "DELETE")
    ),
)
_QUARTER_NS = 900_000_000_000
_PATIENCE_S = 0.05
"""How long a write waits for another program that has the file: the store's loop writes, and has no time."""


class BookError(Exception):
    """The book cannot be read or written. The message says why."""


class StockBook:
    """The book. Safe to use from several threads: writing never waits for reading."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Raises BookError where the file cannot be opened, is no such book, or is of a later version."""
        self._writing, self._reading = threading.Lock(), threading.Lock()
        try:
            if not read_only:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._reader = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            self._writer = self._reader if read_only else sqlite3.connect(path, _PATIENCE_S, check_same_thread=False)
            self._prepare(make=not read_only)
        except (OSError, sqlite3.Error) as error:
            raise BookError(f"{path}: {error}") from error

    def _prepare(self, *, make: bool) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION) or (version == 0 and not make):
            raise sqlite3.DatabaseError("no stock's book of this version")
        if not make:
            return
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = NORMAL")  # the log has it all; counts are flushed on their own
        if version == 0:
            with self._writer:
                for statement in _SCHEMA:
                    self._writer.execute(statement)
                self._writer.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """Let the file go."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()  # the last one tidies up

    # -- writing ------------------------------------------------------------------

    def add(self, happened: Iterable[Happening]) -> tuple[Happening, ...]:
        """Add what is not there yet, all of it or nothing; return what was added. Raises BookError."""
        try:
            with self._writing, self._writer:
                return tuple(each for each in happened if self._insert(each))
        except sqlite3.Error as error:
            raise BookError(str(error)) from error

    def _insert(self, each: Happening) -> bool:
        found = self._writer.execute(
            f"INSERT OR IGNORE INTO happenings ({_KEPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - names of columns
            tuple(asdict(each).values()),
        )
        return found.rowcount == 1

    def add_count(self, said: Counted) -> None:
        """Add a count; it is on the disk when this returns. Raises BookError."""
        misplaced = json.dumps({each.sku: each.units for each in said.misplaced})
        row = (said.at_ns, said.who, said.slot_id, said.sku, said.units, misplaced, said.was)
        try:
            with self._writing:
                self._writer.execute("PRAGMA synchronous = FULL")
                with self._writer:
                    self._writer.execute(f"INSERT INTO counts ({_COUNTED}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - as above
                self._writer.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            raise BookError(str(error)) from error

    # -- reading ------------------------------------------------------------------

    def _rows(self, query: str, *values: object) -> Sequence[tuple[object, ...]]:
        try:
            with self._reading:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise BookError(str(error)) from error

    @property
    def is_empty(self) -> bool:
        """Whether nothing has happened yet."""
        return not self._rows("SELECT 1 FROM happenings LIMIT 1")

    def happened(self) -> Iterable[Happening]:
        """Return what happened to slots after each was counted last, in the order in which it became known."""
        rows = self._rows(
            f"SELECT {_KEPT} FROM happenings AS h WHERE kind NOT IN ('sold', 'open') AND at_ns > coalesce("  # noqa: S608 - names of columns
            "(SELECT max(at_ns) FROM counts AS c WHERE c.slot_id = h.slot_id), -1) ORDER BY number"
        )
        return [_happening(row) for row in rows]

    def counts(self) -> tuple[Counted, ...]:
        """Return the last count of every slot that was ever counted."""
        last = "SELECT max(number) FROM counts GROUP BY slot_id"
        return self._counts(f"WHERE number IN ({last}) ORDER BY number")

    def counts_of(self, slot_id: str, most: int) -> tuple[Counted, ...]:
        """Return a slot's last counts, the latest first."""
        return self._counts("WHERE slot_id = ? ORDER BY number DESC LIMIT ?", slot_id, most)

    def _counts(self, where: str, *values: object) -> tuple[Counted, ...]:
        return tuple(_counted(row) for row in self._rows(f"SELECT {_COUNTED} FROM counts {where}", *values))  # noqa: S608 - as above

    def happened_at(self, slot_id: str, most: int) -> tuple[Happening, ...]:
        """Return what happened last at a slot, the latest first."""
        query = f"SELECT {_KEPT} FROM happenings WHERE slot_id = ? ORDER BY at_ns DESC, number DESC LIMIT ?"  # noqa: S608 - as above
        return tuple(_happening(row) for row in self._rows(query, slot_id, most))

    def taken(self, from_ns: int) -> dict[tuple[str, str], int]:
        """Return by slot and product how many more were taken than put back since ``from_ns``."""
        query = (
            "SELECT slot_id, sku, -sum(units) FROM happenings WHERE kind = 'moved' AND at_ns >= ? "
            "AND slot_id IS NOT NULL GROUP BY slot_id, sku"
        )
        return {(str(slot), str(sku)): int(str(units)) for slot, sku, units in self._rows(query, from_ns)}

    def open_hours_ns(self, from_ns: int) -> tuple[int, ...]:
        """Return the hours since ``from_ns`` in which somebody came or went."""
        rows = self._rows("SELECT at_ns FROM happenings WHERE kind = 'open' AND at_ns >= ? ORDER BY at_ns", from_ns)
        return tuple(int(str(at_ns)) for (at_ns,) in rows)

    def sold(self, from_ns: int, until_ns: int) -> tuple[tuple[int, str, int], ...]:
        """Return what was sold: the quarter of an hour, the product, and how many of it."""
        query = (
            f"SELECT at_ns / {_QUARTER_NS} AS quarter, sku, sum(units) FROM happenings WHERE kind = 'sold' "  # noqa: S608 - a number
            "AND at_ns >= ? AND at_ns < ? GROUP BY quarter, sku ORDER BY quarter, sku"
        )
        rows = self._rows(query, from_ns, until_ns)
        return tuple((int(str(quarter)) * _QUARTER_NS, str(sku), int(str(units))) for quarter, sku, units in rows)


def _happening(row: tuple[object, ...]) -> Happening:
    event_id, at_ns, kind, reference, slot_id, sku, units, probability = row
    return Happening(
        str(event_id), int(str(at_ns)), Kind(str(kind)), str(reference), None if slot_id is None else str(slot_id),
        None if sku is None else str(sku), int(str(units)), float(str(probability)),
    )  # fmt: skip


def _counted(row: tuple[object, ...]) -> Counted:
    at_ns, who, slot_id, sku, units, misplaced, was = row
    others = tuple(Units(name, count) for name, count in sorted(json.loads(str(misplaced)).items()))
    return Counted(int(str(at_ns)), str(who), str(slot_id), str(sku), int(str(units)), others, int(str(was)))
