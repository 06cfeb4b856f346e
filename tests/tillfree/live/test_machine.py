"""What the health page is told of a store that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.health.types import FaultsStand
from tillfree.live.door import Door
from tillfree.live.health import CameraHealth, HealthReport, Latency
from tillfree.live.machine import LiveMachine
from tillfree.live.node import AlertRow, GateRow, NodeView

S = 1_000_000_000
FAULT = "nobody watches gate door"
CAMERA = CameraHealth(
    "cam1", True, True, "", 10.0, 9.0, 100, 2, 3, 1, 40, 5, 6, 9 * S, Latency(0.2, 0.4, (), 0.0), None
)


class Store:
    """A store whose view a test sets."""

    def __init__(self, folder: Path) -> None:
        self.faults: tuple[str, ...] = ()
        self.door = Door(folder / "door.json")
        self.machine = LiveMachine(self.view, self.report, self.door)

    def view(self) -> NodeView:
        return NodeView(
            9 * S,
            is_open=self.door.state.is_open,
            people_inside=2,
            gates=(GateRow("door", False), GateRow("side", True)),
            faults=self.faults,
            despite_faults=self.door.is_despite(self.faults),
            alerts=(AlertRow(8 * S, "door_forced", "gate door was forced open"),),
        )

    def report(self) -> HealthReport:
        return HealthReport(9 * S, (CAMERA,), 31.5, None, 4, "the gateway is away", self.faults)


def test_all_that_is_known_is_told(tmp_path: Path) -> None:
    told = Store(tmp_path).machine.health()
    (camera,) = told.cameras
    assert (camera.camera_id, camera.p95_s, camera.dropped, camera.left_out, camera.waiting) == ("cam1", 0.4, 2, 3, 1)
    assert (told.people_inside, told.detected_per_s, told.unseen_gates) == (2, 31.5, ("door",))
    assert (told.orders_waiting, told.billing_problem) == (4, "the gateway is away")
    assert (told.clips, told.disk_free_bytes) == (0, None)
    assert told.alerts == ((8 * S, "gate door was forced open"),)
    assert told.lets_in


def test_it_is_closed_and_opened_but_not_blindly(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.machine.close("anna", "wet floor", 10 * S)
    told = store.machine.health()
    assert (told.lets_in, told.said_by, told.said_reason, told.said_at_ns) == (False, "anna", "wet floor", 10 * S)
    store.faults = (FAULT,)
    with pytest.raises(FaultsStand, match=FAULT):
        store.machine.open("anna", "", 11 * S)
    assert not store.machine.health().lets_in
    store.machine.open("anna", "staff stands there", 12 * S)
    told = store.machine.health()
    assert (told.lets_in, told.is_despite) == (True, True)
