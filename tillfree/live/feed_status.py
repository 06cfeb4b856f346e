"""How a camera's feed stands: counted in the reader's thread, asked for by any."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal

from tillfree.live.stream_clock import ClockReading, Origin

State = Literal["connecting", "live", "stalled", "waiting", "ended"]

_S = 1_000_000_000
_RATE_PICTURES = 50
"""Pictures that the rate is measured over: 5 s at 10 a second."""

_RATE_GAP_NS = 10 * _S


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How a feed stands.

    ``problem`` is why it is not live, or None. ``frames`` were put; ``surplus`` came and were more than the layout's
    rate; ``dropped_corrupt`` were damaged; ``reconnects`` is how often the stream could not be had, or broke. ``fps`` is what comes, surplus and all. Times are Unix ns on the reader's
    clock, of the last picture. For ``offset_ns`` to ``sender_ahead_ns`` see ``stream_clock.ClockReading``. ``evidence``
    is the second connection, where there is one.
    """

    camera_id: str
    state: State
    problem: str | None = None
    frames: int = 0
    surplus: int = 0
    dropped_corrupt: int = 0
    reconnects: int = 0
    bytes: int = 0
    captured_at_ns: int | None = None
    arrived_at_ns: int | None = None
    fps: float | None = None
    times_from: Origin | None = None
    offset_ns: int | None = None
    drift_ppm: float | None = None
    realigned: int = 0
    sender_ahead_ns: int | None = None
    evidence: FeedStatus | None = None


class FeedRecord:
    """What becomes a ``FeedStatus``. One thread writes, any thread asks."""

    def __init__(self, camera_id: str, stalled_ns: int) -> None:
        self._status = FeedStatus(camera_id, "waiting")
        self._stalled_ns = stalled_ns
        self._heard_ns: int | None = None
        self._pictures_ns: deque[int] = deque(maxlen=_RATE_PICTURES)
        self._lock = Lock()

    def connecting(self) -> None:
        """Note that the camera is asked."""
        with self._lock:
            self._status = replace(self._status, state="connecting")

    def broken(self, problem: str) -> None:
        """Note that the stream cannot be had, or no longer, and that it will be asked for again."""
        with self._lock:
            self._pictures_ns.clear()
            status = self._status
            self._status = replace(status, state="waiting", problem=problem, reconnects=status.reconnects + 1)

    def ended(self, problem: str | None = None) -> None:
        """Note that no more will come."""
        with self._lock:
            self._status = replace(self._status, state="ended", problem=problem)

    def packet(self, size_bytes: int, arrival_ns: int) -> None:
        """Note that something came."""
        with self._lock:
            self._heard_ns = arrival_ns
            self._status = replace(self._status, bytes=self._status.bytes + size_bytes)

    def damaged(self) -> None:
        """Note that it was damaged."""
        with self._lock:
            self._status = replace(self._status, dropped_corrupt=self._status.dropped_corrupt + 1)

    def live(self, captured_ns: int, arrival_ns: int, reading: ClockReading, stream_ns: int | None = None) -> None:
        """Note a picture, or a packet of a stream that is not decoded; ``stream_ns`` is its place in the stream."""
        with self._lock:
            self._count(captured_ns if stream_ns is None or reading.origin == "arrival" else stream_ns)
            self._status = replace(
                self._status,
                state="live",
                problem=None,
                captured_at_ns=captured_ns,
                arrived_at_ns=arrival_ns,
                times_from=reading.origin,
                offset_ns=reading.offset_ns,
                drift_ppm=reading.drift_ppm,
                realigned=reading.realigned,
                sender_ahead_ns=reading.sender_ahead_ns,
            )

    def passed(self, *, was_put: bool) -> None:
        """Note that the picture was put, or was more than wanted."""
        with self._lock:
            status = self._status
            self._status = replace(status, frames=status.frames + was_put, surplus=status.surplus + (not was_put))

    def status(self, now_ns: int) -> FeedStatus:
        """Return how the feed stands at ``now_ns``: a live one from which nothing comes is stalled."""
        with self._lock:
            status, rate = self._status, self._rate()
            silent = self._heard_ns is not None and now_ns - self._heard_ns > self._stalled_ns
            if status.state == "live" and silent:
                return replace(status, state="stalled", problem="sends nothing at the moment", fps=rate)
            return replace(status, fps=rate)

    def _count(self, at_ns: int) -> None:
        """Count a picture for the rate; times that jump begin it anew."""
        if self._pictures_ns and not 0 < at_ns - self._pictures_ns[-1] < _RATE_GAP_NS:
            self._pictures_ns.clear()
        self._pictures_ns.append(at_ns)

    def _rate(self) -> float | None:
        if len(self._pictures_ns) < 2:
            return None
        return (len(self._pictures_ns) - 1) * _S / (self._pictures_ns[-1] - self._pictures_ns[0])
