"""What a store's processes agree on when a recording stands in for the cameras: which one, from when on, and how it is played.

The coordinator fixes it, keeps it in its folder and has the broker tell it; workers play what they are told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from checkout.types import GateScanned
from recordings.files import LoadedRecording
from recordings.model import seconds_to_ns
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.recorded import Playing, length_ns
from tillfree.live.standing import write_whole
from tillfree.system import scaled_clock

LEAD_NS = 5_000_000_000
"""Time between the agreement and the recording's second 0: workers hear of it and open their files, and no place is left
unwatched for so long that gates would call it a fault."""


class Played(Strict):
    """A recording that is played. Second 0 is at ``start_ns`` of a clock that says ``clock_ns`` at the system's ``system_ns``.

    With ``in_step`` no clock counts: every frame is looked at, however long it takes.
    """

    version: Literal[1] = 1
    recording: str
    in_step: bool
    speed: float
    loop: bool
    system_ns: int
    clock_ns: int
    start_ns: int
    length_ns: int

    @property
    def end_ns(self) -> int:
        """When the recording is over, unless it begins again."""
        return self.start_ns + self.length_ns

    def clock(self) -> Callable[[], int]:
        """Return the clock of all who play it."""
        return scaled_clock(self.speed, self.system_ns, self.clock_ns)


def read_played(text: str | None) -> Played | None:
    """Return what was agreed on, None for nothing, or for what another version wrote."""
    try:
        return None if text is None else Played.model_validate_json(text)
    except ValidationError:
        return None


def digest_of(loaded: LoadedRecording) -> str:
    """Return what tells a recording from others, wherever its files lie."""
    cameras = [[camera.id, camera.times, camera.offset_ms] for camera in loaded.recording.cameras]
    text = json.dumps([loaded.recording.started_at_ns, cameras, loaded.store.model_dump_json()])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Begun:
    """A recording that is to be played; ``is_new`` where it was not under way before this start of the coordinator."""

    played: Played
    is_new: bool


class LivePlay:
    """A recording played at its own pace, whoever looks."""

    def __init__(self, loaded: LoadedRecording, playing: Playing, *, loop: bool) -> None:
        self._loaded, self._playing, self._loop = loaded, playing, loop

    def begin(self) -> Begun:
        """Fix the start, or find it. Raises InputError where it cannot be kept."""
        is_new, start_ns = self._playing.is_new, self._playing.start_ns()
        system_ns, clock_ns = self._playing.since
        length = length_ns(self._loaded)
        speed = self._playing.speed
        return Begun(
            Played(
                recording=digest_of(self._loaded),
                in_step=False,
                speed=speed,
                loop=self._loop,
                system_ns=system_ns,
                clock_ns=clock_ns,
                start_ns=start_ns,
                length_ns=length,
            ),
            is_new,
        )

    def end(self) -> None:
        """Hear that it is over: the next start finds that by the clock."""


class _Kept(Strict):
    version: Literal[1] = 1
    recording: str
    start_ns: int


class StepPlay:
    """A recording played in step, kept in a file until it is over."""

    def __init__(self, file: Path, loaded: LoadedRecording, every_ns: int, after_ns: int) -> None:
        """It begins at or after ``after_ns``, a multiple of ``every_ns`` later than it was recorded.

        What is due once in that time is then due in the same pictures. Raises InputError where the start cannot be kept.
        """
        self._file, self._loaded = file, loaded
        self._digest = digest_of(loaded)
        kept = self._read()
        self._is_new = kept is None
        self._start_ns = self._begin(max(1, every_ns), after_ns) if kept is None else kept.start_ns

    @property
    def shift_ns(self) -> int:
        """How much later it is played than it was recorded."""
        return self._start_ns - self._loaded.recording.started_at_ns

    def begin(self) -> Begun:
        """Return how it is played."""
        start_ns = self._start_ns
        return Begun(
            Played(
                recording=self._digest,
                in_step=True,
                speed=1.0,
                loop=False,
                system_ns=start_ns,
                clock_ns=start_ns,
                start_ns=start_ns,
                length_ns=length_ns(self._loaded),
            ),
            self._is_new,
        )

    def end(self) -> None:
        """Hear that it is over: the next start begins it anew."""
        self._file.unlink(missing_ok=True)

    def scans(self) -> tuple[GateScanned, ...]:
        """Return its gate scans, which no gate decides about: those who were let in when it was made."""
        recording = self._loaded.recording
        return tuple(
            GateScanned(
                f"{self._start_ns}-scan-{number}",
                scan.gate,
                seconds_to_ns(recording, scan.at_s) + self.shift_ns,
                scan.token,
                scan.party_size,
            )
            for number, scan in enumerate(self._loaded.scans, start=1)
        )

    def _begin(self, every_ns: int, after_ns: int) -> int:
        recorded_ns = self._loaded.recording.started_at_ns
        start_ns = recorded_ns + -(-(after_ns - recorded_ns) // every_ns) * every_ns
        kept = _Kept(recording=self._digest, start_ns=start_ns)
        try:
            write_whole(self._file, kept.model_dump_json())
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise InputError(problem, file=self._file, mend="name another folder with --data") from error
        return start_ns

    def _read(self) -> _Kept | None:
        try:
            kept = _Kept.model_validate_json(self._file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return kept if kept.recording == self._digest else None
