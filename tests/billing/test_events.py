"""What billing tells others: once for each thing that happened, in the transaction in which it did."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import insert

from billing.db.books import Books
from billing.db.tables import ENDPOINT_TOPICS, ENDPOINTS
from billing.errors import DisputeError
from billing.news import TOPICS
from billing.types import (
    CASH,
    ChargeState,
    DisputeKind,
    DisputeRequest,
    DisputeState,
    ItemCount,
)
from tests.billing.till import DAY_NS, Till

Tills = Callable[..., Till]


class DiskFullError(RuntimeError):
    """The transaction breaks off."""


def contest(shop: Till, dispute_id: str = "d-1") -> None:
    items = (ItemCount("cola", 1),)
    shop.service.contest(DisputeRequest(dispute_id, "visit-1", DisputeKind.CONTEST, items, "not mine", 5_000))


def live(shop: Till) -> None:
    """Live through a visit in which each kind of thing happens that the gateway's script brings about."""
    shop.open()
    shop.service.put_draft("visit-1", (ItemCount("cola", 1),), 500)
    shop.leave(cola=2, at_ns=1_000)  # declined
    shop.service.charge_again("visit-1", "card-1", 1_500)
    shop.correct(cola=1)  # waits for the shopper
    shop.service.give_up_waiting(4 * DAY_NS)
    shop.service.collect_debts(400 * DAY_NS)
    shop.refund(cola=2)  # declined, and then done
    shop.refund(cola=2)
    contest(shop)
    shop.service.decide("d-1", DisputeState.UPHELD, "ada", "seen", 7_000)


SCRIPT = ("decline", "ok", "needs_shopper", "ok", "decline")
STORY = [
    "visit.opened",
    "visit.draft",
    "receipt.final",
    "charge.failed",
    "charge.paid",
    "receipt.corrected",
    "charge.waiting",
    "charge.failed",
    "charge.written_off",
    "refund.agreed",
    "refund.owed",
    "refund.done",
    "review.needed",
    "refund.agreed",
    "review.decided",
    "refund.done",
]


def test_everything_is_told_in_order(till: Tills) -> None:
    shop = till(*SCRIPT, debt_retry_hours=())
    live(shop)
    assert shop.topics() == STORY
    assert set(STORY) == set(TOPICS)


def test_what_is_asked_again_is_told_once(till: Tills) -> None:
    shop = till(*SCRIPT, debt_retry_hours=())
    live(shop)
    shop.open()
    shop.leave(cola=2, at_ns=1_000)
    shop.correct(cola=1)
    shop.refund(cola=2)
    contest(shop)
    shop.service.decide("d-1", DisputeState.UPHELD, "ada", "seen", 9_000)
    shop.service.resolve_unknown(400 * DAY_NS)
    shop.service.collect_debts(800 * DAY_NS)
    shop.service.give_up_waiting(800 * DAY_NS)
    assert shop.topics() == STORY


def test_bodies_are_json_and_hold_no_token(till: Tills) -> None:
    shop = till(*SCRIPT, debt_retry_hours=(), token="card-secret")
    shop.open(shopper_id="ann-person", card_mark="mark-of-the-card")
    shop.leave(cola=1)
    shop.service.charge_again("visit-1", "card-secret", 2_000)
    for topic, visit_id, at_ns, body in shop.events():
        told = json.loads(body)
        assert topic in TOPICS
        assert visit_id == "visit-1"
        assert at_ns >= 0
        assert isinstance(told, dict)
        assert not [word for word in ("card-secret", "ann-person", "mark-of-the-card") if word in body]


def test_a_visit_tells_its_cart_and_charges_in_full(till: Tills) -> None:
    shop = till()
    shop.open(party_size=2)
    shop.service.put_draft("visit-1", (ItemCount("juice", 3),), 500)
    shop.leave(juice=3)
    shop.correct(cola=1)
    bodies = {topic: json.loads(body) for topic, _, _, body in shop.events()}
    assert bodies["visit.opened"]["party_size"] == 2
    assert (bodies["visit.draft"]["version"], bodies["visit.draft"]["receipt"]["total_minor"]) == (1, 202)
    assert bodies["receipt.final"]["total_minor"] == 202
    assert bodies["receipt.corrected"]["receipt"]["total_minor"] == 351
    assert (bodies["charge.paid"]["number"], bodies["charge.paid"]["paid_minor"]) == (2, 149)


