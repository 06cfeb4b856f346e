"""A store that runs, put together from its store file: the composition root of ``tillfree run``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import FastAPI

from billing.httpx_sender import HttpxSender
from checkout.checkout import Checkout
from recordings.files import LoadedRecording
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry
from tillfree.eventlog import EventLog, HeardLog
from tillfree.live.activity import Activity
from tillfree.live.agreement import LEAD_NS, LivePlay, StepPlay
from tillfree.live.alert_memory import AlertFile
from tillfree.live.alert_post import Alerts, channels_of
from tillfree.live.api import create_app
from tillfree.live.books import LiveBooks, open_books
from tillfree.live.broker import open_subscriber
from tillfree.live.bus import Subscriber
from tillfree.live.cameras import Feeds, LiveCameras
from tillfree.live.configuration import LiveConfiguration
from tillfree.live.coverage import Coverage
from tillfree.live.cutting import FootageCutter
from tillfree.live.desk import LiveDesk
from tillfree.live.detecting import detector_of, recording_of, tell_outlook
from tillfree.live.door import Door
from tillfree.live.evidence import Evidence
from tillfree.live.gatekeeper import Gatekeeper
from tillfree.live.health import Health, HealthSources
from tillfree.live.history import EVENTS, History, Restored
from tillfree.live.inbox import NodeInbox
from tillfree.live.joiner import Joiner
from tillfree.live.loop import Helper, LiveParts
from tillfree.live.machine import LiveMachine
from tillfree.live.memory import GateMemory
from tillfree.live.node import AlertRow
from tillfree.live.questions import LiveQuestions
from tillfree.live.recorded import Playing, RecordedFeeds, RecordedScans
from tillfree.live.rejoining import PeopleFile, Rejoining
from tillfree.live.relay import RelayBiller
from tillfree.live.replenish import REPLENISHMENT, Replenishment
from tillfree.live.settings import GateSettings
from tillfree.live.sight import Sight, Watchers, bus_sight, own_sight
from tillfree.live.stock import LiveLog, open_stock
from tillfree.live.storefile import StoreConfig
from tillfree.live.taken import Taken
from tillfree.live.visits import LiveVisits
from tillfree.live.watched import Watched, watched_places
from tillfree.live.worker_feeds import WorkerFeeds
from tillfree.prices import price_book
from tillfree.run import StoreRun
from tillfree.serving import ServerThread
from tillfree.settings import RunSettings, load_settings
from tillfree.system import steady_clock, system_clock
from vision.detectors import Detector
from vision.pipeline import FloorStage
from vision.shelves import load_references
from vision.shelves.atlas import visible_slots

_S = 1_000_000_000
INBOX = "inbox.journal"
_GATES = "gates.journal"
_AS_LIVE = "as-live.json"
_PEOPLE = "people.json"
EVIDENCE = "evidence"
_IN_STEP = "in-step.json"
_TAKEN = "taken.mark"
_BOOKMARK = "broker.json"
_FOR_EVER_S = 1e9
_DOOR = "door.json"
_ALERTS = "alerts.json"
_DOUBTS = 50

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AsLive:
    """A recording in place of the cameras and readers; ``speed`` 2 plays it, and lets all clocks run, twice as fast.

    ``in_step`` has vision workers look at every frame, however long it takes.
    """

    recording: Path
    speed: float = 1.0
    loop: bool = False
    in_step: bool = False


def open_store(
    config: StoreConfig,
    as_live: AsLive | None,
    data: Path | None,
    tell: Tell,
    stack: ExitStack,
    detector: Detector | None = None,
    subscriber: Subscriber | None = None,
) -> LiveParts:
    """Open a store's books, log and cameras; ``stack`` closes them. Nothing runs yet.

    ``data`` is a folder in place of the store file's, ``detector`` one in place of the weights', ``subscriber`` in place of
    the broker's. Raises InputError where
    something is missing or wrong, or another process runs this store.
    """
    data = config.data_dir if data is None else data
    _make(data)
    settings = load_settings(config.settings_path)
    loaded = None if as_live is None else recording_of(as_live.recording, config)
    inbox = NodeInbox(data / INBOX)  # from here on no other process can have this store
    stack.callback(inbox.close)
    history = History(data / EVENTS, settings.live.history)
    stack.callback(history.close)
    restored = history.take_restored()
    opening = _Opening(config, data, settings, loaded, as_live, history, restored, tell, stack)
    playing, step = opening.playing(), opening.in_step()
    clock = steady_clock() if playing is None else playing.clock
    if clock() < (restored.last_ns or 0):
        tell("this machine's clock is behind the store's log: set it, for visits end by it")
    books = open_books(config, data, settings, price_book(config.store, config.prices_path), clock, tell, stack)
    gatekeeper = _gatekeeper(config, data, inbox, books, settings, tell, stack)
    evidence = _evidence(config, data, settings, clock, inbox)
    scans = None
    if loaded is not None and as_live is not None and playing is not None:
        scans = RecordedScans(loaded, clock, gatekeeper.decide, tell, loop=as_live.loop)
    geometry = StoreGeometry(config.store)
    watched = watched_places(geometry, settings.vision.shelves.observer)
    if config.broker is None:
        sight = opening.own(playing, scans, evidence, clock, detector, geometry, watched)
    else:
        sight = opening.split(step or opening.live_play(playing), scans, clock, subscriber, geometry, watched)
    desk = opening.desk(books, geometry, clock, evidence)
    parts = _parts(
        config, data, settings, clock, inbox, books, history, restored, sight, evidence, geometry, watched, desk, tell
    )
    for scan in () if step is None else step.scans():
        parts.run.expect(scan)
    skus = frozenset(product.sku for product in config.store.products)
    app = create_app(gatekeeper, inbox, books.keys, skus, clock, health=parts.health.report)
    watch = None if desk is None else _watch(desk, config, data, settings, inbox, books, parts, stack)
    servers = _servers(config, app, books, watch)
    if desk is not None:
        tell(desk.told)
    stops: list[Callable[[], None]] = [parts.relay.stop, *(each.stop for each in parts.workers), parts.feeds.stop]
    stops += [evidence.stop] if parts.alerts is None else [evidence.stop, parts.alerts.stop]
    for stop in (*stops, *(each.stop for each in servers)):  # after a mistake they run still
        stack.callback(stop)
    return replace(parts, servers=servers)


def _servers(config: StoreConfig, app: FastAPI, books: LiveBooks, watch: FastAPI | None) -> tuple[ServerThread, ...]:
    """Take the ports of what is served. Raises InputError where another program has one of them."""
    served = [(app, config.listen.host, config.listen.port)]
    if books.app is not None and books.shop is not None:
        served.append((books.app, books.shop.host, books.shop.port))
    if watch is not None and config.dashboard is not None:
        served.append((watch, config.dashboard.host, config.dashboard.port))
    return tuple(ServerThread(*each) for each in served)


def _watch(
    desk: LiveDesk,
    config: StoreConfig,
    data: Path,
    settings: RunSettings,
    inbox: NodeInbox,
    books: LiveBooks,
    parts: LiveParts,
    stack: ExitStack,
) -> FastAPI:
    """Return the dashboard. Where workers have the cameras, they have the footage, too, and nothing is cut from it."""
    report = parts.health.report
    told = LiveConfiguration(config, settings, data, books.operators, lambda: report().evidence)
    skus = frozenset(product.sku for product in config.store.products)
    questions = LiveQuestions(inbox, parts.evidence, skus, parts.clock)
    cutter = None
    if config.broker is None:
        cutter = FootageCutter(config, data / EVENTS, parts.evidence, settings.evidence, parts.clock)
        stack.callback(cutter.stop)
    return desk.app(LiveMachine(inbox.view, report, parts.door), questions, told, cutter)


@dataclass(frozen=True, slots=True)
class _Opening:
    """A store that is being opened, and what it is to look with."""

    config: StoreConfig
    data: Path
    settings: RunSettings
    loaded: LoadedRecording | None
    as_live: AsLive | None
    history: History
    restored: Restored
    tell: Tell
    stack: ExitStack

    def playing(self) -> Playing | None:
        """Return the clock of a recording that is played at its own pace."""
        as_live = self.as_live
        if self.loaded is None or as_live is None or as_live.in_step:
            return None
        file, last_ns = self.data / _AS_LIVE, self.restored.last_ns or 0
        if self.config.broker is None:
            return Playing(file, self.loaded, as_live.speed, last_ns, loop=as_live.loop)
        return Playing(file, self.loaded, as_live.speed, last_ns, loop=as_live.loop, lead_ns=LEAD_NS)

    def in_step(self) -> StepPlay | None:
        """Return a recording that is played in step. Raises InputError for a store of one process."""
        if self.loaded is None or self.as_live is None or not self.as_live.in_step:
            return None
        if self.config.broker is None:
            mend = "add a broker and workers, or use tillfree replay"
            raise InputError("is of stores with vision workers", field="--in-step", mend=mend)
        every_ns = round(self.settings.vision.pipeline.read_every_s * _S)
        after_ns = max(system_clock(), (self.restored.last_ns or 0) + _S)
        return StepPlay(self.data / _IN_STEP, self.loaded, every_ns, after_ns)

    def live_play(self, playing: Playing | None) -> LivePlay | None:
        """Return a recording that workers play at its own pace."""
        if self.loaded is None or self.as_live is None or playing is None:
            return None
        return LivePlay(self.loaded, playing, loop=self.as_live.loop)

    def desk(
        self, books: LiveBooks, geometry: StoreGeometry, clock: Callable[[], int], evidence: Evidence
    ) -> LiveDesk | None:
        """Return the dashboard, None where the store file has none."""
        entry, data, stack = self.config.dashboard, self.data, self.stack
        if entry is None:
            return None
        log = LiveLog(data / EVENTS, self.restored)
        stock = open_stock(self.config.store, data, self.settings.stock, clock, log, stack)
        visits = LiveVisits(data, self.history, self.config.store, books, evidence.store, clock, stack)
        told = self.config.replenish
        supplier = None
        if told is not None:
            supplier = Replenishment(told, stock, data / REPLENISHMENT, HttpxSender(), system_clock, self.tell)
        return LiveDesk(
            entry, books.operators, geometry, stock, visits, data, self.config.weights_path, stack, supplier
        )

    def own(
        self,
        playing: Playing | None,
        scans: RecordedScans | None,
        evidence: Evidence,
        clock: Callable[[], int],
        detector: Detector | None,
        geometry: StoreGeometry,
        watched: Sequence[Watched],
    ) -> Sight:
        """Return what one process looks with."""
        config, settings, loaded = self.config, self.settings, self.loaded
        feeds: Feeds
        if loaded is None or self.as_live is None or playing is None:
            cameras = {camera.id: camera for camera in config.store.cameras}
            feeds = LiveCameras(cameras, config.feeds, settings.feeds, clock, self.tell, evidence.keep)
        else:
            loop = self.as_live.loop
            feeds = RecordedFeeds(loaded, clock, playing.start_ns, scans, evidence.keep, loop=loop)
        found = detector_of(config, settings, loaded, self.tell) if detector is None else detector
        tell_outlook(
            found,
            [camera for camera in config.store.cameras if camera.id not in config.absent],
            settings,
            clock,
            self.tell,
        )
        return own_sight(feeds, found, geometry, watched, settings, clock)

    def split(
        self,
        play: StepPlay | LivePlay | None,
        scans: RecordedScans | None,
        clock: Callable[[], int],
        subscriber: Subscriber | None,
        geometry: StoreGeometry,
        watched: Sequence[Watched],
    ) -> Sight:
        """Return what a coordinator looks with: its workers."""
        config, settings, in_step = self.config, self.settings, isinstance(play, StepPlay)
        taken = Taken(self.data / _TAKEN)
        self.stack.callback(taken.close)
        after_ns = taken.until_ns(self.history.lines)
        patience = settings.live.join
        if in_step:  # nobody is given up
            patience = patience.model_copy(update={"patience_s": _FOR_EVER_S})
        workers = tuple(config.workers)
        joiner = Joiner(workers, patience, clock) if after_ns is None else Joiner(workers, patience, clock, after_ns)
        end = open_subscriber(config, settings.live.bus, self.data / _BOOKMARK) if subscriber is None else subscriber
        feeds = WorkerFeeds(config.workers, end, joiner, play, scans, clock, self.tell)
        return bus_sight(feeds, end, joiner, taken, self.history, geometry, watched, settings, clock, in_step=in_step)


def _parts(
    config: StoreConfig,
    data: Path,
    settings: RunSettings,
    clock: Callable[[], int],
    inbox: NodeInbox,
    books: LiveBooks,
    history: History,
    restored: Restored,
    sight: Sight,
    evidence: Evidence,
    geometry: StoreGeometry,
    watched: Sequence[Watched],
    desk: LiveDesk | None,
    tell: Tell,
) -> LiveParts:
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
    log: EventLog = HeardLog(history if desk is None else desk.visits.log, evidence.written)
    tap = None if desk is None else desk.tap
    if desk is not None:
        log = HeardLog(HeardLog(log, desk.tap.written), desk.stock.written)
        desk.tap.begin(restored.fold.cart_events)
    run = StoreRun(floor, checkout, relay, log, keep_paths=False, fold=restored.fold)
    activity = Activity(sight.queues)
    sources = HealthSources(
        sight.feeds.statuses,
        sight.queues.counts,
        sight.spared,
        evidence.status,
        relay.status,
        sight.overload.pacer.counts,
    )
    health = Health(geometry.cameras, watched, settings.health, sources, clock)
    doubts: deque[AlertRow] = deque(maxlen=_DOUBTS)
    rejoining = Rejoining(
        geometry, before, settings.live.resumption, run.hear, lambda person, at_ns: doubts.append(_doubt(person, at_ns))
    )
    engine, kept = sight.make_engine(run, Watchers(activity, rejoining, evidence, health, tap))
    helpers: tuple[Helper, ...] = books.workers
    if desk is not None:
        helpers += (desk.visits.thread, *(() if desk.replenishment is None else (desk.replenishment,)))
    forget_ns = round(settings.live.history.forget_after_s * _S)
    note_ns = round(settings.live.resumption.snapshot_s * _S)
    return LiveParts(
        geometry, sight.feeds, sight.queues, activity, evidence, health, Door(data / _DOOR), sight.overload, engine, run, checkout, history,
        inbox, relay,
        helpers, (), tap, _alerts(config, data, settings, tell), _coverage(config, geometry, settings, restored, people_file), rejoining, people_file,
        doubts, clock, forget_ns, note_ns, kept,
    )  # fmt: skip


def _coverage(
    config: StoreConfig, geometry: StoreGeometry, settings: RunSettings, restored: Restored, people_file: PeopleFile
) -> Coverage:
    """Return what watches over shelves; nobody looked since the log's last line, or the last note of people."""
    cameras = [camera for camera in geometry.cameras if camera not in config.absent]
    slots_of = {camera: visible_slots(geometry, camera, settings.vision.shelves.observer) for camera in cameras}
    since = [at_ns for at_ns in (restored.last_ns, people_file.at_ns) if at_ns is not None]
    min_ns = round(settings.checkout.reviews.unseen_min_s * _S)
    again = settings.live.resumption
    return Coverage(slots_of, min_ns, max(since, default=None), round(again.untold_s * _S), round(again.gather_s * _S))


