"""The stock's pages and API: who sees them, who counts, what goes out."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dashboard.roles import Role
from dashboard.stock.desk import StockDesk
from dashboard.web import CSRF_HEADER
from tests.dashboard.desk_rig import Office, csrf_of, send
from tests.dashboard.stock_rig import CHERRY, COLA, NOON_NS, H, PlayedSupplier, shop_day, stocked

SLOT = f"/stock/slots/{COLA}"
COUNTS = "/v1/desk/stock/counts"


@pytest.fixture
def desk(office: Office, tmp_path: Path) -> Iterator[StockDesk]:
    office.clock.now_ns = NOON_NS + 6 * H
    with stocked(office, tmp_path) as found:
        shop_day(found, NOON_NS)
        yield found


def deeds(office: Office) -> list[tuple[str, str, str, str]]:
    assert office.desk.audit is not None
    return [(each.who, each.what, each.subject, each.detail) for each in office.desk.audit.latest(9)]


def told(browser: TestClient, slot_id: str) -> dict[str, object]:
    items = browser.get("/v1/desk/stock").json()["items"]
    return next(each for each in items if each["slot_id"] == slot_id)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_everybody_sees_the_pages(office: Office, desk: StockDesk, role: Role) -> None:
    browser = office.signed_in(role)
    for path in ("/stock", "/stock?show=low", "/stock/proposals", "/stock/sales", "/stock/sales?days=1", SLOT):
        page = browser.get(path)
        assert page.status_code == 200, path
        assert "Fizzo Cola" in page.text
        assert " style=" not in page.text
    assert ("Keep the count" in browser.get(SLOT).text) is (role is Role.OPERATOR)


def test_pages_say_what_is_low_misplaced_and_in_doubt(office: Office, desk: StockDesk) -> None:
    browser = office.signed_in(Role.VIEWER)
    low = browser.get("/stock?show=low").text
    assert f'"slot-{COLA}"' in low
    assert f'"slot-{CHERRY}"' not in low
    misplaced = browser.get("/stock?show=misplaced", headers={"X-Fragment": "1"}).text
    assert f'"slot-{CHERRY}"' in misplaced
    assert f'"slot-{COLA}"' not in misplaced
    assert "<html" not in misplaced
    assert f'"slot-{COLA}"' in browser.get("/stock?show=doubt").text
    assert browser.get("/stock?show=odd").status_code == 400


def test_programs_get_the_same_and_tables_are_files(office: Office, desk: StockDesk) -> None:
    browser = office.signed_in(Role.AUDITOR)
    slot = told(browser, COLA)
    assert (slot["level"], slot["capacity"], slot["asked_units"], slot["doubt_units"]) == (2, 9, 1, 1)
    assert told(browser, CHERRY)["misplaced"] == [{"sku": "kornia-oats", "units": 1}]
    (due,) = browser.get("/v1/desk/stock/proposals").json()["items"]
    assert (due["slot_id"], due["fill_units"], due["is_due"]) == (COLA, 7, True)
    sales = browser.get("/v1/desk/stock/sales?days=1").json()
    assert (sales["hours"], [each["units"] for each in sales["items"]]) == ([12, 13, 14, 15, 16], [[1, 0, 2, 3, 1]])
    assert "Fizzo Cola, 330 ml, sold by hour of the day: 7" in browser.get("/stock/sales?sku=fizzo-cola").text
    assert "Things sold, by hour of the day: 7" in browser.get("/stock/sales?sku=no-such").text
    assert browser.get("/v1/desk/stock/sales?days=0").status_code == 400
    for path, lines in (("", len(desk.now().slots)), ("/proposals", 1), ("/sales", 4)):
        answer = browser.get(f"/v1/desk/stock{path}.csv")
        assert "attachment" in answer.headers["content-disposition"]
        assert len(list(csv.DictReader(io.StringIO(answer.text)))) == lines


def test_an_operator_counts_and_it_is_written_down(office: Office, desk: StockDesk) -> None:
    browser = office.signed_in(Role.OPERATOR)
    assert send(browser, SLOT, SLOT, units="12").headers["location"] == SLOT
    assert told(browser, COLA)["level"] == 12
    office.clock.now_ns += 1
    send(browser, SLOT, SLOT, filled="true", units="what was typed")
    assert told(browser, COLA)["level"] == 9
    assert "operator-1" in browser.get(SLOT).text
    assert deeds(office) == [
        ("operator-1", "stock.count", COLA, "9, seemed 12"),
        ("operator-1", "stock.count", COLA, "12, seemed 2"),
    ]


def test_only_numbers_are_kept_and_what_is_misplaced_stays_until_it_is_said_to_be_gone(
    office: Office, desk: StockDesk
) -> None:
    browser, odd = office.signed_in(Role.OPERATOR), f"/stock/slots/{CHERRY}"
    for units in ("", "-1", "²", "1.5"):
        assert send(browser, SLOT, SLOT, units=units).headers["location"] == f"{SLOT}?wrong=units"
    assert "Not kept" in browser.get(f"{SLOT}?wrong=units").text
    assert deeds(office) == []
    send(browser, odd, odd, units="5")
    assert told(browser, CHERRY)["misplaced"] != []
    send(browser, odd, odd, units="5", tidy="true")
    assert told(browser, CHERRY)["misplaced"] == []


def test_nobody_else_counts(office: Office, desk: StockDesk) -> None:
    browser = office.signed_in(Role.AUDITOR)
    assert send(browser, SLOT, "/live", units="1").status_code == 403
    head = {CSRF_HEADER: csrf_of(browser.get("/live"))}
    assert browser.post(COUNTS, json={"slot_id": COLA, "units": 1}, headers=head).status_code == 403
    assert told(browser, COLA)["level"] == 2
    assert deeds(office) == []


def test_a_program_counts(office: Office, desk: StockDesk) -> None:
    browser = office.signed_in(Role.OPERATOR)
    given = {"slot_id": COLA, "units": 4, "tidy": True}
    for head in ({}, {CSRF_HEADER: "00"}):
        refused = browser.post(COUNTS, json=given, headers=head)
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    head = {CSRF_HEADER: csrf_of(browser.get("/live"))}
    answer = browser.post(COUNTS, json=given, headers=head)
    assert (answer.status_code, answer.json()["level"], answer.json()["counted_by"]) == (201, 4, "operator-1")
    assert deeds(office) == [("operator-1", "stock.count", COLA, "4, seemed 2, nothing else there")]
    for wrong, status in (({}, 422), ({"units": -1}, 400), ({"units": 1, "filled": True}, 422)):
        assert browser.post(COUNTS, json={"slot_id": COLA, **wrong}, headers=head).status_code == status
    assert browser.post(COUNTS, json={"slot_id": "no/such/slot", "units": 1}, headers=head).status_code == 404


def test_a_stranger_sees_nothing(office: Office, desk: StockDesk) -> None:
    browser = office.browser()
    assert browser.get("/stock").headers["location"].startswith("/sign-in")
    for path in ("", ".csv", "/proposals", "/proposals.csv", "/sales", "/sales.csv"):
        assert browser.get(f"/v1/desk/stock{path}").status_code == 401


def test_slots_and_stores_that_are_not_there(office: Office, tmp_path: Path) -> None:
    browser = office.signed_in(Role.MANAGER)
    assert browser.get("/stock").status_code == 404
    assert 'href="/stock"' not in browser.get("/live").text
    with stocked(office, tmp_path):
        browser = office.browser()
        send(browser, "/sign-in", "/sign-in", login="manager-1", password="a sentence that is long")
        assert browser.get("/stock/slots/no/such/slot").status_code == 404
        assert "Nothing was sold" in browser.get("/stock/sales").text
        assert "Nothing is low" in browser.get("/stock/proposals").text


def test_a_manager_sends_what_to_bring_and_sees_what_became_of_it(office: Office, desk: StockDesk) -> None:
    browser = office.signed_in(Role.MANAGER)
    assert "Send now" not in browser.get("/stock/proposals").text
    assert send(browser, "/stock/proposals/send", "/stock/slots/" + COLA).status_code == 404
    supplier = PlayedSupplier(office.clock)
    office.desk = dataclasses.replace(office.desk, supplier=supplier)
    browser = again(office, browser)
    assert "never" in browser.get("/stock/proposals").text
    sent = send(browser, "/stock/proposals/send", "/stock/proposals")
    assert sent.headers["location"] == "/stock/proposals#sending"
    assert "low slots: 1, sent by manager-1" in browser.get("/stock/proposals").text
    assert deeds(office)[0] == ("manager-1", "stock.send", "orders.example", "1 slots, taken")
    supplier.problem = "HTTP 500"
    send(browser, "/stock/proposals/send", "/stock/proposals")
    assert "HTTP 500" in browser.get("/stock/proposals").text
    assert deeds(office)[0][3] == "1 slots, HTTP 500"


def test_a_program_sends_it_too(office: Office, desk: StockDesk) -> None:
    office.desk = dataclasses.replace(office.desk, supplier=PlayedSupplier(office.clock))
    browser = office.signed_in(Role.MANAGER)
    token = {CSRF_HEADER: browser.get("/v1/desk/me").json()["csrf"]}
    assert browser.get("/v1/desk/stock/webhook").json()["last"] is None
    told = browser.post("/v1/desk/stock/webhook", headers=token).json()
    assert told == {"at": "2027-01-14T17:00:00Z", "by": "manager-1", "slots": 1, "arrived": True, "problem": None}
    assert browser.get("/v1/desk/stock/webhook").json()["last"] == told
    assert "Send now" not in office.signed_in(Role.OPERATOR).get("/stock/proposals").text


def again(office: Office, browser: TestClient) -> TestClient:
    """Return the same browser before the dashboard as it is now."""
    found = office.browser()
    found.cookies.update(browser.cookies)
    return found
