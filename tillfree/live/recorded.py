"""A recording as a store's cameras and readers: frames as if they were live, and its gate scans as a reader posts them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from pydantic import ValidationError

from recordings.files import LoadedRecording
from recordings.model import seconds_to_ns
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.decisions import GateDecision, Outcome, ScanIn
from tillfree.live.feed_status import FeedStatus
from tillfree.live.feeds import stop_all
from tillfree.live.paced import PacedFile, recorded_readers
from tillfree.live.pacing import wait_until
from tillfree.live.packets import PacketSink
from tillfree.live.standing import write_whole
from tillfree.sources.video import camera_sources, probe
from tillfree.system import scaled_clock, system_clock
from vision.types import Frame

_S = 1_000_000_000
_LEAD_NS = 1 * _S
"""Time between the start and the recording's second 0."""
_ASK_AGAIN_S = 0.2
_PATIENCE_NS = 5 * _S
"""A shopper at a gate that calls for staff shows the card again for so long."""

Decide = Callable[[ScanIn, int], GateDecision]


class RecordedFeeds:
    """``store.Feeds`` out of a recording. With ``loop`` it begins again when it ends, scans and all.

    What lies before its start is left out: the world went on while nobody looked.
    """

    def __init__(
        self,
        loaded: LoadedRecording,
        clock: Callable[[], int],
        start_ns: Callable[[], int],
        scans: RecordedScans | None,
        packets: PacketSink | None = None,
        *,
        loop: bool = False,
        cameras: Collection[str] | None = None,
    ) -> None:
        """``start_ns`` is asked at the start when the recording's second 0 is; of ``cameras`` alone, where they are given."""
        self._loaded, self._clock, self._begin_ns, self._scans = loaded, clock, start_ns, scans
        self._packets, self._loop, self._cameras = packets, loop, cameras
        self._resumed_ns = 0
        self._readers: tuple[PacedFile, ...] = ()

    def start(self, put: Callable[[Frame], None]) -> None:
        """Begin with what is now. Raises RecordingError where a file cannot be decoded."""
        self._resumed_ns = self._clock()
        start_ns = self._begin_ns()

        def put_new(frame: Frame) -> None:
            if frame.captured_at_ns >= self._resumed_ns:
                put(frame)

        self._readers = recorded_readers(
            self._loaded,
            put_new,
            self._clock,
            start_ns,
            loop=self._loop,
            packets=self._packets,
            cameras=self._cameras,
        )
        for reader in self._readers:
            reader.start()
        if self._scans is not None:
            self._scans.start(start_ns, self._resumed_ns)

    def stop(self) -> None:
        """End, and wait until it has ended."""
        stop_all(self._readers)
        if self._scans is not None:
            self._scans.stop()

    def statuses(self) -> tuple[FeedStatus, ...]:
        """Return how each camera's reader stands."""
        return tuple(reader.status() for reader in self._readers)

    def tend(self, now_ns: int) -> None:
        """Raise InputError where a file broke off: the rest of the recording means nothing without it."""
        del now_ns
        for status in self.statuses():
            if status.state == "ended" and status.problem is not None:
                mend = "see `tillfree recording check`"
                raise InputError(f"camera {status.camera_id}: {status.problem}", file=self._loaded.file, mend=mend)

    @property
    def is_over(self) -> bool:
        """Whether all files are at their end and all scans are posted."""
        is_read = bool(self._readers) and all(status.state == "ended" for status in self.statuses())
        return is_read and (self._scans is None or self._scans.is_over)


