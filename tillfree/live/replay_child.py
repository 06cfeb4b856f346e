"""A replay in a process of its own that stands back for all others, and tells how far it is: a line of JSON at a time.

python -m tillfree.live.replay_child RECORDING OUT [WEIGHTS]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from store_layout.errors import InputError
from tillfree.folds import StoreFold
from tillfree.replay import ReplayOptions, replay

_LEAST = 19
"""The lowest weight that a process can give itself: https://man7.org/linux/man-pages/man2/nice.2.html."""
_EVERY = 20
"""Frames from one line to the next."""


class Teller:
    """A replay's listener."""

    def __init__(self) -> None:
        self._done = self._count = self._told = 0

    def started(self, frame_count: int, notices: Sequence[str]) -> None:
        """See ``ReplayListener.started``."""
        del notices
        self._count = frame_count
        self._tell()

    def advanced(self, frames: int, fold: StoreFold) -> None:
        """See ``ReplayListener.advanced``."""
        del fold
        self._done += frames
        if self._done - self._told >= _EVERY:
            self._tell()

    def finished(self, fold: StoreFold) -> None:
        """See ``ReplayListener.finished``."""
        del fold
        self._tell()

    def _tell(self) -> None:
        self._told = self._done
        _say(json.dumps({"done": self._done, "of": self._count}))


def main(recording: str, out: str, weights: str | None = None) -> None:
    """Replay, and end with 2 and a last line that says so where something is wrong with the recording."""
    os.nice(_LEAST)
    options = ReplayOptions(weights=None if weights is None else Path(weights), paths=False)
    try:
        replay(Path(recording), out=Path(out), options=options, listener=Teller())
    except InputError as error:
        _say(str(error))
        sys.exit(2)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
