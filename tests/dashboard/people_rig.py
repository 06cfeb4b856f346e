"""What the tests of people, audit and settings share: a log, quick hashes, and a store that tells its settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from httpx2 import Response

from billing import passwords
from dashboard.settings.types import Group, Kept, Setting
from tests.dashboard.desk_rig import csrf_of


@contextmanager
def quick_hashes() -> Iterator[None]:
    """Hash passwords with little work, so that tests may sign many in."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._nobody.cache_clear()
        yield
    passwords._nobody.cache_clear()


def link_of(page: Response) -> str:
    """Return the way that a link on a page leads."""
    found = re.search(r'value="http://[^/]+(/join\?token=[^"]+)"', page.text)
    assert found is not None
    return found[1]


def call(browser: TestClient, path: str, given: object = None, page: str = "/me") -> Response:
    """Send a command as a script of our own does."""
    return browser.post(path, json=given, headers={"X-CSRF": csrf_of(browser.get(page))})


class Told:
    """A store that tells two settings."""

    store_file = "store.yaml"
    settings_file: str | None = "settings.yaml"

    def store(self) -> Group:
        return Group("", "A whole store file.", (Setting("data", "data", "data", False, "", "the folder <b>"),))

    def groups(self) -> tuple[Group, ...]:
        hold = Setting("hold_minor", "5000", "2000", True, "≥ 0", "minor units; held for each person")
        window = Setting("refund_window_days", "30", "30", False, "≥ 0, ≤ 3650", "days after a receipt")
        return (Group("billing", "Settings of billing.", (hold, window)), Group("vision.tracker", "Tracks.", (window,)))

    def kept(self, at_ns: int) -> tuple[Kept, ...]:
        return (Kept("clips", 30 * 86_400, 7, 12_400_000), Kept("audit", None, None, 1_500), Kept("video", 120.0))
