"""Make a picture of every page of the dashboard, wide and narrow, light and dark: ``python tools/screenshots.py --out DIR``.

``--page`` and ``--look`` make some of them alone, ``--best docs/pictures`` those that the documents show.

The store is pretended: a bundled recording stays at one instant, with its truth in place of what the pipeline would find, and
visits, counts and people that nobody made. It needs Playwright, from the extra ``dev``, and Debian's chromium.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from dashboard.app import create_app
from dashboard.desk import SetUp
from dashboard.live.hub import Hub
from tests.dashboard.browser_rig import QUIET, WIDTHS, free_port
from tests.dashboard.desk_rig import PASSWORD, S, office
from tests.dashboard.people_rig import quick_hashes
from tests.dashboard.played_rig import AT_S, Played, Shown, played_store
from tillfree.serving import ServerThread

THEMES = ("light", "dark")
_PATIENCE_MS = 60_000
_STEP_NS = 3_600 * S
"""How much later the recording is played each time, so that a page takes it for news."""

PAGES: dict[str, str] = {
    "sign-in": "/sign-in",
    "setup": "{setup}",
    "join": "/join?token={invitation}",
    "live": "/live",
    "reviews": "/reviews",
    "review": "/reviews/{review_id}",
    "visits": "/visits",
    "visit": "/visits/{visit_id}",
    "refund": "/visits/{visit_id}/refund?units.{sku}=1&reason=damaged",
    "charge": "/visits/{visit_id}/correct?sku={sku}&quantity=1",
    "dispute": "/visits/{visit_id}/disputes/d-1",
    "stock": "/stock",
    "slot": "/stock/slots/drinks/low/s1",
    "to-bring": "/stock/proposals",
    "sales": "/stock/sales?days=28",
    "recordings": "/recordings",
    "recording": "/recordings/put-back",
    "health": "/health",
    "people": "/people",
    "person": "/people/ben",
    "person-asked": "/people/ben/confirm?do=deactivate",
    "audit": "/audit",
    "settings": "/settings",
    "me": "/me",
    "not-found": "/visits/none",
}
"""Every page with its address; ``tests/dashboard/test_screenshots.py`` has it that none is missing."""

OUTSIDE = ("sign-in", "setup", "join")
"""Pages that are seen before somebody signs in."""

BEST = {"live": "1440-light", "review": "1440-light", "visit": "1440-dark", "stock": "1440-dark"}
"""The pictures of README.md and docs/dashboard.md, and how each looks."""

_BEST_HEIGHT_PX, _BEST_QUALITY = 1_060, 82

READY = {
    "review": "() => [...document.querySelectorAll('.clips video')].every(each => each.readyState >= 2)",
    "recording": "() => [...document.querySelectorAll('video')].every(each => each.readyState >= 2 && !each.seeking && each.currentTime > 1)",
}
"""What has to be there before a picture is made, where loading the page is not all."""

_PICTURES = "count => document.querySelectorAll('canvas[data-at-ms]').length >= count"


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    width: str
    theme: str

    @property
    def name(self) -> str:
        """Return what files are called by."""
        return f"{WIDTHS[self.width]['width']}-{self.theme}"


LOOKS = tuple(Look(width, theme) for width in WIDTHS for theme in THEMES)


@dataclass
class Desk:
    """A dashboard that is served, and what is played on it."""

    url: str
    played: Played
    shown: Shown
    began_ns: int
    hub: Hub
    setup: str

    def address(self, name: str) -> str:
        """Return a page's whole address."""
        return self.url + PAGES[name].format(**asdict(self.shown), setup=self.setup)


@contextmanager
def served() -> Iterator[Desk]:
    """Serve the dashboard of a store that is played, in a folder of which nothing is left."""
    with ExitStack() as stack:
        setup = SetUp()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(quick_hashes())
        found = stack.enter_context(office(folder, setup))
        played, shown = stack.enter_context(played_store(found, folder))
        port = free_port()
        server = ServerThread(create_app(found.desk), "127.0.0.1", port)
        server.start()
        stack.callback(server.stop)
        yield Desk(f"http://127.0.0.1:{port}", played, shown, found.clock() - round(AT_S * S), found.hub, setup.path)


