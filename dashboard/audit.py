"""Who did what at the dashboard: a line of JSON for each, appended and never changed."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import threading
from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed, and its place in the log: later deeds have higher ones, and none ever changes."""

    place: int
    deed: Deed


class AuditLog:
    """The log in a file that only its owner may read. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where it cannot be opened."""
        self._mutex = threading.Lock()
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # a crash cut a line short: it stays, and is passed over
        self._last_ns: dict[tuple[str, str], int] = {}
        for entry in self.entries():
            self._last_ns.setdefault((entry.deed.who, entry.deed.what), entry.deed.at_ns)

    def write(self, deed: Deed) -> None:
        """Add what was done, before it counts as done. Raises OSError."""
        line = json.dumps(asdict(deed), ensure_ascii=False).encode() + b"\n"
        with self._mutex:
            os.write(self._file, line)
            os.fsync(self._file)
            self._last_ns[deed.who, deed.what] = deed.at_ns

    def entries(self, before: int | None = None) -> Iterator[Entry]:
        """Yield what was done, the latest first; ``before`` leaves out what is at that place or later."""
        size = os.fstat(self._file).st_size
        end = size if before is None else max(0, min(before, size))
        if end == 0:
            return
        with mmap.mmap(self._file, size, access=mmap.ACCESS_READ) as lines:
            while end > 0:
                begin = lines.rfind(b"\n", 0, end - 1) + 1
                deed = _deed(lines[begin:end])
                if deed is not None:
                    yield Entry(begin, deed)
                end = begin

    def latest(self, most: int) -> tuple[Deed, ...]:
        """Return the last ``most``, the latest first."""
        return tuple(entry.deed for entry in itertools.islice(self.entries(), most))

    def last_ns(self, who: str, what: str) -> int | None:
        """Return when somebody did something last, None where they never did."""
        return self._last_ns.get((who, what))

    def who_and_what(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return who ever did something, and what was ever done, each in order."""
        seen = tuple(self._last_ns)
        return tuple(sorted({who for who, _ in seen})), tuple(sorted({what for _, what in seen}))

    @property
    def size_bytes(self) -> int:
        """How large the log is."""
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


def _deed(line: bytes) -> Deed | None:
    try:
        return Deed(**json.loads(line))
    except (ValueError, TypeError):
        return None
