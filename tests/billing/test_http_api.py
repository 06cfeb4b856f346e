from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from billing.access import Scope
from billing.db.access import request
from billing.db.books import Books
from billing.inbox import Answer, Inbox, Incoming
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.store import BillingStore
from billing.types import OpenVisit, Payment
from tests.billing.shop import COLA, DECLINED, NOON, NOON_NS, Shop


@pytest.fixture
def shop(store: BillingStore, book: PriceBook) -> Shop:
    return Shop(store, book)


def problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    """Return a problem's body, after a look at what all of them have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["type"]) == (status, f"urn:tillfree:{kind}")
    assert body["detail"]
    assert body["title"]
    return body


def test_whole_way_of_a_visit(shop: Shop) -> None:
    said = shop.do("/v1/visits", {"visit_id": "v1", "token": "card-1"}).json()
    assert (said["at"], said["refused"], said["hold"]["amount_minor"]) == (NOON, None, 2_000)
    assert shop.do("/v1/visits/v1/joins", {"scan_id": "s2", "token": "card-1"}).json()["hold"]["key"] == "v1:hold:s2"
    draft = shop.do("/v1/visits/v1/draft", {"items": COLA}, method="PUT").json()
    assert (draft["version"], draft["receipt"]["total_minor"]) == (1, 298)
    charge = shop.do("/v1/visits/v1/receipt", {"items": COLA}).json()
    assert (charge["state"], charge["paid_minor"], charge["settled_at"]) == ("captured", 298, NOON)
    charges = shop.get("/v1/visits/v1/charges")
    assert (charges["items"], charges["owed_minor"], charges["currency"]) == ([charge], 0, "EUR")
    more = {"correction_id": "c1", "items": [{"sku": "bread", "quantity": 1}]}
    assert shop.do("/v1/visits/v1/corrections", more).json()["amount_minor"] == 289
    back = {"refund_id": "r1", "visit_id": "v1", "reason": "returned", "items": [{"sku": "bread", "quantity": 1}]}
    refund = shop.do("/v1/refunds", back).json()
    assert (refund["state"], refund["amount_minor"]) == ("done", 289)
    assert shop.get("/v1/refunds/r1") == refund == shop.get("/v1/visits/v1/refunds")["items"][0]
    asked = {"dispute_id": "d1", "visit_id": "v1", "kind": "contest", "items": [{"sku": "cola", "quantity": 1}]}
    assert shop.do("/v1/disputes", asked).json()["state"] == "open"
    clip = {"evidence_id": "e1", "name": "shelf", "media_type": "video/mp4", "sha256": "0" * 64, "location": "clips/e1"}
    assert shop.do("/v1/disputes/d1/evidence", clip).json()["added_by"] == "all"
    decided = shop.do("/v1/disputes/d1/decision", {"state": "upheld", "note": "seen"}).json()
    assert decided["refund_key"] == "dispute:d1"
    assert shop.get("/v1/refunds/dispute:d1")["amount_minor"] == 149
    assert sum(each["balance_minor"] for each in shop.get("/v1/ledger/balances")["items"]) == 0
    assert shop.get("/v1/reconcile")["differences"] == []
    assert shop.captured_minor() == [298, 289]


def test_cash_and_debts(shop: Shop) -> None:
    assert shop.final("v1", "cash")["state"] == "needs_shopper"
    paid = shop.do("/v1/visits/v1/cash", {"cash_id": "till-1"}).json()
    assert (paid["state"], paid["paid_minor"]) == ("captured", 298)
    shop.do("/v1/refunds", {"refund_id": "r1", "visit_id": "v1", "reason": "damaged"})
    paid_out = shop.do("/v1/refunds/r1/payouts", {"cash_id": "till-2"}).json()
    assert (paid_out["state"], paid_out["paid_out_minor"]) == ("done", 298)
    assert shop.final("v2", DECLINED)["state"] == "declined"
    assert shop.do("/v1/visits/v2/charges", {"token": "card-2"}).json()["paid_minor"] == 298


MISTAKES: list[tuple[str, str, dict[str, Any] | None, int, str]] = [
    ("POST", "/v1/visits", {"visit_id": "new"}, 422, "missing-token"),
    ("POST", "/v1/visits", {"visit_id": "new", "token": "staff"}, 422, "missing-token"),
    ("POST", "/v1/visits", {"visit_id": "new", "token": "card", "age": 3}, 422, "invalid-request"),
    ("POST", "/v1/visits", {"visit_id": "done", "token": "another"}, 409, "key-conflict"),
    ("GET", "/v1/visits/none", None, 404, "unknown-visit"),
    ("GET", "/v1/visits/none/receipt", None, 404, "unknown-visit"),
    ("GET", "/v1/refunds/none", None, 404, "unknown-visit"),
    ("GET", "/v1/disputes/none", None, 404, "unknown-visit"),
    ("GET", "/v1/visits/a b", None, 422, "invalid-request"),
    ("GET", "/v1/visits/a%00b", None, 422, "invalid-request"),
    ("GET", "/v1/visits?cursor=nonsense", None, 400, "bad-cursor"),
    ("GET", "/v1/visits?limit=1000", None, 422, "invalid-request"),
    ("GET", "/v1/events?topic=weather", None, 422, "invalid-request"),
    ("PUT", "/v1/visits/none/draft", {"items": COLA}, 404, "unknown-visit"),
    ("PUT", "/v1/visits/done/draft", {"items": COLA}, 409, "charge-state-error"),
    ("PUT", "/v1/visits/open/draft", {"items": [{"sku": "gold", "quantity": 1}]}, 422, "price-error"),
    ("POST", "/v1/visits/done/receipt", {"items": []}, 409, "key-conflict"),
    ("POST", "/v1/visits/none/receipt", {"items": []}, 404, "unknown-visit"),
    ("POST", "/v1/visits/done/charges", {"token": "card"}, 409, "charge-state-error"),
    ("POST", "/v1/visits/done/cash", {"cash_id": "x"}, 409, "charge-state-error"),
    (
        "POST",
        "/v1/visits/done/corrections",
        {"correction_id": "c", "items": [{"sku": "leaflet", "quantity": 1}]},
        422,
        "correction-error",
    ),
    (
        "POST",
        "/v1/refunds",
        {"refund_id": "r", "visit_id": "done", "reason": "returned", "items": [{"sku": "bread", "quantity": 1}]},
        422,
        "refund-error",
    ),
    (
        "POST",
        "/v1/disputes",
        {"dispute_id": "d", "visit_id": "done", "kind": "return", "items": [{"sku": "bread", "quantity": 1}]},
        422,
        "dispute-error",
    ),
    ("GET", "/nowhere", None, 404, "not-found"),
    ("GET", "/v1/visits/", None, 404, "not-found"),
    ("DELETE", "/v1/visits", None, 405, "method-not-allowed"),
]


def test_mistakes_are_told(shop: Shop) -> None:
    shop.final("done")
    shop.opened("open")
    for method, path, body, status, kind in MISTAKES:
        problem(shop.do(path, body, method=method), status, kind)
    assert shop.captured_minor() == [298]


def test_field_that_is_wrong_is_named(shop: Shop) -> None:
    body = problem(shop.do("/v1/visits", {"visit_id": "v1", "party_size": 0}), 422, "invalid-request")
    assert body["errors"][0]["field"] == "body.party_size"
    assert body["detail"].startswith("body.party_size: ")


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", b'{"\\ud800": 1}', b'{"visit_id": "\\ud800"}', b"[" * 50_000, b'{"party_size": 1e999}'],
)
def test_bodies_that_are_no_json(shop: Shop, content: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    response = shop.client.post("/v1/visits", content=content, headers=headers)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_many_mistakes_are_not_all_listed(shop: Shop) -> None:
    body = {"visit_id": "v1", **{"k" * 1_000 + str(number): 1 for number in range(500)}}
    assert len(shop.do("/v1/visits", body).content) < 20_000


@pytest.mark.parametrize("key", [None, "", "with blank", "x" * 201, "ä"])
def test_idempotency_key_is_asked_for(shop: Shop, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    response = shop.client.post("/v1/visits", json={"visit_id": "v1", "token": "c"}, headers=headers)
    assert "Idempotency-Key" in problem(response, 422, "invalid-request")["detail"]


def test_same_key_gets_the_same_answer(shop: Shop) -> None:
    shop.opened()
    first = shop.do("/v1/visits/v1/receipt", {"items": COLA}, key="k1")
    shop.now_ns += 60 * 10**9
    again = shop.do("/v1/visits/v1/receipt", {"items": COLA}, key="k1")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert shop.captured_minor() == [298]


def test_same_key_with_something_else_is_refused(shop: Shop) -> None:
    shop.opened()
    assert shop.do("/v1/visits/v1/draft", {"items": COLA}, key="k1", method="PUT").status_code == 200
    for path, items in (("/v1/visits/v1/draft", []), ("/v1/visits/v2/draft", COLA)):
        problem(shop.do(path, {"items": items}, key="k1", method="PUT"), 422, "request-reused")
    other = {"Idempotency-Key": "k1", "If-Match": '"7"'}
    response = shop.client.put("/v1/visits/v1/draft", json={"items": COLA}, headers=other)
    problem(response, 422, "request-reused")


def test_same_key_of_two_clients_is_two_keys(shop: Shop) -> None:
    one, two = shop.client_with(Scope.GATE), shop.client_with(Scope.GATE)
    for client, visit in ((one, "v1"), (two, "v2")):
        response = shop.do("/v1/visits", {"visit_id": visit, "token": "card"}, key="k", client=client)
        assert response.json()["visit_id"] == visit


def test_refused_request_may_be_asked_again(shop: Shop) -> None:
    """What was wrong may be right later: only what was done is answered from memory."""
    problem(shop.do("/v1/visits/v1/draft", {"items": COLA}, key="k", method="PUT"), 404, "unknown-visit")
    shop.opened()
    assert shop.do("/v1/visits/v1/draft", {"items": COLA}, key="k", method="PUT").status_code == 200


class Crash(Exception):
    """The process ends here."""


def dying(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Let the next call of a method of Books end the process; later ones work."""
    real: Callable[..., Any] = getattr(Books, where)

    def die(books: Books, *given: Any) -> None:
        monkeypatch.setattr(Books, where, real)
        raise Crash

    monkeypatch.setattr(Books, where, die)


