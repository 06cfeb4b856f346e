"""A real browser watches a store, at the widths of a desk and of a phone."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard.app import create_app
from dashboard.desk import SetUp
from dashboard.live.types import Body, CameraNow, CartLineNow, Floor, Now, VisitNow, Walker
from dashboard.roles import SCOPES, Role
from tests.dashboard.desk_rig import PASSWORD, Office, tile
from tests.dashboard.desk_rig import office as open_office
from tillfree.serving import ServerThread

pytestmark = pytest.mark.browser

S = 1_000_000_000
WIDTHS = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
QUIET = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CAMERAS = ("cam1", "cam2", "cam3", "cam4")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs the Debian package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield started
        started.close()


class Watched:
    """A dashboard that is served, and a store that a thread pretends."""

    def __init__(self, office: Office, port: int) -> None:
        self.office, self.port = office, port
        self.url = f"http://127.0.0.1:{port}"
        self._stopped = threading.Event()
        self.visits: tuple[VisitNow, ...] = ()
        self.faults: tuple[str, ...] = ()
        self._server: ServerThread | None = None
        self._store = threading.Thread(target=self._run, daemon=True)
        self._store.start()

    def serve(self) -> None:
        """Begin to serve, or begin again."""
        self._server = ServerThread(create_app(self.office.desk), "127.0.0.1", self.port)
        self._server.start()

    def cut(self) -> None:
        """End the service, as a crash or a cable does."""
        assert self._server is not None
        self._server.stop()

    def end(self) -> None:
        """End it all."""
        self._stopped.set()
        self._store.join()
        self.cut()

    def _run(self) -> None:
        hub, at_ns = self.office.hub, 0
        while not self._stopped.wait(0.1):
            at_ns += S // 10
            for camera in CAMERAS:
                if hub.wants(camera):
                    hub.tile(tile(camera, at_ns, Body((100, 50, 200, 300), 3, ((120, 90),)), value=120))
            hub.floor(Floor(at_ns, (Walker(3, (1.0 + at_ns / S / 50, 2.0), "v-1"),)))
            cameras = tuple(
                CameraNow(camera, camera != "cam4", 10.0, "" if camera != "cam4" else "dark") for camera in CAMERAS
            )
            hub.now(Now(at_ns, True, 1, self.visits, 0, cameras, self.faults))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with open_office(tmp_path) as office:
        found = Watched(office, _free_port())
        found.serve()
        yield found
        found.end()


Open = Callable[..., Page]


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


def pictures(page: Page) -> list[int]:
    """Return the time of each picture that is shown."""
    return [
        int(at) for at in page.eval_on_selector_all("canvas[data-at-ms]", "all => all.map(each => each.dataset.atMs)")
    ]


def wait_for_pictures(page: Page, count: int = 4, after_ms: int = 0) -> None:
    page.wait_for_function(
        "([count, after]) => [...document.querySelectorAll('canvas[data-at-ms]')].filter(each => each.dataset.atMs > after).length >= count",
        arg=[count, after_ms],
    )


def serious(page: Page) -> list[str]:
    """Return what axe-core finds serious or worse."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


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
        port = _free_port()
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


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
