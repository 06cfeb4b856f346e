"""The vision pipeline in its two stages.

``PixelStage`` turns frames into observations and is the only part that sees pixels; its output
can be taped. ``FloorStage`` turns observations into people and events; it sees no pixel of a
frame, only what the first stage kept, so a tape drives it as well as a camera does.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from store_layout.geometry import StoreGeometry
from vision.coarse import Coarse
from vision.detectors.appearance import with_appearance
from vision.detectors.base import Detector, Pending
from vision.motion import MotionGate
from vision.people import PeopleFusion
from vision.people.parts import BodyParts
from vision.settings import VisionSettings
from vision.shelves import InteractionFinder, References, ShelfObserver
from vision.tracking import Tracker, make_tracker
from vision.types import (
    I64,
    DeedsWaiting,
    Detections,
    Frame,
    Interaction,
    Observation,
    People,
    Tracks,
    VisionEvent,
)

_MOST_HELD = 4
"""Frames held at once, in numbers of frames that the detector has in work: those that it is spared wait in line too."""


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """A frame on its way through the pixel stage; ``work`` is None where the motion gate spared the detector."""

    frame: Frame
    picture: Coarse
    work: Pending | None


class PixelStage:
    """Frames to observations, in order. The detector works on the next frames while this one is looked at.

    Live, frames are given with ``begin`` as they come and taken back with ``take``; ``run`` does both for a recording. Live
    frames that are found in are looked at several at a time, one step after the other for all of them: the detector has the
    processor's caches in between, and each step is a third quicker where the one before was the same.
    """

    def __init__(
        self, detector: Detector, geometry: StoreGeometry, settings: VisionSettings, *, live: bool = False
    ) -> None:
        self._detector = detector
        self._ahead = settings.pipeline.batch_frames
        self._observers = {camera: ShelfObserver(geometry, camera, settings.shelves) for camera in geometry.cameras}
        self._parts = {camera: BodyParts(model, settings.parts) for camera, model in geometry.cameras.items()}
        self._gates = {camera: MotionGate(settings.motion, live=live) for camera in geometry.cameras}
        self._begun: deque[_Begun] = deque()
        self._taken: deque[tuple[Frame, Observation]] = deque()
        self._live = live
        self._in_work = 0
        self._looks = settings.detector.appearance
        self._read_every_ns = round(settings.pipeline.read_every_s * 1e9)
        self._read_ns: dict[str, int] = {}
        self.spared: Counter[str] = Counter()

    def begin(self, frames: Sequence[Frame]) -> None:
        """Let the detector begin with each of ``frames``, unless nothing moves there and nobody is."""
        pictures = [Coarse(frame.picture) for frame in frames]
        opened = [
            self._gates[frame.camera_id].opens(picture, frame.captured_at_ns)
            for frame, picture in zip(frames, pictures, strict=True)
        ]
        moved = [frame for frame, is_open in zip(frames, opened, strict=True) if is_open]
        works = iter(self._detector.begin_all(moved))
        for frame, picture, is_open in zip(frames, pictures, opened, strict=True):
            self._begun.append(_Begun(frame, picture, next(works) if is_open else None))
            if not is_open:
                self.spared[frame.camera_id] += 1
        self._in_work += len(moved)

    def set_heartbeat(self, heartbeat_s: float) -> None:
        """Detect in still cameras so often (s), in place of as the settings say. From the thread that begins frames."""
        for gate in self._gates.values():
            gate.heartbeat_s = heartbeat_s

    @property
    def spared_count(self) -> int:
        """How many frames the detector was spared."""
        return self.spared.total()

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras whose frames it takes."""
        return tuple(self._observers)

    @property
    def is_full(self) -> bool:
        """Whether enough frames are begun with to keep the detector at work while one is taken."""
        return self._in_work > self._ahead or len(self._begun) > _MOST_HELD * self._ahead

    def ready(self) -> bool:
        """Tell whether ``take`` would answer at once."""
        return bool(self._taken) or self._is_found()

    def __len__(self) -> int:
        return len(self._begun) + len(self._taken)

    def take(self) -> tuple[Frame, Observation]:
        """Wait for the frame that was begun with first, and return it with its observation."""
        if not self._taken:
            group = self._group()
            found = self._found(group)
            self._taken.extend(
                (each.frame, self._observed(each, *seen)) for each, seen in zip(group, found, strict=True)
            )
        return self._taken.popleft()

    def _is_found(self) -> bool:
        return bool(self._begun) and (self._begun[0].work is None or self._begun[0].work.ready())

    def _group(self) -> list[_Begun]:
        """Return what is looked at together: what was begun with first, and live all that is too much or found in."""
        group = [self._next()]
        while self._live and self._begun and (self.is_full or self._is_found()):
            group.append(self._next())
        return group

    def _next(self) -> _Begun:
        begun = self._begun.popleft()
        self._in_work -= begun.work is not None
        return begun

    def _found(self, group: list[_Begun]) -> list[tuple[Detections | None, bool]]:
        """Return what was found in each frame of ``group``, and whether its shelves are due to be read."""
        # the last first: the others are done by then, and nothing is waited for between them
        answers = [None if each.work is None else each.work.result() for each in reversed(group)][::-1]
        return [self._judged(each.frame, found) for each, found in zip(group, answers, strict=True)]

    def _judged(self, frame: Frame, found: Detections | None) -> tuple[Detections | None, bool]:
        if found is None:
            return None, False
        found = self._parts[frame.camera_id].join(found)
        self._gates[frame.camera_id].saw(found)
        is_due = self._is_due(frame)
        return (with_appearance(frame, found, self._looks) if is_due else found), is_due

    def _observed(self, begun: _Begun, found: Detections | None, is_due: bool) -> Observation:
        frame, observer = begun.frame, self._observers[begun.frame.camera_id]
        if found is None:
            nobody = Detections.empty(frame.camera_id, frame.index, frame.captured_at_ns)
            return Observation(nobody, observer.nothing(frame, 0))
        if not is_due:
            return Observation(found, observer.nothing(frame, len(found)))
        return Observation(found, observer.observe(frame, begun.picture, found))

    def _is_due(self, frame: Frame) -> bool:
        """Tell whether to read shelves and looks in ``frame``: all cameras do in the same instants, as far as they can."""
        last_ns = self._read_ns.get(frame.camera_id, -self._read_every_ns)
        at_ns = frame.captured_at_ns
        every_ns = self._read_every_ns
        if every_ns and at_ns // every_ns == last_ns // every_ns and at_ns - last_ns < every_ns:
            return False
        self._read_ns[frame.camera_id] = at_ns
        return True

    def run(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Observation]]:
        """Yield each frame with its observation, in the order of ``frames``."""
        try:
            for frame in frames:
                self.begin([frame])
                while self.is_full:
                    yield self.take()
            while len(self):
                yield self.take()
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go of what was begun with: whoever asked went away early."""
        self._taken.clear()
        while self._begun:
            work = self._begun.popleft().work
            if work is not None:
                work.result()
        self._in_work = 0


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

    def __init__(
        self,
        geometry: StoreGeometry,
        settings: VisionSettings,
        references: References | None = None,
        *,
        first_person_id: int = 1,
        told: int = 0,
    ) -> None:
        """People get ids from ``first_person_id`` on, and interactions numbers after ``told``, where a log goes on."""
        fps = max(camera.fps for camera in geometry.store.cameras)
        self._window_ns = round(settings.pipeline.instant_share_of_frame * 1e9 / fps)
        self._trackers: dict[str, Tracker] = {
            camera.id: make_tracker(settings.tracking, camera.fps) for camera in geometry.store.cameras
        }
        self._fusion = PeopleFusion(geometry, settings.people, first_person_id)
        self._interactions = InteractionFinder(geometry, settings.shelves, references, told)
        self._waiting: list[Observation] = []
        self._last_order = (-1, "", -1)
        self._suspects: tuple[int, ...] = ()
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
        yield Instant(at_ns, (), _nobody(at_ns), {}, (*people, *self._told(at_ns, self._interactions.finish(at_ns))))

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
        events = (*moves, *self._told(at_ns, interactions))
        return Instant(at_ns, tracks, people, dict(self._fusion.person_of_track), events)

    def _told(self, at_ns: int, interactions: tuple[Interaction, ...]) -> tuple[VisionEvent, ...]:
        """Return ``interactions``, and who may have done what is not told yet where that changed."""
        before, self._suspects = self._suspects, self._interactions.suspects()
        return interactions if self._suspects == before else (*interactions, DeedsWaiting(at_ns, self._suspects))


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
