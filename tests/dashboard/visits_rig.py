"""A projection, a log in memory, and billing with a sandbox, for tests of the visits' pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from benchmarks.dashboard_load.visit_events import Told, events_of
from billing.gateway import SandboxGateway
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import DisputeKind, DisputeRequest, ItemCount, OpenVisit, ReceiptInput, VisitKind
from dashboard.visits.desk import VisitDesk
from dashboard.visits.feeding import Feeder
from dashboard.visits.notes import Notes
from dashboard.visits.projection import Projection
from dashboard.visits.types import ClipOf
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tests.dashboard.desk_rig import LAYOUT, Clock, S
from tillfree.live.tokens import token_name
from tillfree.live.visits import CounterBooks, StoreNews

NOW = 1_800_000_000 * S
GEOMETRY = StoreGeometry(load_store(LAYOUT))


class MemoryLog:
    """An event log in memory; lines before ``begin`` were deleted."""

    def __init__(self, events: Iterable[object] = ()) -> None:
        self.events = list(events)
        self.begin = 0
        self.reads = 0

    def first(self) -> int:
        return self.begin

    def after(self, position: int) -> Iterator[tuple[int, object]]:
        self.reads += 1
        at = max(position, self.begin)
        while at < len(self.events):
            yield at, self.events[at]
            at += 1


def projection_of(folder: Path, events: Iterable[object] = (), name: str = "dashboard.sqlite") -> Projection:
    found = Projection(folder / name, token_name)
    found.take(list(enumerate(events)))
    return found


class FewClips:
    """One clip of one interaction, in a file of bytes that count."""

    def __init__(self, folder: Path, interaction_id: str, at_ns: int) -> None:
        self._clip = ClipOf("170-i-1", "cam1", interaction_id, (), at_ns - 5 * S, at_ns + 5 * S)
        self._path = folder / "clip.mp4"
        self._path.write_bytes(bytes(range(200)))

    def near(self, from_ns: int, to_ns: int) -> tuple[ClipOf, ...]:
        return (self._clip,) if self._clip.from_ns <= to_ns and self._clip.to_ns >= from_ns else ()

    def file(self, clip_id: str, camera_id: str) -> Path | None:
        return self._path if (clip_id, camera_id) == ("170-i-1", "cam1") else None


@dataclass
class Counter:
    """The visits' pages with billing behind them."""

    visits: VisitDesk
    service: BillingService
    gateway: SandboxGateway
    clock: Clock
    feeder: Feeder

    def heard(self) -> None:
        """Let the projection hear of what billing did."""
        self.clock.now_ns += S
        self.feeder.round(0)

    def contest(self, visit_id: str, sku: str) -> None:
        """Let a shopper say that a unit was never taken."""
        at_ns = self.clock()
        self.service.contest(
            DisputeRequest("d-1", visit_id, DisputeKind.CONTEST, (ItemCount(sku, 1),), "I put it <b>back</b>", at_ns)
        )
        self.heard()


@contextmanager
def counter(folder: Path, clock: Clock, *visits: Told) -> Iterator[Counter]:
    """Open the visits' pages on visits that are over, and were charged by billing itself."""
    store, gateway = BillingStore(folder / "billing.sqlite"), SandboxGateway()
    service = BillingService(PriceBook.from_store(GEOMETRY.store), store, gateway)
    events: list[object] = []
    for told in visits:
        kind = {"cash": VisitKind.CASH, "staff": VisitKind.STAFF}.get(told.token, VisitKind.SHOPPER)
        service.open_visit(OpenVisit(told.visit_id, told.token, told.at_ns, kind, 1))
        events += events_of(replace(told, charge=None), GEOMETRY)
        if told.is_over and told.review != "open":
            items = tuple(ItemCount(sku, count) for sku, count in told.items.items())
            events.append(service.finalise(ReceiptInput(told.visit_id, told.token, told.at_ns + 60 * S, items)))
    projection, notes = Projection(folder / "dashboard.sqlite", token_name), Notes(folder / "notes.sqlite")
    feeder = Feeder(projection, MemoryLog(events), StoreNews(store), clock)
    feeder.round(0)
    names = {product.sku: product.name for product in GEOMETRY.store.products}
    clips = FewClips(folder, f"i-{visits[0].number * 100}", visits[0].at_ns + 10 * S)
    desk = VisitDesk(projection, notes, names, "EUR", UTC, CounterBooks(service, clock), clips)
    try:
        yield Counter(desk, service, gateway, clock, feeder)
    finally:
        notes.close()
        projection.close()
        store.close()
