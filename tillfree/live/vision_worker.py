"""A vision worker's two ways: cameras at their own pace, and a recording in step, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Event

from tillfree.live.bus import BusStatus, CameraReport, Publisher, WorkerReport
from tillfree.live.engine import FrameSource, Watcher
from tillfree.live.feed_status import FeedStatus
from tillfree.live.health import Health, HealthReport
from tillfree.live.overload import OverloadStatus
from tillfree.live.queues import QueueCounts
from tillfree.live.reorder import Reorder
from vision.pipeline import PixelStage
from vision.types import Frame, Observation

_S = 1_000_000_000
_AT_ONCE = 8
"""Frames begun with in one step, as in ``engine.Engine``."""
_WAITING_MOST = 200
"""Messages that wait for the broker at most before a recording in step waits, too: far below what is ever dropped."""
_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class WorkerState:
    """How a worker stands, for a screen."""

    worker: str
    cameras_up: int
    cameras: int
    looked_per_s: float
    dropped: int
    load: str
    bus: BusStatus


class WorkerEngine:
    """Moves frames through ``stage`` and tells what they showed. One thread calls ``step`` again and again.

    Cameras are put in order as in a store of one process; after each instant follows the word that all was told.
    """

    def __init__(
        self,
        frames: FrameSource,
        stage: PixelStage,
        publisher: Publisher,
        reorder: Reorder,
        silence_s: float,
        clock: Callable[[], int],
        watchers: tuple[Watcher, ...] = (),
    ) -> None:
        self._frames, self._stage, self._publisher, self._reorder = frames, stage, publisher, reorder
        self._clock, self._watchers = clock, watchers
        self._silence_ns = round(silence_s * _S)
        self._heard_ns = clock()
        self._told_ns: int | None = None
        self._beat_ns: int | None = None

    def step(self, wait_s: float) -> int:
        """Begin with the next frames and tell of what is done; wait up to ``wait_s`` where there is neither.

        Returns how many frames were begun with.
        """
        begun = self._begin(wait_s)
        if not begun and len(self._stage):
            self._take()
        while self._stage.is_full or self._stage.ready():
            self._take()
        if not begun and not len(self._stage):
            self._keep_time()
        if self._told_ns is not None:
            self._beat(self._told_ns)
        return begun

    def drain(self) -> None:
        """Tell of all that was begun with, and let nothing wait for other cameras any more."""
        while len(self._stage):
            self._take()
        self._tell(self._reorder.finish())
        if self._told_ns is not None:
            self._beat(self._told_ns)

    def end(self, until_ns: int) -> None:
        """Say that all up to ``until_ns`` was told."""
        self._beat(until_ns)

    def _begin(self, wait_s: float) -> int:
        frames: list[Frame] = []
        while len(frames) < _AT_ONCE:
            frame = self._frames.take(0.0 if frames or len(self._stage) else wait_s)
            if frame is None:
                break
            frames.append(frame)
        self._stage.begin(frames)
        return len(frames)

    def _take(self) -> None:
        frame, observation = self._stage.take()
        self._heard_ns = self._clock()
        for watcher in self._watchers:
            watcher.observed(frame, observation)
        self._tell(self._reorder.push(observation))

    def _tell(self, observations: Iterable[Observation]) -> None:
        for observation in observations:
            self._publisher.tell(observation)
            self._told_ns = observation.order[0]

    def _keep_time(self) -> None:
        """Say that time passes while all cameras are silent: the coordinator waits for no picture that does not come."""
        now_ns = self._clock()
        if now_ns - self._heard_ns >= self._silence_ns:
            self.drain()
            self._beat(now_ns - self._silence_ns)

    def _beat(self, until_ns: int) -> None:
        if self._beat_ns is None or until_ns > self._beat_ns:
            self._beat_ns = until_ns
            self._publisher.beat(until_ns)


class Numbered:
    """Numbers the frames that are let through, camera by camera, so that the coordinator sees by a gap what was dropped."""

    def __init__(self, put: Callable[[Frame], None]) -> None:
        self._put = put
        self._counts: dict[str, int] = {}

    def put(self, frame: Frame) -> None:
        """Hand a frame on; a camera's thread alone puts its frames."""
        index = self._counts.get(frame.camera_id, 0)
        self._counts[frame.camera_id] = index + 1
        self._put(replace(frame, index=index))


class InStep:
    """Looks at every frame of a recording in its order, and tells those that the broker has not heard of.

    A start begins at the recording's beginning: what is seen in a picture depends on those before it.
    """

    def __init__(self, stage: PixelStage, publisher: Publisher, known: Mapping[str, int]) -> None:
        """``known`` is by camera the time of the last frame that the broker has."""
        self._stage, self._publisher, self._known = stage, publisher, known
        self._pause = Event()
        self.frames = 0

    def play(self, frames: Iterable[Frame], shift_ns: int, end_ns: int, goes_on: Callable[[], bool]) -> bool:
        """Tell of ``frames``, ``shift_ns`` later than they were recorded; return False where it no longer goes on."""
        shifted = (replace(frame, captured_at_ns=frame.captured_at_ns + shift_ns) for frame in frames)
        before_ns: int | None = None
        for _, observation in self._stage.run(shifted):
            at_ns, camera_id, _ = observation.order
            if before_ns is not None and at_ns > before_ns:
                self._publisher.beat(before_ns)
            before_ns = at_ns
            if at_ns > self._known.get(camera_id, at_ns - 1):
                self._publisher.tell(observation)
            self.frames += 1
            while self._publisher.status().waiting > _WAITING_MOST and goes_on():
                self._pause.wait(_WAIT_S)
            if not goes_on():
                return False
        self._publisher.beat(end_ns if before_ns is None else max(end_ns, before_ns))
        return True


def report_of(
    worker: str, health: HealthReport, feeds: Iterable[FeedStatus], load: OverloadStatus, bus: BusStatus
) -> WorkerReport:
    """Return what a worker tells of its cameras."""
    rows = {camera.camera_id: camera for camera in health.cameras}
    return WorkerReport(
        worker,
        health.at_ns,
        tuple(
            CameraReport(
                feed.camera_id,
                feed.state,
                feed.problem,
                feed.fps,
                feed.dropped_corrupt,
                feed.reconnects,
                QueueCounts(row.taken, row.dropped, row.waiting),
                load.paced[feed.camera_id],
                row.spared,
                row.picture,
            )
            for feed in feeds
            for row in [rows[feed.camera_id]]
        ),
        bus.dropped,
        load.words,
    )


def state_of(worker: str, health: Health, load: OverloadStatus, bus: BusStatus) -> WorkerState:
    """Return how a worker stands."""
    cameras = health.report().cameras
    return WorkerState(
        worker,
        sum(camera.is_up for camera in cameras),
        len(cameras),
        sum(camera.looked_per_s for camera in cameras),
        load.dropped,
        load.words,
        bus,
    )


def worker_line(state: WorkerState) -> str:
    """Return how a worker stands in one line."""
    parts = [
        f"{state.worker}: {state.cameras_up}/{state.cameras} cameras",
        f"{state.looked_per_s:.0f} fps",
        f"{state.dropped} dropped",
        f"{state.bus.waiting} wait for the broker",
    ]
    parts += [f"{state.bus.dropped} lost"] if state.bus.dropped else []
    parts += [state.load] if state.load else []
    parts += [] if state.bus.is_connected else ["no broker"]
    parts += [state.bus.problem] if state.bus.problem else []
    return ", ".join(parts)
