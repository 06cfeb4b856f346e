"""How far a coordinator has come in what workers told, kept so that a restart takes nothing twice."""

from __future__ import annotations

import os
from pathlib import Path

from store_layout.errors import InputError

_WIDTH = 20
_BYTES = 2 * _WIDTH + 2


class Taken:
    """A file with the time of the last instant whose consequences are in the log, and how many lines the log had then.

    It is not flushed: after a power cut it may be older than the log, or say more than the log has. In the latter case it
    counts for nothing, and all that the broker has is looked at again.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError where the file cannot be opened."""
        try:
            self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise InputError(f"cannot be opened: {error.strerror}", file=path, mend="name another folder") from error

    def until_ns(self, log_lines: int) -> int | None:
        """Return up to when all is in a log of ``log_lines`` lines, None where nobody knows."""
        words = os.pread(self._file, _BYTES, 0).split()
        if len(words) != 2 or not all(word.isdigit() and len(word) == _WIDTH for word in words):
            return None
        return int(words[0]) if int(words[1]) <= log_lines else None

    def note(self, until_ns: int, log_lines: int) -> None:
        """Note that all up to ``until_ns`` is in the log. Raises OSError."""
        os.pwrite(self._file, b"%0*d %0*d\n" % (_WIDTH, until_ns, _WIDTH, log_lines), 0)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)
