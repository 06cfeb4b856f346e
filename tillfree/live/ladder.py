"""What is done when the cameras send more than the machine can look at: a ladder of four steps. Pure; time is passed in.

0. Everything is looked at that moves or shows somebody.
1. Still cameras are looked at less often.
2. All cameras are looked at less often, evenly, as often as there is time for; never less than a floor.
3. The floor is more than there is time for: the queues drop the oldest, and receipts may suffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from tillfree.live.overload_settings import OverloadSettings

_S = 1_000_000_000
_GRAIN_FPS = 0.25
"""Rates are multiples of this above the floor, so that loads that tremble leave the rate alone."""


class Level(IntEnum):
    """The steps of the ladder, better ones first."""

    ALL = 0
    LONGER_HEARTBEAT = 1
    LOWER_RATE = 2
    DROPPING = 3


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """What a camera sends a second, and the share of it that goes to the detector where it is looked at."""

    sent_fps: float
    share: float
    is_awake: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Where the ladder stands. ``rate_fps`` is what a camera is looked at at most, None where that is not limited."""

    level: Level = Level.ALL
    rate_fps: float | None = None


def needed_per_s(loads: Mapping[str, CameraLoad], heartbeat_s: float, rate_fps: float | None) -> float:
    """Return how many pictures a second the detector would have to look at."""
    total = 0.0
    for load in loads.values():
        let_fps = load.sent_fps if rate_fps is None else min(load.sent_fps, rate_fps)
        total += let_fps * load.share if load.is_awake else min(let_fps, 1 / heartbeat_s)
    return total


def best_step(
    loads: Mapping[str, CameraLoad], capacity_per_s: float, heartbeat_s: float, settings: OverloadSettings
) -> Step:
    """Return the best step for which ``capacity_per_s`` pictures a second are enough, else the last one."""
    longer_s = heartbeat_s * settings.heartbeat_factor
    if needed_per_s(loads, heartbeat_s, None) <= capacity_per_s:
        return Step()
    if needed_per_s(loads, longer_s, None) <= capacity_per_s:
        return Step(Level.LONGER_HEARTBEAT)
    if needed_per_s(loads, longer_s, settings.rate_min_fps) > capacity_per_s:
        return Step(Level.DROPPING, settings.rate_min_fps)
    rate_fps = settings.rate_min_fps
    while needed_per_s(loads, longer_s, rate_fps + _GRAIN_FPS) <= capacity_per_s:
        rate_fps += _GRAIN_FPS
    return Step(Level.LOWER_RATE, rate_fps)


def is_better(one: Step, other: Step) -> bool:
    """Tell whether ``one`` looks at more than ``other``."""
    if one.level != other.level:
        return one.level < other.level
    return (one.rate_fps or 0.0) > (other.rate_fps or 0.0)


class Ladder:
    """Goes down at once, and up again only after it has been possible for a while."""

    def __init__(self, heartbeat_s: float, settings: OverloadSettings) -> None:
        self._heartbeat_s, self._settings = heartbeat_s, settings
        self._better: Step | None = None
        self._better_since_ns = 0
        self.step = Step()

    def judge(self, loads: Mapping[str, CameraLoad], capacity_per_s: float | None, at_ns: int) -> Step:
        """Return the step for what the cameras send and the machine can do; None is no limit. Times must rise."""
        best = Step() if capacity_per_s is None else self._best(loads, capacity_per_s)
        if is_better(best, self.step):
            self._rise(best, at_ns)
        else:
            self.step, self._better = best, None
        return self.step

    def _best(self, loads: Mapping[str, CameraLoad], capacity_per_s: float) -> Step:
        return best_step(loads, capacity_per_s * self._settings.busy_max, self._heartbeat_s, self._settings)

    def _rise(self, better: Step, at_ns: int) -> None:
        """Go up to the least good of the steps that were possible all the while."""
        if self._better is None:
            self._better, self._better_since_ns = better, at_ns
        elif is_better(self._better, better):
            self._better = better
        if at_ns - self._better_since_ns >= self._settings.calm_s * _S:
            self.step, self._better = self._better, None
