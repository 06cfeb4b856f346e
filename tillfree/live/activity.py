"""What the engine does, counted where it happens, and who is on the floor."""

from __future__ import annotations

from typing import Protocol

from vision.pipeline import Instant
from vision.types import Frame, Observation, People


class BusyLines(Protocol):
    """Queues that can be told where something happens."""

    def set_busy(self, camera_id: str, busy: bool) -> None:
        """Say whether something happens in a camera."""
        ...


class Activity:
    """An ``engine.Watcher``, called in the loop's own thread and asked there."""

    def __init__(self, queues: BusyLines) -> None:
        self._queues = queues
        self.people: People | None = None
        self.frames = 0

    def observed(self, frame: Frame, observation: Observation) -> None:
        """See ``Watcher.observed``. A camera with people in it goes first where there is not time for all."""
        self._queues.set_busy(frame.camera_id, len(observation.detections) > 0)
        self.frames += 1

    def happened(self, instant: Instant) -> None:
        """See ``Watcher.happened``."""
        self.people = instant.people
