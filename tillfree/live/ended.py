"""A run that has ended, on the same dashboard as when it ran: the composition root of ``tillfree dashboard``.

Nothing looks, lets in or charges by itself here. What happened is read; notes, refunds and corrections are made as ever, since
they are the books' business; what is the engine's to do, answering reviews and opening the store, waits for ``tillfree run``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from billing.errors import BillingError
from checkout.checkout import Checkout
from checkout.state import State
from dashboard.errors import Refused
from dashboard.health.types import CameraHealth, StoreHealth
from dashboard.reviews.types import Outcome
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry
from tillfree.live import errors
from tillfree.live.books import DATABASE, open_books
from tillfree.live.clips import ClipStore
from tillfree.live.configuration import LiveConfiguration
from tillfree.live.desk import LiveDesk
from tillfree.live.history import EVENTS, History, Restored
from tillfree.live.inbox import NodeInbox
from tillfree.live.node import CameraRow, NodeView
from tillfree.live.questions import LiveQuestions
from tillfree.live.stock import LiveLog, open_stock
from tillfree.live.store import EVIDENCE, INBOX, Tell
from tillfree.live.storefile import DashboardEntry, StoreConfig
from tillfree.live.view import people_inside, visit_rows
from tillfree.live.visits import LiveVisits
from tillfree.prices import price_book
from tillfree.serving import ServerThread
from tillfree.settings import load_settings
from tillfree.system import steady_clock

_DAY_NS = 86_400 * 1_000_000_000
ENDED = "this run has ended; what is shown is how it ended"
_START = "this run has ended: start the store again with tillfree run"


@dataclass(frozen=True, slots=True)
class EndedParts:
    """What ``tillfree dashboard`` starts and stops. ``last_ns`` is when the run's last event became known."""

    server: ServerThread
    visits: LiveVisits
    last_ns: int


@dataclass(frozen=True, slots=True)
class EndedNode:
    """The store as it was at the end: a ``NodeAnswers`` that takes no answers."""

    seen: NodeView

    def view(self) -> NodeView:
        """Return the store as it was."""
        return self.seen

    def answer(self, given: object) -> None:
        """Refuse: nobody is there to take it."""
        del given
        raise errors.NodeStopped(_START)


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """The clips that a run left: a ``ReviewClips``. None are made any more."""

    store: ClipStore

    def waiting_reviews(self) -> frozenset[str]:
        """Return the reviews of which clips are still to be made: none."""
        return frozenset()


class EndedQuestions(LiveQuestions):
    """Open questions with their clips, to be looked at."""

    def check(self, review_id: str, outcome: Outcome) -> None:
        """Refuse every answer, before it is taken for given: what comes of it is the engine's to decide."""
        del review_id, outcome
        raise Refused(_START)


@dataclass(frozen=True, slots=True)
class EndedMachine:
    """The store's process, which there is none of: a ``Machine``."""

    seen: NodeView
    clips: ClipStore

    def health(self) -> StoreHealth:
        """See ``Machine.health``."""
        cameras = tuple(
            CameraHealth(row.camera_id, False, row.detail, 0.0, 0.0, None, None, 0, 0, 0, 0, 0)
            for row in self.seen.cameras
        )
        return StoreHealth(
            at_ns=self.seen.at_ns,
            is_open=False,
            faults=self.seen.faults,
            people_inside=self.seen.people_inside,
            cameras=cameras,
            clips=len(self.clips.clips()),
            clips_bytes=self.clips.size_bytes,
        )

    def open(self, by: str, reason: str, at_ns: int) -> None:
        """Refuse."""
        del by, reason, at_ns
        raise Refused(_START)

    def close(self, by: str, reason: str, at_ns: int) -> None:
        """Refuse."""
        del by, reason, at_ns
        raise Refused(_START)


def open_ended(config: StoreConfig, data: Path | None, tell: Tell, stack: ExitStack) -> EndedParts:
    """Open what a run left in ``data``, or in the store file's folder; ``stack`` closes it. Nothing is served yet.

    Raises InputError where there is no run, it goes on in another process, or something of it cannot be read.
    """
    data = config.data_dir if data is None else data
    if not any((data / EVENTS).glob("*.jsonl")):
        mend = "name the store file of a store that ran, and its folder with --data where it ran with that"
        raise InputError("holds no run", file=data, mend=mend)
    settings = load_settings(config.settings_path)
    inbox = NodeInbox(data / INBOX)  # no other process has this store as long as it is open
    stack.callback(inbox.close)
    history = History(data / EVENTS, settings.live.history)
    stack.callback(history.close)
    restored = history.take_restored()
    carried = None if restored.carried is None else restored.carried.checkout
    checkout = Checkout.restore(restored.checkout_events, settings.checkout, config.store, carried)
    clock = steady_clock()
    clips = _clips(data / EVIDENCE / "clips", clock() - round(settings.evidence.keep_clips_days * _DAY_NS))
    try:
        books = open_books(config, data, settings, price_book(config.store, config.prices_path), clock, tell, stack)
    except BillingError as error:
        raise InputError(f"cannot be opened: {error}", file=data / DATABASE, mend="see docs/billing.md") from error
    stock = open_stock(config.store, data, settings.stock, clock, LiveLog(data / EVENTS, restored), stack)
    visits = LiveVisits(data, history, config.store, books, clips, clock, stack)
    entry = config.dashboard or DashboardEntry()
    desk = LiveDesk(
        entry, books.operators, StoreGeometry(config.store), stock, visits, data, config.weights_path, stack
    )
    view = _view(config, restored, checkout.state)
    desk.tap.begin(restored.fold.cart_events)
    desk.tap.published(view, checkout.state, restored.fold)
    told = LiveConfiguration(config, settings, data, books.operators, lambda: None)
    skus = frozenset(product.sku for product in config.store.products)
    questions = EndedQuestions(EndedNode(view), KeptEvidence(clips), skus, _clock_of(restored, clock))
    server = ServerThread(desk.app(EndedMachine(view, clips), questions, told), entry.host, entry.port)
    stack.callback(server.stop)
    stack.callback(visits.thread.stop)
    tell(desk.told)
    return EndedParts(server, visits, view.at_ns)


def _clock_of(restored: Restored, clock: Callable[[], int]) -> Callable[[], int]:
    """Return a clock that is not behind the log: a recording may have been played faster than time."""
    return lambda: max(clock(), restored.last_ns or 0)


def _clips(folder: Path, oldest_ns: int) -> ClipStore:
    """Open the clips, without those that nobody may keep any longer."""
    try:
        clips = ClipStore(folder)
        clips.delete_older(oldest_ns)
    except OSError as error:
        raise InputError(f"cannot be used: {error.strerror}", file=folder, mend="give this user the folder") from error
    return clips


def _view(config: StoreConfig, restored: Restored, state: State) -> NodeView:
    watching: Collection[str] = [camera.id for camera in config.store.cameras if camera.id not in config.absent]
    return NodeView(
        restored.last_ns or 0,
        is_open=False,
        people_inside=people_inside(state),
        visits=visit_rows(state, restored.fold),
        reviews=tuple(state.reviews.values()),
        cameras=tuple(CameraRow(camera, False, 0.0, None, "the run has ended") for camera in watching),
        faults=(ENDED,),
    )
