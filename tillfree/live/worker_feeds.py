"""A coordinator's cameras: how they are by what their workers say, and by what workers do not say any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tillfree.live.agreement import Begun, Played
from tillfree.live.bus import CameraReport, Subscriber, WorkerReport
from tillfree.live.cameras import Put
from tillfree.live.feed_status import FeedStatus
from tillfree.live.joiner import Joiner
from tillfree.live.pacer import PacerCounts
from tillfree.live.queues import QueueCounts
from tillfree.live.recorded import RecordedScans
from vision.picture_health import PictureState

_NOTHING = QueueCounts(0, 0, 0)


class Play(Protocol):
    """A recording in place of cameras."""

    def begin(self) -> Begun:
        """Fix the start, or find it."""
        ...

    def end(self) -> None:
        """Hear that it is over."""
        ...


class WorkerFeeds:
    """``Feeds`` of cameras that workers have. ``heard`` and ``tend`` are the loop's, which asks all else too."""

    def __init__(
        self,
        workers: Mapping[str, tuple[str, ...]],
        subscriber: Subscriber,
        joiner: Joiner,
        play: Play | None,
        scans: RecordedScans | None,
        clock: Callable[[], int],
        tell: Callable[[str], None],
    ) -> None:
        self._workers, self._subscriber, self._joiner = workers, subscriber, joiner
        self._play, self._scans, self._clock, self._tell = play, scans, clock, tell
        self._played: Played | None = None
        self._reports: dict[str, CameraReport] = {}
        self._lost: dict[str, int] = {}
        self._loads: dict[str, str] = {}
        self._silent: frozenset[str] = frozenset()
        self._problem: str | None = None
        self._seen: set[str] = set()
        self.paced: dict[str, PacerCounts] = {}

    def start(self, put: Put) -> None:
        """See ``Feeds.start``; frames stay with the workers."""
        del put
        if self._play is not None:
            begun = self._play.begin()
            self._played = begun.played
            self._subscriber.agree(begun.played.model_dump_json(), afresh=begun.is_new)
        self._subscriber.start()
        if self._scans is not None and self._played is not None:
            self._scans.start(self._played.start_ns, self._clock())

    def stop(self) -> None:
        """See ``Feeds.stop``. A recording that is over is taken back, so that nobody plays it again by mistake."""
        if self._scans is not None:
            self._scans.stop()
        if self._play is not None and self.is_over:
            self._subscriber.agree(None, afresh=False)
            self._play.end()
        self._subscriber.stop()

    def heard(self, report: WorkerReport) -> None:
        """Hear how a worker is."""
        for camera in report.cameras:
            if camera.camera_id in self._workers.get(report.worker, ()):
                self._reports[camera.camera_id] = camera
                self.paced[camera.camera_id] = camera.paced
        if report.lost > self._lost.get(report.worker, 0):
            self._tell(f"worker {report.worker}: {report.lost} messages lost, the broker was away for too long")
        if report.load and report.load != self._loads.get(report.worker):
            self._tell(f"worker {report.worker}: {report.load}")
        self._lost[report.worker], self._loads[report.worker] = report.lost, report.load

    def saw(self, camera_id: str) -> None:
        """Hear that a camera's frame came in its turn."""
        self._seen.add(camera_id)

    def statuses(self) -> tuple[FeedStatus, ...]:
        """See ``Feeds.statuses``."""
        silent = self._joiner.given_up
        return tuple(
            self._status(worker, camera, is_silent=worker in silent)
            for worker, cameras in self._workers.items()
            for camera in cameras
        )

    def counts(self) -> Mapping[str, QueueCounts]:
        """Return how many frames workers looked at and dropped; none waits here."""
        every = (camera for cameras in self._workers.values() for camera in cameras)
        return {camera: self._counts(camera) for camera in every}

    def spared(self) -> Mapping[str, int]:
        """Return by camera how many frames workers spared the detector."""
        return {camera: report.spared for camera, report in self._reports.items()}

    def picture(self, camera_id: str) -> PictureState | None:
        """Return what is wrong with a camera's picture, None where nobody has said."""
        report = self._reports.get(camera_id)
        return None if report is None else report.picture

    def tend(self, now_ns: int) -> None:
        """Give workers up that are silent, and tell of it, of those that speak again, and of trouble with the broker."""
        del now_ns
        silent = self._joiner.give_up()
        for worker in sorted(silent - self._silent):
            self._tell(f"worker {worker} is silent; the store goes on without {', '.join(self._workers[worker])}")
        for worker in sorted(self._silent - silent):
            self._tell(f"worker {worker} is back")
        self._silent = silent
        problem = self._subscriber.status().problem
        if problem is not None and problem != self._problem:
            self._tell(f"broker: {problem}")
        self._problem = problem

    @property
    def is_over(self) -> bool:
        """Whether a recording is played and over: all workers that are awaited told so, and all scans are posted."""
        played = self._played
        if played is None or played.loop or len(self._joiner) or self._subscriber.status().waiting:
            return False
        if self._scans is not None and not self._scans.is_over:
            return False
        mark_ns = self._joiner.mark_ns()
        is_told = mark_ns is not None and mark_ns >= played.end_ns
        is_anybody_there = len(self._joiner.given_up) < len(self._workers)
        return is_told or (not is_anybody_there and self._clock() >= played.end_ns)

    def _status(self, worker: str, camera_id: str, *, is_silent: bool) -> FeedStatus:
        report = self._reports.get(camera_id)
        if self._played is not None and self._played.in_step:
            return FeedStatus(camera_id, "live")
        if is_silent:
            return FeedStatus(camera_id, "waiting", f"worker {worker} is silent")
        if report is None:
            return FeedStatus(camera_id, "connecting", f"worker {worker} has not said how it is")
        if report.state == "live" and camera_id not in self._seen:
            return FeedStatus(camera_id, "connecting", "no picture yet")
        return FeedStatus(
            camera_id,
            report.state,
            report.problem,
            frames=report.counts.taken,
            dropped_corrupt=report.damaged,
            reconnects=report.reconnects,
            fps=report.fps,
        )

    def _counts(self, camera_id: str) -> QueueCounts:
        report = self._reports.get(camera_id)
        return _NOTHING if report is None else QueueCounts(report.counts.taken, report.counts.dropped, 0)
