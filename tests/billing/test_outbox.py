"""Events reach those who listen, at least once, signed, whatever breaks on the way."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, text

from billing.db import outbox as rows
from billing.errors import DeliveryError, DeliveryRefused, EndpointError, UnknownEndpoint
from billing.gateway import SandboxGateway
from billing.news import TOPICS
from billing.outbox import Delivered, Outbox, SenderByScheme, check_topics
from billing.policy import OutboxPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import DeliveryState, ItemCount, OpenVisit, ReceiptInput
from billing.webhooks import verify

S = 10**9
T0 = 1_795_366_746 * S + 123_456_789
POLICY = OutboxPolicy(round_s=60)
LEASE_NS = round(POLICY.lease_s * S)
DOCS = Path(__file__).resolve().parents[2] / "docs" / "billing.md"

Answer = int | Exception | Callable[[], int]


@dataclass
class FakeSender:
    """Keeps what is posted, and answers by URL, one script entry after the other, then 200."""

    scripts: dict[str, list[Answer]] = field(default_factory=dict)
    posted: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> int:
        self.posted.append((url, headers, body))
        script = self.scripts.get(url, [])
        answer = script.pop(0) if script else 200
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, int) else answer()

    def ids(self, url: str | None = None) -> list[str]:
        return [headers["webhook-id"] for to, headers, _ in self.posted if url in (None, to)]


class Crash(Exception):
    """The process died here."""


@pytest.fixture
def sender() -> FakeSender:
    return FakeSender()


@pytest.fixture
def outbox(store: BillingStore, sender: FakeSender) -> Iterator[Outbox]:
    with Outbox(store, sender, POLICY) as outbox:
        yield outbox


def tell(store: BillingStore, topic: str = "charge.paid", at_ns: int = T0, visit_id: str = "v1", n: int = 1) -> None:
    for number in range(n):
        with store.transaction(visit_id) as books:
            books.tell(topic, visit_id, at_ns + number, json.dumps({"n": number}))


def listen(outbox: Outbox, name: str = "a", topics: tuple[str, ...] = ("charge.paid",)) -> str:
    endpoint, _ = outbox.add_endpoint(f"https://{name}.example/hook", topics, T0)
    return endpoint.endpoint_id


def only(outbox: Outbox, endpoint_id: str) -> rows.Delivery:
    (delivery,) = outbox.deliveries(endpoint_id)
    return delivery


def test_an_event_arrives_signed_once_at_those_who_listen(
    store: BillingStore, outbox: Outbox, sender: FakeSender
) -> None:
    endpoint, secret = outbox.add_endpoint("https://a.example/hook", ["charge.paid", "receipt.final"], T0)
    deaf, _ = outbox.add_endpoint("https://b.example/hook", ["refund.done"], T0)
    tell(store)
    assert outbox.deliver_due(T0) == Delivered(delivered=1)
    ((url, headers, body),) = sender.posted
    assert url == "https://a.example/hook"
    assert verify(secret, headers, body, T0, 1) == "evt_1"
    assert json.loads(body) == {
        "id": "evt_1",
        "type": "charge.paid",
        "at": "2026-11-22T16:59:06.123456789Z",
        "visit_id": "v1",
        "data": {"n": 0},
    }
    delivery = only(outbox, endpoint.endpoint_id)
    assert (delivery.state, delivery.tries, delivery.delivered_at_ns) == (DeliveryState.DELIVERED, 1, T0)
    assert outbox.deliver_due(T0 + 10**6 * S) == Delivered()
    assert outbox.deliveries(deaf.endpoint_id) == ()


def test_what_was_rolled_back_is_never_told(store: BillingStore, outbox: Outbox, sender: FakeSender) -> None:
    listen(outbox)

    def crash() -> None:
        with store.transaction("v1") as books:
            books.tell("charge.paid", "v1", T0, "{}")
            raise Crash

    with pytest.raises(Crash):
        crash()
    assert outbox.deliver_due(T0 + S) == Delivered()
    assert outbox.events() == ()


def test_nothing_is_sent_before_its_time(store: BillingStore, outbox: Outbox, sender: FakeSender) -> None:
    listen(outbox)
    tell(store, at_ns=T0)
    assert outbox.deliver_due(T0 - 1) == Delivered()
    assert outbox.deliver_due(T0) == Delivered(delivered=1)


def test_events_go_out_in_order_and_in_batches(store: BillingStore, outbox: Outbox, sender: FakeSender) -> None:
    listen(outbox)
    tell(store, n=POLICY.batch + 3)
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=POLICY.batch)
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=3)
    assert sender.ids() == [f"evt_{number}" for number in range(1, POLICY.batch + 4)]


def test_a_crash_between_send_and_mark_sends_again(
    store: BillingStore, outbox: Outbox, sender: FakeSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id = listen(outbox)
    tell(store)

    def die(*_: object) -> bool:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(rows, "mark_delivered", die)
        with pytest.raises(Crash):
            outbox.deliver_due(T0)
    with Outbox(store, sender, POLICY) as another:
        assert another.deliver_due(T0 + LEASE_NS - 1) == Delivered()
        assert another.deliver_due(T0 + LEASE_NS) == Delivered(delivered=1)
    assert sender.ids() == ["evt_1", "evt_1"]
    assert only(outbox, endpoint_id).tries == 2


def test_a_delivery_that_kills_its_worker_is_given_up(store: BillingStore, sender: FakeSender) -> None:
    sender.scripts = {"https://a.example/hook": [Crash()] * 100}
    policy = OutboxPolicy(round_s=60, waits_s=(1.0,))
    with Outbox(store, sender, policy) as outbox:
        endpoint_id = listen(outbox)
        tell(store)
        for lapse in range(2):
            with pytest.raises(Crash):
                outbox.deliver_due(T0 + lapse * LEASE_NS)
        assert outbox.deliver_due(T0 + 2 * LEASE_NS) == Delivered(failed=1)
        delivery = only(outbox, endpoint_id)
        assert (delivery.state, delivery.problem) == (DeliveryState.FAILED, "given up: its last try never came back")
        assert len(sender.posted) == 2


@pytest.mark.parametrize("answer", [500, 301, DeliveryError("no answer within 15 s")])
def test_what_does_not_arrive_is_tried_by_the_schedule_and_then_fails(
    store: BillingStore, sender: FakeSender, answer: Answer
) -> None:
    policy = OutboxPolicy(round_s=60, jitter=0.0)
    sender.scripts = {"https://a.example/hook": [answer] * 100}
    with Outbox(store, sender, policy) as outbox:
        endpoint_id = listen(outbox)
        tell(store)
        at_ns = T0
        for wait_s in policy.waits_s:
            assert outbox.deliver_due(at_ns - 1) == Delivered()
            assert outbox.deliver_due(at_ns) == Delivered(later=1)
            at_ns += int(wait_s) * S
            assert only(outbox, endpoint_id).next_at_ns == at_ns
        assert outbox.deliver_due(at_ns) == Delivered(failed=1)
        assert outbox.deliver_due(at_ns + 10**6 * S) == Delivered()
        (delivery,) = outbox.deliveries(endpoint_id, state=DeliveryState.FAILED)
        assert delivery.problem == (f"HTTP {answer}" if isinstance(answer, int) else str(answer))
        assert (delivery.tries, len(sender.posted)) == (8, 8)
        assert (at_ns - T0) // S == 5 + 300 + 1_800 + 7_200 + 18_000 + 36_000 + 50_400
        timestamps = [int(headers["webhook-timestamp"]) for _, headers, _ in sender.posted]
        assert timestamps[1] - timestamps[0] == 5  # of the try, not of the event


def test_jitter_is_within_its_share_differs_and_repeats(store: BillingStore, sender: FakeSender) -> None:
    policy = OutboxPolicy(round_s=60, jitter=0.5, waits_s=(10.0,))
    with Outbox(store, sender, policy) as outbox:
        names = [f"e{number}" for number in range(8)]
        ids = [listen(outbox, name) for name in names]
        sender.scripts = {f"https://{name}.example/hook": [500, 500] for name in names}
        tell(store)
        outbox.deliver_due(T0)
        first = [only(outbox, each).next_at_ns - T0 for each in ids]
        for each in ids:
            outbox.replay(only(outbox, each).delivery_id, T0)
        outbox.deliver_due(T0)
        assert [only(outbox, each).next_at_ns - T0 for each in ids] == first
    assert all(10 * S <= wait_ns <= 15 * S for wait_ns in first)
    assert len(set(first)) == len(first)


def test_410_disables_the_endpoint_and_keeps_what_is_left(
    store: BillingStore, outbox: Outbox, sender: FakeSender
) -> None:
    endpoint_id = listen(outbox)
    tell(store, n=2)
    sender.scripts = {"https://a.example/hook": [410]}
    assert outbox.deliver_due(T0 + 5) == Delivered(failed=1, disabled=1)
    (endpoint,) = outbox.endpoints()
    assert endpoint.disabled_at_ns == T0 + 5
    tell(store)
    assert outbox.deliver_due(T0 + 10**6 * S) == Delivered()
    left, gone = outbox.deliveries(endpoint_id)
    assert (left.state, left.tries) == (DeliveryState.DUE, 0)
    assert (gone.state, gone.problem) == (DeliveryState.FAILED, "HTTP 410: the endpoint is gone")
    assert outbox.enable(endpoint_id).disabled_at_ns is None
    assert outbox.replay_since(endpoint_id, T0 + S) == 3
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=3)
    assert sorted(sender.ids()) == ["evt_1", "evt_1", "evt_2", "evt_3"]


def test_what_is_refused_for_good_is_not_tried_again(store: BillingStore, outbox: Outbox, sender: FakeSender) -> None:
    endpoint_id = listen(outbox)
    tell(store)
    sender.scripts = {"https://a.example/hook": [DeliveryRefused("no such mailbox")]}
    assert outbox.deliver_due(T0) == Delivered(failed=1)
    assert only(outbox, endpoint_id).problem == "no such mailbox"
    assert outbox.endpoints()[0].disabled_at_ns is None


def test_a_broken_endpoint_costs_a_round_one_try_and_others_nothing(
    store: BillingStore, outbox: Outbox, sender: FakeSender
) -> None:
    listen(outbox, "broken")
    listen(outbox, "sound")
    tell(store, n=5)
    sender.scripts = {"https://broken.example/hook": [DeliveryError("no answer")] * 100}
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=5, later=1)
    assert len(sender.ids("https://broken.example/hook")) == 1


def test_a_hanging_endpoint_holds_up_nobody_and_gets_nothing_twice(store: BillingStore, sender: FakeSender) -> None:
    hangs, let_go = threading.Event(), threading.Event()

    def hang() -> int:
        hangs.set()
        let_go.wait(60)
        return 200

    sender.scripts = {"https://slow.example/hook": [hang]}
    with Outbox(store, sender, OutboxPolicy(round_s=0)) as outbox:
        listen(outbox, "slow")
        tell(store)
        assert outbox.deliver_due(T0) == Delivered()
        assert hangs.wait(60)
        listen(outbox, "quick")
        tell(store)
        done = Delivered()
        while not done.delivered:
            done += outbox.deliver_due(T0)
        assert sender.ids("https://quick.example/hook") == ["evt_2"]
        assert sender.ids("https://slow.example/hook") == ["evt_1"]
        let_go.set()
        while done.delivered < 3:
            done += outbox.deliver_due(T0)
    assert done == Delivered(delivered=3)
    assert sender.ids("https://slow.example/hook") == ["evt_1", "evt_2"]


def test_closing_ends_a_turn_after_the_message_that_is_being_sent(store: BillingStore, sender: FakeSender) -> None:
    outbox = Outbox(store, sender, POLICY)
    closer = threading.Thread(target=outbox.close)

    def closing() -> int:
        closer.start()
        assert outbox._closing.wait(60)
        return 200

    sender.scripts = {"https://a.example/hook": [closing]}
    endpoint_id = listen(outbox)
    tell(store, n=5)
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=1)
    closer.join()
    left = outbox.deliveries(endpoint_id, state=DeliveryState.DUE)
    assert [each.tries for each in left] == [0, 0, 0, 0]


def test_with_few_workers_everybody_has_their_turn(store: BillingStore, sender: FakeSender) -> None:
    names = ["a", "b", "c"]
    sender.scripts = {"https://a.example/hook": [500] * 100}
    with Outbox(store, sender, OutboxPolicy(round_s=60, workers=1)) as outbox:
        for name in names:
            listen(outbox, name)
        tell(store, n=10)
        total = Delivered()
        for _ in range(6):
            total += outbox.deliver_due(T0 + S)
    assert {name: len(sender.ids(f"https://{name}.example/hook")) for name in names} == {"a": 2, "b": 10, "c": 10}
    assert total == Delivered(delivered=20, later=2)


def test_many_workers_at_once_send_once(store: BillingStore, sender: FakeSender) -> None:
    """All send at the same time; none gets what another has claimed, on either database."""
    barrier = threading.Barrier(4)
    outboxes = [Outbox(store, sender, POLICY) for _ in range(4)]
    listen(outboxes[0])
    tell(store, n=20)
    counts: list[Delivered] = []

    def work(outbox: Outbox) -> None:
        barrier.wait()
        while (done := outbox.deliver_due(T0 + S)) != Delivered():
            counts.append(done)

    threads = [threading.Thread(target=work, args=[each]) for each in outboxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in outboxes:
        each.close()
    assert sorted(sender.ids()) == sorted(f"evt_{number}" for number in range(1, 21))
    assert sum(each.delivered for each in counts) == 20


def test_a_claim_that_lapsed_marks_nothing(store: BillingStore, outbox: Outbox) -> None:
    endpoint_id = listen(outbox)
    tell(store)
    with store.transaction() as books:
        late = rows.claim(books, endpoint_id, T0, T0 + 10)
        assert rows.claim(books, endpoint_id, T0 + 9, T0 + 20) is None
        ours = rows.claim(books, endpoint_id, T0 + 10, T0 + 20)
    assert late is not None
    assert ours is not None
    with store.transaction() as books:
        assert not rows.mark_later(books, late, T0 + 99, "too late")
        assert not rows.mark_failed(books, late, "too late")
        assert not rows.mark_delivered(books, late, T0)
        assert rows.mark_delivered(books, ours, T0 + 11)
        assert not rows.mark_later(books, ours, T0 + 99, "after it arrived")
    delivery = only(outbox, endpoint_id)
    assert (delivery.state, delivery.tries, delivery.problem) == (DeliveryState.DELIVERED, 2, None)


def test_a_replay_while_it_is_being_sent_is_not_lost(store: BillingStore, outbox: Outbox, sender: FakeSender) -> None:
    endpoint_id = listen(outbox)
    tell(store)

    def replayed() -> int:
        outbox.replay(only(outbox, endpoint_id).delivery_id, T0 + 1)
        return 200

    sender.scripts = {"https://a.example/hook": [replayed]}
    assert outbox.deliver_due(T0) == Delivered(later=1)
    assert outbox.deliver_due(T0 + 1) == Delivered(delivered=1)
    assert sender.ids() == ["evt_1", "evt_1"]


def test_replay_of_one_of_all_and_of_what_was_before(store: BillingStore, outbox: Outbox, sender: FakeSender) -> None:
    tell(store, at_ns=T0)  # evt_1, before anybody listened
    endpoint_id = listen(outbox, topics=("charge.paid",))
    tell(store, at_ns=T0 + 1 * S)
    tell(store, "refund.done", at_ns=T0 + 2 * S)  # not theirs
    tell(store, at_ns=T0 + 3 * S)
    outbox.deliver_due(T0 + 9 * S)
    assert sender.ids() == ["evt_2", "evt_4"]
    outbox.replay(outbox.deliveries(endpoint_id)[0].delivery_id, T0 + 9 * S)
    outbox.deliver_due(T0 + 9 * S)
    assert sender.ids()[2:] == ["evt_4"]
    assert outbox.replay_since(endpoint_id, T0 + 9 * S, since_ns=T0 + 3 * S) == 1
    assert outbox.replay_since(endpoint_id, T0 + 9 * S, event_id=2) == 2
    assert outbox.replay_since(endpoint_id, T0 + 9 * S) == 3
    outbox.deliver_due(T0 + 9 * S)
    assert sorted(sender.ids()[3:]) == ["evt_1", "evt_2", "evt_4"]
    with pytest.raises(UnknownEndpoint, match="delivery 99 is not there"):
        outbox.replay(99, T0)


def test_lists_come_in_pages(store: BillingStore, outbox: Outbox) -> None:
    endpoint_id = listen(outbox)
    tell(store, n=5)
    newest = outbox.deliveries(endpoint_id, limit=2)
    assert [each.event_id for each in newest] == [5, 4]
    rest = outbox.deliveries(endpoint_id, before=newest[-1].delivery_id)
    assert [each.event_id for each in rest] == [3, 2, 1]
    with store.reading() as books:
        assert [each.event_id for each in rows.due(books, endpoint_id, T0 + 1, 9)] == [1, 2]
        assert [each.event_id for each in rows.due(books, endpoint_id, T0 + S, 3)] == [1, 2, 3]
    page = outbox.events(limit=3)
    assert [each.event_id for each in page] == [1, 2, 3]
    assert [each.event_id for each in outbox.events(after=page[-1].event_id)] == [4, 5]
    assert page[1].body == '{"n": 1}'


def test_endpoints_are_listed_without_their_secret(outbox: Outbox) -> None:
    endpoint, secret = outbox.add_endpoint("https://a.example/", ["refund.done", "charge.paid", "charge.paid"], T0)
    assert outbox.endpoints() == (endpoint,)
    assert endpoint.topics == ("charge.paid", "refund.done")
    assert secret.startswith("whsec_")
    assert secret not in repr(outbox.endpoints())
    assert outbox.disable(endpoint.endpoint_id, T0 + 1).disabled_at_ns == T0 + 1
    assert outbox.disable(endpoint.endpoint_id, T0 + 2).disabled_at_ns == T0 + 1
    for asked in (
        lambda: outbox.disable("ep_none", T0),
        lambda: outbox.enable("ep_none"),
        lambda: outbox.deliveries("ep_none"),
        lambda: outbox.replay_since("ep_none", T0),
    ):
        with pytest.raises(UnknownEndpoint, match="endpoint 'ep_none' is not there"):
            asked()


def test_a_claim_shows_no_secret(store: BillingStore, outbox: Outbox) -> None:
    endpoint, secret = outbox.add_endpoint("https://a.example/", ["charge.paid"], T0)
    tell(store)
    with store.transaction() as books:
        claimed = rows.claim(books, endpoint.endpoint_id, T0, T0 + 1)
    assert claimed is not None
    assert claimed.secret == secret
    assert secret not in repr(claimed)


@pytest.mark.parametrize("topics", [[], ["charge.stolen"], ["charge.paid", "Charge.Paid"]])
def test_topics_that_are_not_there_are_refused(topics: list[str]) -> None:
    with pytest.raises(EndpointError, match=r"topics: .*; there are visit.opened, "):
        check_topics(topics)


def test_an_endpoint_with_a_bad_address_is_not_kept(outbox: Outbox) -> None:
    with pytest.raises(EndpointError, match="url: must be https"):
        outbox.add_endpoint("http://shop.example/", ["charge.paid"], T0)
    assert outbox.endpoints() == ()


def test_a_scheme_without_a_sender_is_tried_again_later(store: BillingStore, sender: FakeSender) -> None:
    with Outbox(store, SenderByScheme({"https": sender}), POLICY) as outbox:
        there = listen(outbox)
        local, _ = outbox.add_endpoint("http://localhost:9/", ["charge.paid"], T0)
        tell(store)
        assert outbox.deliver_due(T0) == Delivered(delivered=1, later=1)
        assert only(outbox, there).state is DeliveryState.DELIVERED
        assert only(outbox, local.endpoint_id).problem == "nothing sends to http: here; only to https"


def test_prune_forgets_what_is_old_and_wanted_by_nobody(
    store: BillingStore, outbox: Outbox, sender: FakeSender
) -> None:
    endpoint_id = listen(outbox)
    tell(store, "refund.done", at_ns=T0)  # 1: nobody listens
    tell(store, at_ns=T0 + 1)  # 2: arrives
    tell(store, at_ns=T0 + 2)  # 3: fails for good
    tell(store, at_ns=T0 + 3)  # 4: is due again
    tell(store, at_ns=T0 + 100)  # 5: too young
    sender.scripts = {"https://a.example/hook": [200, DeliveryRefused("no")]}
    assert outbox.deliver_due(T0 + 2) == Delivered(delivered=1, failed=1)
    sender.scripts = {"https://a.example/hook": [500]}
    outbox.deliver_due(T0 + 3)
    assert outbox.prune(T0 + 100) == 3
    assert [each.event_id for each in outbox.events()] == [4, 5]
    assert [each.event_id for each in outbox.deliveries(endpoint_id)] == [5, 4]
    outbox.disable(endpoint_id, T0 + 50)
    assert outbox.prune(T0 + 50) == 0  # disabled too lately
    assert outbox.prune(T0 + 51) == 1
    assert [each.event_id for each in outbox.events()] == [5]


def test_numbers_are_never_used_again_after_a_prune(store: BillingStore, outbox: Outbox) -> None:
    endpoint_id = listen(outbox)
    tell(store, n=3)
    outbox.deliver_due(T0 + S)
    assert outbox.prune(T0 + 9 * S) == 2
    assert outbox.prune(T0 + 9 * S) == 0
    tell(store)
    assert [each.event_id for each in outbox.events()] == [3, 4]
    assert [each.delivery_id for each in outbox.deliveries(endpoint_id)] == [4, 3]


def test_prune_goes_through_many_in_small_steps(
    store: BillingStore, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.outbox._PRUNED_AT_ONCE", 2)
    tell(store, n=7)
    tell(store, at_ns=T0 + 100 * S)
    assert outbox.prune(T0 + S) == 7
    assert [each.event_id for each in outbox.events()] == [8]


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_page_waits_for_lower_numbers_still_to_be_committed(store: BillingStore, raw: Engine) -> None:
    """Event 1 is written before event 2 and committed after it: who reads on from 2 would never see 1."""
    pages: list[list[int]] = []

    def read() -> None:
        with store.reading() as books:
            pages.append([each.event_id for each in rows.events_page(books, 0, 10)])

    reader = threading.Thread(target=read)
    with store.transaction("v1") as slow:
        slow.tell("charge.paid", "v1", T0, "{}")
        tell(store, visit_id="v2")
        reader.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        for _ in range(100_000):
            with raw.connect() as connection:
                if pages or connection.execute(waiting).scalar_one():
                    break
        assert pages == []
    reader.join()
    assert pages == [[1, 2]]


def test_policy_refuses_a_lease_that_a_round_outlives() -> None:
    with pytest.raises(ValidationError, match=r"lease_s must exceed batch \* timeout_s \(150 s\)"):
        OutboxPolicy(batch=10, timeout_s=15, lease_s=150)


def test_billing_tells_its_events(store: BillingStore, outbox: Outbox, book: PriceBook, sender: FakeSender) -> None:
    listen(outbox, topics=TOPICS)
    service = BillingService(book, store, SandboxGateway())
    service.open_visit(OpenVisit("v1", "tok_1", T0))
    service.finalise(ReceiptInput("v1", "tok_1", T0 + S, (ItemCount("cola", 2),)))
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=3)
    assert [json.loads(body)["type"] for _, _, body in sender.posted] == [
        "visit.opened",
        "receipt.final",
        "charge.paid",
    ]
    assert all(b"tok_1" not in body for _, _, body in sender.posted)


def test_docs_name_every_topic_and_setting() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert [name for name in (*TOPICS, *OutboxPolicy.model_fields) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_example_in_the_docs_is_what_is_sent(
    store: BillingStore, outbox: Outbox, book: PriceBook, sender: FakeSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.webhooks.secrets.token_bytes", bytes)  # a secret of zeros
    _, secret = outbox.add_endpoint("https://shop.example/hook", ["charge.paid"], T0)
    service = BillingService(book, store, SandboxGateway())
    service.finalise(ReceiptInput("2026-11-22-0042", "tok_1", T0, (ItemCount("cola", 2),)))
    outbox.deliver_due(T0)
    ((_, headers, body),) = sender.posted
    shown = "\n".join(f"{name}: {value}" for name, value in headers.items())
    example = f"{shown}\n\n{json.dumps(json.loads(body), indent=2)}"
    (written,) = re.findall(r"```http\n(.*?)\n```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert written == example
    assert f"`{secret}`" in DOCS.read_text(encoding="utf-8")
