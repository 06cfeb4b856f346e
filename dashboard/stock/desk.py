"""The stock as the pages and the API see it, and as the store's loop feeds it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from dashboard.errors import NotFound, Refused, Unavailable
from dashboard.stock.book import BookError, StockBook
from dashboard.stock.hearing import Listener
from dashboard.stock.levels import SlotStock, StockFold
from dashboard.stock.rates import Proposal, Rates, open_hours, proposals, rates_of
from dashboard.stock.sales import Sales, midnight_ns, sales_of
from dashboard.stock.settings import StockSettings
from dashboard.stock.types import Counted, Happening, Log, Units, plan_of
from store_layout.model import Store

_DAY_NS = 86_400_000_000_000
_PENDING = 10_000
"""Lines that wait while the book cannot be written; a start takes what is missing from the log."""
_LATEST = 20
MOST_UNITS = 9_999


@dataclass(frozen=True, slots=True)
class StockNow:
    """The stock. ``unplaced`` moved nobody knows where; ``problem`` is why the book is not kept, empty where it is."""

    at_ns: int
    slots: tuple[SlotStock, ...]
    proposals: tuple[Proposal, ...]
    hours_seen: int
    unplaced: tuple[Units, ...]
    problem: str


class StockDesk:
    """Keeps the book and the levels. ``written`` is called in the loop's own thread, all else in any."""

    def __init__(self, store: Store, book: StockBook, settings: StockSettings, clock: Callable[[], int]) -> None:
        """``clock`` is the store's own: that of its events. Raises BookError."""
        self.store, self._book, self._settings, self._clock = store, book, settings, clock
        self.names = {product.sku: product.name for product in store.products}
        self.zone = ZoneInfo(store.time_zone)
        plan = plan_of(store)
        self._plans = {slot.slot_id: slot for slot in plan}
        self._mutex = threading.Lock()
        self._listener = Listener(plan)
        self._fold = StockFold(plan, settings.unsure_below, is_full=self.begins_full)
        self._pending: deque[Happening] = deque(maxlen=_PENDING)
        self._problem = ""
        for said in book.counts():
            self._fold.count(said)
        for event in book.happened():
            self._fold.apply(event)

    # -- from the store's loop ----------------------------------------------------

    def begin(self, log: Log) -> None:
        """Take from the log what the book lacks: all of it for a new book. Raises BookError."""
        if self._book.is_empty:
            listener = Listener(self._plans.values())
            self._book.add(line for event in log.whole() for line in listener.hear(event))
            for line in self._book.happened():
                self._fold.apply(line)
        lines = [line for event in log.recent() for line in self._listener.hear(event)]
        for line in self._book.add(lines):
            self._fold.apply(line)

    def written(self, event: object) -> None:
        """Hear of what was written to the log. A book that cannot be written stops nothing; it is told on the page."""
        lines = self._listener.hear(event)
        if not lines:
            return
        self._pending.extend(lines)
        try:
            added = self._book.add(self._pending)
        except BookError as error:
            self._problem = str(error)
            return
        self._pending.clear()
        with self._mutex:
            self._problem = ""
            for line in added:
                self._fold.apply(line)

    @property
    def begins_full(self) -> bool:
        """Whether slots that nobody counted were taken to be full at first."""
        return self._settings.opening == "full"

    # -- for people ---------------------------------------------------------------

    def now(self) -> StockNow:
        """Return the stock as it seems to be. Raises Unavailable where the book cannot be read."""
        at_ns = self._clock()
        rates = self._rates(at_ns)
        with self._mutex:
            slots, unplaced = self._fold.slots(), self._fold.unplaced()
        found = proposals(slots, rates, self.names, self._settings)
        return StockNow(at_ns, slots, found, rates.hours, unplaced, self._problem)

    def _rates(self, at_ns: int) -> Rates:
        from_ns = at_ns - round(self._settings.window_days * _DAY_NS)
        try:
            hours = open_hours(self._book.open_hours_ns(from_ns), self.zone)
            taken = self._book.taken(from_ns)
        except BookError as error:
            raise Unavailable(str(error)) from error
        with self._mutex:
            return rates_of(self._fold.slots(), taken, hours, self._settings.prior_h)

    def slot(self, slot_id: str) -> SlotStock:
        """Return a slot. Raises NotFound."""
        with self._mutex:
            found = self._fold.slot(slot_id)
        if found is None:
            raise NotFound(f"there is no slot {slot_id}")
        return found

    def latest(self, slot_id: str) -> tuple[tuple[Counted, ...], tuple[Happening, ...]]:
        """Return a slot's last counts, and what happened last at it. Raises Unavailable."""
        try:
            return self._book.counts_of(slot_id, _LATEST), self._book.happened_at(slot_id, _LATEST)
        except BookError as error:
            raise Unavailable(str(error)) from error

    def count(self, who: str, slot_id: str, units: int | None, *, is_tidy: bool = False) -> Counted:
        """Keep what somebody counted: ``units`` of the slot's own product, None where they filled it up.

        ``is_tidy`` says that nothing else lies there. Raises NotFound, Refused, Unavailable.
        """
        before = self.slot(slot_id)
        room = max(0, before.capacity - (0 if is_tidy else before.misplaced_units))
        held = room if units is None else units
        if not 0 <= held <= MOST_UNITS:
            raise Refused(f"a slot holds 0 to {MOST_UNITS} units")
        misplaced = () if is_tidy else before.misplaced
        said = Counted(self._clock(), who, slot_id, before.sku, held, misplaced, before.level)
        with self._mutex:
            try:
                self._book.add_count(said)
            except BookError as error:
                raise Unavailable(str(error)) from error
            self._fold.count(said)
        return said

    def sales(self, days: int) -> Sales:
        """Return sales of today and the days before. Raises Unavailable."""
        at_ns = self._clock()
        from_ns = midnight_ns(at_ns, self.zone, days - 1)
        try:
            sold = self._book.sold(from_ns, at_ns + 1)
        except BookError as error:
            raise Unavailable(str(error)) from error
        return sales_of(sold, self.names, self.zone, from_ns, at_ns)
