"""A real browser before a dashboard whose store a thread pretends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from dashboard.app import create_app
from dashboard.live.types import Body, CameraNow, Floor, Now, VisitNow, Walker
from tests.dashboard.desk_rig import Office, tile
from tillfree.serving import ServerThread

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


Open = Callable[..., Page]


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


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
