"""Live cameras: one thread each that connects, decodes, puts frames, and connects again when the stream breaks.

Nothing is kept here but the picture at hand: what waits, waits in the engine's queues, which drop the oldest. Evidence
from another stream than the one that is decoded has a thread of its own, which decodes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from store_layout.model import Camera
from tillfree.live.address import Address, Login
from tillfree.live.backoff import Backoff
from tillfree.live.connection import Connection, Transport, open_request
from tillfree.live.feed_loop import FeedLoop, FileLoop
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.feed_status import FeedRecord, FeedStatus
from tillfree.live.packets import PacketSink
from tillfree.live.reader_thread import ReaderThread
from tillfree.live.stream_clock import FileClock, PictureClock, StreamClock, Times
from tillfree.live.takers import PacketTaker, PictureTaker, Taker
from vision.types import Frame

_S = 1_000_000_000
_PICTURES_AWAITED = 3


@dataclass(frozen=True, slots=True)
class CameraFeed:
    """Where a camera's pictures come from. ``evidence`` is the stream that clips are kept of, if not ``source`` itself."""

    camera_id: str
    source: Address
    evidence: Address | None = None
    transport: Transport = "tcp"
    times: Times = "auto"
    login: Login | None = None
    loop: bool = False


class Reader(Protocol):
    """Something that puts a camera's frames from a thread of its own."""

    @property
    def camera_id(self) -> str:
        """The camera's id in the layout."""
        ...

    def start(self) -> None:
        """Begin to read."""
        ...

    def tell_to_stop(self) -> None:
        """Ask it to end, and return at once."""
        ...

    def stop(self) -> None:
        """Ask it to end, and wait until it has. Nothing is put any more after that."""
        ...

    def status(self) -> FeedStatus:
        """Return how it stands. Any thread may ask."""
        ...


def stop_all(readers: Iterable[Reader]) -> None:
    """Stop all readers, waiting for all of them at once: as long as the slowest takes."""
    told = list(readers)
    for reader in told:
        reader.tell_to_stop()
    for reader in told:
        reader.stop()


def patient(settings: FeedSettings, fps: float) -> FeedSettings:
    """Return ``settings`` that wait for three pictures at least: a slow camera is not a silent one."""
    least_s = _PICTURES_AWAITED / fps
    longer = {
        name: max(getattr(settings, name), least_s) for name in ("read_timeout_s", "stalled_s", "picture_timeout_s")
    }
    return settings.model_copy(update=longer)


class CameraReader:
    """Reads one camera. ``put`` and ``packets`` are called in its threads and must return at once.

    ``clock`` gives Unix nanoseconds and is the one that all parts of the store share. ``lot`` draws what keeps cameras
    from asking all at once. ``stop`` waits for FFmpeg, which lets go of a silent camera only after the settings'
    ``open_timeout_s`` (twice: for the answer and for the format) or ``read_timeout_s``.
    """

    def __init__(
        self,
        camera: Camera,
        feed: CameraFeed,
        put: Callable[[Frame], None],
        clock: Callable[[], int],
        settings: FeedSettings,
        packets: PacketSink | None = None,
        lot: Random | None = None,
    ) -> None:
        self._camera, self._feed, self._clock = camera, feed, clock
        self._settings = patient(settings, camera.fps)
        self._lot = lot or Random(camera.id)  # noqa: S311 - spreads tries in time, guards nothing
        self._record = self._new_record()
        own = packets if feed.evidence is None else None
        taker: Taker = self._pictures(put, own)
        self._threads = [self._thread("feed", feed.source, self._record, taker)]
        self._evidence_record: FeedRecord | None = None
        if packets is not None and feed.evidence is not None:
            self._evidence_record = record = self._new_record()
            taker = PacketTaker(camera.id, packets, self._new_clock(feed.evidence), record)
            self._threads.append(self._thread("evidence", feed.evidence, record, taker))

    @property
    def camera_id(self) -> str:
        """The camera's id in the layout."""
        return self._camera.id

    def start(self) -> None:
        """Begin to read; a reader begins once."""
        for thread in self._threads:
            thread.start()

    def tell_to_stop(self) -> None:
        """Ask it to end, and return at once."""
        for thread in self._threads:
            thread.tell_to_stop()

    def stop(self) -> None:
        """Ask it to end, and wait until it has. Nothing is put any more after that."""
        self.tell_to_stop()
        for thread in self._threads:
            thread.stop()

    def status(self) -> FeedStatus:
        """Return how it stands. Any thread may ask."""
        now_ns = self._clock()
        evidence = None if self._evidence_record is None else self._evidence_record.status(now_ns)
        return replace(self._record.status(now_ns), evidence=evidence)

    def _new_record(self) -> FeedRecord:
        return FeedRecord(self._camera.id, round(self._settings.stalled_s * _S))

    def _new_clock(self, address: Address) -> PictureClock:
        return FileClock() if address.kind == "file" else StreamClock(self._settings.clock, self._feed.times)

    def _pictures(self, put: Callable[[Frame], None], packets: PacketSink | None) -> PictureTaker:
        clock = self._new_clock(self._feed.source)
        also = None if packets is None else PacketTaker(self._camera.id, packets, clock, self._record)
        return PictureTaker(self._camera, put, clock, self._record, self._settings, also)

    def _thread(self, kind: str, address: Address, record: FeedRecord, taker: Taker) -> ReaderThread:
        def open_feed(shift_ns: int) -> Connection:
            return self._open(address, shift_ns)

        loop: FeedLoop | FileLoop
        if address.kind == "file":
            loop = FileLoop(open_feed, taker, record, self._clock, loop=self._feed.loop)
        else:
            loop = FeedLoop(open_feed, taker, record, self._settings, Backoff(self._settings, self._lot), self._clock)
        return ReaderThread(f"{kind}-{self._camera.id}", loop.run, record.ended)

    def _open(self, address: Address, shift_ns: int) -> Connection:
        feed, camera = self._feed, self._camera
        request = open_request(
            address, feed.login, feed.transport, camera.resolution_px, camera.fps, self._settings, sys.platform
        )
        return Connection(request, self._settings, self._clock, shift_ns)
