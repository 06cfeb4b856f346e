"""Whether the store is open: what a manager last said, kept over restarts, against what stands in the way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.standing import write_whole


class FaultsStand(Exception):
    """The store is not opened: something of it nobody watches, and no reason was given to open it all the same."""


class DoorState(Strict):
    """What was last said, by whom and when. ``despite`` are faults that it was opened in spite of, ``reason`` says why."""

    version: Literal[1] = 1
    is_open: bool = True
    by: str = ""
    at_ns: int | None = None
    reason: str = ""
    despite: tuple[str, ...] = ()


class Door:
    """A store is open until somebody closes it. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where the file cannot be read."""
        self._path, self._mutex = path, threading.Lock()
        try:
            self._state = DoorState.model_validate_json(path.read_bytes()) if path.exists() else DoorState()
        except (OSError, ValidationError) as error:
            problem = "does not say whether the store is open"
            raise InputError(problem, file=path, mend="move it away: the store is then open") from error

    @property
    def state(self) -> DoorState:
        """Return what was last said."""
        return self._state

    def close(self, by: str, reason: str, at_ns: int) -> None:
        """Let nobody in from now on; whoever is inside goes on shopping. Raises OSError where that cannot be kept."""
        self._say(DoorState(is_open=False, by=by, at_ns=at_ns, reason=reason))

    def open(self, by: str, reason: str, at_ns: int, faults: tuple[str, ...]) -> None:
        """Let people in again, in spite of ``faults`` where a ``reason`` is given.

        Raises FaultsStand where there are faults and no reason, OSError where it cannot be kept.
        """
        if faults and not reason.strip():
            raise FaultsStand("; ".join(faults))
        self._say(DoorState(is_open=True, by=by, at_ns=at_ns, reason=reason if faults else "", despite=faults))

    def is_despite(self, faults: tuple[str, ...]) -> bool:
        """Tell whether the store was opened in spite of faults that still stand. Once none stands, the next is a fault again."""
        with self._mutex:
            if self._state.despite and not faults:
                self._keep(self._state.model_copy(update={"despite": (), "reason": ""}))
            return self._state.is_open and bool(self._state.despite)

    def _say(self, state: DoorState) -> None:
        with self._mutex:
            self._keep(state)

    def _keep(self, state: DoorState) -> None:
        write_whole(self._path, state.model_dump_json())
        self._state = state
