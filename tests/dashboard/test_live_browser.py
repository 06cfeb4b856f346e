"""A real browser watches a store, at the widths of a desk and of a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboard.app import create_app
from dashboard.desk import SetUp
from dashboard.live.types import CartLineNow, VisitNow
from tests.dashboard.browser_rig import (
    WIDER,
    WIDTHS,
    Open,
    S,
    Watched,
    free_port,
    pictures,
    serious,
    wait_for_pictures,
)
from tests.dashboard.desk_rig import PASSWORD
from tests.dashboard.desk_rig import office as open_office
from tillfree.serving import ServerThread

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_store_is_watched(opened: Open, watched: Watched, width: str, scheme: str) -> None:
    page = opened(width=width, color_scheme=scheme)
    wait_for_pictures(page)
    expect(page.locator(".cart")).to_have_count(0)
    watched.visits = (VisitNow("v-1", 0, "shopping", S, 1, (3,), (CartLineNow("tea", "Green tea", 2, 0.83),)),)
    expect(page.locator(".cart")).to_contain_text("2 × Green tea")
    expect(page.locator(".cart")).to_contain_text("83 %")
    expect(page.locator(".walker")).to_have_count(1)
    expect(page.locator(".walker text")).to_have_text("1")
    expect(page.locator("desk-tile").nth(3)).to_contain_text("dark")
    assert page.evaluate(WIDER) == 0
    assert serious(page) == []
    assert page.faults == []  # type: ignore[attr-defined]


def test_a_camera_is_shown_large_by_key_and_click_and_overlays_are_switched(opened: Open) -> None:
    page = opened()
    wait_for_pictures(page)
    page.keyboard.press("2")
    expect(page.locator("desk-tile[large]")).to_contain_text("cam2")
    page.keyboard.press("Escape")
    expect(page.locator("desk-tile[large]")).to_have_count(0)
    page.get_by_label("Camera cam3: show it large").click()
    expect(page.locator("desk-tile[large]")).to_contain_text("cam3")
    boxes = page.get_by_role("button", name="Boxes")
    expect(boxes).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("b")
    expect(boxes).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page) == []


def test_the_order_of_cameras_outlives_a_reload(opened: Open) -> None:
    page = opened()
    wait_for_pictures(page)
    page.get_by_label("Move cam1 back").click()
    page.locator("desk-tile").nth(3).drag_to(page.locator("desk-tile").nth(0))
    first = "[...document.querySelectorAll('desk-tile b')].map(each => each.textContent)"
    assert page.evaluate(first) == ["cam4", "cam2", "cam1", "cam3"]
    page.reload()
    wait_for_pictures(page)
    assert page.evaluate(first) == ["cam4", "cam2", "cam1", "cam3"]


def test_a_lost_connection_is_told_and_comes_back(opened: Open, watched: Watched) -> None:
    page = opened()
    wait_for_pictures(page)
    watched.cut()
    expect(page.get_by_text("No connection. Trying again")).to_be_visible()
    last = max(pictures(page))
    watched.serve()
    expect(page.get_by_text("No connection. Trying again")).to_be_hidden(timeout=20_000)
    wait_for_pictures(page, after_ms=last)


def test_faults_are_told_loudly(opened: Open, watched: Watched) -> None:
    page = opened()
    watched.faults = ("nobody watches gate door",)
    expect(page.get_by_role("alert")).to_contain_text("nobody watches gate door")


def test_the_first_manager_makes_their_account(browser: Browser, tmp_path: Path) -> None:
    setup = SetUp()
    with open_office(tmp_path, setup) as office:
        port = free_port()
        server = ServerThread(create_app(office.desk), "127.0.0.1", port)
        server.start()
        context = browser.new_context(viewport=WIDTHS["phone"], locale="fr")
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}{setup.path}")
        assert serious(page) == []
        assert page.evaluate(WIDER) == 0
        page.get_by_label("Identifiant").fill("anna")
        page.get_by_label("Mot de passe").fill("short")
        page.get_by_role("button", name="Créer le compte").click()
        expect(page.get_by_role("alert")).to_contain_text("trop court")
        page.get_by_label("Mot de passe").fill(PASSWORD)
        page.get_by_role("button", name="Créer le compte").click()
        expect(page).to_have_url(f"http://127.0.0.1:{port}/live")
        expect(page.get_by_text("En attente du magasin")).to_be_hidden()
        context.close()
        server.stop()
