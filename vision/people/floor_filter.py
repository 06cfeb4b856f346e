"""A constant-velocity Kalman filter for one person on the floor.

Written out for two axes in plain floats: a handful of people need no arrays, and the same
input gives the same bits on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Sym2 = tuple[float, float, float]
"""A symmetric 2 x 2 matrix as xx, xy, yy."""

FIRST_SPEED_VARIANCE = 1.0
"""(m/s)²: somebody new may already be walking."""


@dataclass(frozen=True, slots=True)
class FloorState:
    """Place and velocity in m and m/s with covariance.

    ``place`` and ``speed`` are symmetric 2 x 2 covariances; ``mixed`` is place with velocity,
    row by row: x with vx, x with vy, y with vx, y with vy.
    """

    x: float
    y: float
    vx: float
    vy: float
    place: Sym2
    mixed: tuple[float, float, float, float]
    speed: Sym2

    @classmethod
    def start(cls, x: float, y: float, covariance: Sym2) -> FloorState:
        """Begin at a first sighting, standing still give or take 1 m/s."""
        first = FIRST_SPEED_VARIANCE
        return cls(x, y, 0.0, 0.0, covariance, (0.0, 0.0, 0.0, 0.0), (first, 0.0, first))

    def predicted(self, step_s: float, acceleration_m_per_s2: float) -> FloorState:
        """Go on for ``step_s`` with white noise as acceleration."""
        t, q = step_s, acceleration_m_per_s2 * acceleration_m_per_s2
        pxx, pxy, pyy = self.place
        a, b, c, d = self.mixed
        sxx, sxy, syy = self.speed
        place = (
            pxx + 2 * t * a + t * t * sxx + q * t * t * t / 3,
            pxy + t * (b + c) + t * t * sxy,
            pyy + 2 * t * d + t * t * syy + q * t * t * t / 3,
        )
        mixed = (a + t * sxx + q * t * t / 2, b + t * sxy, c + t * sxy, d + t * syy + q * t * t / 2)
        speed = (sxx + q * t, sxy, syy + q * t)
        return FloorState(self.x + t * self.vx, self.y + t * self.vy, self.vx, self.vy, place, mixed, speed)

    def coasted(self, step_s: float, coast_s: float, std_m: float) -> FloorState:
        """Slow down as the unseen do, and let no covariance grow beyond a circle of ``std_m``."""
        share = 1.0 / (1.0 + step_s / coast_s)
        largest = max(self.place[0], self.place[2], 1e-12)
        shrink = min(1.0, std_m * std_m / largest)
        place = (self.place[0] * shrink, self.place[1] * shrink, self.place[2] * shrink)
        a, b, c, d = (value * shrink for value in self.mixed)
        sxx, sxy, syy = (
            min(1.0, FIRST_SPEED_VARIANCE / max(self.speed[0], self.speed[2], 1e-12)) * v for v in self.speed
        )
        return replace(
            self, vx=self.vx * share, vy=self.vy * share, place=place, mixed=(a, b, c, d), speed=(sxx, sxy, syy)
        )

    def corrected(self, x: float, y: float, covariance: Sym2) -> FloorState:
        """Take in a place that a camera saw."""
        pxx, pxy, pyy = self.place
        a, b, c, d = self.mixed
        ixx, ixy, iyy = inverse(added(self.place, covariance))
        # Gains: rows of place and of velocity, columns of the measured x and y.
        k11, k12 = pxx * ixx + pxy * ixy, pxx * ixy + pxy * iyy
        k21, k22 = pxy * ixx + pyy * ixy, pxy * ixy + pyy * iyy
        g11, g12 = a * ixx + c * ixy, a * ixy + c * iyy
        g21, g22 = b * ixx + d * ixy, b * ixy + d * iyy
        dx, dy = x - self.x, y - self.y
        off = (pxy - (k11 * pxy + k12 * pyy) + pxy - (k21 * pxx + k22 * pxy)) / 2
        place = (pxx - (k11 * pxx + k12 * pxy), off, pyy - (k21 * pxy + k22 * pyy))
        mixed = (a - (k11 * a + k12 * c), b - (k11 * b + k12 * d), c - (k21 * a + k22 * c), d - (k21 * b + k22 * d))
        sxx, sxy, syy = self.speed
        turn = (g11 * b + g12 * d + g21 * a + g22 * c) / 2
        speed = (sxx - (g11 * a + g12 * c), sxy - turn, syy - (g21 * b + g22 * d))
        return FloorState(
            self.x + k11 * dx + k12 * dy,
            self.y + k21 * dx + k22 * dy,
            self.vx + g11 * dx + g12 * dy,
            self.vy + g21 * dx + g22 * dy,
            place,
            mixed,
            speed,
        )

    def distance2(self, x: float, y: float, covariance: Sym2) -> float:
        """Return the squared Mahalanobis distance of a place that a camera saw."""
        ixx, ixy, iyy = inverse(added(self.place, covariance))
        dx, dy = x - self.x, y - self.y
        return dx * dx * ixx + 2 * dx * dy * ixy + dy * dy * iyy


def added(a: Sym2, b: Sym2) -> Sym2:
    """Return the sum of two symmetric matrices."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def inverse(a: Sym2) -> Sym2:
    """Return the inverse of a positive definite symmetric matrix."""
    det = max(a[0] * a[2] - a[1] * a[1], 1e-18)
    return a[2] / det, -a[1] / det, a[0] / det
