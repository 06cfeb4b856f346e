"""Observations of several cameras brought into the one order of the pipeline, inside a bounded window."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator

from vision.types import Observation

_NEVER_NS = -(1 << 62)


class Reorder:
    """Holds observations until no earlier one can be expected, or the window has passed.

    Cameras count as awaited while they delivered within the window before the newest observation. What comes later than
    what was let go already is left to the floor stage, which counts and drops it.
    """

    def __init__(self, cameras: Iterable[str], window_ns: int) -> None:
        """All ``cameras`` are awaited at first, for a window from the first observation."""
        self._cameras = frozenset(cameras)
        self._window_ns = window_ns
        self._held: list[tuple[tuple[int, str, int], int, Observation]] = []
        self._count = itertools.count()  # the same frame may come twice, and observations have no order of their own
        self._latest: dict[str, int] = {}
        self._first_ns: int | None = None
        self._newest_ns = _NEVER_NS

    def push(self, observation: Observation) -> Iterator[Observation]:
        """Take an observation; yield those whose turn has come, in order."""
        at_ns, camera_id, _ = observation.order
        if self._first_ns is None:
            self._first_ns = at_ns
        heapq.heappush(self._held, (observation.order, next(self._count), observation))
        self._latest[camera_id] = max(at_ns, self._latest.get(camera_id, at_ns))
        self._newest_ns = max(self._newest_ns, at_ns)
        yield from self._until(self._mark())

    def finish(self) -> Iterator[Observation]:
        """Yield all that is held, in order."""
        while self._held:
            yield heapq.heappop(self._held)[2]

    def _mark(self) -> int:
        """Return the time before which nothing more is awaited."""
        horizon = self._newest_ns - self._window_ns
        if self._first_ns is not None and horizon <= self._first_ns and len(self._latest) < len(self._cameras):
            return horizon
        awaited = [latest for latest in self._latest.values() if latest >= horizon]
        return max(horizon, min(awaited))

    def _until(self, mark_ns: int) -> Iterator[Observation]:
        while self._held and self._held[0][0][0] <= mark_ns:
            yield heapq.heappop(self._held)[2]