def opened(browser: Browser, look: Look) -> Page:
    """Return a browser's page."""
    context = browser.new_context(
        viewport=WIDTHS[look.width], color_scheme=look.theme, locale="en-GB", device_scale_factor=1
    )  # type: ignore[arg-type]
    context.set_default_timeout(_PATIENCE_MS)
    return context.new_page()


def sign_in(page: Page, desk: Desk) -> None:
    """Sign the manager in."""
    page.goto(f"{desk.url}/sign-in")
    page.locator("#login").fill("anna")
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{desk.url}/live")


def show(page: Page, desk: Desk, name: str) -> None:
    """Open a page and wait until all of it is there."""
    page.goto(desk.address(name))
    if name == "live":
        desk.began_ns += _STEP_NS
        page.wait_for_selector("desk-live .tile, desk-live canvas")
        desk.played.play(desk.hub, desk.began_ns)
        page.wait_for_function(_PICTURES, arg=len(desk.played.pictures))
    if name == "recording":
        page.locator("desk-recording tbody button").first.click()
    if name in READY:
        page.wait_for_function(READY[name])
    page.wait_for_timeout(150)


def picture(page: Page, path: Path) -> None:
    """Make a picture: all of the page as PNG, or the upper part of it as small as WebP has it."""
    if path.suffix == ".png":
        page.screenshot(path=path, full_page=True)
        return
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": _BEST_HEIGHT_PX})
    page.wait_for_timeout(150)
    found = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": _BEST_QUALITY}
    )
    path.write_bytes(base64.b64decode(found["data"]))
    page.set_viewport_size(size)


def make(wanted: Mapping[Look, Mapping[str, Path]]) -> Iterator[Path]:
    """Make the pictures of each look and page; yield each once it is there."""
    with served() as desk, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        for look, names in wanted.items():
            page, is_in = opened(browser, look), False
            for name in sorted(names, key=lambda each: each not in OUTSIDE):
                if name not in OUTSIDE and not is_in:
                    sign_in(page, desk)
                    is_in = True
                show(page, desk, name)
                picture(page, names[name])
                yield names[name]
            page.context.close()
        browser.close()


def main(arguments: list[str] | None = None) -> int:
    """Make the pictures, with a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the folder for the pictures")
    parser.add_argument("--page", action="append", choices=sorted(PAGES), help="this page alone; may be given again")
    parser.add_argument(
        "--look", action="append", choices=[look.name for look in LOOKS], help="this width and theme alone"
    )
    parser.add_argument("--best", type=Path, help="the folder for the pictures of the documents, as WebP")
    given = parser.parse_args(arguments)
    looks = [look for look in LOOKS if given.look is None or look.name in given.look]
    wanted: dict[Look, dict[str, Path]] = {}
    if given.out is not None:
        wanted = {look: {name: given.out / f"{name}-{look.name}.png" for name in given.page or PAGES} for look in looks}
    elif given.best is not None:
        wanted = {look: best for look in LOOKS if (best := best_of(look, given.best))}
    else:
        parser.error("give --out or --best")
    (given.out or given.best).mkdir(parents=True, exist_ok=True)
    total = sum(len(names) for names in wanted.values())
    for number, path in enumerate(make(wanted), start=1):
        print(f"{number} of {total}: {path.name}, {path.stat().st_size // 1000} kB", flush=True)
    return 0


def best_of(look: Look, folder: Path) -> dict[str, Path]:
    """Return the pictures of the documents that have this look."""
    return {name: folder / f"{name}.webp" for name, wanted in BEST.items() if wanted == look.name}


if __name__ == "__main__":
    sys.exit(main())
