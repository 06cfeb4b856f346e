"""How one person moves: places at even ticks, and keyed motions of hands, back, knees and head."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.appearance import BodyLook
from simulator.skeleton import Skeleton
from simulator.state import BodyPose, HandTarget, Side
from store_layout.model import Point3

F64 = NDArray[np.float64]

TICK_S = 0.05
TICKS_PER_S = 20
TURN_S = 0.7
"""Time over which a turn of the body is spread."""


def ease(share: float) -> float:
    """Smooth step from 0 to 1, at rest at both ends."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


@dataclass(slots=True)
class Keys:
    """Values at moments, eased from one to the next; ``rest`` before the first."""

    rest: tuple[float, ...]
    times_s: list[float] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)

    def add(self, at_s: float, *value: float) -> None:
        """Be at ``value`` at ``at_s``; a moment before the last key's is the last key's."""
        self.times_s.append(max(at_s, self.times_s[-1]) if self.times_s else at_s)
        self.values.append(value)

    def at(self, at_s: float) -> tuple[float, ...]:
        """The value at ``at_s``."""
        index = bisect_right(self.times_s, at_s)
        if index == 0:
            return self.rest
        if index == len(self.times_s):
            return self.values[-1]
        start, end = self.times_s[index - 1], self.times_s[index]
        share = ease((at_s - start) / (end - start))
        pairs = zip(self.values[index - 1], self.values[index], strict=True)
        return tuple(low + (high - low) * share for low, high in pairs)


def _hand_keys() -> Keys:
    return Keys((0.0, 0.0, 0.0, 0.0))


@dataclass(slots=True)
class Motion:
    """All that one person does, from ``first_tick``. Grows while a scenario is compiled, and is read afterwards."""

    person: int
    look: BodyLook
    skeleton: Skeleton
    first_tick: int = 0
    gone: bool = False
    """Whether the person has left for good where the motion ends; else they stand there."""
    places_m: list[tuple[float, float]] = field(default_factory=list)
    facings_deg: list[float] = field(default_factory=list)
    """The way to face at each tick; NaN: the way of walking."""
    hands: dict[Side, Keys] = field(default_factory=lambda: {"left": _hand_keys(), "right": _hand_keys()})
    carries: dict[Side, Keys] = field(default_factory=lambda: {"left": Keys((0.0,)), "right": Keys((0.0,))})
    bends: Keys = field(default_factory=lambda: Keys((0.0, 0.0)))
    gaze: Keys = field(default_factory=lambda: Keys((0.0, 0.0, 0.0, 0.0)))

    @property
    def end_tick(self) -> int:
        """The tick after the last place."""
        return self.first_tick + len(self.places_m)

    @property
    def end_s(self) -> float:
        """When the motion ends."""
        return self.end_tick * TICK_S


class Performance:
    """A finished motion that can be asked for any moment."""

    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        self.times_s: F64 = (motion.first_tick + np.arange(len(motion.places_m), dtype=np.float64)) * TICK_S
        self.places_m: F64 = np.array(motion.places_m, np.float64).reshape(-1, 2)
        steps: F64 = np.sqrt((np.diff(self.places_m, axis=0, prepend=self.places_m[:1]) ** 2).sum(axis=1))
        speed = _mean(steps / TICK_S, 5)
        self.amplitude: F64 = np.asarray(np.clip(speed, 0.0, 1.0))
        stride = motion.skeleton.stride_m * np.maximum(self.amplitude, 0.4)
        self.phase: F64 = np.asarray(np.cumsum(2 * math.pi * steps / stride))
        self.headings_deg: F64 = self._headings(speed)

    def _headings(self, speed: F64) -> F64:
        """Smoothed headings, unwrapped, in degrees."""
        ahead = _mean_rows(np.gradient(self.places_m, axis=0), 5) if len(self.places_m) > 1 else self.places_m * 0
        walking = np.degrees(np.arctan2(ahead[:, 1], ahead[:, 0]))
        facing = np.array(self.motion.facings_deg, np.float64)
        want = np.where(np.isnan(facing) & (speed > 0.15), walking, facing)
        known = np.flatnonzero(~np.isnan(want))
        if not len(known):
            return np.zeros(len(want))
        nearest = known[np.clip(np.searchsorted(known, np.arange(len(want)), side="right") - 1, 0, None)]
        turned = np.degrees(np.unwrap(np.radians(want[nearest])))
        return _mean(turned, round(TURN_S / TICK_S) | 1)

    def present(self, at_s: float) -> bool:
        """Whether the person is in the store or before its gate at ``at_s``."""
        return bool(len(self.times_s)) and self.times_s[0] <= at_s <= self.times_s[-1]

    def place_m(self, at_s: float) -> tuple[float, float]:
        """The floor point between the feet."""
        x, y = (float(np.interp(at_s, self.times_s, self.places_m[:, axis])) for axis in (0, 1))
        return (x, y)

    def pose(self, at_s: float) -> BodyPose:
        """The person's pose at ``at_s``."""
        place = self.place_m(at_s)
        heading = float(np.interp(at_s, self.times_s, self.headings_deg))
        lean, crouch = self.motion.bends.at(at_s)
        return BodyPose(
            person=self.motion.person,
            position_m=place,
            heading_deg=heading,
            gait_phase_rad=float(np.interp(at_s, self.times_s, self.phase)),
            step_amplitude=float(np.interp(at_s, self.times_s, self.amplitude)),
            lean=lean,
            crouch=crouch,
            look_at_m=self._gaze(at_s, place, heading),
            left_hand=self._hand("left", at_s),
            right_hand=self._hand("right", at_s),
            carry_left=self.motion.carries["left"].at(at_s)[0],
            carry_right=self.motion.carries["right"].at(at_s)[0],
        )

    def _gaze(self, at_s: float, place: tuple[float, float], heading_deg: float) -> Point3 | None:
        x, y, z, share = self.motion.gaze.at(at_s)
        if share <= 0:
            return None
        ahead = math.radians(heading_deg)
        height = self.motion.skeleton.height_m * 0.93
        level = (place[0] + 1.5 * math.cos(ahead), place[1] + 1.5 * math.sin(ahead), height)
        return tuple(a + (b - a) * share for a, b in zip(level, (x, y, z), strict=True))  # type: ignore[return-value]

    def _hand(self, side: Side, at_s: float) -> HandTarget | None:
        x, y, z, blend = self.motion.hands[side].at(at_s)
        return HandTarget((x, y, z), blend) if blend > 0 else None


def _mean(values: F64, window: int) -> F64:
    half = window // 2
    padded = np.pad(values, half, mode="edge")
    sums = np.cumsum(np.concatenate([[0.0], padded]))
    return np.asarray((sums[window:] - sums[:-window]) / window)


def _mean_rows(values: F64, window: int) -> F64:
    return np.stack([_mean(values[:, axis], window) for axis in range(values.shape[1])], axis=1)
