"""A run from events of vision to charges, with a gateway that does not answer at first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path

import numpy as np

from billing.gateway import SandboxGateway
from billing.money import Money
from billing.pricebook import Price, PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import ChargeState
from checkout.checkout import Checkout
from checkout.settings import CheckoutPolicy
from checkout.types import GateScanned
from store_layout.model import Camera, Gate, Gondola, Shelf, Slot, Store
from tillfree.billers import BillAtOnce
from tillfree.eventlog import EventLogWriter
from tillfree.run import StoreRun
from vision.pipeline import Instant
from vision.types import GateCrossing, Interaction, People, PersonCandidate, SkuCandidate, VisionEvent

S = 1_000_000_000
STORE = Store(
    version=1,
    name="corner",
    currency="EUR",
    tax_classes={},
    floor_m=((0, 0), (5, 0), (5, 5), (0, 5)),
    gates=(Gate(id="door", line_m=((1, 0), (0, 0))),),
    cameras=(Camera(id="c", resolution_px=(64, 48), fps=10, position_m=(0, 0, 2), look_at_m=(2, 2, 0), focal_px=50),),
    gondolas=(
        Gondola(
            id="g",
            front_left_m=(2, 2),
            facing_deg=0,
            width_m=1,
            depth_m=0.4,
            height_m=1.5,
            shelves=(
                Shelf(id="a", height_m=1, clearance_m=0.3, slots=(Slot(id="1", sku="cola", from_m=0, to_m=0.2),)),
            ),
        ),
    ),
)
PICK = Interaction(
    "i-1", "g/a", "g/a/1", 5 * S, 6 * S, -1, 0.99, (SkuCandidate("cola", 0.99),), (PersonCandidate(1, 0.99),)
)
EVENTS: tuple[tuple[int, VisionEvent], ...] = (
    (2, GateCrossing(1, "door", "in", 2 * S)),
    (7, PICK),
    (10, GateCrossing(1, "door", "out", 10 * S)),
)


@dataclass
class ToldFloor:
    """In the place of the floor stage: tells what is known at once, at the end of the input."""

    late_count: int = 0

    def finish(self) -> Iterator[Instant]:
        for second in range(60):
            happened = tuple(event for at_s, event in EVENTS if at_s == second)
            nobody = People(
                second * S, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2, 3)),
                np.zeros((0, 2)), (), np.zeros(0, np.bool_),
            )  # fmt: skip
            yield Instant(second * S, (), nobody, {}, happened)


def test_a_charge_without_an_answer_is_asked_for_again_at_the_end(tmp_path: Path) -> None:
    book = PriceBook.of("EUR", [Price("cola", "Cola", Money(149, "EUR"), "standard", Decimal("19"), True)])
    books = BillingStore(tmp_path / "billing.sqlite")
    billing = BillingService(book, books, SandboxGateway(script=["ok", "timeout"]))
    log = StringIO()
    scans = [GateScanned("scan-1", "door", S, "token", 1)]
    run = StoreRun(ToldFloor(), Checkout(CheckoutPolicy(), STORE), BillAtOnce(billing), EventLogWriter(log), scans)  # type: ignore[arg-type]
    run.finish()
    (visit,) = run.fold.visits.values()
    assert visit.charge is not None
    assert (visit.charge.state, visit.charge.amount.minor) == (ChargeState.CAPTURED, 149)
    assert [charge.state for charge in billing.charges(visit.visit_id)] == [ChargeState.CAPTURED]
    assert [each.action.value for each in billing.payments(visit.visit_id)] == ["hold", "capture"]
    assert log.getvalue().index('"unknown"') < log.getvalue().index('"captured"')
    books.close()
