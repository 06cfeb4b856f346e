"""The vision pipeline in its two stages.

``PixelStage`` turns frames into observations and is the only part that sees pixels; its output
can be taped. ``FloorStage`` turns observations into people and events; it sees no pixel of a
frame, only what the first stage kept, so a tape drives it as well as a camera does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from store_layout.geometry import StoreGeometry
from vision.detectors.base import Detector
from vision.people import PeopleFusion
from vision.settings import VisionSettings
from vision.shelves import InteractionFinder, References, ShelfObserver
from vision.tracking import Tracker, make_tracker
from vision.types import I64, Detections, Frame, Observation, People, Tracks, VisionEvent


class PixelStage:
    """Frames to observations, in order. The detector works on the next frames while this one is looked at."""

    def __init__(self, detector: Detector, geometry: StoreGeometry, settings: VisionSettings) -> None:
        self._detector = detector
        self._ahead = settings.pipeline.batch_frames
        self._observers = {camera: ShelfObserver(geometry, camera, settings.shelves) for camera in geometry.cameras}

    def run(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Observation]]:
        """Yield each frame with its observation, in the order of ``frames``."""
        for frame, detections in self._detector.detect_each(frames, self._ahead):
            yield frame, Observation(detections, self._observers[frame.camera_id].observe(frame, detections))


@dataclass(frozen=True, slots=True, eq=False)
class Instant:
    """What one instant of the store looked like, and what became known by it."""

    captured_at_ns: int
    tracks: tuple[Tracks, ...]
    people: People
    person_of_track: dict[tuple[str, int], int]
    events: tuple[VisionEvent, ...]


class FloorStage:
    """Observations of all cameras to people on the floor, interactions and crossings.

    Observations must come in the order of ``Observation.order``; one that comes late is counted in
    ``late_count`` and dropped. Those of one instant, at most one a camera, are taken together.
    """

    def __init__(self, geometry: StoreGeometry, settings: VisionSettings, references: References | None = None) -> None:
        fps = max(camera.fps for camera in geometry.store.cameras)
        self._window_ns = round(settings.pipeline.instant_share_of_frame * 1e9 / fps)
        self._trackers: dict[str, Tracker] = {
            camera.id: make_tracker(settings.tracking, camera.fps) for camera in geometry.store.cameras
        }
        self._fusion = PeopleFusion(geometry, settings.people)
        self._interactions = InteractionFinder(geometry, settings.shelves, references)
        self._waiting: list[Observation] = []
        self._last_order = (-1, "", -1)
        self.late_count = 0

    def take(self, observation: Observation) -> Instant | None:
        """Take the next observation; return the instant that it completes, if it does."""
        if observation.order <= self._last_order:
            self.late_count += 1
            return None
        self._last_order = observation.order
        done = self._flush() if self._waiting and self._begins_another(observation) else None
        self._waiting.append(observation)
        return done

    def finish(self) -> Iterator[Instant]:
        """Yield what the end of the input completes: the last instant, and what was still open."""
        if self._waiting:
            yield self._flush()
        at_ns = max(self._last_order[0], 0)
        people = self._fusion.finish(at_ns)
        yield Instant(at_ns, (), _nobody(at_ns), {}, (*people, *self._interactions.finish(at_ns)))

    def _begins_another(self, observation: Observation) -> bool:
        first = self._waiting[0].detections
        cameras = {each.detections.camera_id for each in self._waiting}
        late = observation.detections.captured_at_ns - first.captured_at_ns >= self._window_ns
        return late or observation.detections.camera_id in cameras

    def _flush(self) -> Instant:
        taken, self._waiting = self._waiting, []
        at_ns = taken[-1].detections.captured_at_ns
        tracks = tuple(self._trackers[each.detections.camera_id].update(each.detections) for each in taken)
        people, moves = self._fusion.update(at_ns, tracks)
        persons = {
            each.detections.camera_id: _persons_of_rows(each.detections, found, self._fusion.person_of_track)
            for each, found in zip(taken, tracks, strict=True)
        }
        interactions = self._interactions.update(people, [each.slot_views for each in taken], persons)
        return Instant(at_ns, tracks, people, dict(self._fusion.person_of_track), (*moves, *interactions))


def _persons_of_rows(detections: Detections, tracks: Tracks, persons: Mapping[tuple[str, int], int]) -> I64:
    """Return (N,) the person of each detection, 0 where nobody is known."""
    result = np.zeros(len(detections), np.int64)
    result[tracks.rows] = [persons.get((detections.camera_id, track), 0) for track in tracks.track_ids.tolist()]
    return result


def _nobody(at_ns: int) -> People:
    return People(
        at_ns,
        np.zeros(0, np.int64),
        np.zeros((0, 2)),
        np.zeros((0, 2, 2)),
        np.zeros((0, 2, 3)),
        np.zeros((0, 2)),
        (),
        np.zeros(0, np.bool_),
    )
