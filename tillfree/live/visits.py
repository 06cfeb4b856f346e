"""What the dashboard's visits are fed with: the event log, billing in this process, and the clips on the disk."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing.db.pages import data_of, events_page
from billing.errors import DatabaseUnavailable, UnknownVisit
from billing.money import Money
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import Charge, CorrectionRequest, Dispute, DisputeState, Receipt, Refund, RefundRequest
from dashboard.visits.desk import VisitDesk
from dashboard.visits.feeding import Feeder
from dashboard.visits.notes import Notes
from dashboard.visits.projection import Projection
from dashboard.visits.types import Account, ClipOf, CorrectionAsked, News, RefundAsked
from store_layout.errors import InputError
from store_layout.model import Store
from tillfree.eventlog import decode, event_types
from tillfree.live.books import LiveBooks
from tillfree.live.clips import ClipStore
from tillfree.live.history import History
from tillfree.live.tokens import token_name
from tillfree.live.trouble import PASSING
from tillfree.system import system_clock

PROJECTION = "dashboard.sqlite"
NOTES = "notes.sqlite"


class LogFolder:
    """The log's folder, read again while it is written: an ``EventSource``. May be used from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._known = folder, event_types()

    def first(self) -> int:
        """See ``EventSource.first``."""
        return min((begin for begin, _ in self._segments()), default=0)

    def after(self, position: int) -> Iterator[tuple[int, object]]:
        """See ``EventSource.after``. A line that is being written has not been written yet."""
        segments = self._segments()
        ends = [begin for begin, _ in segments[1:]]
        for number, (begin, path) in enumerate(segments):
            if number >= len(ends) or ends[number] > position:
                yield from self._lines(path, begin, position)

    def _segments(self) -> list[tuple[int, Path]]:
        """Return the segments with the numbers of their first lines."""
        return [(int(path.stem.rpartition("-")[2]), path) for path in sorted(self._folder.glob("events-*.jsonl"))]

    def _lines(self, path: Path, begin: int, position: int) -> Iterator[tuple[int, object]]:
        with path.open("rb") as stream:
            for at, line in enumerate(stream, start=begin):
                if not line.endswith(b"\n"):
                    return
                if at >= position:
                    yield at, decode(line.decode(), self._known)


class NumberedLog:
    """An ``EventLog`` whose listener hears each event with its position, once it is written."""

    def __init__(self, log: History, hear: Callable[[int, object], None]) -> None:
        self._log, self._hear = log, hear

    def write(self, events: Iterable[object]) -> None:
        """See ``EventLog.write``."""
        written = tuple(events)
        begin = self._log.lines
        self._log.write(written)
        for position, event in enumerate(written, start=begin):
            self._hear(position, event)


@contextmanager
def _answered() -> Iterator[None]:
    """Let a database that does not answer be an error of billing's."""
    try:
        yield
    except PASSING as error:
        raise DatabaseUnavailable("billing does not answer; try again") from error


@dataclass(frozen=True, slots=True)
class StoreNews:
    """Billing's events out of its database: a ``NewsSource``."""

    store: BillingStore

    def after(self, number: int, limit: int) -> tuple[News, ...]:
        """See ``NewsSource.after``."""
        with _answered(), self.store.reading() as books:
            rows = events_page(books, None, (number, ""), limit)
        return tuple(News(row.event_id, row.topic, row.visit_id, data_of(row)) for row in rows)


