"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of shared test material, or skip where there is none."""
    place = Path(os.environ.get("TILLFREE_SHARED", REPO.parent / "shared"))
    if not (place / "clips").is_dir():
        pytest.skip("needs the shared test clips: a folder shared/ beside the checkout, or TILLFREE_SHARED")
    return place


@pytest.fixture(scope="session")
def repo_dir() -> Path:
    """Return the root of the checkout."""
    return REPO


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which something was skipped, where the environment promises that everything is installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and exitstatus == 0 and os.environ.get("TILLFREE_NO_SKIPS"):
        reporter.write_line(f"{len(skipped)} skipped, and TILLFREE_NO_SKIPS is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
