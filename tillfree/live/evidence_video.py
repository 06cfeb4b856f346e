"""Packets to pictures, and pictures to a clip that browsers play. FFmpeg works with one thread: clips are in no hurry."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from av.codec.context import CodecContext

from tillfree.live.connection import StreamInfo
from tillfree.live.errors import ClipFailed
from tillfree.live.segments import StoredPacket
from tillfree.sources.pictures import to_bgr
from vision.types import U8

_NS = Fraction(1, 1_000_000_000)
_TICKS = 90_000
"""Ticks a second of a clip's times, as in MPEG: 11 µs are less than any camera's jitter."""

_GROUP_PICTURES = 50
"""Pictures between two key frames of a clip: seeking lands within 2 s at 25 a second."""

_RAW = frozenset({"rawvideo"})


class PacketDecoder:
    """Decodes packets whose captured times it hands on to the pictures."""

    def __init__(self, stream: StreamInfo) -> None:
        """Raises ClipFailed where there is no decoder."""
        if stream.codec in _RAW:
            raise ClipFailed(f"its stream is not encoded ({stream.codec}); let it send H.264 or Motion JPEG")
        try:
            self._context: Any = CodecContext.create(stream.codec, "r")
        except (av.error.FFmpegError, ValueError) as error:
            raise ClipFailed(f"its stream cannot be decoded ({stream.codec})") from error
        self._context.thread_count = 1
        if stream.extradata:
            self._context.extradata = stream.extradata

    def decode(self, packet: StoredPacket | None) -> Iterator[tuple[int, U8]]:
        """Yield captured times and pictures (uint8 BGR) that a packet gives; None gives what was held back.

        A damaged packet gives nothing.
        """
        try:
            pictures = self._context.decode(None if packet is None else _packet(packet))
        except (av.error.FFmpegError, OSError, ValueError):
            return
        for picture in pictures:
            if picture.pts is not None and not picture.is_corrupt:
                yield picture.pts, to_bgr(picture)


def _packet(stored: StoredPacket) -> av.Packet[Any]:
    packet: av.Packet[Any] = av.Packet(stored.data)
    packet.pts = packet.dts = stored.captured_at_ns
    packet.time_base = _NS
    packet.is_keyframe = stored.is_keyframe
    return packet


def pictures_of(pieces: Iterable[tuple[int, Iterable[StoredPacket]]]) -> Iterator[tuple[int, U8]]:
    """Yield captured times and pictures of ``pieces``: sessions, each with packets from a key frame on.

    One decoder goes through the pieces of a session, for groups of pictures may lean on the one before.
    Raises ClipFailed.
    """
    decoder: PacketDecoder | None = None
    running: int | None = None
    for session, packets in pieces:
        for packet in packets:
            if decoder is None or session != running:
                if decoder is not None:
                    yield from decoder.decode(None)
                decoder, running = PacketDecoder(packet.stream), session
            yield from decoder.decode(packet)
    if decoder is not None:
        yield from decoder.decode(None)


class ClipFile:
    """Encodes pictures with their times as H.264 in MP4, and brings the file to the disk. Use it in ``with``.

    Raises ClipFailed where the disk or the encoder does not take them.
    """

    def __init__(self, path: Path, crf: int) -> None:
        self._path, self._crf = path, crf
        self._container: Any = None
        self._stream: Any = None
        self._first_ns = 0
        self._last_tick = -1

    def __enter__(self) -> Self:
        with _told():
            self._container = av.open(str(self._path), "w", format="mp4", options={"movflags": "+faststart"})
        return self

    def add(self, captured_at_ns: int, image: U8) -> None:
        """Append a picture, later than all before. An odd last row or column is left out: H.264 counts in twos."""
        even = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
        if self._stream is None:
            self._first_ns = captured_at_ns
            self._stream = self._begin(even.shape[1], even.shape[0])
        frame = av.VideoFrame.from_ndarray(even, format="bgr24")
        frame.pts = max(round((captured_at_ns - self._first_ns) * _TICKS / 1e9), self._last_tick + 1)
        frame.time_base = Fraction(1, _TICKS)
        self._last_tick = frame.pts
        with _told():
            self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _told():
            if kind is None and self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if kind is None and self._stream is not None:
                _sync(self._path)

    def _begin(self, width_px: int, height_px: int) -> Any:
        options = {"crf": str(self._crf), "preset": "veryfast", "g": str(_GROUP_PICTURES), "threads": "1"}
        stream: Any = self._container.add_stream("libx264", options=options)
        stream.width, stream.height = width_px, height_px
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        return stream


class _told:  # noqa: N801 - reads as a word in "with"
    """Says in words of this project that the disk or FFmpeg failed."""

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, (av.error.FFmpegError, OSError)):
            raise ClipFailed(f"the clip cannot be written ({error.strerror})") from error


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
