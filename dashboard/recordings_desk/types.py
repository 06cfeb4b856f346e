"""What the desk is told of a recording's run, and what it lets run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Seen:
    """A pick or a put-back that a run decided on. ``token`` and ``scanned_at_ns`` are the gate scan of its visit, None for nobody's."""

    kind: Literal["pick", "put_back"]
    shelf_id: str
    slot_id: str | None
    sku: str | None
    quantity: int
    from_ns: int
    to_ns: int
    token: str | None = None
    scanned_at_ns: int | None = None


ReadRun = Callable[[Path], tuple[Seen, ...]]
"""Reads a run's events.jsonl. Raises InputError where it cannot be read."""


@dataclass(frozen=True, slots=True)
class RunState:
    """How far the pipeline is with a recording. ``share`` is from 0 to 1; ``problem`` says why it ended without a result, empty where all is well."""

    share: float = 0.0
    is_over: bool = False
    problem: str = ""


class Runs(Protocol):
    """Runs recordings through the pipeline, one at a time, beside all else and with the least of the machine's time. Safe to use from several threads."""

    def begin(self, folder: Path) -> RunState:
        """Begin with the recording in ``folder``. Its result takes the place of the run before, once it is whole.

        Raises InConflict while another is in work, Unavailable where none can be started.
        """
        ...

    def state(self, folder: Path) -> RunState | None:
        """Return how far it is, or how the latest one ended; None where none was begun."""
        ...

    def cancel(self, folder: Path) -> None:
        """End it, and leave nothing of it; nothing happens where it is over."""
        ...


@dataclass(frozen=True, slots=True)
class CutState:
    """A recording that is cut from live footage, or the latest one. ``share`` is from 0 to 1; ``problem`` as in ``RunState``.

    ``lacking`` are the cameras of which it has nothing, or not all.
    """

    name: str
    share: float = 0.0
    is_over: bool = False
    problem: str = ""
    lacking: tuple[str, ...] = ()


class Cutter(Protocol):
    """Makes recordings of what live cameras showed lately, heads hidden as in clips. One at a time; safe to use from several threads."""

    @property
    def longest_s(self) -> float:
        """Seconds of video that are kept of each camera."""
        ...

    def now_ns(self) -> int:
        """Return the time of the store's clock, by which footage is kept."""
        ...

    def begin(self, folder: Path, from_ns: int, to_ns: int) -> CutState:
        """Begin to make ``folder`` from that interval; it appears once it is whole.

        Raises Refused for an interval that is not kept, InConflict where the folder is there or another is cut.
        """
        ...

    @property
    def state(self) -> CutState | None:
        """How far it is, or how the latest one ended; None where none was begun."""
        ...
