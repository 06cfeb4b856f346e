"""Who did what at the dashboard: a line of JSON for each, appended and never changed."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Deed:
    """``who`` did ``what``, a word for programs, to ``subject``; ``detail`` is in words."""

    at_ns: int
    who: str
    what: str
    subject: str
    detail: str = ""


class AuditLog:
    """The log in a file that only its owner may read. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where it cannot be opened."""
        self._path, self._mutex = path, threading.Lock()
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # a crash cut a line short: it stays, and is passed over

    def write(self, deed: Deed) -> None:
        """Add what was done, before it counts as done. Raises OSError."""
        line = json.dumps(asdict(deed), ensure_ascii=False).encode() + b"\n"
        with self._mutex:
            os.write(self._file, line)
            os.fsync(self._file)

    def latest(self, most: int) -> tuple[Deed, ...]:
        """Return the last ``most``, the latest first."""
        with self._path.open(encoding="utf-8") as lines:
            found = deque((deed for line in lines if (deed := _deed(line)) is not None), maxlen=most)
        return tuple(reversed(found))

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


def _deed(line: str) -> Deed | None:
    try:
        return Deed(**json.loads(line))
    except (ValueError, TypeError):
        return None
