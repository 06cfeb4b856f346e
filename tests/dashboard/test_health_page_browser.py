"""A manager closes a store and opens it again, with a real browser."""

from __future__ import annotations

import dataclasses

import pytest
from playwright.sync_api import expect

from dashboard.roles import Role
from tests.dashboard.browser_rig import WIDER, Open, Watched, serious
from tests.dashboard.health_rig import FAULT, Fakery

pytestmark = pytest.mark.browser


@pytest.fixture
def machine(watched: Watched) -> Fakery:
    found = Fakery()
    watched.cut()
    watched.office.desk = dataclasses.replace(watched.office.desk, machine=found)
    watched.serve()
    return found


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        ("desk", "light"),
        ("phone", "dark"),
        pytest.param("desk", "dark", marks=pytest.mark.slow),
        pytest.param("phone", "light", marks=pytest.mark.slow),
    ],
)
def test_a_manager_closes_and_opens(opened: Open, machine: Fakery, width: str, scheme: str) -> None:
    page = opened(Role.MANAGER, width, color_scheme=scheme)
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_role("row", name="cam2")).to_contain_text("dark")
    assert page.evaluate(WIDER) == 0
    assert serious(page) == []
    page.get_by_label("Reason").fill("wet floor")
    page.get_by_role("button", name="Close the store").click()
    expect(page.get_by_text("wet floor")).to_be_visible()
    machine.now = dataclasses.replace(machine.now, faults=(FAULT,))
    expect(page.get_by_text(FAULT)).to_be_visible()  # without a reload
    page.reload()
    assert serious(page) == []
    page.get_by_role("button", name="Open in spite of faults").click()
    assert not machine.now.lets_in  # the browser asks for a reason first
    page.get_by_label("Why open in spite of the faults?").fill("staff stands there")
    page.get_by_role("button", name="Open in spite of faults").click()
    expect(page.get_by_text("Opened in spite of the faults.")).to_be_visible()
    assert machine.now.lets_in
    assert page.faults == []  # type: ignore[attr-defined]
