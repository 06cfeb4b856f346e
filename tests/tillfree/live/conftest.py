"""A store's machine with embedded billing, for tests: gates, an engine that is a view, and a clock that stands still."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from billing import passwords
from billing.store import BillingStore
from tests.tillfree.live.node_shop import NodeShop


@pytest.fixture(scope="session")
def migrated_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that is set up, to be copied."""
    file = tmp_path_factory.mktemp("books") / "billing.sqlite"
    BillingStore(file).close()
    return file


@pytest.fixture
def waits_for_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out fsync: no test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)


@pytest.fixture
def _hashes_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the least that argon2 does: no test here is about passwords."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def node_shop(
    tmp_path: Path, migrated_books: Path, waits_for_no_disk: None, _hashes_cheaply: None
) -> Iterator[NodeShop]:
    shutil.copyfile(migrated_books, tmp_path / "billing.sqlite")
    shop = NodeShop(tmp_path)
    yield shop
    shop.close()
