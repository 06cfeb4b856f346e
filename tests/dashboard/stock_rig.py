"""A stock without a store behind it: two slots, or the bundled store's, and events as the log has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from checkout.types import CartEvent, CartLine, ReceiptFinalised, ReviewClosed, ReviewOpened, VisitOpened
from dashboard.audit import AuditLog
from dashboard.stock.book import StockBook
from dashboard.stock.desk import StockDesk
from dashboard.stock.sending import Sent
from dashboard.stock.settings import StockSettings
from dashboard.stock.types import Happening, Kind
from store_layout.files import load_store
from tests.dashboard.desk_rig import LAYOUT, Clock, Office, S
from vision.types import Interaction, SkuCandidate

COLA, CHERRY = "drinks/low/s1", "drinks/low/s2"
H = 3_600 * S
NOON_NS = 1_799_924_400 * S
"""12:00 at the bundled store."""


@dataclasses.dataclass
class Said:
    """A log that says what a test puts into it."""

    events: tuple[object, ...] = ()
    latest: tuple[object, ...] = ()

    def whole(self) -> Iterator[object]:
        yield from self.events

    def recent(self) -> Iterable[object]:
        return self.latest


def touch(
    number: int, at_ns: int, change: int | None, sku: str = "fizzo-cola", slot_id: str | None = COLA, sure: float = 0.99
) -> Interaction:
    """Return a hand at a slot."""
    candidates = (SkuCandidate(sku, 1.0),)
    shelf = "drinks/low" if slot_id is None else slot_id.rpartition("/")[0]
    return Interaction(f"i-{number}", shelf, slot_id, at_ns - S, at_ns, change, sure, candidates, ())


def cart(
    number: int,
    seen: Interaction | None,
    taken: int,
    kind: str = "taken",
    sku: str = "fizzo-cola",
    at_ns: int | None = None,
) -> CartEvent:
    """Return what checkout made of it."""
    at = at_ns if at_ns is not None else 0 if seen is None else seen.closed_at_ns
    return CartEvent(
        f"cart-{number}", kind, "v-1", sku, taken, at, None if seen is None else seen.slot_id, 0.9,  # type: ignore[arg-type]
        None if seen is None else seen.interaction_id,
    )  # fmt: skip


def asked(number: int, seen: Interaction) -> ReviewOpened:
    """Return a question about it."""
    at_ns = seen.closed_at_ns + S
    return ReviewOpened(
        f"review-{number}", ("v-1",), seen.interaction_id, "doubtful", at_ns, at_ns + 60 * S, None, None, 0, seen.slot_id, seen.change
    )  # fmt: skip


def closed(number: int, at_ns: int, by: str = "operator") -> ReviewClosed:
    """Return how it ended."""
    return ReviewClosed(f"review-{number}", at_ns, by, "v-1", "fizzo-cola", 1)  # type: ignore[arg-type]


def moved(
    number: int, at_ns: int, units: int, sku: str = "fizzo-cola", slot_id: str = COLA, sure: float = 1.0
) -> Happening:
    """Return a line of the book."""
    return Happening(f"m-{number}", at_ns, Kind.MOVED, f"i-{number}", slot_id, sku, units, sure)


@contextmanager
def stock(folder: Path, clock: Clock, settings: StockSettings | None = None) -> Iterator[StockDesk]:
    """Open the bundled store's stock in ``folder``."""
    book = StockBook(folder / "stock.sqlite")
    try:
        yield StockDesk(load_store(LAYOUT), book, settings or StockSettings(), clock)
    finally:
        book.close()


@dataclasses.dataclass
class PlayedSupplier:
    """A program that takes what it is told, or has ``problem`` with it."""

    clock: Clock
    problem: str = ""
    sent: list[Sent] = dataclasses.field(default_factory=list)
    host: str = "orders.example"
    times: tuple[str, ...] = ("06:30",)

    def next_ns(self) -> int | None:
        return self.clock() + H if self.times else None

    def last(self) -> Sent | None:
        return self.sent[-1] if self.sent else None

    def send(self, by: str) -> Sent:
        self.sent.append(Sent(self.clock(), by, 1, self.problem))
        return self.sent[-1]


@contextmanager
def stocked(office: Office, folder: Path) -> Iterator[StockDesk]:
    """Give a dashboard a stock and an audit log."""
    audit = AuditLog(folder / "audit.jsonl")
    with stock(folder, office.clock) as found:
        office.desk = dataclasses.replace(office.desk, stock=found, audit=audit)
        yield found
    audit.close()


def shop_day(desk: StockDesk, day_ns: int, first: int = 1) -> None:
    """Let a day happen: colas are sold hour by hour until few are left, one thing is misplaced, one hand not read."""
    number = first
    for hour, units in enumerate((1, 0, 2, 3, 1)):
        at_ns = day_ns + hour * H
        desk.written(VisitOpened(f"v-{number}", at_ns, f"s-{number}", "t", 1))
        for _ in range(units):
            seen = touch(number, at_ns + number * S, -1)
            desk.written(seen)
            desk.written(cart(number, seen, 1))
            number += 1
        if units:
            desk.written(
                ReceiptFinalised(f"v-{number}", at_ns + 600 * S, (CartLine("fizzo-cola", units),), reviewed=False)
            )
    odd = touch(number, day_ns + 4 * H, 1, sku="kornia-oats", slot_id=CHERRY, sure=0.7)
    desk.written(odd)
    desk.written(cart(number, odd, -1, "moved", "kornia-oats"))
    asks = touch(number + 1, day_ns + 4 * H, -1)
    desk.written(asks)
    desk.written(asked(number, asks))
