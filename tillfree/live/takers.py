"""What becomes of a stream's packets: pictures for the pipeline, or packets kept as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from store_layout.model import Camera
from tillfree.live.connection import Arrived, Connection, Picture
from tillfree.live.errors import FeedBroken, PictureDamaged
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.feed_status import FeedRecord
from tillfree.live.pacing import RateLimit
from tillfree.live.packets import PacketMaker, PacketSink
from tillfree.live.stream_clock import PictureClock
from vision.types import Frame

_S = 1_000_000_000


class Taker(Protocol):
    """Takes the packets of one connection after another."""

    def connected(self, connection: Connection, /, *, goes_on: bool) -> None:
        """Hear of a connection; ``goes_on`` where the times of its stream follow those of the one before."""
        ...

    def take(self, connection: Connection, arrived: Arrived, /) -> None:
        """Take a packet. Raises FeedBroken where the stream is of no use as it is."""
        ...


class PacketTaker:
    """Hands packets on undecoded. A key frame is awaited first: what comes before it shows nothing."""

    def __init__(self, camera_id: str, sink: PacketSink, clock: PictureClock, record: FeedRecord) -> None:
        self._camera_id, self._sink, self._clock, self._record = camera_id, sink, clock, record
        self._maker = PacketMaker(camera_id)
        self._awaits_key = True

    def connected(self, connection: Connection, *, goes_on: bool) -> None:
        """Begin another session of packets."""
        if not goes_on:
            self._clock.connected(is_timed=connection.is_timed)
        self._maker.connected(connection)
        self._awaits_key = True

    def take(self, _connection: Connection, arrived: Arrived) -> None:
        """Give a packet to the sink."""
        if arrived.is_last:
            return
        self._clock.observe(arrived.stream_ns, arrived.arrival_ns, arrived.sender_ns)
        self.give(arrived)
        captured_ns = self._clock.packet_ns(arrived.stream_ns, arrived.arrival_ns)
        self._record.live(captured_ns, arrived.arrival_ns, self._clock.reading, arrived.due_ns)
        self._record.passed(was_put=True)

    def give(self, arrived: Arrived) -> None:
        """Give a packet to the sink whose times the clock has heard already."""
        self._awaits_key = self._awaits_key and not arrived.packet.is_keyframe
        if not self._awaits_key:
            captured_ns = self._clock.packet_ns(arrived.stream_ns, arrived.arrival_ns)
            self._sink(self._camera_id, self._maker.packet(arrived, captured_ns))


class PictureTaker:
    """Decodes, and puts the frames that the layout's rate asks for. ``also`` is given the packets besides."""

    def __init__(
        self,
        camera: Camera,
        put: Callable[[Frame], None],
        clock: PictureClock,
        record: FeedRecord,
        settings: FeedSettings,
        also: PacketTaker | None,
    ) -> None:
        self._camera, self._put, self._clock, self._record = camera, put, clock, record
        self._settings, self._also = settings, also
        self._limit = RateLimit(camera.fps)
        self._index = 0
        self._damaged = 0
        self._seen_ns: int | None = None

    def connected(self, connection: Connection, *, goes_on: bool) -> None:
        """Begin with a decoder that knows nothing."""
        if not goes_on:
            self._clock.connected(is_timed=connection.is_timed)
        if self._also is not None:
            self._also.connected(connection, goes_on=True)  # its clock is this one
        self._damaged, self._seen_ns = 0, None

    def take(self, connection: Connection, arrived: Arrived) -> None:
        """Put what a packet shows."""
        if not arrived.is_last:
            self._clock.observe(arrived.stream_ns, arrived.arrival_ns, arrived.sender_ns)
            if self._also is not None:
                self._also.give(arrived)
        for picture in self._decode(connection, arrived):
            if picture.is_damaged:
                self._count_damaged()
            else:
                self._show(picture, arrived.arrival_ns)
        self._check_pictures(arrived.arrival_ns)

    def _decode(self, connection: Connection, arrived: Arrived) -> list[Picture]:
        try:
            return connection.decode(arrived)
        except PictureDamaged:
            self._count_damaged()
            return []

    def _count_damaged(self) -> None:
        self._record.damaged()
        self._damaged += 1
        if self._damaged > self._settings.corrupt_max:
            raise FeedBroken(f"sent {self._damaged} damaged pictures in a row")

    def _show(self, picture: Picture, arrival_ns: int) -> None:
        self._damaged, self._seen_ns = 0, arrival_ns
        captured_ns = self._clock.capture_ns(picture.stream_ns, arrival_ns)
        is_wanted = self._limit.passes(captured_ns)
        if is_wanted:
            shown = picture.of(self._camera.resolution_px)
            self._put(Frame(self._camera.id, self._index, captured_ns, shown))
            self._index += 1
        self._record.live(captured_ns, arrival_ns, self._clock.reading, picture.stream_ns)
        self._record.passed(was_put=is_wanted)

    def _check_pictures(self, arrival_ns: int) -> None:
        """Give a stream up whose packets show nothing."""
        if self._seen_ns is None:
            self._seen_ns = arrival_ns
        if arrival_ns - self._seen_ns > self._settings.picture_timeout_s * _S:
            raise FeedBroken(f"sends packets, but has shown no picture for {self._settings.picture_timeout_s:g} s")
