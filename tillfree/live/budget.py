"""How many pictures this machine can look at: measured while the store runs, and of the detector alone before that."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from store_layout.model import Camera
from tillfree.live.engine import FrameSource
from tillfree.live.overload_settings import OverloadSettings
from vision.detectors.base import Detector
from vision.types import U8, Frame

_S = 1_000_000_000
_WARM_UP = 4
_MORE = 1.2
_PATIENCE_MAX = 16
_PLENTY_PER_S = 10_000.0
"""A machine that was not short of time until it was thought to do so much has no limit that is known."""
_MEASURED = 16
"""Pictures of the measurement before the start: two rounds of what the engine begins with ahead; a third of a second."""


class Meter:
    """Stands between queues and engine, and measures how long the engine waits for something to do."""

    def __init__(self, frames: FrameSource, clock: Callable[[], int]) -> None:
        self._frames, self._clock = frames, clock
        self.idle_ns = 0

    def take(self, timeout_s: float) -> Frame | None:
        """See ``FrameSource.take``. The engine gives a time only where it has nothing else to do."""
        if timeout_s <= 0:
            return self._frames.take(timeout_s)
        began_ns = self._clock()
        frame = self._frames.take(timeout_s)
        self.idle_ns += self._clock() - began_ns
        return frame


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts since the start: the engine's idle time, pictures that came to the queues, were dropped there, were detected."""

    at_ns: int
    idle_ns: int
    put: int
    dropped: int
    detected: int


class Budget:
    """How many pictures a second the machine can look at, known from seconds in which it was short of time.

    Only then is a picture's cost to be seen: with time to spare pictures are detected one by one, and cost more than they
    would side by side. All of the engine's time is counted to what the detector looked at: pictures that are spared it,
    tracking, carts, log. While nothing is short the machine is thought to do a fifth more after a while, and then
    another fifth: its neighbours may have gone.
    """

    def __init__(self, settings: OverloadSettings) -> None:
        self._settings = settings
        self._rates: deque[float] = deque(maxlen=settings.medians)
        self._before: Counted | None = None
        self._was_short = False
        self._tried = False
        self._patience = 1
        self._since_ns = 0
        self.busy = 0.0
        self.capacity_per_s: float | None = None

    def measure(self, now: Counted) -> float | None:
        """Take the counts about once a second; return what the machine can do, None while it was never short of time."""
        before, self._before = self._before, now
        if before is None or now.at_ns <= before.at_ns:
            return self.capacity_per_s
        busy_ns = self._busy_ns(before, now)
        is_short = self._is_short(before, now)
        if is_short and now.detected > before.detected:
            self._rates.append((now.detected - before.detected) * _S / busy_ns)
        if is_short and self._was_short and self._rates:
            self._settle(now.at_ns)
        elif not is_short:
            self._try_more(now.at_ns)
        self._was_short = is_short
        return self.capacity_per_s

    def _busy_ns(self, before: Counted, now: Counted) -> int:
        passed_ns = now.at_ns - before.at_ns
        busy_ns = max(1, passed_ns - (now.idle_ns - before.idle_ns))
        self.busy = busy_ns / passed_ns
        return busy_ns

    def _is_short(self, before: Counted, now: Counted) -> bool:
        put, dropped = now.put - before.put, now.dropped - before.dropped
        return self.busy >= self._settings.short_busy and 0 < dropped >= self._settings.short_share * put

    def _settle(self, at_ns: int) -> None:
        if self._tried:
            self._patience = min(2 * self._patience, _PATIENCE_MAX)
        self.capacity_per_s = statistics.median(self._rates)
        self._since_ns, self._tried = at_ns, False

    def _try_more(self, at_ns: int) -> None:
        """Raise what the machine is thought to do. What was measured before that counts no more."""
        if self.capacity_per_s is None or at_ns - self._since_ns < self._patience * self._settings.calm_s * _S:
            return
        if self._tried:
            self._patience = 1
        more_per_s = self.capacity_per_s * _MORE
        self.capacity_per_s = more_per_s if more_per_s < _PLENTY_PER_S else None
        self._since_ns, self._tried = at_ns, True
        self._rates.clear()


def first_cost_ns(detector: Detector, cameras: Sequence[Camera], clock: Callable[[], int]) -> float:
    """Return what a picture costs the detector alone, on noise of the cameras' sizes, several in work at once."""
    lot = np.random.default_rng(0)
    images = {size: _noise(size, lot) for size in {camera.resolution_px for camera in cameras}}
    sizes = [cameras[k % len(cameras)] for k in range(_WARM_UP + _MEASURED)]
    frames = [Frame(each.id, k, k, images[each.resolution_px]) for k, each in enumerate(sizes)]
    _detect(detector, frames[:_WARM_UP])
    began_ns = clock()
    _detect(detector, frames[_WARM_UP:])
    return (clock() - began_ns) / _MEASURED


def _detect(detector: Detector, frames: Sequence[Frame]) -> None:
    """Detect in all ``frames`` at once, as a live store does in what waits: what that needs is made here, before it opens."""
    for work in detector.begin_all(frames):
        work.result()


def _noise(size_px: tuple[int, int], lot: np.random.Generator) -> U8:
    return lot.integers(0, 256, (size_px[1], size_px[0], 3), dtype=np.uint8)
