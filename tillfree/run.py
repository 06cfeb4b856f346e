"""One run of a store: observations and gate scans in; events, carts, receipts and charges out.

The same object serves replay, simulation and live cameras. It reads no clock: time comes with
the observations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from billing.types import BillingPort, Charge, ItemCount, OpenVisit, ReceiptInput, kind_of
from checkout.checkout import Checkout
from checkout.types import CartEvent, CheckoutInput, GateScanned, ReceiptFinalised, Tick, VisitOpened
from tillfree.eventlog import EventLogWriter
from tillfree.folds import PathsFold, StoreFold
from vision.pipeline import FloorStage, Instant
from vision.types import Observation


class StoreRun:
    """Drives floor stage, checkout and billing, and writes what comes of it to the log.

    ``paths`` is empty without ``keep_paths``: they are for scoring alone, and grow with the recording.
    """

    def __init__(
        self,
        floor: FloorStage,
        checkout: Checkout,
        billing: BillingPort,
        log: EventLogWriter,
        scans: Iterable[GateScanned],
        *,
        keep_paths: bool = True,
    ) -> None:
        self._floor = floor
        self._checkout = checkout
        self._billing = billing
        self._log = log
        self._scans = deque(sorted(scans, key=lambda scan: (scan.at_ns, scan.scan_id)))
        self.fold = StoreFold()
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
        self._record(self._billing.resolve_unknown(self.ended_at_ns))
        return last

    def _handle(self, instant: Instant) -> None:
        self.ended_at_ns = max(self.ended_at_ns, instant.captured_at_ns)
        if self._keep_paths:
            self.paths.apply(instant)
        while self._scans and self._scans[0].at_ns <= instant.captured_at_ns:
            self._tell(self._scans.popleft())
        for event in instant.events:
            self._record((event,))
            self._tell(event)
        self._tell(Tick(instant.captured_at_ns))

    def _tell(self, given: CheckoutInput) -> None:
        self._record(self._checkout.handle(given))

    def _record(self, events: Iterable[object]) -> None:
        for event in events:
            self._log.write((event,))
            self.fold.apply(event)
            if isinstance(event, VisitOpened):
                self._record((self._billing.open_visit(_opened(event)),))
            elif isinstance(event, CartEvent) and event.visit_id is not None:
                self._draft(event.visit_id)
            elif isinstance(event, ReceiptFinalised):
                self._record((self._charge(event),))

    def _draft(self, visit_id: str) -> None:
        """Tell billing of a cart that changed, as of now: shoppers and the store's own systems look at it there."""
        visit = self.fold.visits[visit_id]
        if visit.final_at_ns is None:
            items = tuple(ItemCount(line.sku, line.quantity) for line in visit.lines if line.quantity > 0)
            self._billing.put_draft(visit_id, items, self.ended_at_ns)

    def _charge(self, receipt: ReceiptFinalised) -> Charge:
        visit = self.fold.visits[receipt.visit_id]
        items = tuple(ItemCount(line.sku, line.quantity) for line in receipt.lines)
        return self._billing.finalise(ReceiptInput(receipt.visit_id, visit.token, receipt.at_ns, items))


def _opened(event: VisitOpened) -> OpenVisit:
    return OpenVisit(event.visit_id, event.token, event.at_ns, kind_of(event.token), event.party_size)
