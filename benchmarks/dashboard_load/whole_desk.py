"""A dashboard with all that it can have, without a store behind it: for measurements of its pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC
from itertools import islice
from pathlib import Path

from benchmarks.dashboard_load.visit_events import Told, events_of, many
from billing.access import Access
from billing.store import BillingStore
from dashboard.audit import AuditLog, Deed
from dashboard.desk import Desk
from dashboard.errors import Refused
from dashboard.health.types import CameraHealth, StoreHealth
from dashboard.live.hub import Hub
from dashboard.recordings_desk.desk import RecordingsDesk
from dashboard.reviews.desk import ReviewDesk
from dashboard.reviews.types import Choice, ClipRow, Near, Outcome, Question
from dashboard.roles import SCOPES, Role
from dashboard.stock.book import StockBook
from dashboard.stock.desk import StockDesk
from dashboard.stock.settings import StockSettings
from dashboard.visits.desk import VisitDesk
from dashboard.visits.notes import Notes
from dashboard.visits.projection import Projection
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tillfree.live.configuration import LiveConfiguration
from tillfree.live.run_events import seen_in
from tillfree.live.storefile import load_store_file
from tillfree.live.tokens import token_name
from tillfree.settings import RunSettings
from tillfree.system import steady_clock, system_clock

SAMPLES = Path(__file__).resolve().parent.parent.parent / "sample_videos"
RECORDING = "put-back"
PASSWORD = "a sentence for a benchmark"
URL = "http://127.0.0.1:8500"
QUESTIONS = 30
_BATCH = 500
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Log:
    """The visits' events as a stock's log."""

    told: tuple[Told, ...]
    geometry: StoreGeometry

    def whole(self) -> Iterator[object]:
        """See ``dashboard.stock.types.Log``."""
        for each in self.told:
            yield from events_of(each, self.geometry)

    def recent(self) -> Iterable[object]:
        """See ``dashboard.stock.types.Log``."""
        return ()


@dataclass(frozen=True, slots=True)
class Still:
    """A ``Machine`` of which nothing changes."""

    now: StoreHealth

    def health(self) -> StoreHealth:
        """See ``Machine.health``."""
        return self.now

    def open(self, by: str, reason: str, at_ns: int) -> None:
        """See ``Machine.open``: nothing changes."""

    def close(self, by: str, reason: str, at_ns: int) -> None:
        """See ``Machine.close``: nothing changes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``Questions`` that stay open and are only looked at."""

    questions: tuple[Question, ...]

    def now_ns(self) -> int:
        """See ``Questions.now_ns``."""
        return system_clock()

    def open(self) -> tuple[Question, ...]:
        """See ``Questions.open``."""
        return self.questions

    def clips(self, review_id: str) -> tuple[ClipRow, ...]:
        """See ``Questions.clips``."""
        return next((each.clips for each in self.questions if each.review_id == review_id), ())

    def clip_file(self, clip_id: str, camera_id: str) -> Path | None:  # noqa: ARG002 - the protocol's
        """See ``Questions.clip_file``: there is none."""
        return None

    def check(self, review_id: str, outcome: Outcome) -> None:
        """See ``Questions.check``: all can be carried out."""

    def answer(self, review_id: str, outcome: Outcome, at_ns: int) -> None:  # noqa: ARG002 - the protocol's
        """See ``Questions.answer``."""
        raise Refused(f"{review_id} is only looked at")


@dataclass(frozen=True, slots=True)
class Whole:
    """The dashboard, a manager's session of it, and how long its projection of visits took to be written."""

    desk: Desk
    session: str
    names: dict[str, str]
    projection_s: float


def whole_desk(folder: Path, visits: int, stack: ExitStack) -> Whole:
    """Make it, with so many visits, a line of the audit log for each, and what they left on the shelves; ``stack`` closes it."""
    store = load_store(SAMPLES / "store/layout.yaml")
    geometry, told = StoreGeometry(store), tuple(many(visits, StoreGeometry(store), system_clock()))
    names = {product.sku: product.name for product in store.products}
    projection, took_s = _projection(folder, told, geometry)
    stock = StockDesk(store, StockBook(folder / "stock.sqlite"), StockSettings(), system_clock)
    stock.begin(Log(told, geometry))
    audit = _audit(folder / "audit.jsonl", told)
    notes, books, hub = Notes(folder / "notes.sqlite"), BillingStore(folder / "operators.sqlite"), Hub()
    for each in (projection, notes, books, hub, audit):
        stack.callback(each.close)
    access = Access(books)
    access.add_operator("anna", PASSWORD, SCOPES[Role.MANAGER], system_clock())
    session, _ = access.sign_in("anna", PASSWORD, system_clock())
    asked = Asked(tuple(_question(number, told, geometry) for number in range(QUESTIONS)))
    desk = Desk(
        store.name, URL, access, geometry, hub, system_clock, machine=Still(_health(geometry)), audit=audit, stock=stock,
        reviews=ReviewDesk(asked, folder, store.name, system_clock),
        configuration=LiveConfiguration(load_store_file(SAMPLES / "store/store.yaml", {}), RunSettings(), folder, access, lambda: None),
        visits=VisitDesk(projection, notes, names, store.currency, UTC), recordings=_recordings(folder / "recordings"),
    )  # fmt: skip
    return Whole(desk, session, names, took_s)


def _projection(folder: Path, told: tuple[Told, ...], geometry: StoreGeometry) -> tuple[Projection, float]:
    numbered = enumerate(event for each in told for event in events_of(each, geometry))
    projection, clock = Projection(folder / "dashboard.sqlite", token_name), steady_clock()
    begun_ns = clock()
    while batch := list(islice(numbered, _BATCH)):
        projection.take(batch)
    return projection, (clock() - begun_ns) / _S


def _audit(path: Path, told: tuple[Told, ...]) -> AuditLog:
    deeds = (Deed(each.at_ns, f"operator-{each.number % 9}", "visit.note", each.visit_id) for each in told)
    path.write_text("".join(f"{json.dumps(asdict(deed))}\n" for deed in deeds), encoding="utf-8")
    return AuditLog(path)


def _health(geometry: StoreGeometry) -> StoreHealth:
    cameras = (CameraHealth(each, True, "", 10.0, 10.0, 0.2, 0.4, 0, 0, 0, 0, 0) for each in geometry.cameras)
    return StoreHealth(system_clock(), True, cameras=tuple(cameras))


def _question(number: int, told: tuple[Told, ...], geometry: StoreGeometry) -> Question:
    now_ns, slot = system_clock(), geometry.slots[number % len(geometry.slots)]
    near = tuple(
        Near(each.visit_id, each.number, "shopping", tuple(each.items.items()), is_asked=True) for each in told[-3:]
    )
    taken = [Outcome(each.visit_id, slot.sku, 1) for each in near]
    choices = (*(Choice(1 + index, each, 0.5) for index, each in enumerate(taken)), Choice(9, Outcome(), None))
    return Question(
        f"review-{number:06d}", "doubtful", now_ns, now_ns + 3_600 * _S, slot.slot_id, f"i-{number}", -1, 0.5, choices, taken[0], near,
    )  # fmt: skip


def _recordings(folder: Path) -> RecordingsDesk:
    shutil.copytree(SAMPLES / RECORDING, folder / RECORDING)
    (folder / "store").mkdir()
    shutil.copy(SAMPLES / "store/layout.yaml", folder / "store")
    return RecordingsDesk(folder, seen_in)