class RecordedScans:
    """Shows a recording's cards at the gates, each at its time, as readers would. With ``loop`` it begins again when it ends."""

    def __init__(
        self,
        loaded: LoadedRecording,
        clock: Callable[[], int],
        decide: Decide,
        tell: Callable[[str], None],
        *,
        loop: bool = False,
    ) -> None:
        self._loaded, self._clock, self._decide, self._tell, self._loop = loaded, clock, decide, tell, loop
        self._resumed_ns = 0
        self._stopped = Event()
        self._thread: Thread | None = None

    def start(self, start_ns: int, resumed_ns: int) -> None:
        """Begin with those from ``resumed_ns`` on; the recording's second 0 is at ``start_ns``."""
        self._resumed_ns = resumed_ns
        self._thread = Thread(target=self._post_scans, args=(start_ns,), name="recorded-scans", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until it has ended."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def is_over(self) -> bool:
        """Whether all are posted."""
        return self._thread is not None and not self._thread.is_alive()

    def _post_scans(self, start_ns: int) -> None:
        loop_ns = length_ns(self._loaded)
        while self._post_all(start_ns) and self._loop:
            start_ns += loop_ns

    def _post_all(self, start_ns: int) -> bool:
        """Post each scan once, at its time; False where told to stop meanwhile."""
        recording = self._loaded.recording
        for scan in self._loaded.scans:
            at_ns = start_ns + seconds_to_ns(recording, scan.at_s) - recording.started_at_ns
            if at_ns < self._resumed_ns:
                continue
            if not wait_until(at_ns, self._clock, self._stopped):
                return False
            self._post(ScanIn(scan.gate, None, scan.token, scan.party_size, at_ns), at_ns)
        return not self._stopped.is_set()

    def _post(self, scan: ScanIn, at_ns: int) -> None:
        """Show a card at a gate, and again where staff would be called: the engine may be only about to see the gate."""
        decision = self._decide(scan, self._clock())
        while decision.outcome is Outcome.CALL_STAFF and self._clock() < at_ns + _PATIENCE_NS:
            if self._stopped.wait(_ASK_AGAIN_S):
                return
            decision = self._decide(scan, self._clock())
        if decision.outcome is not Outcome.ADMIT:
            self._tell(f"{scan.gate_id}: a scan of the recording was not let in: {decision.reason}")


def length_ns(loaded: LoadedRecording) -> int:
    """Return how long a recording is, as its longest camera says."""
    return max(source.offset_ns + round(probe(source).duration_s * _S) for source in camera_sources(loaded))


class _Began(Strict):
    version: Literal[1] = 1
    recording: str
    speed: float
    system_ns: int
    clock_ns: int
    start_ns: int


class Playing:
    """When a recording began to be played, kept in a file, and the clock of a store that plays it.

    A store that was broken off finds the recording where it would be by now, as it finds its shoppers; one that is at its
    end begins anew, later than ``after_ns``, since the log's time never runs backwards.
    """

    def __init__(
        self, file: Path, loaded: LoadedRecording, speed: float, after_ns: int, *, loop: bool, lead_ns: int = _LEAD_NS
    ) -> None:
        """``lead_ns`` is the time between the start and the recording's second 0."""
        self._lead_ns = lead_ns
        self._file, self._name, self._speed = file, str(loaded.file.resolve()), speed
        now_ns = system_clock()
        told = self._read()
        if told is not None and not loop:
            at_ns = told.clock_ns + round((now_ns - told.system_ns) * speed)
            told = told if at_ns < told.start_ns + length_ns(loaded) else None
        self._told = told
        self._since = (now_ns, max(now_ns, after_ns)) if told is None else (told.system_ns, told.clock_ns)
        self.clock = scaled_clock(speed, *self._since)

    @property
    def is_new(self) -> bool:
        """Whether it begins anew, and goes on with nothing."""
        return self._told is None

    @property
    def since(self) -> tuple[int, int]:
        """Two times of one moment: the system's, and this clock's."""
        return self._since

    @property
    def speed(self) -> float:
        """How fast it is played."""
        return self._speed

    def start_ns(self) -> int:
        """Return when the recording's second 0 is, in a moment where it begins anew. Raises InputError where that cannot be kept."""
        if self._told is not None:
            return self._told.start_ns
        start_ns = self.clock() + self._lead_ns
        told = _Began(
            recording=self._name,
            speed=self._speed,
            system_ns=self._since[0],
            clock_ns=self._since[1],
            start_ns=start_ns,
        )
        try:
            write_whole(self._file, told.model_dump_json(indent=1))
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise InputError(problem, file=self._file, mend="name another folder with --data") from error
        return start_ns

    def _read(self) -> _Began | None:
        """Return what is kept of the same recording at the same speed."""
        try:
            told = _Began.model_validate_json(self._file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return told if (told.recording, told.speed) == (self._name, self._speed) else None
