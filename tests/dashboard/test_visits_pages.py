"""The visits' pages: searching, one visit, giving back, charging, deciding, noting, and who may."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from httpx2 import Response

from benchmarks.dashboard_load.visit_events import Told
from billing import passwords
from dashboard.audit import AuditLog
from dashboard.roles import Role
from tests.dashboard.desk_rig import Office, S, csrf_of, send
from tests.dashboard.visits_rig import GEOMETRY, NOW, Counter, counter
from tillfree.live.tokens import token_name

TEA, MILK = (product for product in sorted(GEOMETRY.store.products, key=lambda each: each.sku)[:2])
PRICE = {product.sku: product.price_minor for product in GEOMETRY.store.products}
VISIT = "/visits/visit-s1"
HOUR = 3_600 * S
REFUND = f"{VISIT}/refund?units.{TEA.sku}=1&reason=not_taken"


@pytest.fixture(autouse=True)
def _hashes_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the least that argon2 does: no test here is about passwords."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def till(office: Office, tmp_path: Path) -> Iterator[Counter]:
    """Three visits: of two units of tea and one of milk, of staff, and one that goes on."""
    told = (
        Told(1, NOW - 3 * HOUR, "card-1", {TEA.sku: 2, MILK.sku: 1}, PRICE),
        Told(2, NOW - 2 * HOUR, "staff", {MILK.sku: 1}, PRICE),
        Told(3, NOW - HOUR, "cash", {TEA.sku: 1}, PRICE, is_over=False),
    )
    audit = AuditLog(tmp_path / "audit.jsonl")
    with counter(tmp_path, office.clock, *told) as found:
        office.desk = dataclasses.replace(office.desk, visits=found.visits, audit=audit)
        yield found
    audit.close()


def deeds(office: Office) -> list[tuple[str, str, str]]:
    assert office.desk.audit is not None
    return [(deed.who, deed.what, deed.subject) for deed in office.desk.audit.latest(9)]


def hidden(page: Response) -> dict[str, str]:
    """Return what the form of a page that asks for confirmation carries."""
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    return {name: value for name, value in found.items() if name in ("csrf", "key", "reason", "item")}


def numbers(page: Response) -> list[int]:
    return [int(each) for each in re.findall(r'<a href="/visits/visit-s(\d+)">', page.text)]


def api_call(browser: TestClient, path: str, **body: object) -> Response:
    return browser.post(path, json=body, headers={"X-CSRF": csrf_of(browser.get("/live"))})


SEARCHES: tuple[tuple[dict[str, str], list[int]], ...] = (
    ({}, [3, 2, 1]),
    ({"product": TEA.name.upper()}, [3, 1]),
    ({"state": "charged"}, [2, 1]),
    ({"state": "shopping"}, [3]),
    ({"kind": "staff"}, [2]),
    ({"shopper": token_name("card-1").upper()}, [1]),
    ({"least": "0.01"}, [1]),
    ({"most": "0"}, [2]),
    ({"from": "2027-01-15T06:30"}, [3]),
    ({"to": "2027-01-15T05:30"}, [1]),
    ({"to": "2027-01-15"}, [3, 2, 1]),
    ({"product": "no such thing"}, []),
)


def test_search(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.AUDITOR)
    for query, found in SEARCHES:
        page = browser.get("/visits", params=query)
        assert (page.status_code, numbers(page)) == (200, found), query


def test_what_cannot_be_read_is_said(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.AUDITOR)
    for query in (
        {"from": "yesterday"}, {"to": "9999-12-31"}, {"from": "2999-01-01"}, {"least": "<b>"}, {"most": "1e99"}, {"least": "0.001"},
        {"state": "lost"}, {"kind": "x"}, {"before": "99999999999999999999.v"}, {"after": "x"},
    ):  # fmt: skip
        page = browser.get("/visits", params=query)
        assert "cannot be read" in page.text, query
        assert numbers(page) == [3, 2, 1]
        assert browser.get("/v1/desk/visits", params=query).status_code == 422


def test_pages_are_turned(office: Office, till: Counter) -> None:
    browser, seen, query = office.signed_in(Role.MANAGER), [], {"limit": "1"}
    for _ in range(3):
        told = browser.get("/v1/desk/visits", params=query).json()
        seen += [row["number"] for row in told["visits"]]
        query = {"limit": "1", "before": told["older"]}
    assert (seen, told["older"]) == ([3, 2, 1], None)
    newer = browser.get("/v1/desk/visits", params={"limit": "1", "after": told["newer"]}).json()
    assert [row["number"] for row in newer["visits"]] == [2]


def test_a_visit_tells_its_story(office: Office, till: Counter) -> None:
    page = office.signed_in(Role.MANAGER).get(VISIT).text
    for text in (
        "Scanned at gate",
        f"Into the cart: 2 × {TEA.name}",
        "then 3 in the cart",
        "The receipt is final: 3 units",
    ):
        assert text in page
    for text in ("Charge 1:", token_name("card-1"), "card-1<", "/visits/clips/170-i-1/cam1.mp4"):
        assert (text in page) is (text != "card-1<")
    assert 'style="' not in page


def test_who_may_not_see_payments_does_not(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.OPERATOR)
    listed, page = browser.get("/visits").text, browser.get(VISIT).text
    for secret in (token_name("card-1"), "Charge 1:", ">paid<", "Charges and refunds", "Shopper"):
        assert secret not in listed
        assert secret not in page
    assert f"2 × {TEA.name}" in page
    assert numbers(browser.get("/visits", params={"shopper": "no-such"})) == [3, 2, 1]
    assert numbers(browser.get("/visits", params={"state": "closed"})) == [2, 1]
    assert numbers(browser.get("/visits", params={"state": "charged"})) == [3, 2, 1]
    told = browser.get("/v1/desk/visits/visit-s1").json()
    assert (told["visit"]["shopper"], told["charges"], told["visit"]["state"]) == ("", [], "closed")
    assert "Charge" not in [each["kind"] for each in told["moments"]]


def test_roles(office: Office, till: Counter) -> None:
    wanted = {
        Role.VIEWER: (403, 403, 403),
        Role.OPERATOR: (200, 200, 200),
        Role.AUDITOR: (200, 403, 200),
        Role.MANAGER: (200, 200, 200),
    }
    for role, statuses in wanted.items():
        browser = office.signed_in(role)
        got = tuple(browser.get(path).status_code for path in (VISIT, REFUND, "/visits/clips/170-i-1/cam1.mp4"))
        assert got == statuses, role
        assert browser.get("/v1/desk/visits").status_code == statuses[0]
        may = statuses[1] == 200
        assert (send(browser, f"{VISIT}/notes", "/live", text="x", key="k" * 12).status_code == 303) is may
        assert (
            api_call(browser, "/v1/desk/visits/visit-s1/notes", text="x", key=f"{role}-key-1").status_code == 201
        ) is may
    assert office.browser().get(VISIT).headers["location"].startswith("/sign-in")
    assert office.browser().get("/v1/desk/visits").status_code == 401


def test_giving_back_is_asked_first_and_done_once(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.OPERATOR)
    asked = browser.get(REFUND)
    assert "Give back €" in asked.text
    assert till.service.refunds("visit-s1") == ()  # nothing is done before it is confirmed
    form = hidden(asked)
    for _ in range(2):
        assert browser.post(f"{VISIT}/refund", data=form).headers["location"] == f"{VISIT}?done=refund"
    (refund,) = till.service.refunds("visit-s1")
    assert refund.amount.minor == PRICE[TEA.sku]
    assert deeds(office) == [("operator-1", "visit.refund", "visit-s1")]
    till.heard()
    page = office.signed_in(Role.MANAGER).get(f"{VISIT}?done=refund").text
    for text in ("It is given back", f"Given back: 1 × {TEA.name}", "1 given back", ">given back<", "was not taken"):
        assert text in page


def test_no_more_is_given_back_than_was_bought(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.MANAGER)
    refused = browser.get(f"{VISIT}/refund", params={f"units.{TEA.sku}": "3"})
    assert refused.status_code == 422
    assert "Not done: 3 of" in refused.text
    assert browser.get(f"{VISIT}/refund").status_code == 422
    form = hidden(browser.get(REFUND))
    again = browser.post(f"{VISIT}/refund", data=form | {"item": f"3 {TEA.sku}"})
    assert again.status_code == 422
    assert [what for _, what, _ in deeds(office)] == ["visit.refund.refused", "visit.refund"]
    assert browser.post(f"{VISIT}/refund", data=form).status_code == 303
    other = browser.post(f"{VISIT}/refund", data=form | {"item": f"2 {TEA.sku}"})  # the same key for something else
    assert other.status_code == 409
    assert len(till.service.refunds("visit-s1")) == 1


def test_another_sites_form_does_nothing(office: Office, till: Counter) -> None:
    form = {"csrf": "00", "key": "k" * 12, "item": f"1 {TEA.sku}", "reason": "goodwill", "text": "x", "state": "upheld"}
    browser = office.signed_in(Role.MANAGER)
    for path in ("refund", "correct", "notes", "disputes/d-1"):
        assert browser.post(f"{VISIT}/{path}", data=form).status_code == 403, path
    assert deeds(office) == []


def test_programs_give_back_too_and_once(office: Office, till: Counter) -> None:
    browser, path = office.signed_in(Role.OPERATOR), "/v1/desk/visits/visit-s1/refunds"
    body = {"key": "program-1", "items": [{"sku": TEA.sku, "quantity": 1}], "reason": "returned"}
    assert browser.post(path, json=body).status_code == 403  # no token of the session
    told = [api_call(browser, path, **body).json()["amount_minor"] for _ in range(2)]
    assert told == [PRICE[TEA.sku]] * 2
    assert len(till.service.refunds("visit-s1")) == 1
    again = api_call(browser, path, **(body | {"reason": "damaged"}))
    assert (again.status_code, again.json()["type"]) == (409, "urn:tillfree:in-conflict")
    assert api_call(browser, path.replace("s1", "s9"), **body).status_code == 404


def test_what_the_receipt_lacks_is_charged_once(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.MANAGER)
    asked = browser.get(f"{VISIT}/correct", params={"sku": MILK.name, "quantity": "2"})
    assert "Charge €" in asked.text
    assert len(till.service.charges("visit-s1")) == 1
    for _ in range(2):
        assert browser.post(f"{VISIT}/correct", data=hidden(asked)).headers["location"] == f"{VISIT}?done=correct"
    assert [charge.amount.minor for charge in till.service.charges("visit-s1")][1:] == [2 * PRICE[MILK.sku]]
    assert deeds(office) == [("manager-1", "visit.correct", "visit-s1")]
    assert browser.get(f"{VISIT}/correct", params={"sku": "nothing"}).status_code == 422


@pytest.mark.parametrize(("state", "refunds"), [("upheld", 1), ("rejected", 0)])
def test_a_dispute_is_decided(office: Office, till: Counter, state: str, refunds: int) -> None:
    till.contest("visit-s1", TEA.sku)
    browser = office.signed_in(Role.MANAGER)
    page = browser.get(VISIT).text
    assert "I put it &lt;b&gt;back" in page
    assert ">contested<" in browser.get("/visits").text
    path = f"{VISIT}/disputes/d-1"
    assert "Give €" in browser.get(path).text
    assert send(browser, path, path, state=state, note="seen on the clip").status_code == 303
    assert len(till.service.refunds("visit-s1")) == refunds
    assert "seen on the clip" in browser.get(VISIT).text
    assert deeds(office) == [("manager-1", "visit.dispute", "visit-s1")]
    assert browser.get("/visits/visit-s2/disputes/d-1").status_code == 404


def test_a_note_is_kept_once(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.OPERATOR)
    for _ in range(2):
        sent = send(browser, f"{VISIT}/notes", VISIT, text=" came <i>back</i> ", key="note-key-1")
        assert sent.headers["location"] == f"{VISIT}#notes"
    assert browser.get(VISIT).text.count("came &lt;i&gt;back&lt;/i&gt;") == 1
    assert deeds(office) == [("operator-1", "visit.note", "visit-s1")]
    assert send(browser, f"{VISIT}/notes", VISIT, text=" ", key="note-key-2").status_code == 422


def test_a_part_of_a_clip_is_to_be_had(office: Office, till: Counter) -> None:
    browser = office.signed_in(Role.OPERATOR)
    part = browser.get("/visits/clips/170-i-1/cam1.mp4", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert browser.get("/visits/clips/170-i-1/cam9.mp4").status_code == 404
    assert browser.get("/visits/clips/..%2f..%2fbilling/cam1.mp4").status_code == 404


def test_without_billing_and_without_visits(office: Office, till: Counter) -> None:
    office.desk = dataclasses.replace(office.desk, visits=dataclasses.replace(till.visits, books=None, clips=None))
    browser = office.signed_in(Role.MANAGER)
    page = browser.get(VISIT)
    assert page.status_code == 200
    assert "Give back …" not in page.text
    assert browser.get(REFUND).status_code == 503
    for path in ("/visits/visit-s9", "/v1/desk/visits/visit-s9", "/visits/clips/170-i-1/cam1.mp4"):
        assert browser.get(path).status_code == 404
    office.desk = dataclasses.replace(office.desk, visits=None)
    assert office.browser().get("/visits").headers["location"].startswith("/sign-in")
