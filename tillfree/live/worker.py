"""A vision worker put together from its store file, and its loop: what ``tillfree vision-worker`` runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from recordings.files import LoadedRecording
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry
from tillfree.live.activity import Activity
from tillfree.live.agreement import Played, digest_of, read_played
from tillfree.live.budget import Meter
from tillfree.live.bus import Publisher
from tillfree.live.cameras import Feeds, LiveCameras
from tillfree.live.detecting import detector_of, recording_of, tell_outlook
from tillfree.live.health import Health, HealthSources
from tillfree.live.overload import Overload, OverloadSources
from tillfree.live.pacer import Pacer
from tillfree.live.queues import FrameQueues
from tillfree.live.recorded import RecordedFeeds
from tillfree.live.reorder import Reorder
from tillfree.live.storefile import StoreConfig
from tillfree.live.vision_worker import InStep, Numbered, WorkerEngine, WorkerState, report_of, state_of
from tillfree.settings import RunSettings, load_settings
from tillfree.sources.video import open_recording
from tillfree.system import steady_clock, system_clock
from vision.detectors import Detector
from vision.pipeline import PixelStage

_S = 1_000_000_000
_WAIT_S = 0.05

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker's loop drives. ``loaded`` is a recording in place of its cameras."""

    name: str
    config: StoreConfig
    settings: RunSettings
    geometry: StoreGeometry
    cameras: tuple[str, ...]
    detector: Detector
    publisher: Publisher
    loaded: LoadedRecording | None
    tell: Tell

    def stage(self, *, live: bool) -> PixelStage:
        """Return a pixel stage that has seen nothing yet."""
        return PixelStage(self.detector, self.geometry, self.settings.vision, live=live)


def open_worker(
    config: StoreConfig,
    name: str,
    recording: Path | None,
    tell: Tell,
    stack: ExitStack,
    publisher: Publisher | None = None,
    detector: Detector | None = None,
) -> WorkerParts:
    """Put worker ``name`` together; ``stack`` lets go of its end of the bus. Nothing runs yet.

    ``publisher`` and ``detector`` are in place of the broker and of the weights. Raises InputError where something is
    missing or wrong, MissingExtra where the broker's client is not installed.
    """
    settings = load_settings(config.settings_path)
    loaded = None if recording is None else recording_of(recording, config)
    if loaded is not None:
        _check_has(loaded, config.workers[name])
    found = detector_of(config, settings, loaded, tell) if detector is None else detector
    end = _publisher(config, name, settings) if publisher is None else publisher
    stack.callback(end.stop)
    geometry = StoreGeometry(config.store)
    return WorkerParts(name, config, settings, geometry, config.workers[name], found, end, loaded, tell)


def _publisher(config: StoreConfig, name: str, settings: RunSettings) -> Publisher:
    from tillfree.live.broker import open_publisher

    return open_publisher(config, name, str(system_clock()), settings.live.bus)


def _check_has(loaded: LoadedRecording, cameras: tuple[str, ...]) -> None:
    lacking = [camera for camera in cameras if camera not in loaded.paths]
    if lacking:
        mend = "list the camera under 'absent' in the store file"
        raise InputError(f"has no camera '{lacking[0]}'", file=loaded.file, mend=mend)


