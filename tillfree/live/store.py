"""A store that runs, put together from its store file: the composition root of ``tillfree run``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from checkout.checkout import Checkout
from recordings.files import LoadedRecording, load_recording
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry
from tillfree.eventlog import HeardLog
from tillfree.live.activity import Activity
from tillfree.live.api import create_app
from tillfree.live.books import LiveBooks, open_books
from tillfree.live.budget import Meter, first_cost_ns
from tillfree.live.cameras import Feeds, LiveCameras
from tillfree.live.coverage import Coverage
from tillfree.live.engine import Engine
from tillfree.live.evidence import Evidence
from tillfree.live.gatekeeper import Gatekeeper
from tillfree.live.health import Health, HealthSources
from tillfree.live.history import History, Restored
from tillfree.live.inbox import NodeInbox
from tillfree.live.loop import LiveParts
from tillfree.live.memory import GateMemory
from tillfree.live.node import AlertRow
from tillfree.live.overload import Overload, OverloadSources, outlook
from tillfree.live.pacer import Pacer
from tillfree.live.queues import FrameQueues
from tillfree.live.recorded import Playing, RecordedFeeds
from tillfree.live.rejoining import PeopleFile, Rejoining
from tillfree.live.relay import RelayBiller
from tillfree.live.settings import GateSettings
from tillfree.live.storefile import StoreConfig
from tillfree.live.watched import watched_places
from tillfree.prices import price_book
from tillfree.run import StoreRun
from tillfree.serving import ServerThread
from tillfree.settings import RunSettings, load_settings
from tillfree.system import steady_clock
from vision.detectors import Detector, find_weights, load_detector, rendered_people_notice
from vision.pipeline import FloorStage, PixelStage
from vision.shelves import load_references
from vision.shelves.atlas import visible_slots

_S = 1_000_000_000
EVENTS = "events"
_INBOX = "inbox.journal"
_GATES = "gates.journal"
_AS_LIVE = "as-live.json"
_PEOPLE = "people.json"
_EVIDENCE = "evidence"
_DOUBTS = 50

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AsLive:
    """A recording in place of the cameras and readers; ``speed`` 2 plays it, and lets all clocks run, twice as fast."""

    recording: Path
    speed: float = 1.0
    loop: bool = False


def open_store(
    config: StoreConfig,
    as_live: AsLive | None,
    data: Path | None,
    tell: Tell,
    stack: ExitStack,
    detector: Detector | None = None,
) -> LiveParts:
    """Open a store's books, log and cameras; ``stack`` closes them. Nothing runs yet.

    ``data`` is a folder in place of the store file's, ``detector`` one in place of the weights'. Raises InputError where
    something is missing or wrong, or another process runs this store.
    """
    data = config.data_dir if data is None else data
    _make(data)
    settings = load_settings(config.settings_path)
    loaded = None if as_live is None else _recording(as_live, config)
    inbox = NodeInbox(data / _INBOX)  # from here on no other process can have this store
    stack.callback(inbox.close)
    history = History(data / EVENTS, settings.live.history)
    stack.callback(history.close)
    restored = history.take_restored()
    playing: Playing | None = None
    if loaded is not None and as_live is not None:
        playing = Playing(data / _AS_LIVE, loaded, as_live.speed, restored.last_ns or 0, loop=as_live.loop)
    clock = steady_clock() if playing is None else playing.clock
    if clock() < (restored.last_ns or 0):
        tell("this machine's clock is behind the store's log: set it, for visits end by it")
    books = open_books(config, data, settings, price_book(config.store, config.prices_path), clock, tell, stack)
    gatekeeper = _gatekeeper(config, data, inbox, books, settings, tell, stack)
    evidence = _evidence(config, data, settings, clock, inbox)
    feeds: Feeds
    if loaded is None or as_live is None or playing is None:
        cameras = {camera.id: camera for camera in config.store.cameras}
        feeds = LiveCameras(cameras, config.feeds, settings.feeds, clock, tell, evidence.keep)
    else:
        feeds = RecordedFeeds(loaded, playing, gatekeeper.decide, tell, evidence.keep, loop=as_live.loop)
    found = _detector(config, settings, loaded, tell) if detector is None else detector
    _tell_outlook(config, settings, found, clock, tell)
    parts = _parts(config, data, settings, clock, inbox, books, history, restored, feeds, evidence, found, tell)
    skus = frozenset(product.sku for product in config.store.products)
    app = create_app(gatekeeper, inbox, books.keys, skus, clock, health=parts.health.report)
    servers = [ServerThread(app, config.listen.host, config.listen.port)]
    if books.app is not None and books.shop is not None:
        servers.append(ServerThread(books.app, books.shop.host, books.shop.port))
    stops: list[Callable[[], None]] = [parts.relay.stop, *(each.stop for each in parts.workers), parts.feeds.stop]
    stops.append(evidence.stop)
    for stop in (*stops, *(each.stop for each in servers)):  # after a mistake they run still
        stack.callback(stop)
    return replace(parts, servers=tuple(servers))


def _parts(
    config: StoreConfig,
    data: Path,
    settings: RunSettings,
    clock: Callable[[], int],
    inbox: NodeInbox,
    books: LiveBooks,
    history: History,
    restored: Restored,
    feeds: Feeds,
    evidence: Evidence,
    detector: Detector,
    tell: Tell,
) -> LiveParts:
    geometry = StoreGeometry(config.store)
    carried = None if restored.carried is None else restored.carried.checkout
    checkout = Checkout.restore(restored.checkout_events, settings.checkout, config.store, carried)
    people_file = PeopleFile(data / _PEOPLE)
    before = people_file.before(checkout.state, restored.last_ns or 0)
    relay = RelayBiller(books.port, settings.live.relay, clock, tell)
    floor = FloorStage(
        geometry,
        settings.vision,
        load_references(config.store, config.layout_path.parent),
        first_person_id=max(history.numbers.last_person_id, people_file.last_person_id()) + 1,
        told=history.numbers.last_interaction,
    )
    run = StoreRun(floor, checkout, relay, HeardLog(history, evidence.written), keep_paths=False, fold=restored.fold)
    queues = FrameQueues(geometry.cameras, settings.live.queues)
    activity = Activity(queues)
    stage = PixelStage(detector, geometry, settings.vision, live=True)
    watched = watched_places(geometry, settings.vision.shelves.observer)
    pacer, meter = Pacer(geometry.cameras, queues.put), Meter(queues, clock)
    asked = OverloadSources(queues.counts, lambda: stage.spared, stage.set_heartbeat)
    heartbeat_s = settings.vision.motion.heartbeat_s
    overload = Overload(config.store.cameras, watched, heartbeat_s, settings.live.overload, asked, pacer, meter)
    sources = HealthSources(
        feeds.statuses, queues.counts, lambda: stage.spared, evidence.status, relay.status, pacer.counts
    )
    health = Health(geometry.cameras, watched, settings.health, sources, clock)
    doubts: deque[AlertRow] = deque(maxlen=_DOUBTS)
    rejoining = Rejoining(
        geometry, before, settings.live.resumption, run.hear, lambda person, at_ns: doubts.append(_doubt(person, at_ns))
    )
    watchers = (activity, rejoining, evidence, health, overload.looks)
    engine = Engine(meter, stage, run, settings.live.engine, clock, watchers)
    forget_ns = round(settings.live.history.forget_after_s * _S)
    note_ns = round(settings.live.resumption.snapshot_s * _S)
    return LiveParts(
        geometry, feeds, queues, activity, evidence, health, overload, engine, run, checkout, history, inbox, relay,
        books.workers, (), _coverage(config, geometry, settings, restored, people_file), rejoining, people_file,
        doubts, clock, forget_ns, note_ns,
    )  # fmt: skip


def _tell_outlook(
    config: StoreConfig, settings: RunSettings, detector: Detector, clock: Callable[[], int], tell: Tell
) -> None:
    """Say what rate will be had, where the detector alone is too slow for all that the cameras send."""
    cameras = [camera for camera in config.store.cameras if camera.id not in config.absent]
    if cameras:
        said = outlook(first_cost_ns(detector, cameras, clock), cameras, settings.live.overload)
        if said is not None:
            tell(said)


def _coverage(
    config: StoreConfig, geometry: StoreGeometry, settings: RunSettings, restored: Restored, people_file: PeopleFile
) -> Coverage:
    """Return what watches over shelves; nobody looked since the log's last line, or the last note of people."""
    cameras = [camera for camera in geometry.cameras if camera not in config.absent]
    slots_of = {camera: visible_slots(geometry, camera, settings.vision.shelves.observer) for camera in cameras}
    since = [at_ns for at_ns in (restored.last_ns, people_file.at_ns) if at_ns is not None]
    min_ns = round(settings.checkout.reviews.unseen_min_s * _S)
    return Coverage(slots_of, min_ns, max(since, default=None))


