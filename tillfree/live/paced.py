"""A recording as if it were live: each camera's frames at the recording's own speed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from threading import Event
from typing import Literal

from recordings.errors import RecordingError
from recordings.files import LoadedRecording
from tillfree.live.feed_status import FeedRecord, FeedStatus
from tillfree.live.pacing import wait_until
from tillfree.live.packets import PacketSink
from tillfree.live.reader_thread import ReaderThread
from tillfree.live.recorded_packets import RecordedPackets
from tillfree.live.stream_clock import ClockReading
from tillfree.sources.video import CameraSource, camera_sources, frames, probe
from vision.types import Frame

Stamp = Literal["live", "recorded"]
"""Which times frames get: those of the clock that they are released by, or the recording's own."""

_S = 1_000_000_000
_STALLED_NS = 10 * _S
"""Recordings have slow cameras of a picture in some seconds; only the end of a file is an end."""


class PacedFile:
    """One recorded camera. Frame k is put when ``clock`` says ``start_ns`` plus its offset in the recording by ``speed``.

    With ``loop_ns`` the recording begins again after that long, times and indices going on. A machine that is too slow to
    decode at this speed puts frames late; none is left out.
    """

    def __init__(
        self,
        source: CameraSource,
        put: Callable[[Frame], None],
        clock: Callable[[], int],
        start_ns: int,
        speed: float,
        loop_ns: int | None,
        stamp: Stamp,
        packets: PacketSink | None = None,
    ) -> None:
        self._source, self._put, self._clock = source, put, clock
        self._start_ns, self._speed, self._loop_ns, self._stamp = start_ns, speed, loop_ns, stamp
        self._packets = None if packets is None else RecordedPackets(source, packets, clock, speed)
        self._record = FeedRecord(source.camera_id, _STALLED_NS)
        self._thread = ReaderThread(f"paced-{source.camera_id}", self._run, self._record.ended)
        self._index = 0

    @property
    def camera_id(self) -> str:
        """The camera's id in the layout."""
        return self._source.camera_id

    def start(self) -> None:
        """Begin; a reader begins once."""
        self._thread.start()

    def tell_to_stop(self) -> None:
        """Ask it to end, and return at once."""
        self._thread.tell_to_stop()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._thread.stop()

    def status(self) -> FeedStatus:
        """Return how it stands. Any thread may ask."""
        return self._record.status(self._clock())

    def _run(self, stopped: Event) -> None:
        self._record.connecting()
        shift_ns = 0
        try:
            while self._play(shift_ns, stopped) and self._loop_ns is not None:
                shift_ns += self._loop_ns
        except RecordingError as error:
            self._record.ended(str(error))
            return
        finally:
            if self._packets is not None:
                self._packets.end()
        self._record.ended()

    def _play(self, shift_ns: int, stopped: Event) -> bool:
        """Put all frames once; return False where it was told to stop meanwhile."""
        if self._packets is not None:
            self._packets.begin()
        for frame in frames(self._source):
            recorded_ns = frame.captured_at_ns - self._source.started_at_ns
            live_ns = self._start_ns + round((recorded_ns + shift_ns) / self._speed)
            if not wait_until(live_ns, self._clock, stopped):
                return False
            if self._packets is not None:
                self._packets.give_until(recorded_ns - self._source.offset_ns, live_ns)
            captured_ns = live_ns if self._stamp == "live" else frame.captured_at_ns + shift_ns
            self._give(replace(frame, index=self._index, captured_at_ns=captured_ns))
        return not stopped.is_set()

    def _give(self, frame: Frame) -> None:
        self._put(frame)
        self._index += 1
        arrival_ns = self._clock()
        self._record.packet(0, arrival_ns)
        self._record.live(frame.captured_at_ns, arrival_ns, ClockReading("stream", None, None, 0, None))
        self._record.passed(was_put=True)


def recorded_readers(
    loaded: LoadedRecording,
    put: Callable[[Frame], None],
    clock: Callable[[], int],
    start_ns: int,
    speed: float = 1.0,
    loop: bool = False,
    stamp: Stamp = "live",
    packets: PacketSink | None = None,
    cameras: Collection[str] | None = None,
) -> tuple[PacedFile, ...]:
    """Return a reader for each camera of a recording, or for ``cameras``, not yet started; second 0 is at ``start_ns`` of ``clock``.

    ``packets`` is given the video as it is stored, for evidence. Every file is probed first. With ``loop``, all cameras begin again when the longest is at its end. Raises
    RecordingError where a file cannot be decoded, and ValueError for a speed that is not above 0.
    """
    if speed <= 0:
        raise ValueError(f"speed must be above 0, not {speed:g}")
    sources = camera_sources(loaded)
    ends_ns = [source.offset_ns + round(probe(source).duration_s * _S) for source in sources]
    loop_ns = max(ends_ns) if loop else None
    mine = [source for source in sources if cameras is None or source.camera_id in cameras]
    return tuple(PacedFile(source, put, clock, start_ns, speed, loop_ns, stamp, packets) for source in mine)
