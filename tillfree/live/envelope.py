"""The line below all delays of a stream: what is left of the delay when the network does nothing to it.

A packet's delay is its time of arrival less its time in the stream. Networks only add to it, so the line that touches
the delays from below is the offset between the two clocks plus the least delay, and its slope is how one clock drifts
against the other. Found as Moon, Skelly and Towsley do ("Estimation and removal of clock skew from network delay
measurements", INFOCOM 1999): of all lines below the points, the one that is nearest to them on the whole is the edge of
their lower hull at the middle of the times.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """A delay that changes evenly: ``value_ns`` at ``at_ns``, and ``slope`` ns more each ns."""

    at_ns: int
    value_ns: int
    slope: float

    def value(self, at_ns: int) -> int:
        """Return the delay at ``at_ns``."""
        return self.value_ns + round(self.slope * (at_ns - self.at_ns))


class LowerEnvelope:
    """The least delays of the last while, a point for each bucket of time: bounded, however long a stream lasts."""

    def __init__(self, bucket_ns: int, window_ns: int, slope_after_ns: int) -> None:
        self._bucket_ns, self._window_ns, self._slope_after_ns = bucket_ns, window_ns, slope_after_ns
        self._points: deque[tuple[int, int]] = deque()
        self._line: Line | None = None
        self.slope = 0.0
        """How the least delay changes by all points there are, however few: ns each ns."""

    def clear(self) -> None:
        """Forget all delays."""
        self._points.clear()
        self._line = None
        self.slope = 0.0

    def add(self, at_ns: int, delay_ns: int) -> Line:
        """Take the delay of a packet that arrived at ``at_ns``, not earlier than the one before; return the line now."""
        if self._begins_bucket(at_ns):
            self._points.append((at_ns, delay_ns))
            while at_ns - self._points[0][0] > self._window_ns:
                self._points.popleft()
            self._line = self._fit()
        elif delay_ns < self._points[-1][1]:
            self._points[-1] = (at_ns, delay_ns)
            self._line = self._fit()
        assert self._line is not None
        return self._line

    @property
    def span_ns(self) -> int:
        """From the first to the last point that is kept."""
        return self._points[-1][0] - self._points[0][0] if self._points else 0

    def _begins_bucket(self, at_ns: int) -> bool:
        return not self._points or at_ns // self._bucket_ns != self._points[-1][0] // self._bucket_ns

    def _fit(self) -> Line:
        """Return the hull's edge at the middle of the times; level while there is too little for a slope."""
        first_ns, last_ns = self._points[0][0], self._points[-1][0]
        if first_ns == last_ns:
            return Line(last_ns, self._points[-1][1], 0.0)
        middle_ns = first_ns + sum(at_ns - first_ns for at_ns, _ in self._points) // len(self._points)
        left, right = _edge(_lower_hull(self._points), middle_ns)
        self.slope = (right[1] - left[1]) / (right[0] - left[0])
        if last_ns - first_ns < self._slope_after_ns:
            return Line(last_ns, min(delay for _, delay in self._points), 0.0)
        return Line(left[0], left[1], self.slope)


def _lower_hull(points: deque[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the lower hull of ``points``, whose first coordinates rise (Andrew's monotone chain)."""
    hull: list[tuple[int, int]] = []
    for point in points:
        while len(hull) >= 2 and _turns_up_not(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _turns_up_not(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])


def _edge(hull: list[tuple[int, int]], at: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the edge of ``hull`` above which ``at`` lies."""
    for left, right in itertools.pairwise(hull):
        if left[0] <= at <= right[0]:
            return left, right
    raise AssertionError("a mean lies between the least and the greatest")