def _alerts(config: StoreConfig, data: Path, settings: RunSettings, tell: Tell) -> Alerts | None:
    """Return what tells people; None where the store file names nobody. Raises InputError where its file cannot be read."""
    if config.alerts is None:
        return None
    channels = channels_of(config.alerts, config.store.name, settings.page.zone)
    return Alerts(config.alerts, channels, system_clock, tell, config.absent, file=AlertFile(data / _ALERTS))


def _evidence(
    config: StoreConfig, data: Path, settings: RunSettings, clock: Callable[[], int], inbox: NodeInbox
) -> Evidence:
    """Return what keeps evidence. Raises InputError where its folder cannot be used."""

    def open_reviews() -> Collection[str] | None:
        view = inbox.view()
        return [review.review_id for review in view.reviews] if view.at_ns else None

    told = settings.evidence
    if config.broker is not None:  # video stays with the workers
        told = told.model_copy(update={"clips": "none"})
    sizes = {camera.id: camera.resolution_px for camera in config.store.cameras}
    try:
        return Evidence(data / EVIDENCE, sizes, told, clock, open_reviews)
    except OSError as error:
        mend = "give this user the folder, or name another"
        raise InputError(f"cannot be used: {error.strerror}", file=data / EVIDENCE, mend=mend) from error


def _doubt(person_id: int, at_ns: int) -> AlertRow:
    return AlertRow(at_ns, "who_is_who", f"person {person_id} may be one of several who were inside before the restart")


def _make(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", file=data, mend="name another folder") from error


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
