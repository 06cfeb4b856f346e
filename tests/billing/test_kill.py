"""The real service is killed with SIGKILL under load, and nobody is charged twice or forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.billing_load.kills import Killing


def test_killed_once(migrated_sqlite: Path, tmp_path: Path) -> None:
    database = shutil.copyfile(migrated_sqlite, tmp_path / "billing.sqlite")
    outcome = Killing(database, tmp_path, seed=1).run(kills=1)
    assert outcome.wrong == []
    assert outcome.kills == 1
    assert len(outcome.answers) > 5


@pytest.mark.slow
def test_killed_fifty_times(database: Path | str, tmp_path: Path) -> None:
    outcome = Killing(database, tmp_path, seed=50).run(kills=50)
    assert outcome.wrong == []
    assert outcome.kills == 50
    assert len(outcome.answers) > 250
    assert outcome.retries > 50  # a kill that nobody notices proves nothing
