"""Orders to billing that wait their turn: in order, with one cart a visit at most."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from billing.types import ReceiptInput
from tillfree.billers import BillingOrder, CartNow


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order and since when it waits, Unix time in nanoseconds."""

    order: BillingOrder
    since_ns: int


class OrderQueue:
    """First in, first out. A visit's newer cart takes the place of the one that waits, its receipt that of its cart.

    ``most`` orders may wait: beyond it the oldest carts are dropped, for the next change of a cart tells all of it again.
    Openings and receipts are never dropped; the event log has them all, and the same visits open and end only once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: OrderedDict[int, Waiting] = OrderedDict()
        self._carts: OrderedDict[str, int] = OrderedDict()
        self._begun: int | None = None
        self._next = 0
        self.carts_dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest_ns(self) -> int | None:
        """Since when the first order waits, None where none does."""
        return next((each.since_ns for each in self._waiting.values()), None)

    def add(self, order: BillingOrder, at_ns: int) -> None:
        """Let an order wait from ``at_ns`` on."""
        number = self._carts.get(order.visit_id)
        if isinstance(order, CartNow) and number is not None:
            self._waiting[number] = Waiting(order, self._waiting[number].since_ns)
            return
        if isinstance(order, ReceiptInput):
            self._drop_cart(order.visit_id)
        if isinstance(order, CartNow):
            self._carts[order.visit_id] = self._next
        self._waiting[self._next] = Waiting(order, at_ns)
        self._next += 1
        while len(self._waiting) > self._most and self._carts:
            self._drop_cart(next(iter(self._carts)))
            self.carts_dropped += 1

    def begin(self) -> BillingOrder | None:
        """Return the order whose turn it is; it stays the first until ``done`` or ``give_back``. None where none waits."""
        if not self._waiting:
            return None
        self._begun, first = next(iter(self._waiting.items()))
        if self._carts.get(first.order.visit_id) == self._begun:
            del self._carts[first.order.visit_id]
        return first.order

    def done(self) -> None:
        """Forget the order that was begun with."""
        assert self._begun is not None, "an order is begun with first"
        del self._waiting[self._begun]
        self._begun = None

    def give_back(self) -> None:
        """Let the order that was begun with wait again, unless it is a cart and what came meanwhile makes it pointless."""
        assert self._begun is not None, "an order is begun with first"
        number, self._begun = self._begun, None
        order = self._waiting[number].order
        if not isinstance(order, CartNow):
            return
        if any(each.order.visit_id == order.visit_id for key, each in self._waiting.items() if key != number):
            del self._waiting[number]
        else:
            self._carts[order.visit_id] = number
            self._carts.move_to_end(order.visit_id, last=False)

    def _drop_cart(self, visit_id: str) -> None:
        number = self._carts.pop(visit_id, None)
        if number is not None:
            del self._waiting[number]
