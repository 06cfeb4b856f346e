"""Fixtures of the dashboard's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard.roles import SCOPES, Role
from tests.dashboard.browser_rig import QUIET, WIDTHS, Open, Watched, free_port
from tests.dashboard.desk_rig import PASSWORD, Office
from tests.dashboard.desk_rig import office as open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A dashboard that nobody has an account of."""
    with open_office(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs the Debian package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with open_office(tmp_path) as office:
        found = Watched(office, free_port())
        found.serve()
        yield found
        found.end()


@pytest.fixture
def opened(browser: Browser, watched: Watched) -> Iterator[Open]:
    """Open a page of somebody of a role who signed in."""
    contexts = []

    def page_of(role: Role = Role.VIEWER, width: str = "desk", **options: object) -> Page:
        watched.office.desk.access.add_operator(f"{role}-1", PASSWORD, SCOPES[role], watched.office.clock())
        context = browser.new_context(viewport=WIDTHS[width], **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.faults = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.faults.append(str(error)))  # type: ignore[attr-defined]
        page.on("console", lambda told: page.faults.append(told.text) if "Content Security" in told.text else None)  # type: ignore[attr-defined]
        page.goto(f"{watched.url}/")
        page.get_by_label("Login", exact=True).fill(f"{role}-1")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{watched.url}/live")
        return page

    yield page_of
    for context in contexts:
        context.close()
