"""A recording's video as evidence: its packets, given as the pictures are shown, and decoded no second time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from recordings.errors import RecordingError, wrong
from tillfree.live.connection import Arrived, Connection, OpenRequest
from tillfree.live.errors import FeedBroken
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.packets import PacketMaker, PacketSink
from tillfree.sources.video import CameraSource


class RecordedPackets:
    """Gives one camera's packets to ``sink``. Nothing is given of folders of pictures, and of videos whose own times do not count."""

    def __init__(self, source: CameraSource, sink: PacketSink, clock: Callable[[], int], speed: float) -> None:
        self._source, self._sink, self._clock, self._speed = source, sink, clock, speed
        self._has_packets = source.times == "container" and not source.path.is_dir()
        self._maker = PacketMaker(source.camera_id)
        self._stack = ExitStack()
        self._coming: Iterator[Arrived] = iter(())
        self._next: Arrived | None = None
        self._first_ns: int | None = None

    def begin(self) -> None:
        """Begin with the file's first packet. Raises RecordingError where it cannot be opened."""
        self.end()
        if not self._has_packets:
            return
        request = OpenRequest(str(self._source.path), None, {"protocol_whitelist": "file"})
        try:
            connection = self._stack.enter_context(Connection(request, FeedSettings(), self._clock))
            self._maker.connected(connection)
            self._coming = connection.packets()
            self._next = self._following()
        except FeedBroken as error:
            raise self._wrong(error) from error
        self._first_ns = None if self._next is None else self._next.stream_ns

    def end(self) -> None:
        """Let go of the file."""
        self._stack.close()
        self._coming, self._next = iter(()), None

    def give_until(self, offset_ns: int, shown_ns: int) -> None:
        """Give the packets up to the picture that lies ``offset_ns`` after the file's first and is shown at ``shown_ns``.

        Raises RecordingError where the file cannot be read on.
        """
        while self._next is not None and self._first_ns is not None:
            due_ns = (self._next.due_ns or 0) - self._first_ns
            if due_ns > offset_ns:
                return
            stream_ns = self._next.stream_ns
            ahead_ns = 0 if stream_ns is None else stream_ns - self._first_ns - offset_ns
            self._sink(self._source.camera_id, self._maker.packet(self._next, shown_ns + round(ahead_ns / self._speed)))
            try:
                self._next = self._following()
            except FeedBroken as error:
                raise self._wrong(error) from error

    def _following(self) -> Arrived | None:
        arrived = next(self._coming, None)
        return None if arrived is None or arrived.is_last else arrived

    def _wrong(self, error: FeedBroken) -> RecordingError:
        return wrong(self._source.path, None, str(error), "see `tillfree recording check`")
