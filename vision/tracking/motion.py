"""A constant-velocity Kalman filter on boxes, all tracks at once, with no matrix products.

Middle x, middle y, width and height are filtered apart, so a track's covariance is four
symmetric 2 x 2 matrices and every step is elementwise: the result is the same on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.types import F64


def to_middle_size(boxes_xyxy_px: F64) -> F64:
    """Turn (N, 4) corners into (N, 4) middle x, middle y, width, height."""
    low, high = boxes_xyxy_px[:, :2], boxes_xyxy_px[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def to_corners(middle_size_px: F64) -> F64:
    """Turn (N, 4) middle x, middle y, width, height into (N, 4) corners."""
    middle, half = middle_size_px[:, :2], np.maximum(middle_size_px[:, 2:], 1.0) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


SIZE_SHARE = 0.02
"""Variance of a box's change of size as a share of that of its movement: people hardly grow."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxMotion:
    """Filtered boxes of T tracks.

    ``value`` and ``rate`` are (T, 4), middle x, middle y, width, height in pixels and pixels
    per second; ``variance`` is (T, 4, 3): of the value, value with rate, and of the rate.
    """

    value: F64
    rate: F64
    variance: F64

    @classmethod
    def empty(cls) -> BoxMotion:
        """Return the motion of no tracks."""
        return cls(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros((0, 4, 3)))

    @classmethod
    def start(cls, boxes_xyxy_px: F64, measurement_heights: float) -> BoxMotion:
        """Start tracks at (N, 4) boxes: standing still, give or take one height a second."""
        value = to_middle_size(boxes_xyxy_px)
        height = np.maximum(value[:, 3:4], 1.0)
        variance = np.zeros((len(value), 4, 3))
        variance[:, :, 0] = (2 * measurement_heights * height) ** 2
        variance[:, :, 2] = np.array([1.0, 1.0, SIZE_SHARE, SIZE_SHARE]) * height**2
        return cls(value, np.zeros_like(value), variance)

    def __len__(self) -> int:
        return len(self.value)

    @property
    def boxes_xyxy_px(self) -> F64:
        """The tracks' boxes (T, 4) as corners."""
        return to_corners(self.value)

    def predicted(self, step_s: F64, acceleration_heights_per_s2: float) -> BoxMotion:
        """Move each of T tracks on by its own ``step_s`` (T,); white noise drives the acceleration."""
        dt = step_s[:, None]
        noise = (acceleration_heights_per_s2 * np.maximum(self.value[:, 3:4], 1.0)) ** 2
        noise = noise * np.array([1.0, 1.0, SIZE_SHARE, SIZE_SHARE])
        place, both, speed = (self.variance[:, :, k] for k in range(3))
        variance = np.empty_like(self.variance)
        variance[:, :, 0] = place + 2 * dt * both + dt * dt * speed + noise * dt * dt * dt / 3
        variance[:, :, 1] = both + dt * speed + noise * dt * dt / 2
        variance[:, :, 2] = speed + noise * dt
        return BoxMotion(self.value + dt * self.rate, self.rate, variance)

    def slowed(self, share: F64) -> BoxMotion:
        """Multiply the rates of each of T tracks by ``share`` (T,)."""
        return BoxMotion(self.value, self.rate * share[:, None], self.variance)

    def corrected(self, tracks: np.ndarray, boxes_xyxy_px: F64, measurement_heights: float) -> BoxMotion:
        """Take in (M, 4) boxes seen for the tracks at the M places ``tracks``."""
        seen = to_middle_size(boxes_xyxy_px)
        noise = (measurement_heights * np.maximum(seen[:, 3:4], 1.0)) ** 2
        place, both, speed = (self.variance[tracks, :, k] for k in range(3))
        total = place + noise
        gain_value, gain_rate = place / total, both / total
        surprise = seen - self.value[tracks]
        value, rate, variance = self.value.copy(), self.rate.copy(), self.variance.copy()
        value[tracks] += gain_value * surprise
        rate[tracks] += gain_rate * surprise
        variance[tracks] = np.stack(
            [place * (1 - gain_value), both * (1 - gain_value), speed - gain_rate * both], axis=2
        )
        return BoxMotion(value, rate, variance)

    def kept(self, keep: np.ndarray) -> BoxMotion:
        """Return the tracks that ``keep`` (places or booleans) selects."""
        return BoxMotion(self.value[keep], self.rate[keep], self.variance[keep])

    def joined(self, other: BoxMotion) -> BoxMotion:
        """Return these tracks followed by the other ones."""
        return BoxMotion(
            np.concatenate([self.value, other.value]),
            np.concatenate([self.rate, other.rate]),
            np.concatenate([self.variance, other.variance]),
        )
