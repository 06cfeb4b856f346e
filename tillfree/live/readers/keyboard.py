"""Scanners that type: USB ones that act as a keyboard, and serial ones, which both send a line for each code.

A line is an entry pass unless the reader is told otherwise: whoever prints a code that says ``staff`` must not come in by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from tillfree.live.readers import Read

LONGEST_LINE = 1_000
"""Characters of a line that are looked at; a pass has 246. What is longer is no code of ours, and is let pass by."""


class KeyboardReader:
    """Reads lines from a terminal, a serial device or a pipe that was opened as text."""

    def __init__(self, stream: IO[str], *, are_passes: bool = True) -> None:
        """Without ``are_passes`` lines are tokens that the device makes itself, as badge and card readers do."""
        self._stream, self._are_passes = stream, are_passes

    def scans(self) -> Iterator[Read]:
        """See ``ScanReader.scans``: each line that is not empty, without blanks around it, until the stream ends."""
        is_rest = False
        while line := self._stream.readline(LONGEST_LINE + 1):
            is_whole = line.endswith("\n")
            text = line.strip()
            if text and not is_rest and len(line) <= LONGEST_LINE:
                yield Read(text, self._are_passes)
            is_rest = not is_whole
