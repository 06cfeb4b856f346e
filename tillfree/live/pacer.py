"""Fewer pictures of all cameras, evenly: what is left out lies where it hurts least, and is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from vision.types import Frame

_S = 1_000_000_000
_REMEMBERED = 1024
"""Times of pictures that are remembered of a camera: 17 s of one that sends 60 a second."""


class EvenGrid:
    """Lets through the first picture of each stretch of time; the stretches are the same for all cameras.

    So cameras that lie up to a picture apart are still looked at in the same instants, and no two pictures that are let
    through lie farther apart than a stretch and the time from one picture to the next.
    """

    def __init__(self) -> None:
        self._last_ns = -1

    def passes(self, captured_ns: int, period_ns: int) -> bool:
        """Tell whether a picture is the first of its stretch of ``period_ns``; 0 lets all through."""
        if period_ns and self._last_ns >= 0 and captured_ns // period_ns <= self._last_ns // period_ns:
            return False
        self._last_ns = captured_ns
        return True


@dataclass(slots=True)
class _Line:
    """What came of a camera. Written by its thread alone."""

    grid: EvenGrid = field(default_factory=EvenGrid)
    sent: int = 0
    thinned: int = 0
    sent_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    let_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


@dataclass(frozen=True, slots=True)
class PacerCounts:
    """How many pictures of a camera came so far, and how many of them were left out."""

    sent: int
    thinned: int


class Pacer:
    """Stands before the queues. Camera threads ``put``, each its own camera's; one thread sets the rate."""

    def __init__(self, cameras: Iterable[str], put: Callable[[Frame], None]) -> None:
        """``put`` takes the pictures that are let through."""
        self._lines = {camera: _Line() for camera in cameras}
        self._put = put
        self._period_ns = 0

    def put(self, frame: Frame) -> None:
        """Count a picture, and hand it on if the rate allows."""
        line = self._lines[frame.camera_id]
        line.sent += 1
        line.sent_ns.append(frame.captured_at_ns)
        if line.grid.passes(frame.captured_at_ns, self._period_ns):
            line.let_ns.append(frame.captured_at_ns)
            self._put(frame)
        else:
            line.thinned += 1

    def set_rate(self, rate_fps: float | None) -> None:
        """Let at most so many pictures a second of each camera through; None lets all."""
        self._period_ns = 0 if rate_fps is None else round(_S / rate_fps)

    def counts(self) -> Mapping[str, PacerCounts]:
        """Return the counts of each camera."""
        return {camera: PacerCounts(line.sent, line.thinned) for camera, line in self._lines.items()}

    def sent_ns(self, camera_id: str) -> tuple[int, ...]:
        """Return the times of the latest pictures that came of a camera, oldest first."""
        return tuple(self._lines[camera_id].sent_ns.copy())

    def let_ns(self, camera_id: str) -> tuple[int, ...]:
        """Return the times of those that were let through."""
        return tuple(self._lines[camera_id].let_ns.copy())