class WorkerLoop:
    """Runs a worker until it is told to stop, or the recording in place of its cameras is over. One thread calls ``run``."""

    def __init__(self, parts: WorkerParts, show: Callable[[WorkerState], None]) -> None:
        """``show`` is called about once a second."""
        self._parts, self._show = parts, show
        self._text: str | None = None

    def run(self, stopped: Event) -> None:
        """Run. Raises InputError where a recording breaks off, and whatever is a mistake in Tillfree.

        The process has to be started again then, and only frames are lost by that.
        """
        parts = self._parts
        parts.publisher.start()
        if parts.loaded is None:
            clock = steady_clock()
            cameras = [camera for camera in parts.config.store.cameras if camera.id in parts.cameras]
            tell_outlook(parts.detector, cameras, parts.settings, clock, parts.tell)
            self._watch(self._cameras(clock), clock, None, stopped)
        else:
            while not stopped.is_set() and not self._play(parts.loaded, stopped):
                parts.tell("another play begins")
        self._flush(stopped)
        parts.publisher.stop()

    def _play(self, loaded: LoadedRecording, stopped: Event) -> bool:
        """Play the recording as the coordinator says; return False where it says something else meanwhile."""
        played = self._await_played(loaded, stopped)
        if played is None:
            return True
        if played.in_step:
            return self._play_in_step(loaded, played, stopped)
        clock = played.clock()
        cameras = self._parts.cameras
        feeds = RecordedFeeds(loaded, clock, lambda: played.start_ns, None, loop=played.loop, cameras=cameras)
        return self._watch(feeds, clock, played, stopped)

    def _await_played(self, loaded: LoadedRecording, stopped: Event) -> Played | None:
        """Return what the coordinator says is played, None where told to stop meanwhile."""
        parts, digest = self._parts, digest_of(loaded)
        said: str | None = None
        parts.tell("waits for the coordinator to begin")
        while not stopped.wait(_WAIT_S):
            self._text = parts.publisher.agreed()
            played = read_played(self._text)
            if played is not None and played.recording == digest and parts.publisher.told() is not None:
                if played.in_step or played.loop or played.clock()() < played.end_ns:
                    return played
            elif played is not None and self._text != said:
                said = self._text
                parts.tell("the coordinator plays another recording")
        return None

    def _play_in_step(self, loaded: LoadedRecording, played: Played, stopped: Event) -> bool:
        parts = self._parts
        mine = tuple(camera for camera in loaded.recording.cameras if camera.id in parts.cameras)
        part = replace(loaded, recording=loaded.recording.model_copy(update={"cameras": mine}))
        step = InStep(parts.stage(live=False), parts.publisher, parts.publisher.told() or {})
        shift_ns = played.start_ns - loaded.recording.started_at_ns
        is_through = step.play(open_recording(part), shift_ns, played.end_ns, lambda: self._goes_on(stopped))
        parts.tell(f"{parts.name}: {step.frames} frames looked at in step")
        return is_through or stopped.is_set()

    def _goes_on(self, stopped: Event) -> bool:
        return not stopped.is_set() and self._parts.publisher.agreed() == self._text

    def _cameras(self, clock: Callable[[], int]) -> Feeds:
        config, settings = self._parts.config, self._parts.settings
        cameras = {camera.id: camera for camera in config.store.cameras}
        return LiveCameras(cameras, config.feeds, settings.feeds, clock, self._parts.tell)

    def _watch(self, feeds: Feeds, clock: Callable[[], int], played: Played | None, stopped: Event) -> bool:
        """Look at cameras until told to stop; return False where the coordinator begins something else."""
        parts, live = self._parts, self._parts.settings.live
        queues = FrameQueues(parts.cameras, live.queues)
        stage = parts.stage(live=True)
        numbered = Numbered(queues.put)
        pacer, meter = Pacer(parts.cameras, numbered.put), Meter(queues, clock)
        asked = OverloadSources(queues.counts, lambda: stage.spared, stage.set_heartbeat)
        cameras = [camera for camera in parts.config.store.cameras if camera.id in parts.cameras]
        heartbeat_s = parts.settings.vision.motion.heartbeat_s
        overload = Overload(cameras, (), heartbeat_s, live.overload, asked, pacer, meter)
        sources = HealthSources(feeds.statuses, queues.counts, lambda: stage.spared, paced=pacer.counts)
        health = Health(parts.cameras, (), parts.settings.health, sources, clock)
        reorder = Reorder(parts.cameras, round(live.engine.window_s * _S))
        engine = WorkerEngine(
            meter, stage, parts.publisher, reorder, live.engine.silence_s, clock, (Activity(queues), health)
        )
        feeds.start(pacer.put)
        is_changed, tended_ns = False, 0
        try:
            while not (stopped.is_set() or is_changed or _is_through(feeds, queues)):
                engine.step(_WAIT_S)
                if clock() - tended_ns >= _S:
                    tended_ns = clock()
                    self._tend(feeds, health, overload, tended_ns)
                    is_changed = played is not None and parts.publisher.agreed() not in (self._text, None)
        finally:
            feeds.stop()
        while engine.step(0.0):
            pass
        engine.drain()
        if played is not None and _is_through(feeds, queues) and not stopped.is_set():
            engine.end(played.end_ns)
        return not is_changed

    def _tend(self, feeds: Feeds, health: Health, overload: Overload, now_ns: int) -> None:
        publisher = self._parts.publisher
        feeds.tend(now_ns)
        overload.tend(now_ns)
        bus, load = publisher.status(), overload.status()
        publisher.report(report_of(self._parts.name, health.tend(now_ns), feeds.statuses(), load, bus))
        self._show(state_of(self._parts.name, health, load, bus))

    def _flush(self, stopped: Event) -> None:
        """Wait until the broker has all, however long it is away, unless told to stop."""
        while self._parts.publisher.status().waiting and not stopped.wait(_WAIT_S):
            pass


def _is_through(feeds: Feeds, queues: FrameQueues) -> bool:
    return feeds.is_over and not any(each.waiting for each in queues.counts().values())
