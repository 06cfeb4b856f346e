"""The audit log is read by those who may, page by page, and taken away as a table that no spreadsheet runs."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.audit import AuditLog, Deed
from dashboard.roles import Role
from tests.dashboard.desk_rig import REPO, Office, S
from tests.dashboard.people_rig import quick_hashes

DAY_NS = 1_800_000_000 * S


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def audit(office: Office, tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit.jsonl")
    office.desk = dataclasses.replace(office.desk, audit=log)
    yield log
    log.close()


def fill(log: AuditLog, count: int) -> None:
    for number in range(count):
        what = "store.close" if number % 2 else "store.open"
        log.write(Deed(DAY_NS + number * S, ("anna", "bert")[number % 3 == 0], what, "store", f"no. {number}!"))


def test_pages_go_back_without_a_gap_though_deeds_come_in(office: Office, audit: AuditLog) -> None:
    fill(audit, 23)
    browser, found, before = office.signed_in(Role.AUDITOR), [], ""
    while before is not None:
        told = browser.get(f"/v1/desk/audit?most=5{before}&person=anna").json()
        found += [each["detail"] for each in told["items"]]
        audit.write(Deed(DAY_NS, "anna", "store.open", "store", "meanwhile"))
        before = None if told["before"] is None else f"&before={told['before']}"
    assert found == [f"no. {number}!" for number in reversed(range(23)) if number % 3]


def test_the_page_shows_and_filters(office: Office, audit: AuditLog) -> None:
    fill(audit, 120)
    browser = office.signed_in(Role.MANAGER)
    page = browser.get("/audit?kind=store.close").text
    assert "no. 119!" in page
    assert "no. 118!" not in page
    older = page.partition('href="/audit?kind=store.close&amp;before=')[2].partition('"')[0]
    earlier = browser.get(f"/audit?kind=store.close&before={older}").text
    assert "no. 19!" in earlier
    assert "no. 21!" not in earlier
    assert "Earlier" not in earlier
    assert "Nothing that fits" in browser.get("/audit?person=nobody").text
    assert browser.get("/audit?before=-1").status_code == 400
    assert browser.get(f"/audit?before={10**30}").status_code == 200


def test_what_people_typed_is_no_markup(office: Office, audit: AuditLog) -> None:
    audit.write(Deed(DAY_NS, "anna", "<b>", "store", "<script>x</script>"))
    page = office.signed_in(Role.MANAGER).get("/audit").text
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


def test_the_table_has_all_of_it_and_no_formula(office: Office, audit: AuditLog) -> None:
    for detail in ("=1+1", "+1", "-1", "@x", 'a "b", c\nd', "\t=1"):
        audit.write(Deed(DAY_NS, "anna", "store.open", "store", detail))
    answer = office.signed_in(Role.AUDITOR).get("/audit.csv?person=anna")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    head, *rows = csv.reader(answer.text.splitlines(keepends=True))
    assert head == ["at", "who", "what", "subject", "detail"]
    assert rows[-1] == ["2027-01-15T08:00:00.000000000Z", "anna", "store.open", "store", "'=1+1"]
    assert [row[4] for row in rows] == ["'\t=1", 'a "b", c\nd', "'@x", "'-1", "'+1", "'=1+1"]
    latest = audit.latest(1)[0]
    assert (latest.who, latest.what, latest.detail) == ("auditor-1", "audit.export", "anna")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
@pytest.mark.parametrize("path", ["/audit", "/audit.csv", "/v1/desk/audit"])
def test_nobody_else_reads_it(office: Office, audit: AuditLog, role: Role, path: str) -> None:
    assert office.signed_in(role).get(path).status_code == 403


def test_without_a_log_there_is_no_such_page(office: Office) -> None:
    browser = office.signed_in(Role.AUDITOR)
    assert [browser.get(path).status_code for path in ("/audit", "/audit.csv", "/v1/desk/audit")] == [404] * 3
    assert 'href="/audit"' not in browser.get("/me").text


def test_every_deed_is_named_in_words() -> None:
    """The page would show a word for programs, such as ``stock.count``, otherwise."""
    code = "".join(path.read_text(encoding="utf-8") for path in (REPO / "dashboard").rglob("*.py"))
    kinds = "audit|password|person|recording|review|session|stock|store|visit"
    deeds = set(re.findall(rf'"((?:{kinds})\.(?!csv)[a-z]+)"', code))
    page = (REPO / "dashboard/templates/audit.html.j2").read_text(encoding="utf-8")
    assert len(deeds) > 20
    assert {deed for deed in deeds if f'"{deed}":' not in page} == set()
