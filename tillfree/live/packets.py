"""Encoded packets as evidence keeps them: enough to put them into a file without decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tillfree.live.connection import Arrived, Connection, StreamInfo


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPacket:
    """A piece of a camera's stream as it was sent.

    ``pts``, ``dts`` and ``duration`` are in ``stream.time_base`` and count within a ``session``: one connection, from 1.
    Packets come in coding order, so ``captured_at_ns`` (Unix ns) may go back a little where a camera has B-frames.
    """

    camera_id: str
    session: int
    stream: StreamInfo
    pts: int
    dts: int
    duration: int
    is_keyframe: bool
    data: bytes
    captured_at_ns: int


PacketSink = Callable[[str, EncodedPacket], None]
"""Takes a camera's id and packet, and returns at once."""


class PacketMaker:
    """Makes a camera's packets, and fills in times that FFmpeg leaves out, as it does of a stream's first packet."""

    def __init__(self, camera_id: str) -> None:
        self._camera_id = camera_id
        self._session = 0
        self._info: StreamInfo | None = None
        self._last = -1

    def connected(self, connection: Connection) -> None:
        """Begin another session."""
        self._session += 1
        self._info, self._last = connection.info, -1

    def packet(self, arrived: Arrived, captured_at_ns: int) -> EncodedPacket:
        """Return ``arrived`` as evidence keeps it."""
        assert self._info is not None
        packet = arrived.packet
        dts = next(time for time in (packet.dts, packet.pts, self._last + 1) if time is not None)
        pts = dts if packet.pts is None else packet.pts
        self._last = dts
        return EncodedPacket(
            self._camera_id,
            self._session,
            self._info,
            pts,
            dts,
            packet.duration or 0,
            packet.is_keyframe,
            bytes(packet),
            captured_at_ns,
        )
