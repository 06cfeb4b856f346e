"""Short files of a camera's packets, as they were sent: a line that tells the stream, then packet after packet.

No container is used: FFmpeg's muxers want a stream that they opened themselves, round times, and refuse some of what
cameras send (parameter sets in the stream, Motion JPEG). Here each packet keeps the time at which it was captured, to the
nanosecond, and a file that a crash cut short is read up to there.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from tillfree.live.connection import StreamInfo
from tillfree.live.packets import EncodedPacket

ENDING = ".packets"
_HEAD = struct.Struct("<q?I")
"""Before each packet: when it was captured (Unix ns), whether it is a key frame, and its length in bytes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of packets of one session, from a key frame on. ``to_ns`` is when its last picture was captured."""

    camera_id: str
    session: int
    path: Path
    from_ns: int
    to_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class StoredPacket:
    """A packet out of a file."""

    stream: StreamInfo
    captured_at_ns: int
    is_keyframe: bool
    data: bytes


class SegmentWriter:
    """Writes one file. Raises OSError where the disk does not take it; then ``drop`` it."""

    def __init__(self, path: Path, first: EncodedPacket) -> None:
        self._path, self._camera_id, self.session = path, first.camera_id, first.session
        self.from_ns = self.to_ns = first.captured_at_ns
        self._file: BinaryIO = path.open("xb")
        self._write(_line(first.stream))
        self.add(first)

    def add(self, packet: EncodedPacket) -> None:
        """Append a packet."""
        self._write(_HEAD.pack(packet.captured_at_ns, packet.is_keyframe, len(packet.data)))
        self._write(packet.data)
        self.from_ns = min(self.from_ns, packet.captured_at_ns)
        self.to_ns = max(self.to_ns, packet.captured_at_ns)

    def close(self) -> Segment:
        """Finish the file."""
        self._file.close()
        size_bytes = self._path.stat().st_size
        return Segment(self._camera_id, self.session, self._path, self.from_ns, self.to_ns, size_bytes)

    def drop(self) -> None:
        """Let go of the file: the disk did not take it."""
        try:
            self._file.close()
        except OSError:  # what was not written yet cannot be written now either
            pass
        finally:
            self._path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        self._file.write(data)


def read_segment(path: Path) -> Iterator[StoredPacket]:
    """Yield the packets of a file, up to where it was cut short. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        stream = _stream(file.readline())
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            captured_at_ns, is_keyframe, length = _HEAD.unpack(head)
            data = file.read(length)
            if len(data) < length:
                return
            yield StoredPacket(stream, captured_at_ns, is_keyframe, data)


def _line(stream: StreamInfo) -> bytes:
    told = {
        "codec": stream.codec,
        "extradata": stream.extradata.hex(),
        "size_px": [stream.width_px, stream.height_px],
        "time_base": str(stream.time_base),
    }
    return json.dumps(told).encode() + b"\n"


def _stream(line: bytes) -> StreamInfo:
    told = json.loads(line)
    width_px, height_px = told["size_px"]
    return StreamInfo(told["codec"], bytes.fromhex(told["extradata"]), width_px, height_px, Fraction(told["time_base"]))
