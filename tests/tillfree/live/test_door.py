"""Opening and closing a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from store_layout.errors import InputError
from tillfree.live.door import Door, FaultsStand

S = 1_000_000_000
FAULTS = ("nobody watches gate door",)


def test_a_store_is_open_until_somebody_closes_it(tmp_path: Path) -> None:
    door = Door(tmp_path / "door.json")
    assert door.state.is_open
    door.close("anna", "the floor is wet", 5 * S)
    again = Door(tmp_path / "door.json").state
    assert (again.is_open, again.by, again.reason, again.at_ns) == (False, "anna", "the floor is wet", 5 * S)


def test_it_is_not_opened_while_a_fault_stands_unless_somebody_says_why(tmp_path: Path) -> None:
    door = Door(tmp_path / "door.json")
    door.close("anna", "", S)
    with pytest.raises(FaultsStand, match="nobody watches gate door"):
        door.open("anna", "  ", 2 * S, FAULTS)
    assert not door.state.is_open
    door.open("anna", "staff stands at the gate", 3 * S, FAULTS)
    assert door.is_despite(FAULTS)
    assert Door(tmp_path / "door.json").is_despite(FAULTS)


def test_once_no_fault_stands_the_next_one_shuts_the_gates_again(tmp_path: Path) -> None:
    door = Door(tmp_path / "door.json")
    assert not door.is_despite(FAULTS)
    door.open("anna", "staff stands at the gate", S, FAULTS)
    assert door.is_despite((*FAULTS, "the disk is full"))
    assert not door.is_despite(())
    assert not door.is_despite(FAULTS)
    assert door.state.is_open


def test_a_closed_store_stays_closed_when_faults_go(tmp_path: Path) -> None:
    door = Door(tmp_path / "door.json")
    door.open("anna", "all is watched by staff", S, FAULTS)
    door.close("ben", "end of the day", 2 * S)
    assert not door.is_despite(FAULTS)
    assert not door.state.is_open


def test_a_file_that_says_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "door.json").write_text("{}x", encoding="utf-8")
    with pytest.raises(InputError, match=r"door\.json"):
        Door(tmp_path / "door.json")
