"""Fixtures of the dashboard's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.desk_rig import Office
from tests.dashboard.desk_rig import office as open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A dashboard that nobody has an account of."""
    with open_office(tmp_path) as found:
        yield found
