"""Somebody is asked in, chooses a password and gets another role, with a real browser; the last manager stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.audit import AuditLog
from dashboard.roles import Role
from tests.dashboard.browser_rig import WIDER, WIDTHS, Open, Watched, serious
from tests.dashboard.desk_rig import PASSWORD
from tests.dashboard.people_rig import Told, quick_hashes

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def watched(watched: Watched, tmp_path: Path) -> Iterator[Watched]:
    audit = AuditLog(tmp_path / "audit.jsonl")
    watched.cut()
    url = watched.url
    watched.office.desk = dataclasses.replace(watched.office.desk, url=url, audit=audit, configuration=Told())
    watched.serve()
    yield watched
    audit.close()


def is_well(page: Page) -> None:
    """See that a page is no wider than the screen, and that axe-core finds nothing serious."""
    assert page.evaluate(WIDER) == 0
    assert serious(page) == []


def go(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


@pytest.mark.parametrize(
    ("width", "scheme"), [("desk", "light"), pytest.param("phone", "dark", marks=pytest.mark.slow)]
)
def test_somebody_is_asked_in_and_gets_another_role(opened: Open, watched: Watched, width: str, scheme: str) -> None:
    page = opened(Role.MANAGER, width, color_scheme=scheme)
    go(page, "People")
    is_well(page)
    page.get_by_label("Login", exact=True).fill("bert")
    page.get_by_label("Role", exact=True).select_option("operator")
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_label("Link").input_value()

    theirs = page.context.browser.new_context(viewport=WIDTHS[width], color_scheme=scheme).new_page()  # type: ignore[union-attr,arg-type]
    theirs.goto(link)
    is_well(theirs)
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.keyboard.press("Enter")
    expect(theirs).to_have_url(f"{watched.url}/live")
    expect(theirs.get_by_role("link", name="Audit")).to_have_count(0)

    go(page, "People")
    page.get_by_role("link", name="bert").click()
    page.get_by_label("Role", exact=True).select_option("auditor")
    page.get_by_role("button", name="Change the role…").click()
    expect(page.get_by_text("Operator → Auditor")).to_be_visible()
    is_well(page)
    page.get_by_role("button", name="Change the role").click()
    expect(page.get_by_role("definition").filter(has_text="Auditor")).to_be_visible()

    theirs.goto(f"{watched.url}/live")  # their session has ended
    theirs.get_by_label("Login", exact=True).fill("bert")
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.keyboard.press("Enter")
    go(theirs, "Audit")
    expect(theirs.get_by_role("row", name="changed the role of")).to_contain_text("operator -> auditor")
    is_well(theirs)
    theirs.context.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param("desk", "dark", marks=pytest.mark.slow), ("phone", "light")]
)
def test_the_last_manager_stays(opened: Open, watched: Watched, width: str, scheme: str) -> None:
    page = opened(Role.MANAGER, width, color_scheme=scheme)
    page.goto(f"{watched.url}/people/manager-1")
    is_well(page)
    page.get_by_role("button", name="Deactivate…").click()
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("alert")).to_contain_text("nobody else could add people")
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    page.locator("summary").first.click()
    page.get_by_role("link", name="My account").click()
    is_well(page)
    go(page, "Settings")
    page.get_by_text("Holds, refunds and debts").click()
    expect(page.get_by_text("minor units; held for each person")).to_be_visible()
    is_well(page)
    current = page.get_by_role("navigation").locator("[aria-current]").bounding_box()
    assert current is not None
    assert current["x"] >= 0
    assert current["x"] + current["width"] <= WIDTHS[width]["width"]  # the row of pages has scrolled to it
    assert page.faults == []  # type: ignore[attr-defined]
