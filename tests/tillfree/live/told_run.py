"""A live run whose vision is told: no pixels, billing that a test plays, and a log in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from billing.money import Money
from billing.types import Admission, Charge, ChargeState, OpenVisit, ReceiptInput
from checkout.checkout import Checkout
from checkout.settings import CheckoutPolicy
from checkout.types import GateScanned
from tillfree.billers import BillingAnswer, BillingOrder
from tillfree.live.history import History, HistorySettings
from tillfree.run import StoreRun
from vision.pipeline import Instant
from vision.types import GateCrossing, Interaction, People, PersonCandidate, SkuCandidate, VisionEvent

S = 1_000_000_000
EUR = Money(149, "EUR")


@dataclass
class ToldFloor:
    """In the place of the floor stage: instants come in as they are."""

    late_count: int = 0

    def take(self, instant: Instant) -> Instant:
        return instant

    def finish(self) -> Iterator[Instant]:
        return iter(())


@dataclass
class PlayedBilling:
    """A biller that keeps orders and answers when it is told to."""

    orders: list[BillingOrder] = field(default_factory=list)
    ready: list[BillingAnswer] = field(default_factory=list)
    is_away: bool = False

    def order(self, given: BillingOrder) -> tuple[BillingAnswer, ...]:
        self.orders.append(given)
        if self.is_away:
            return ()
        if isinstance(given, OpenVisit):
            self.ready.append(Admission(given.visit_id, given.at_ns, None, None))
        if isinstance(given, ReceiptInput):
            self.ready.append(charge(given))
        return ()

    def answers(self) -> tuple[BillingAnswer, ...]:
        found, self.ready = tuple(self.ready), []
        return found

    def finish(self, at_ns: int) -> tuple[BillingAnswer, ...]:
        return self.answers()


def charge(given: ReceiptInput) -> Charge:
    return Charge(
        f"{given.visit_id}:1", given.visit_id, 1, "d", given.token, EUR, EUR, ChargeState.CAPTURED, given.final_at_ns
    )


def instant(at_ns: int, *events: VisionEvent) -> Instant:
    nobody = People(
        at_ns, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2, 3)),
        np.zeros((0, 2)), (), np.zeros(0, np.bool_),
    )  # fmt: skip
    return Instant(at_ns, (), nobody, {}, events)


def pick(number: int, person: int, at_ns: int) -> Interaction:
    sku, who = (SkuCandidate("cola", 1.0),), (PersonCandidate(person, 1.0),)
    return Interaction(f"i-{number}", "g/a", "g/a/1", at_ns - S, at_ns, -1, 1.0, sku, who)


class ToldRun:
    """The store's run on the log in ``folder``; opening it again is a restart."""

    def __init__(self, folder: Path, settings: HistorySettings | None = None) -> None:
        self.history = History(folder, settings or HistorySettings())
        found = self.history.take_restored()
        self.checkout = Checkout.restore(
            found.checkout_events, CheckoutPolicy(), carried=None if found.carried is None else found.carried.checkout
        )
        self.billing = PlayedBilling()
        self.run = StoreRun(
            ToldFloor(),  # type: ignore[arg-type]
            self.checkout, self.billing, self.history, keep_paths=False, fold=found.fold,
        )  # fmt: skip

    def see(self, at_ns: int, *events: VisionEvent) -> None:
        self.run.take(instant(at_ns, *events))  # type: ignore[arg-type]
        self.run.poll()

    def scan(self, scan_id: str, at_ns: int) -> None:
        self.run.expect(GateScanned(scan_id, "door", at_ns, "card-1", 1))

    def shop(self, number: int, at_ns: int) -> None:
        """Let one shopper come in, take a cola and go; 30 s."""
        self.scan(f"s{number}", at_ns)
        self.see(at_ns + S, GateCrossing(number, "door", "in", at_ns + S))
        self.see(at_ns + 9 * S, pick(number, number, at_ns + 8 * S))
        self.see(at_ns + 15 * S, GateCrossing(number, "door", "out", at_ns + 15 * S))
        self.see(at_ns + 30 * S)

    def tend(self, at_ns: int) -> None:
        self.history.tend(at_ns, self.run.fold, self.checkout.state)

    def close(self) -> None:
        self.history.close()
