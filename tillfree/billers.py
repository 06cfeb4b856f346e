"""How a run talks to billing: at once, as a replay does, or through a relay that the cameras never wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from billing.types import Admission, BillingPort, BillingRefused, Charge, ItemCount, OpenVisit, ReceiptInput


@dataclass(frozen=True, slots=True)
class CartNow:
    """A visit's cart as it is, for shoppers and the store's own systems to look at."""

    visit_id: str
    items: tuple[ItemCount, ...]
    at_ns: int


BillingOrder = OpenVisit | CartNow | ReceiptInput
"""What a run asks of billing."""

BillingAnswer = Admission | Charge | BillingRefused
"""What comes of it, for the log. A cart has no answer."""


class Biller(Protocol):
    """Takes a run's orders, in order."""

    def order(self, given: BillingOrder) -> tuple[BillingAnswer, ...]:
        """Take an order; return its answer if it is there at once."""
        ...

    def answers(self) -> tuple[BillingAnswer, ...]:
        """Return the answers that have come since this was last asked."""
        ...

    def finish(self, at_ns: int) -> tuple[BillingAnswer, ...]:
        """Wait for all answers still missing, ask about charges whose outcome is unknown, and return both."""
        ...


class BillAtOnce:
    """Asks billing while the run waits: a replay has the time."""

    def __init__(self, billing: BillingPort) -> None:
        self._billing = billing

    def order(self, given: BillingOrder) -> tuple[BillingAnswer, ...]:
        """See ``Biller.order``."""
        return carry_out(self._billing, given)

    def answers(self) -> tuple[BillingAnswer, ...]:
        """See ``Biller.answers``; they have all been given."""
        return ()

    def finish(self, at_ns: int) -> tuple[BillingAnswer, ...]:
        """See ``Biller.finish``."""
        return self._billing.resolve_unknown(at_ns)


def carry_out(billing: BillingPort, given: BillingOrder) -> tuple[BillingAnswer, ...]:
    """Do what an order says; whatever ``BillingPort`` raises comes through."""
    match given:
        case OpenVisit():
            return (billing.open_visit(given),)
        case CartNow():
            billing.put_draft(given.visit_id, given.items, given.at_ns)
            return ()
        case ReceiptInput():
            return (billing.finalise(given),)
