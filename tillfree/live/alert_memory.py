"""What alerts remember over a restart: what was told of each problem, and what has not arrived yet."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.alerts import Kept, Message
from tillfree.live.standing import write_whole


class Memory(Strict):
    """The file. ``waiting`` is by channel: when a message was given to it, and the message."""

    version: Literal[1] = 1
    kept: Kept = Kept()
    waiting: dict[str, tuple[tuple[int, Message], ...]] = Field(default_factory=dict)


class AlertFile:
    """Where it is kept. One thread at a time writes."""

    def __init__(self, path: Path) -> None:
        self._path, self._written = path, Memory()

    def read(self) -> Memory:
        """Return what was kept. Raises InputError where the file cannot be read."""
        try:
            if self._path.exists():
                self._written = Memory.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            mend = "move it away: what is wrong is then told again"
            raise InputError("does not say what was told", file=self._path, mend=mend) from error
        return self._written

    def write(self, memory: Memory) -> None:
        """Keep it, where it is not what is kept already. Raises OSError."""
        if memory != self._written:
            write_whole(self._path, memory.model_dump_json())
            self._written = memory
