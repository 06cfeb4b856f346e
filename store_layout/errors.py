"""What can be wrong with a file that a user gives: one clear line each.

InputError          a file is missing, unreadable or wrong (exit code 2)
└── LayoutError     the layout file is
"""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """A user's file is wrong. ``str()`` gives one line: file, field, what is wrong, and how to mend it."""

    exit_code = 2

    def __init__(
        self, message: str, *, file: str | Path | None = None, field: str | None = None, mend: str | None = None
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.field = field
        self.mend = mend
        super().__init__(self._line())

    def _line(self) -> str:
        where = ": ".join(part for part in (self.file, self.field) if part)
        line = f"{where}: {self.message}" if where else self.message
        return f"{line}. Mend: {self.mend}" if self.mend else line


class LayoutError(InputError):
    """The layout file is missing, unreadable or says something that cannot be."""
