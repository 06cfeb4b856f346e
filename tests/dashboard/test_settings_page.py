"""The settings are read by those who may, with what applies and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from dashboard.roles import Role
from tests.dashboard.desk_rig import Office
from tests.dashboard.people_rig import Told, quick_hashes


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def told(office: Office) -> Told:
    found = Told()
    office.desk = dataclasses.replace(office.desk, configuration=found)
    return found


@pytest.mark.parametrize("role", [Role.MANAGER, Role.AUDITOR])
def test_the_page_says_what_applies_and_why(office: Office, told: Told, role: Role) -> None:
    page = office.signed_in(role).get("/settings").text
    for text in (
        "hold_minor",
        "5000",
        "default 2000",
        "minor units; held for each person",
        "Changed in settings.yaml, at the next start.",
        "Changed in store.yaml, at the next start.",
        "the folder &lt;b&gt;",
        "30 days",
        "12 MB",
        "never",
        "120 seconds",
        "1 set",
    ):
        assert text in page, text


def test_without_a_settings_file_it_says_so(office: Office, told: Told) -> None:
    told.settings_file = None
    assert "store.yaml names no settings file" in office.signed_in().get("/settings").text


def test_programs_get_the_same(office: Office, told: Told) -> None:
    found = office.signed_in().get("/v1/desk/settings").json()
    assert found["store_file"] == "store.yaml"
    assert [group["key"] for group in found["groups"]] == ["billing", "vision.tracker"]
    assert found["groups"][0]["settings"][0]["value"] == "5000"
    assert found["kept"][0] == {"what": "clips", "keep_s": 30 * 86_400, "count": 7, "size_bytes": 12_400_000}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
@pytest.mark.parametrize("path", ["/settings", "/v1/desk/settings"])
def test_nobody_else_reads_them(office: Office, told: Told, role: Role, path: str) -> None:
    browser = office.signed_in(role)
    assert browser.get(path).status_code == 403
    assert 'href="/settings"' not in browser.get("/me").text


def test_without_a_store_that_runs_there_are_none(office: Office) -> None:
    browser = office.signed_in()
    assert browser.get("/settings").status_code == 404
    assert browser.get("/v1/desk/settings").status_code == 404