def test_what_waits_at_the_till_is_told_and_paid_there(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=1)
    shop.leave(cola=1)
    shop.service.pay_cash("visit-1", "cash-1", "ada", 2_000)
    shop.service.pay_cash("visit-1", "cash-1", "ada", 2_000)
    shop.refund()
    shop.service.pay_out("r-1", "out-1", "ada", 4_000)
    shop.service.pay_out("r-1", "out-1", "ada", 4_000)
    assert shop.topics() == [
        "receipt.final",
        "charge.waiting",
        "charge.paid",
        "refund.agreed",
        "refund.owed",
        "refund.done",
    ]


def test_what_policy_decides_needs_nobody(till: Tills) -> None:
    shop = till(trust_up_to_minor=200)
    shop.leave(cola=1)
    items = (ItemCount("cola", 1),)
    shop.service.contest(DisputeRequest("d-1", "visit-1", DisputeKind.CONTEST, items, "", 5_000, "ann"))
    assert [topic for topic in shop.topics() if topic.startswith("review")] == ["review.decided"]


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_an_outcome_is_told_when_it_is_known(till: Tills, behaviour: str) -> None:
    shop = till(behaviour)
    assert shop.leave(cola=1).state is ChargeState.UNKNOWN
    assert shop.topics() == ["receipt.final"]
    shop.service.resolve_unknown(9_000)
    assert shop.topics() == ["receipt.final", "charge.paid"]
    assert shop.events()[-1][2] == 9_000


def test_what_does_not_come_to_pass_is_not_told(till: Tills, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = till()
    shop.leave(cola=1)
    contest(shop)
    before = shop.topics()
    with monkeypatch.context() as patch:
        patch.setattr(Books, "post", lambda self, posting: (_ for _ in ()).throw(DiskFullError))
        for step in (shop.refund, lambda: shop.correct(bread=1), lambda: shop.leave("visit-2", cola=1)):
            with pytest.raises(DiskFullError):
                step()
        with pytest.raises(DiskFullError):
            shop.service.decide("d-1", DisputeState.UPHELD, "ada", "", 7_000)
    with pytest.raises(DisputeError):
        shop.service.decide("d-1", DisputeState.OPEN, "ada", "", 7_000)
    assert shop.topics() == before
    assert shop.service.disputes.get("d-1").state is DisputeState.OPEN
    assert shop.service.refunds("visit-1") == ()
    assert len(shop.gateway.captured()) == 1


def test_each_endpoint_gets_the_topics_that_it_named(till: Tills) -> None:
    shop = till()
    with shop.store.transaction() as books:
        for name, disabled in (("all", None), ("paid", None), ("off", 1)):
            books.connection.execute(
                insert(ENDPOINTS).values(
                    endpoint_id=name, url="https://x", secret="s", created_at_ns=0, disabled_at_ns=disabled
                )
            )
        listens = [("all", topic) for topic in TOPICS] + [("paid", "charge.paid"), ("off", "charge.paid")]
        for name, topic in listens:
            books.connection.execute(insert(ENDPOINT_TOPICS).values(endpoint_id=name, topic=topic))
    shop.leave(cola=1)
    with shop.store.reading() as books:
        query = (
            "SELECT endpoint_id, topic, state, tries, next_at_ns FROM deliveries JOIN events "
            "ON events.event_id = deliveries.event_id ORDER BY endpoint_id, events.event_id"
        )
        found = [tuple(row) for row in books.connection.exec_driver_sql(query)]
    assert found == [
        ("all", "receipt.final", "due", 0, 1_000),
        ("all", "charge.paid", "due", 0, 1_000),
        ("paid", "charge.paid", "due", 0, 1_000),
    ]
