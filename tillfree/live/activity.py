"""What the engine does, counted where it happens: pictures a second by camera, and who is on the floor."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tillfree.live.queues import FrameQueues
from vision.pipeline import Instant
from vision.types import Frame, Observation, People

_S = 1_000_000_000
_SPAN_NS = 5 * _S
"""Pictures of the last 5 s tell the rate: long enough to be steady, short enough to show what happens now."""


class Activity:
    """An ``engine.Watcher``, called in the loop's own thread and asked there."""

    def __init__(self, cameras: Iterable[str], queues: FrameQueues) -> None:
        self._queues = queues
        self._looked_ns: dict[str, deque[int]] = {camera: deque() for camera in cameras}
        self.latest_ns: dict[str, int] = {}
        self.people: People | None = None
        self.frames = 0

    def observed(self, frame: Frame, observation: Observation) -> None:
        """See ``Watcher.observed``. A camera with people in it goes first where there is not time for all."""
        camera_id = frame.camera_id
        self._queues.set_busy(camera_id, len(observation.detections) > 0)
        self.latest_ns[camera_id] = frame.captured_at_ns
        looked = self._looked_ns[camera_id]
        looked.append(frame.captured_at_ns)
        while looked[0] < frame.captured_at_ns - _SPAN_NS:
            looked.popleft()
        self.frames += 1

    def happened(self, instant: Instant) -> None:
        """See ``Watcher.happened``."""
        self.people = instant.people

    def rate(self, camera_id: str, now_ns: int) -> float:
        """Return how many pictures a second of a camera were looked at lately."""
        looked = self._looked_ns[camera_id]
        recent = sum(at_ns >= now_ns - _SPAN_NS for at_ns in looked)
        return round(recent * _S / _SPAN_NS, 2)