@dataclass(frozen=True, slots=True)
class CounterBooks:
    """Billing in this process as a counter asks it: ``Books``. ``clock`` is the store's, which receipts' times are by."""

    service: BillingService
    clock: Callable[[], int]

    def account(self, visit_id: str) -> Account:
        """See ``Books.account``."""
        with _answered():
            charges, refunds = self.service.charges(visit_id), self.service.refunds(visit_id)
            disputes, receipt = self.service.disputes.of_visit(visit_id), self.service.receipt(visit_id)
            return Account(receipt, charges, refunds, disputes, self._owed(visit_id))

    def quote_refund(self, asked: RefundAsked) -> Refund:
        """See ``Books.quote_refund``."""
        with _answered():
            return self.service.quote_refund(self._refund(asked))

    def refund(self, asked: RefundAsked) -> Refund:
        """See ``Books.refund``."""
        with _answered():
            return self.service.refund(self._refund(asked))

    def quote_correction(self, asked: CorrectionAsked) -> Receipt:
        """See ``Books.quote_correction``."""
        with _answered():
            return self.service.quote_correction(self._correction(asked))

    def correct(self, asked: CorrectionAsked) -> Charge:
        """See ``Books.correct``."""
        with _answered():
            return self.service.correct(self._correction(asked))

    def decide(self, dispute_id: str, state: DisputeState, by: str, note: str) -> Dispute:
        """See ``Books.decide``."""
        with _answered():
            return self.service.decide(dispute_id, state, by, note, self.clock())

    def _owed(self, visit_id: str) -> Money | None:
        try:
            return self.service.owed(visit_id)
        except UnknownVisit:
            return None

    def _refund(self, asked: RefundAsked) -> RefundRequest:
        return RefundRequest(asked.key, asked.visit_id, asked.reason, self.clock(), asked.items)

    def _correction(self, asked: CorrectionAsked) -> CorrectionRequest:
        return CorrectionRequest(asked.key, asked.visit_id, asked.items, asked.by, self.clock())


@dataclass(frozen=True, slots=True)
class KeptClips:
    """The clips on the disk as the dashboard asks for them: ``Clips``."""

    store: ClipStore

    def near(self, from_ns: int, to_ns: int) -> tuple[ClipOf, ...]:
        """See ``Clips.near``."""
        return tuple(
            ClipOf(
                clip.clip_id,
                clip.camera_id,
                clip.interaction_id,
                clip.review_ids,
                clip.from_ns,
                clip.to_ns,
                clip.is_whole,
            )
            for clip in self.store.clips()
            if clip.from_ns <= to_ns and clip.to_ns >= from_ns
        )

    def file(self, clip_id: str, camera_id: str) -> Path | None:
        """See ``Clips.file``. Only what the store of clips knows is a clip."""
        found = self.store.find(clip_id, camera_id)
        return None if found is None else found.path


class FeederThread:
    """The thread that brings the projection up to date while the store runs."""

    def __init__(self, feeder: Feeder) -> None:
        self._feeder, self._stopped = feeder, threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, or begin again where the thread has died."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._feeder.run, args=(self._stopped,), name="visits", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()


class LiveVisits:
    """The visits' pages of a store that runs: ``log`` is to be written instead of the history, ``thread`` to be started."""

    def __init__(
        self, data: Path, history: History, store: Store, books: LiveBooks, clips: ClipStore, clock: Callable[[], int], stack: ExitStack
    ) -> None:  # fmt: skip
        """``stack`` closes it. Raises InputError where its files cannot be opened."""
        projection, notes = _opened(data / PROJECTION, data / NOTES)
        stack.callback(notes.close)
        stack.callback(projection.close)
        service = books.counter
        news = None if service is None else StoreNews(service.store)
        feeder = Feeder(projection, LogFolder(history.folder), news, system_clock)
        self.log = NumberedLog(history, feeder.heard)
        self.thread = FeederThread(feeder)
        self.desk = VisitDesk(
            projection,
            notes,
            {product.sku: product.name for product in store.products},
            store.currency,
            _zone(store.time_zone),
            None if service is None else CounterBooks(service, clock),
            KeptClips(clips),
            lambda: feeder.problem,
        )


def _zone(name: str) -> dt.tzinfo:
    """Return the store's time zone, UTC where this machine does not know it; ``tillfree layout check`` warns of that."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC


def _opened(projection: Path, notes: Path) -> tuple[Projection, Notes]:
    path = projection
    try:
        found = Projection(projection, token_name)
        path = notes
        return found, Notes(notes)
    except (sqlite3.Error, OSError) as error:
        raise InputError(f"cannot be opened: {error}", file=path, mend="give this user the file") from error
