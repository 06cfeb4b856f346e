"""A dashboard without a store behind it: accounts, a layout, and whatever a test puts into its hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient
from httpx2 import Response

from billing.access import Access
from billing.store import BillingStore
from dashboard.app import create_app
from dashboard.desk import Desk, SetUp
from dashboard.live.hub import Hub
from dashboard.live.types import Body, Tile
from dashboard.roles import SCOPES, Role
from dashboard.web import SESSION_COOKIE
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry

S = 1_000_000_000
REPO = Path(__file__).resolve().parent.parent.parent
LAYOUT = REPO / "sample_videos/store/layout.yaml"
URL = "http://127.0.0.1:8500"
PASSWORD = "a sentence that is long"


@dataclass
class Clock:
    """A clock that tests move."""

    now_ns: int = 1_800_000_000 * S

    def __call__(self) -> int:
        return self.now_ns


@dataclass
class Office:
    """The dashboard and its parts."""

    desk: Desk
    clock: Clock
    hub: Hub
    clients: list[TestClient] = field(default_factory=list)

    def browser(self) -> TestClient:
        """Return a browser that nobody is signed in with."""
        client = TestClient(create_app(self.desk), base_url=URL, follow_redirects=False)
        self.clients.append(client)
        return client

    def signed_in(self, role: Role = Role.MANAGER) -> TestClient:
        """Return a browser of somebody of this role; that they signed in is not written down."""
        self.desk.access.add_operator(f"{role}-1", PASSWORD, SCOPES[role], self.clock())
        browser = self.browser()
        browser.cookies.set(SESSION_COOKIE, self.desk.access.sign_in(f"{role}-1", PASSWORD, self.clock())[0])
        return browser


@contextmanager
def office(folder: Path, setup: SetUp | None = None) -> Iterator[Office]:
    """Open a dashboard with its accounts in ``folder``."""
    clock, hub, store = Clock(), Hub(), BillingStore(folder / "operators.sqlite")
    geometry = StoreGeometry(load_store(LAYOUT))
    found = Office(Desk(geometry.store.name, URL, Access(store), geometry, hub, clock, setup), clock, hub)
    try:
        yield found
    finally:
        for client in found.clients:
            client.close()
        hub.close()
        store.close()


def csrf_of(page: Response) -> str:
    """Return what the forms of a page carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


def send(browser: TestClient, to: str, page: str, /, **fields: str) -> Response:
    """Send a form of ``page``."""
    return browser.post(to, data={"csrf": csrf_of(browser.get(page)), **fields})


def sign_in(browser: TestClient, login: str, password: str) -> Response:
    """Sign somebody in."""
    return send(browser, "/sign-in", "/sign-in", login=login, password=password)


def tile(camera_id: str, at_ns: int, *bodies: Body, value: int = 100) -> Tile:
    """Return a grey picture."""
    return Tile(camera_id, at_ns, np.full((360, 640, 3), value, np.uint8), bodies)
