"""An operator labels a recording by keys and clicks, with a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.recordings_desk.desk import RecordingsDesk
from dashboard.roles import Role
from tests.dashboard.browser_rig import WIDER, Open, Watched, serious
from tests.dashboard.recordings_rig import NAME, SOAP, recorded
from tillfree.commands.evaluate import load_pair

pytestmark = pytest.mark.browser
READY = "() => document.querySelectorAll('video').length === 4 && [...document.querySelectorAll('video')].every(each => each.readyState >= 2)"
TIMES = "[...document.querySelectorAll('video')].map(each => each.currentTime)"


@pytest.fixture
def desk(watched: Watched, tmp_path: Path) -> RecordingsDesk:
    watched.cut()
    found = recorded(watched.office, tmp_path)
    watched.serve()
    return found


@pytest.mark.parametrize(
    ("width", "scheme"), [("desk", "light"), pytest.param("phone", "dark", marks=pytest.mark.slow)]
)
def test_an_operator_labels_by_keys_and_clicks(opened: Open, desk: RecordingsDesk, width: str, scheme: str) -> None:
    page = opened(Role.OPERATOR, width, color_scheme=scheme)
    page.get_by_role("link", name="Recordings").click()
    assert page.evaluate(WIDER) == 0
    page.get_by_role("link", name=NAME).click()
    page.wait_for_function(READY)
    rows = page.locator(".events tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Propose what the run saw").click()
    expect(page.locator(".events .pill", has_text="proposed")).to_have_count(3)
    page.locator("body").press("ArrowDown")
    page.locator("body").press("Enter")  # the next proposal is chosen by itself
    expect(rows.first).to_contain_text("confirmed")
    expect(rows.nth(1)).to_have_class("chosen")
    page.locator("body").press("Enter")
    expect(rows.nth(2)).to_have_class("chosen")
    page.wait_for_function(f"() => Math.max(...{TIMES}) > 30")
    page.locator("body").press("Delete")
    expect(rows.nth(2)).to_contain_text("not in the truth")
    page.locator("body").press("ArrowRight")
    page.wait_for_function(f"() => new Set({TIMES}.map(each => each.toFixed(2))).size === 1")
    page.locator(f'figure:has(video[data-camera="cam4"]) polygon[data-slot="{SOAP}"]').click(force=True)
    expect(page.get_by_label("Slot", exact=True)).to_have_value(SOAP)
    page.locator("body").press("p")
    expect(page.locator(".events .pill", has_text="added")).to_have_count(1)
    page.locator("body").press("z")
    expect(page.locator(".events .pill", has_text="added")).to_have_count(0)
    page.get_by_label("Everything that happened is labelled").check()
    expect(page.get_by_text("Ready for tillfree evaluate.")).to_be_visible()
    assert page.evaluate(WIDER) == 0
    assert serious(page) == []
    assert page.faults == []  # type: ignore[attr-defined]
    assert [each.sku for each in load_pair(desk.folder / NAME)[1].truth.interactions] == [
        "montano-coffee",
        "blanka-soap",
    ]
