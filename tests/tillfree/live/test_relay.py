"""Orders to billing that is away, slow or unwilling: in order, once, carts only the latest, nothing blocked by a refusal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import GatewayTimeout, KeyConflict, PassUsed, PriceError, UnknownVisit
from billing.money import Money
from billing.types import (
    Admission,
    BillingRefused,
    Charge,
    ChargeState,
    ItemCount,
    OpenVisit,
    ReceiptInput,
)
from tillfree.billers import BillingOrder, CartNow
from tillfree.errors import OutOfReach
from tillfree.live.order_queue import OrderQueue
from tillfree.live.relay import RelayBiller
from tillfree.live.relay_settings import RelaySettings

NOW = 1_700_000_000 * 10**9
AT_ONCE = RelaySettings(retry_first_s=0.001, retry_max_s=0.001, finish_s=20)


class ScriptedBilling:
    """Does as it is told: each call takes the next error of its script, None for none."""

    def __init__(self, *script: Exception | None) -> None:
        self.script = list(script)
        self.taken: list[BillingOrder] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.asked = threading.Semaphore(0)
        self.resolved: list[int] = []

    def _take(self, order: BillingOrder) -> None:
        self.asked.release()
        assert self.may_go.wait(20)
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        self.taken.append(order)

    def open_visit(self, given: OpenVisit) -> Admission:
        self._take(given)
        return Admission(given.visit_id, given.at_ns, "debtor" if given.token == "broke" else None, None)

    def put_draft(self, visit_id: str, items: tuple[ItemCount, ...], at_ns: int) -> None:
        self._take(CartNow(visit_id, items, at_ns))

    def finalise(self, given: ReceiptInput) -> Charge:
        self._take(given)
        return charge(given.visit_id)

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        self.resolved.append(at_ns)
        return ()


def charge(visit_id: str) -> Charge:
    euro = Money(100, "EUR")
    return Charge(f"{visit_id}:1", visit_id, 1, "d", "card", euro, euro, ChargeState.CAPTURED, NOW)


def opening(visit_id: str, token: str = "card") -> OpenVisit:
    return OpenVisit(visit_id, token, NOW)


def cart(visit_id: str, count: int) -> CartNow:
    return CartNow(visit_id, (ItemCount("cola", count),), NOW)


def receipt(visit_id: str) -> ReceiptInput:
    return ReceiptInput(visit_id, "card", NOW, (ItemCount("cola", 1),))


@contextmanager
def relaying(billing: ScriptedBilling, told: list[str] | None = None) -> Iterator[RelayBiller]:
    tell: Callable[[str], None] = (told if told is not None else []).append
    relay = RelayBiller(billing, AT_ONCE, lambda: NOW, tell)  # type: ignore[arg-type]
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()


def test_orders_are_carried_out_in_order_and_answered() -> None:
    billing = ScriptedBilling()
    with relaying(billing) as relay:
        for order in (opening("a"), cart("a", 1), opening("b"), receipt("a")):
            assert relay.order(order) == ()
            billing.asked.acquire(timeout=20)
        found = relay.finish(NOW + 5)
    assert billing.taken == [opening("a"), cart("a", 1), opening("b"), receipt("a")]
    assert [type(each) for each in found] == [Admission, Admission, Charge]
    assert billing.resolved == [NOW + 5]
    assert relay.answers() == ()


def test_what_is_out_of_reach_is_sent_again_until_it_is_taken() -> None:
    billing, told = ScriptedBilling(OutOfReach("away"), GatewayTimeout("silent"), OutOfReach("away"), None), []
    with relaying(billing, told) as relay:
        relay.order(opening("a"))
        relay.order(receipt("a"))
        found = relay.finish(NOW)
        assert relay.status().problem is None
    assert billing.taken == [opening("a"), receipt("a")]
    assert len(found) == 2
    assert told == ["billing: OutOfReach: away; orders wait and are sent again", "billing: takes orders again"]


def test_only_the_latest_cart_of_a_visit_is_sent() -> None:
    billing = ScriptedBilling()
    billing.may_go.clear()
    with relaying(billing) as relay:
        relay.order(opening("a"))
        assert billing.asked.acquire(timeout=20)
        for count in range(1, 50):
            relay.order(cart("a", count))
        relay.order(cart("b", 7))
        assert relay.status().waiting == 3
        billing.may_go.set()
        relay.finish(NOW)
    assert billing.taken == [opening("a"), cart("a", 49), cart("b", 7)]


def test_a_cart_that_failed_gives_way_to_a_newer_one() -> None:
    billing = ScriptedBilling(OutOfReach("away"))
    billing.may_go.clear()
    with relaying(billing) as relay:
        relay.order(cart("a", 1))
        assert billing.asked.acquire(timeout=20)
        relay.order(cart("a", 2))
        billing.may_go.set()
        relay.finish(NOW)
    assert billing.taken == [cart("a", 2)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PassUsed("seen"), "pass-used"),
        (PriceError("no price"), "price-error"),
        (KeyConflict("another"), "key-conflict"),
        (UnknownVisit("who"), "unknown-visit"),
    ],
)
def test_a_refusal_is_told_and_blocks_nobody(error: Exception, reason: str) -> None:
    billing, told = ScriptedBilling(error), []
    with relaying(billing, told) as relay:
        relay.order(opening("a"))
        relay.order(opening("b"))
        found = relay.finish(NOW)
        refused = BillingRefused("a", "open", reason, NOW, str(error))
        assert relay.status().refused == (refused,)
    assert found[0] == refused
    assert billing.taken == [opening("b")]
    assert told == [f"billing: a: open refused: {reason} {error}"]


def test_a_mistake_is_tried_a_few_times_and_then_an_operator_has_to_look() -> None:
    billing = ScriptedBilling(*[RuntimeError("a bug")] * AT_ONCE.mistakes_max)
    with relaying(billing) as relay:
        relay.order(receipt("a"))
        relay.order(receipt("b"))
        found = relay.finish(NOW)
        assert relay.status().is_running
    assert found[0] == BillingRefused("a", "receipt", "runtime-error", NOW, "a bug")
    assert billing.taken == [receipt("b")]


def test_a_debtor_whom_billing_admits_as_refused_is_an_alert_too() -> None:
    with relaying(ScriptedBilling()) as relay:
        relay.order(opening("a", "broke"))
        relay.finish(NOW)
        assert [each.reason for each in relay.status().refused] == ["debtor"]


def test_a_stopped_relay_leaves_what_waits() -> None:
    billing = ScriptedBilling(*[OutOfReach("away")] * 10_000)
    with relaying(billing) as relay:
        relay.order(opening("a"))
        assert billing.asked.acquire(timeout=20)
    status = relay.status()
    assert (status.waiting, status.is_running, status.oldest_ns) == (1, False, NOW)


ORDERS = st.builds(
    lambda kind, visit, count: {"o": opening(visit), "c": cart(visit, count), "r": receipt(visit)}[kind],
    st.sampled_from("occccr"),
    st.sampled_from(["a", "b", "c", "d"]),
    st.integers(0, 9),
)


@given(st.lists(ORDERS, max_size=60), st.integers(1, 5))
def test_openings_and_receipts_are_never_dropped_and_keep_their_order(orders: list[BillingOrder], most: int) -> None:
    queue = OrderQueue(most)
    for order in orders:
        queue.add(order, NOW)
    sent = []
    while (order := queue.begin()) is not None:
        sent.append(order)
        queue.done()
    lasting = [order for order in orders if not isinstance(order, CartNow)]
    assert [order for order in sent if not isinstance(order, CartNow)] == lasting
    carts = [order for order in sent if isinstance(order, CartNow)]
    assert all(order in orders for order in carts)
    assert len(sent) <= max(most, len(lasting))
