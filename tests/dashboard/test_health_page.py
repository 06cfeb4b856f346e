"""The health page: how the store is, and opening and closing it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.audit import AuditLog
from dashboard.roles import Role
from tests.dashboard.desk_rig import Office, send
from tests.dashboard.health_rig import FAULT, Fakery


@pytest.fixture
def machine(office: Office, tmp_path: Path) -> Iterator[Fakery]:
    found, audit = Fakery(), AuditLog(tmp_path / "audit.jsonl")
    office.desk = dataclasses.replace(office.desk, machine=found, audit=audit)
    yield found
    audit.close()


def deeds(office: Office) -> list[tuple[str, str, str]]:
    assert office.desk.audit is not None
    return [(deed.who, deed.what, deed.detail) for deed in office.desk.audit.latest(9)]


def test_everybody_sees_how_the_store_is(office: Office, machine: Fakery) -> None:
    page = office.signed_in(Role.VIEWER).get("/health")
    assert page.status_code == 200
    for text in ("cam1", "dark &lt;b&gt;", "0.2", "gate door was forced open"):
        assert text in page.text
    assert "Close the store" not in page.text


def test_a_page_that_is_open_asks_for_what_changes_alone(office: Office, machine: Fakery) -> None:
    part = office.signed_in(Role.VIEWER).get("/health", headers={"X-Fragment": "1"})
    assert "cam1" in part.text
    assert "<html" not in part.text


def test_programs_get_the_same(office: Office, machine: Fakery) -> None:
    told = office.signed_in(Role.VIEWER).get("/v1/desk/health").json()
    assert told["lets_in"] is True
    assert told["people_inside"] == 3
    assert [camera["is_good"] for camera in told["cameras"]] == [True, False]


def test_a_manager_closes_and_opens_and_it_is_written_down(office: Office, machine: Fakery) -> None:
    browser = office.signed_in(Role.MANAGER)
    assert send(browser, "/health/close", "/health", reason="wet floor").headers["location"] == "/health"
    assert not machine.now.lets_in
    page = browser.get("/health").text
    assert "wet floor" in page
    assert "Open the store" in page
    send(browser, "/health/open", "/health")
    assert machine.now.lets_in
    assert deeds(office) == [("manager-1", "store.open", ""), ("manager-1", "store.close", "wet floor")]


def test_faults_have_to_be_answered_for(office: Office, machine: Fakery) -> None:
    machine.now = dataclasses.replace(machine.now, faults=(FAULT,))
    browser = office.signed_in(Role.MANAGER)
    refused = send(browser, "/health/open", "/health")
    assert refused.headers["location"] == "/health?refused=faults"
    assert "Not opened" in browser.get("/health?refused=faults").text
    assert deeds(office) == []
    send(browser, "/health/open", "/health", reason="staff stands there")
    assert machine.now.lets_in
    assert deeds(office) == [("manager-1", "store.open", f"in spite of {FAULT}: staff stands there")]
    assert "Close the store" in browser.get("/health").text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.AUDITOR])
@pytest.mark.parametrize("path", ["/health/open", "/health/close"])
def test_nobody_else_does(office: Office, machine: Fakery, role: Role, path: str) -> None:
    assert send(office.signed_in(role), path, "/live").status_code == 403
    assert machine.now.said_by == ""
    assert deeds(office) == []


def test_another_sites_form_does_not(office: Office, machine: Fakery) -> None:
    assert office.signed_in(Role.MANAGER).post("/health/close", data={"csrf": "00"}).status_code == 403
    assert machine.now.said_by == ""


def test_without_a_store_that_runs_there_is_no_such_page(office: Office) -> None:
    assert office.signed_in(Role.VIEWER).get("/health").status_code == 404
