"""One run of a store: observations and gate scans in; events, carts, receipts and charges out.

The same object serves replay, simulation and live cameras. It reads no clock: time comes with
the observations.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence

from billing.types import ItemCount, OpenVisit, ReceiptInput, kind_of
from checkout.checkout import Checkout
from checkout.types import (
    CartEvent,
    CheckoutInput,
    GateScanned,
    ReceiptFinalised,
    ReviewAnswered,
    ShelvesUnseen,
    Tick,
    VisitOpened,
)
from tillfree.billers import Biller, BillingOrder, CartNow
from tillfree.eventlog import EventLog
from tillfree.folds import PathsFold, StoreFold, VisitRecord
from vision.pipeline import FloorStage, Instant
from vision.types import Observation, VisionEvent


class StoreRun:
    """Drives floor stage, checkout and billing, and writes what comes of it to the log.

    ``paths`` is empty without ``keep_paths``: they are for scoring alone, and grow with the recording.
    """

    def __init__(
        self,
        floor: FloorStage,
        checkout: Checkout,
        biller: Biller,
        log: EventLog,
        scans: Iterable[GateScanned] = (),
        *,
        keep_paths: bool = True,
        fold: StoreFold | None = None,
    ) -> None:
        """``fold`` is that of the log so far, where a run goes on; ``checkout`` was then restored from the same log."""
        self._floor = floor
        self._checkout = checkout
        self._biller = biller
        self._log = log
        self._scans = sorted(scans, key=_scan_order)
        self.fold = StoreFold() if fold is None else fold
        self.paths = PathsFold()
        self._keep_paths = keep_paths
        self.late_count = 0
        self.ended_at_ns = 0

    def take(self, observation: Observation) -> Instant | None:
        """Take the next observation; return the instant that it completes, after all that follows from it."""
        instant = self._floor.take(observation)
        self.late_count = self._floor.late_count
        if instant is not None:
            self._handle(instant)
        return instant

    def expect(self, scan: GateScanned) -> None:
        """Take a gate scan that has come in; one that the log knows already changes nothing."""
        if scan.scan_id not in self.fold.scans and scan not in self._scans:
            insort(self._scans, scan, key=_scan_order)

    def answer(self, given: ReviewAnswered) -> None:
        """Take an operator's answer."""
        self._tell(given)

    def hear(self, event: VisionEvent) -> None:
        """Take what is known of people besides what the floor stage tells, such as who is who after a restart."""
        self._record((event, *self._checkout.handle(event)))

    def unseen(self, given: ShelvesUnseen) -> None:
        """Take that nobody looked at some shelves for a while."""
        self._tell(given)

    def tick(self, at_ns: int) -> None:
        """Let time pass where no camera tells of it: gates open visits and time-outs run out all the same."""
        self.ended_at_ns = max(self.ended_at_ns, at_ns)
        self._pass_time(at_ns)

    def poll(self) -> None:
        """Write down what billing has answered meanwhile."""
        self._record(self._biller.answers())

    def resume(self) -> None:
        """Ask billing again for all that the log has no answer to: it does each only once."""
        for visit in self.fold.visits.values():
            if not visit.admitted:
                self._order(_opening(visit))
            if visit.final_at_ns is None:
                self._order(self._cart(visit.visit_id))
            elif visit.charge is None:
                self._order(_receipt(visit))

    def forget(self, before_ns: int, deeds_before_ns: int) -> None:
        """Forget visits that were paid before ``before_ns``, and what belongs to them: a run that goes on would grow for ever.

        What was done in those paid before ``deeds_before_ns`` is forgotten too.
        """
        self._checkout.forget(before_ns)
        self.fold.forget(before_ns, deeds_before_ns)

    def finish(self) -> tuple[Instant, ...]:
        """End the input: last instants, open interactions and reviews, final receipts and charges.

        Charges whose outcome the gateway left unknown are asked for once more.
        """
        last = tuple(self._floor.finish())
        for instant in last:
            self._handle(instant)
        for scan in self._scans:
            self._tell(scan)
        self._scans.clear()
        self._record(self._checkout.finish(self.ended_at_ns))
        self._record(self._biller.finish(self.ended_at_ns))
        return last

    def _handle(self, instant: Instant) -> None:
        self.ended_at_ns = max(self.ended_at_ns, instant.captured_at_ns)
        if self._keep_paths:
            self.paths.apply(instant)
        self._open_gates(instant.captured_at_ns)
        for event in instant.events:
            self._record((event, *self._checkout.handle(event)))
        self._tell(Tick(instant.captured_at_ns))

    def _pass_time(self, at_ns: int) -> None:
        self._open_gates(at_ns)
        self._tell(Tick(at_ns))

    def _open_gates(self, at_ns: int) -> None:
        while self._scans and self._scans[0].at_ns <= at_ns:
            self._tell(self._scans.pop(0))

    def _tell(self, given: CheckoutInput) -> None:
        self._record(self._checkout.handle(given))

    def _record(self, events: Sequence[object]) -> None:
        """Write down what became known together, in one piece: after a crash all of it is there, or nothing."""
        self._log.write(events)
        for event in events:
            self.fold.apply(event)
        for event in events:
            self._order(self._order_for(event))

    def _order(self, order: BillingOrder | None) -> None:
        if order is not None:
            self._record(self._biller.order(order))

    def _order_for(self, event: object) -> BillingOrder | None:
        """Return what billing is to do about an event: open a visit, show a cart that changed, or charge."""
        match event:
            case VisitOpened():
                return _opening(self.fold.visits[event.visit_id])
            case CartEvent() if event.visit_id is not None:
                return self._cart(event.visit_id)
            case ReceiptFinalised():
                return _receipt(self.fold.visits[event.visit_id])
            case _:
                return None

    def _cart(self, visit_id: str) -> CartNow | None:
        visit = self.fold.visits[visit_id]
        return None if visit.final_at_ns is not None else CartNow(visit_id, _items(visit), self.ended_at_ns)


def _scan_order(scan: GateScanned) -> tuple[int, str]:
    return scan.at_ns, scan.scan_id


def _items(visit: VisitRecord) -> tuple[ItemCount, ...]:
    return tuple(ItemCount(line.sku, line.quantity) for line in visit.lines if line.quantity > 0)


def _opening(visit: VisitRecord) -> OpenVisit:
    return OpenVisit(visit.visit_id, visit.token, visit.opened_at_ns, kind_of(visit.token), visit.party_size)


def _receipt(visit: VisitRecord) -> ReceiptInput:
    assert visit.final_at_ns is not None, "only final carts are charged"
    return ReceiptInput(visit.visit_id, visit.token, visit.final_at_ns, _items(visit))
