"""What people write to visits: added, and never changed or taken away."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from dashboard.visits.types import Note

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
  number INTEGER PRIMARY KEY AUTOINCREMENT, visit_id TEXT NOT NULL, at_ns INTEGER NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL,
  form TEXT NOT NULL UNIQUE
);
CREATE INDEX IF NOT EXISTS notes_of ON notes (visit_id, number);
CREATE TRIGGER IF NOT EXISTS notes_stay BEFORE UPDATE ON notes BEGIN SELECT RAISE(ABORT, 'notes are not changed'); END;
CREATE TRIGGER IF NOT EXISTS notes_remain BEFORE DELETE ON notes BEGIN SELECT RAISE(ABORT, 'notes are not deleted'); END;
"""


class Notes:
    """The notes in a file of their own: the projection is thrown away and made anew, these are not. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error or OSError where it cannot be opened."""
        path.touch(0o600)
        self._mutex = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def add(self, visit_id: str, at_ns: int, who: str, text: str, form: str) -> bool:
        """Keep a note, once for each ``form`` that it comes from; tell whether this was the time. Raises sqlite3.Error."""
        statement = "INSERT OR IGNORE INTO notes (visit_id, at_ns, who, text, form) VALUES (?, ?, ?, ?, ?)"
        with self._mutex:
            return self._db.execute(statement, (visit_id, at_ns, who, text, form)).rowcount == 1

    def of(self, visit_id: str) -> tuple[Note, ...]:
        """Return a visit's notes, the oldest first. Raises sqlite3.Error."""
        query = "SELECT number, visit_id, at_ns, who, text FROM notes WHERE visit_id = ? ORDER BY number"
        with self._mutex:
            return tuple(Note(*row) for row in self._db.execute(query, (visit_id,)))