def _evidence(
    config: StoreConfig, data: Path, settings: RunSettings, clock: Callable[[], int], inbox: NodeInbox
) -> Evidence:
    """Return what keeps evidence. Raises InputError where its folder cannot be used."""

    def open_reviews() -> Collection[str] | None:
        view = inbox.view()
        return [review.review_id for review in view.reviews] if view.at_ns else None

    sizes = {camera.id: camera.resolution_px for camera in config.store.cameras}
    try:
        return Evidence(data / _EVIDENCE, sizes, settings.evidence, clock, open_reviews)
    except OSError as error:
        mend = "give this user the folder, or name another"
        raise InputError(f"cannot be used: {error.strerror}", file=data / _EVIDENCE, mend=mend) from error


def _doubt(person_id: int, at_ns: int) -> AlertRow:
    return AlertRow(at_ns, "who_is_who", f"person {person_id} may be one of several who were inside before the restart")


def _make(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", file=data, mend="name another folder") from error


def _recording(as_live: AsLive, config: StoreConfig) -> LoadedRecording:
    """Read the recording. Raises InputError where it is of another store."""
    loaded = load_recording(as_live.recording)
    if loaded.store != config.store:
        mend = f"name {loaded.layout_path} as layout in the store file, or another recording"
        raise InputError("was made with another layout than the store file's", file=loaded.file, mend=mend)
    return loaded


def _gatekeeper(
    config: StoreConfig,
    data: Path,
    inbox: NodeInbox,
    books: LiveBooks,
    settings: RunSettings,
    tell: Tell,
    stack: ExitStack,
) -> Gatekeeper:
    told = settings.gates
    if config.capacity is not None:
        told = GateSettings(**(told.model_dump() | {"capacity": config.capacity}))
    memory = GateMemory(data / _GATES, told.repeat_s * _S)
    stack.callback(memory.close)
    gates = {gate.id: gate.kind for gate in config.store.gates}
    return Gatekeeper(inbox, gates, books.pass_keys, books.standing, books.refused, memory, told, tell)


def _detector(config: StoreConfig, settings: RunSettings, loaded: LoadedRecording | None, tell: Tell) -> Detector:
    named = None if loaded is None else loaded.weights_path
    found = find_weights(config.weights_path, named)
    notice = rendered_people_notice(found.path, rendered_recording=loaded is not None and loaded.recording.rendered)
    if notice:
        tell(notice)
    slow = {each.id for each in config.store.cameras if each.fps < settings.vision.shelves.slow.below_fps}
    return load_detector(found.path, settings.vision.detector, things_of=slow)
