"""What can be wrong with a recording.

store_layout.errors.InputError    a user's file is wrong (exit code 2)
└── RecordingError                recording.yaml, gate scans, truth or a video is
"""

from __future__ import annotations

from pathlib import Path

from store_layout.errors import InputError


class RecordingError(InputError):
    """A file of a recording is missing, unreadable or says something that cannot be."""


def wrong(file: Path, field: str | None, problem: str, mend: str) -> RecordingError:
    """Return the error that says in one line what is wrong where, and how to mend it."""
    one_line = " ".join(problem.split())
    return RecordingError(one_line, file=file, field=field, mend=mend)
