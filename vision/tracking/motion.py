"""A constant-velocity Kalman filter on boxes, all tracks at once, with no matrix products.

Middle x, middle y, width and height are filtered apart, so a track's covariance is four
symmetric 2 x 2 matrices and every step is elementwise: the result is the same on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.types import F64, I64


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
_SHARES = np.array([1.0, 1.0, SIZE_SHARE, SIZE_SHARE])


@dataclass(frozen=True, slots=True, eq=False)
class BoxMotion:
    """Filtered boxes of T tracks.

    ``state`` is (5, T, 4), of middle x, middle y, width and height each: the value in pixels, its rate in pixels
    per second, and their variances: of the value, of value with rate, and of the rate.
    """

    state: F64

    @classmethod
    def empty(cls) -> BoxMotion:
        """Return the motion of no tracks."""
        return cls(np.zeros((5, 0, 4)))

    @classmethod
    def start(cls, boxes_xyxy_px: F64, measurement_heights: float) -> BoxMotion:
        """Start tracks at (N, 4) boxes: standing still, give or take one height a second."""
        state = np.zeros((5, len(boxes_xyxy_px), 4))
        state[0] = to_middle_size(boxes_xyxy_px)
        height = np.maximum(state[0, :, 3:4], 1.0)
        state[2] = (2 * measurement_heights * height) ** 2
        state[4] = _SHARES * height**2
        return cls(state)

    def __len__(self) -> int:
        return len(self.state[0])

    @property
    def boxes_xyxy_px(self) -> F64:
        """The tracks' boxes (T, 4) as corners."""
        return to_corners(self.state[0])

    def predicted(self, step_s: float, acceleration_heights_per_s2: float) -> BoxMotion:
        """Move all tracks on by ``step_s``; white noise drives the acceleration."""
        dt, state = step_s, self.state.copy()
        value, rate, place, both, speed = state
        noise = (acceleration_heights_per_s2 * np.maximum(value[:, 3:4], 1.0)) ** 2 * _SHARES
        value += dt * rate
        place += 2 * dt * both + dt * dt * speed + dt * dt * dt / 3 * noise
        both += dt * speed + dt * dt / 2 * noise
        speed += dt * noise
        return BoxMotion(state)

    def slowed(self, share: F64) -> BoxMotion:
        """Multiply the rates of each of T tracks by ``share`` (T,)."""
        state = self.state.copy()
        state[1] *= share[:, None]
        return BoxMotion(state)

    def corrected(self, tracks: I64, boxes_xyxy_px: F64, measurement_heights: float) -> BoxMotion:
        """Take in (M, 4) boxes seen for the tracks at the M places ``tracks``."""
        seen = to_middle_size(boxes_xyxy_px)
        noise = (measurement_heights * np.maximum(seen[:, 3:4], 1.0)) ** 2
        old = self.state[:, tracks]
        gains = old[2:4] / (old[2] + noise)
        new = np.empty_like(old)
        new[:2] = old[:2] + gains * (seen - old[0])
        new[2:4] = old[2:4] * (1 - gains[0])
        new[4] = old[4] - gains[1] * old[3]
        state = self.state.copy()
        state[:, tracks] = new
        return BoxMotion(state)

    def kept(self, places: list[int]) -> BoxMotion:
        """Return the tracks at ``places``."""
        return BoxMotion(self.state[:, places])

    def joined(self, other: BoxMotion) -> BoxMotion:
        """Return these tracks followed by the other ones."""
        return BoxMotion(np.concatenate([self.state, other.state], axis=1))