def test_crash_before_the_answer_then_the_same_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.opened()
    dying(monkeypatch, "settle_payment")
    problem(shop.do("/v1/visits/v1/receipt", {"items": COLA}, key="k1"), 500, "mistake")
    shop.now_ns += 60 * 10**9
    again = shop.do("/v1/visits/v1/receipt", {"items": COLA}, key="k1")
    assert (again.status_code, again.json()["state"]) == (201, "captured")
    assert shop.get("/v1/visits/v1/receipt")["issued_at"] == NOON
    assert shop.captured_minor() == [298]
    other = shop.do("/v1/visits/v1/receipt", {"items": []}, key="k1")
    problem(other, 422, "request-reused")


def test_crash_of_another_try_then_the_same_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A debt that is asked for again has no id of the caller's: key and time make it one try."""
    shop.final("v1", DECLINED)
    dying(monkeypatch, "settle_payment")
    assert shop.do("/v1/visits/v1/charges", {"token": DECLINED}, key="k1").status_code == 500
    shop.now_ns += 60 * 10**9
    shop.service.resolve_unknown(shop.now_ns)  # what the worker does
    again = shop.do("/v1/visits/v1/charges", {"token": DECLINED}, key="k1").json()
    assert (again["number"], again["state"]) == (2, "declined")
    assert len(shop.get("/v1/visits/v1/charges")["items"]) == 2


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """Return what ``count`` threads got that began together."""
    barrier, found = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        barrier.wait()
        found[number] = call(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def ticking(shop: Shop) -> None:
    """Let time go on with each look at the clock, so that no two calls come at the same moment."""
    lock = threading.Lock()
    parts = shop.app.state.parts

    def clock() -> int:
        with lock:
            shop.now_ns += 1
            return shop.now_ns

    object.__setattr__(parts, "clock", clock)


def test_threads_with_the_same_key_charge_once_and_hear_the_same(shop: Shop) -> None:
    shop.opened()
    ticking(shop)
    found = at_once(6, lambda _: shop.do("/v1/visits/v1/receipt", {"items": COLA}, key="k1"))
    assert {response.status_code for response in found} == {201}
    assert len({response.content for response in found}) == 1
    assert shop.captured_minor() == [298]


def test_threads_with_their_own_keys_charge_once(shop: Shop) -> None:
    shop.opened()
    ticking(shop)
    found = at_once(6, lambda number: shop.do("/v1/visits/v1/receipt", {"items": COLA}, key=f"k{number}"))
    statuses = [response.status_code for response in found]
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert shop.captured_minor() == [298]


def test_threads_that_finish_at_the_same_time_of_the_visit_all_hear_of_the_charge(shop: Shop) -> None:
    shop.opened()
    body = {"items": COLA, "at": NOON}
    found = at_once(6, lambda number: shop.do("/v1/visits/v1/receipt", body, key=f"k{number}"))
    assert {response.status_code for response in found} == {201}
    assert {response.json()["key"] for response in found} == {"v1:1"}
    assert shop.captured_minor() == [298]


def test_threads_with_one_key_for_different_things(shop: Shop) -> None:
    """One of them is done, the others are told that the key is taken."""
    found = at_once(4, lambda n: shop.do("/v1/visits", {"visit_id": f"v{n}", "token": "card"}, key="k"))
    assert sorted(response.status_code for response in found) == [201, 422, 422, 422]
    assert len(shop.get("/v1/visits")["items"]) == 1


def test_a_request_that_needs_no_transaction_is_answered_once(shop: Shop) -> None:
    found = at_once(4, lambda _: shop.do("/v1/resolve", key="k"))
    assert {(response.status_code, response.content) for response in found} == {(200, b'{"items":[]}')}


def test_old_requests_are_forgotten(shop: Shop) -> None:
    shop.do("/v1/visits", {"visit_id": "v1", "token": "card"}, key="k")
    assert Inbox(shop.store).prune(NOON_NS) == 0
    assert Inbox(shop.store).prune(NOON_NS + 1) == 1
    assert shop.do("/v1/visits", {"visit_id": "v2", "token": "card"}, key="k").status_code == 201


def test_a_round_forgets_so_many_and_the_oldest_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.inbox._PRUNED_AT_ONCE", 2)
    monkeypatch.setattr("billing.inbox._PRUNED_TIMES", 2)
    inbox = Inbox(shop.store)
    for at_ns in (5, 3, 1, 4, 2, 9):
        asked = Incoming("gate", f"k{at_ns}", "digest", "POST /v1/visits", "/v1/visits", at_ns)
        inbox.handle(asked, lambda _store, _at_ns: Answer(200, "{}"))
    assert inbox.prune(6) == 4
    with shop.store.reading() as books:
        left = [at_ns for at_ns in range(1, 10) if request(books, "gate", f"k{at_ns}") is not None]
    assert left == [5, 9]
    assert inbox.prune(6) == 1


def put_draft(shop: Shop, items: list[dict[str, Any]], tag: str | None, key: str) -> Any:
    headers = {"Idempotency-Key": key} | ({} if tag is None else {"If-Match": tag})
    return shop.client.put("/v1/visits/v1/draft", json={"items": items}, headers=headers)


def test_draft_changes_only_from_the_version_that_was_read(shop: Shop) -> None:
    shop.opened()
    assert put_draft(shop, COLA, '"0"', "a").headers["ETag"] == '"1"'
    tag = shop.client.get("/v1/visits/v1/draft").headers["ETag"]
    changed = put_draft(shop, [], tag, "b")
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    problem(put_draft(shop, [{"sku": "bread", "quantity": 1}], tag, "c"), 412, "version-conflict")
    assert put_draft(shop, COLA, 'W/"2"', "d").headers["ETag"] == '"3"'
    assert put_draft(shop, COLA, 'W/"2"', "d").headers["ETag"] == '"3"'  # replayed


def test_etags_that_no_cart_had(shop: Shop) -> None:
    shop.opened()
    for tag in ("1", '"one"', '"١"', '"-1"', '"1", "2"', "*"):
        headers = {"Idempotency-Key": tag.encode().hex(), "If-Match": tag.encode()}
        response = shop.client.put("/v1/visits/v1/draft", json={"items": COLA}, headers=headers)
        problem(response, 412, "version-conflict")


def test_receipt_is_sent_only_if_it_is_new(shop: Shop) -> None:
    shop.final()
    first = shop.client.get("/v1/visits/v1/receipt")
    tag = first.headers["ETag"]
    assert tag == f'"{first.json()["digest"]}"'
    same = shop.client.get("/v1/visits/v1/receipt", headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    shop.do("/v1/visits/v1/corrections", {"correction_id": "c", "items": [{"sku": "bread", "quantity": 1}]})
    assert shop.client.get("/v1/visits/v1/receipt", headers={"If-None-Match": tag}).status_code == 200


def walked(shop: Shop, path: str, between: Callable[[], None], **query: Any) -> Iterator[dict[str, Any]]:
    """Yield all items of a list, page by page, with something going on between pages."""
    page = shop.get(path, limit=2, **query)
    while page["items"]:
        yield from page["items"]
        if page["cursor"] is None:
            return
        between()
        page = shop.get(path, limit=2, cursor=page["cursor"], **query)


def test_pages_have_no_gap_and_no_repeat_while_rows_come_in(shop: Shop) -> None:
    shop.now_ns += 1
    for number in range(7):  # several at the same nanosecond, too
        shop.now_ns += number % 2
        shop.final(f"old-{number}")
        shop.do(
            "/v1/disputes", {"dispute_id": f"d-{number}", "visit_id": f"old-{number}", "kind": "contest", "items": COLA}
        )
    newer = iter(range(100))

    def come_in() -> None:
        shop.now_ns += 1
        shop.opened(f"new-{next(newer)}")

    visits = [each["visit_id"] for each in walked(shop, "/v1/visits", come_in)]
    assert sorted(visits) == sorted(f"old-{number}" for number in range(7))
    times = {each["visit_id"]: each["opened_at"] for each in walked(shop, "/v1/visits", come_in)}
    assert list(times.values()) == sorted(times.values(), reverse=True)
    assert len(list(walked(shop, "/v1/disputes", come_in, state="open"))) == 7
    before = shop.get("/v1/audit", limit=1)["items"][0]["audit_id"]
    audit = [each["audit_id"] for each in walked(shop, "/v1/audit", come_in)]
    assert audit == sorted(range(1, before + 1), reverse=True)


def test_events_are_read_on_from_where_one_stopped(shop: Shop) -> None:
    shop.final("v1")
    first = shop.get("/v1/events")
    topics = [each["topic"] for each in first["items"]]
    assert topics == ["visit.opened", "receipt.final", "charge.paid"]
    assert first["items"][1]["data"]["issued_at"] == NOON
    nothing = shop.get("/v1/events", cursor=first["cursor"])
    assert (nothing["items"], nothing["cursor"]) == ([], first["cursor"])
    shop.opened("v2")
    later = shop.get("/v1/events", cursor=nothing["cursor"])
    assert [each["visit_id"] for each in later["items"]] == ["v2"]
    assert [each["visit_id"] for each in shop.get("/v1/events", topic="visit.opened")["items"]] == ["v1", "v2"]


def test_no_event_comes_before_one_that_was_read(shop: Shop, backend: str) -> None:
    """Where two write at the same time, the later number may be kept first, and is not told before the earlier."""
    found: list[list[str]] = []

    def read() -> None:
        found.append([each["visit_id"] for each in shop.get("/v1/events")["items"]])

    reader = threading.Thread(target=read)
    with shop.store.transaction("slow") as books:
        books.tell("visit.opened", "slow", NOON_NS, "{}")
        if backend == "postgresql":  # SQLite has one writer at a time
            shop.opened("fast")
        reader.start()
        reader.join(0.2)
        assert found == ([] if backend == "postgresql" else [[]])
    reader.join()
    assert found == ([["slow", "fast"]] if backend == "postgresql" else [[]])


CURSORS = [
    "", "!", "ä", "WzFd", "e30", "bnVsbA", "WzEsIlx1MDAwMCJd", "WzEsMl0", "WyJhIiwiYiJd", "WzFlOTk5LCJhIl0",
    "WzEwMDAwMDAwMDAwMDAwMDAwMDAwLCJhIl0", "W3RydWUsImEiXQ", "W1sxXSwiYSJd",
]  # fmt: skip


def test_cursors_of_nobody(shop: Shop) -> None:
    for cursor in CURSORS:
        for path in ("/v1/visits", "/v1/disputes"):
            problem(shop.client.get(path, params={"cursor": cursor}), 400, "bad-cursor")
        if cursor != "WzFd":  # a number, as those of these lists are
            problem(shop.client.get("/v1/audit", params={"cursor": cursor}), 400, "bad-cursor")


def test_ids_are_taken_once(shop: Shop) -> None:
    for visit in ("v1", "v2"):
        shop.final(visit, "cash")
    assert shop.do("/v1/visits/v1/cash", {"cash_id": "till-1"}).status_code == 201
    assert shop.do("/v1/visits/v2/cash", {"cash_id": "till-1"}).status_code == 409
    for visit, status in (("v1", 201), ("v2", 409)):
        asked = {"dispute_id": "d1", "visit_id": visit, "kind": "contest", "items": COLA}
        assert shop.do("/v1/disputes", asked).status_code == status
    clip = {"evidence_id": "e1", "name": "n", "media_type": "video/mp4", "sha256": "0" * 64, "location": "l"}
    for dispute in ("d2", "d3"):
        asked = {"dispute_id": dispute, "visit_id": "v1", "kind": "contest", "items": COLA}
        assert shop.do("/v1/disputes", asked).status_code == 201
    assert shop.do("/v1/disputes/d2/evidence", clip).status_code == 201
    assert shop.do("/v1/disputes/d3/evidence", clip).status_code == 409


@pytest.mark.parametrize("size", [1_000_001, 2_000_000])
def test_bodies_that_are_too_large(shop: Shop, size: int) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    problem(shop.client.post("/v1/visits", content=b" " * size, headers=headers), 413, "too-large")

    def parts() -> Iterator[bytes]:
        yield from (b" " * 100_000 for _ in range(size // 100_000))
        yield b"x"

    chunked = shop.client.post("/v1/visits", content=parts(), headers=headers)
    assert "content-length" not in chunked.request.headers
    problem(chunked, 413, "too-large")


def test_chunks_that_are_not_too_large(shop: Shop) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    body = json.dumps({"visit_id": "v1", "token": "card"}).encode()
    chunks = (body[place : place + 7] for place in range(0, len(body), 7))
    assert shop.client.post("/v1/visits", content=chunks, headers=headers).status_code == 201


@pytest.mark.parametrize("length", ["-1", "many", "9" * 30])
def test_lengths_that_are_none(shop: Shop, length: str) -> None:
    headers = {"Content-Length": length}
    problem(shop.client.get("/healthz", headers=headers), 413, "too-large")


def test_metrics_count_whatever_comes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.final()
    shop.client.get("/v1/visits/none")
    shop.client.get("/nowhere")
    shop.client.request("BREW", "/v1/visits")
    dying(monkeypatch, "visit")
    shop.client.get("/v1/visits/v1")
    lines = shop.client.get("/metrics").text.splitlines()
    counted = dict(line.rsplit(" ", 1) for line in lines if line.startswith("tillfree_billing_requests_total"))
    assert counted == {
        f'tillfree_billing_requests_total{{method="{method}",route="{route}",status="{status}"}}': "1.0"
        for method, route, status in (
            ("POST", "/v1/visits", 201),
            ("POST", "/v1/visits/{visit_id}/receipt", 201),
            ("GET", "/v1/visits/{visit_id}", 404),
            ("GET", "/v1/visits/{visit_id}", 500),
            ("GET", "unknown", 404),
            ("other", "/v1/visits", 405),
        )
    }
    assert 'tillfree_billing_charges{state="captured"} 1.0' in lines
    assert 'tillfree_billing_request_seconds_count{method="POST",route="/v1/visits"} 1.0' in lines


def test_health_and_readiness(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = shop.client_of(None)
    assert stranger.get("/healthz").json() == {"status": "ok", "checks": {}}
    assert stranger.get("/readyz").json() == {"status": "ok", "checks": {"database": "ok"}}

    def gone(books: Books, visit_id: str) -> None:
        raise OperationalError("SELECT", {}, Exception("secret-host refused"))

    monkeypatch.setattr(Books, "visit", gone)
    response = stranger.get("/readyz")
    assert (response.status_code, response.json()["checks"]) == (503, {"database": "OperationalError"})
    assert stranger.get("/healthz").status_code == 200
    said = shop.client.get("/v1/visits/v1")
    assert "secret-host" not in problem(said, 503, "database-unavailable")["detail"]
    assert int(said.headers["Retry-After"]) >= 1


@pytest.mark.postgres
def test_readiness_without_the_database(request: pytest.FixtureRequest, book: PriceBook) -> None:
    postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue("migrated_postgres")
    with postgres.one(template) as url:
        store = BillingStore(url)
        shop = Shop(store, book)
        assert shop.client.get("/readyz").status_code == 200
        name = re.search(r"/(t\w+)\?", url)
        assert name is not None
        postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name[1]}'")
        assert shop.client.get("/readyz").status_code == 503  # the pool's connections are dead
        assert shop.client.get("/readyz").status_code == 200  # and made anew
        store.close()


def test_answers_stay_out_of_caches_and_browsers(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    dying(monkeypatch, "visit")
    answers = [shop.client.get(path) for path in ("/v1/visits/v1", "/v1/visits", "/nowhere", "/healthz", "/docs")]
    assert [response.status_code for response in answers] == [500, 200, 404, 200, 200]
    for response in answers:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_reference_needs_no_network(shop: Shop) -> None:
    page = shop.client_of(None).get("/docs").text
    assert not re.search(r"<script|<link|<img|https?://", page)
    assert "finalise_visit" in page


def test_trusted_disputes_are_not_for_strangers(store: BillingStore, book: PriceBook) -> None:
    """Policy trusts shoppers who are known; the counter's disputes go to an operator."""
    shop = Shop(store, book, policy=BillingPolicy(trust_up_to_minor=1_000))
    shop.final()
    asked = {"dispute_id": "d1", "visit_id": "v1", "kind": "contest", "items": COLA}
    assert shop.do("/v1/disputes", asked).json()["state"] == "open"


def test_tokens_stay_inside(shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "cus_7/pm_4242"
    shop.final("v1", token)
    paths = ("/v1/visits", "/v1/visits/v1", "/v1/visits/v1/payments", "/v1/visits/v1/charges", "/v1/visits/v1/receipt")
    more = ("/v1/events", "/v1/audit", "/v1/receipts.csv", "/v1/ledger/journal.csv", "/v1/reconcile", "/metrics")
    said = [shop.client.get(path).text for path in (*paths, *more)]
    said.append(shop.do("/v1/visits", {"visit_id": "v1", "token": "other-" + token}).text)
    said.append(shop.do("/v1/visits", {"visit_id": "v1", "token": "two words " + token}).text)

    def fail(books: Books, payment: Payment) -> None:
        raise OperationalError("INSERT", {"token": payment.token}, Exception("gone"), hide_parameters=True)

    monkeypatch.setattr(Books, "add_payment", fail)
    said.append(shop.do("/v1/visits", {"visit_id": "v2", "token": token}).text)
    assert not [text for text in said if "4242" in text]
    assert "4242" not in caplog.text


def test_errors_of_the_database_do_not_name_values(shop: Shop) -> None:
    visit = OpenVisit("v1", "card-4242", NOON_NS)
    with shop.store.transaction("v1") as books:
        books.add_visit(visit, None)
    with pytest.raises(IntegrityError) as caught, shop.store.transaction("v1") as books:
        books.add_visit(visit, None)
    assert "INSERT" in str(caught.value)
    assert "4242" not in str(caught.value)
