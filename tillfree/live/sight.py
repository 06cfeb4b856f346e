"""What a store looks with: cameras and a detector of its own, or workers that tell it over a broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from store_layout.geometry import StoreGeometry
from tillfree.live.activity import Activity
from tillfree.live.budget import Meter
from tillfree.live.bus import Subscriber
from tillfree.live.bus_engine import BusEngine
from tillfree.live.cameras import Feeds
from tillfree.live.engine import Engine, Watcher
from tillfree.live.evidence import Evidence
from tillfree.live.health import Health
from tillfree.live.history import History
from tillfree.live.joiner import Joiner
from tillfree.live.loop import LiveEngine, Queues
from tillfree.live.overload import Overload, OverloadSources
from tillfree.live.pacer import Pacer
from tillfree.live.queues import FrameQueues, QueueCounts
from tillfree.live.rejoining import Rejoining
from tillfree.live.taken import Taken
from tillfree.live.tap import LiveTap
from tillfree.live.watched import Watched
from tillfree.live.worker_feeds import WorkerFeeds
from tillfree.live.workers_load import ToldPacer, WorkersLoad
from tillfree.run import StoreRun
from tillfree.settings import RunSettings
from vision.detectors import Detector
from vision.pipeline import Instant, PixelStage
from vision.types import Frame, Observation


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who hears what the engine does, whichever it is."""

    activity: Activity
    rejoining: Rejoining
    evidence: Evidence
    health: Health
    tap: LiveTap | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """Frames or observations on their way. ``spared`` is by camera how many frames the detector was spared.

    ``kept`` of ``make_engine``'s second result is to be called once the log is on the disk.
    """

    feeds: Feeds
    queues: Queues
    spared: Callable[[], Mapping[str, int]]
    overload: Overload
    make_engine: Callable[[StoreRun, Watchers], tuple[LiveEngine, Callable[[], None]]]


def own_sight(
    feeds: Feeds,
    detector: Detector,
    geometry: StoreGeometry,
    watched: Sequence[Watched],
    settings: RunSettings,
    clock: Callable[[], int],
) -> Sight:
    """Return the sight of a store whose one process does all."""
    queues = FrameQueues(geometry.cameras, settings.live.queues)
    stage = PixelStage(detector, geometry, settings.vision, live=True)
    pacer, meter = Pacer(geometry.cameras, queues.put), Meter(queues, clock)
    asked = OverloadSources(queues.counts, lambda: stage.spared, stage.set_heartbeat)
    heartbeat_s = settings.vision.motion.heartbeat_s
    cameras = geometry.store.cameras
    overload = Overload(cameras, watched, heartbeat_s, settings.live.overload, asked, pacer, meter)

    def make_engine(run: StoreRun, told: Watchers) -> tuple[LiveEngine, Callable[[], None]]:
        watchers: tuple[Watcher, ...] = (
            told.activity,
            told.rejoining,
            told.evidence,
            told.health,
            overload.looks,
            *(() if told.tap is None else (told.tap,)),
        )
        return Engine(meter, stage, run, settings.live.engine, clock, watchers), _nothing

    return Sight(feeds, queues, lambda: stage.spared, overload, make_engine)


def bus_sight(
    feeds: WorkerFeeds,
    subscriber: Subscriber,
    joiner: Joiner,
    taken: Taken,
    history: History,
    geometry: StoreGeometry,
    watched: Sequence[Watched],
    settings: RunSettings,
    clock: Callable[[], int],
    *,
    in_step: bool,
) -> Sight:
    """Return the sight of a coordinator; ``in_step`` time moves by what workers tell alone."""
    queues = _NoQueues(feeds)
    pacer = ToldPacer(geometry.cameras, feeds.paced)
    asked = OverloadSources(queues.counts, feeds.spared, _no_heartbeat)
    meter = Meter(queues, clock)
    overload = WorkersLoad(
        geometry.store.cameras, watched, settings.live.overload, asked, pacer, meter, in_step=in_step
    )

    def make_engine(run: StoreRun, told: Watchers) -> tuple[LiveEngine, Callable[[], None]]:
        engine = BusEngine(
            subscriber,
            joiner,
            run,
            None if in_step else settings.live.engine.silence_s,
            clock,
            feeds.heard,
            (_Looks(feeds, told, pacer, overload),),
            lambda until_ns: taken.note(until_ns, history.lines),
        )
        return engine, lambda: engine.kept() if history.is_kept else None

    return Sight(feeds, queues, feeds.spared, overload, make_engine)


class _Looks:
    """Tells those who watch what a coordinator knows of pictures: they stay with the workers, and so does evidence."""

    def __init__(self, feeds: WorkerFeeds, watchers: Watchers, pacer: ToldPacer, overload: Overload) -> None:
        self._feeds, self._watchers, self._pacer, self._overload = feeds, watchers, pacer, overload

    def told(self, observation: Observation) -> None:
        """See ``BusWatcher.told``."""
        camera_id = observation.detections.camera_id
        self._feeds.saw(camera_id)
        self._pacer.told(observation)
        self._watchers.activity.frames += 1
        self._watchers.health.told(observation, self._feeds.picture(camera_id))

    def happened(self, instant: Instant) -> None:
        """See ``BusWatcher.happened``."""
        self._watchers.activity.happened(instant)
        self._watchers.rejoining.happened(instant)
        self._watchers.health.happened(instant)
        self._overload.looks.happened(instant)
        if self._watchers.tap is not None:
            self._watchers.tap.happened(instant)


class _NoQueues:
    """In the place of a coordinator's queues, which are with its workers."""

    def __init__(self, feeds: WorkerFeeds) -> None:
        self._feeds = feeds

    def take(self, timeout_s: float) -> Frame | None:
        """Give no frame: workers have them."""
        del timeout_s
        return None

    def set_busy(self, camera_id: str, busy: bool) -> None:
        """Workers know themselves."""

    def counts(self) -> Mapping[str, QueueCounts]:
        """Return what became of frames at the workers."""
        return self._feeds.counts()


def _no_heartbeat(_seconds: float) -> None:
    """Workers have motion gates of their own."""


def _nothing() -> None:
    """Nobody waits for the log."""
