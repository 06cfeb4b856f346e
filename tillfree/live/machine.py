"""What the dashboard's health page is told of a store that runs, and how it opens and closes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.health.types import CameraHealth, FaultsStand, StoreHealth
from tillfree.live import door as doors
from tillfree.live.door import Door
from tillfree.live.evidence import EvidenceStatus
from tillfree.live.health import CameraHealth as Seen
from tillfree.live.health import HealthReport
from tillfree.live.node import NodeView


@dataclass(frozen=True, slots=True)
class LiveMachine:
    """A dashboard's ``Machine``. ``view`` and ``report`` may be asked from any thread."""

    view: Callable[[], NodeView]
    report: Callable[[], HealthReport]
    door: Door

    def health(self) -> StoreHealth:
        """See ``Machine.health``."""
        view, report, said = self.view(), self.report(), self.door.state
        kept = report.evidence
        return StoreHealth(
            at_ns=view.at_ns,
            is_open=said.is_open,
            faults=view.faults,
            is_despite=view.despite_faults,
            said_by=said.by,
            said_at_ns=said.at_ns,
            said_reason=said.reason,
            people_inside=view.people_inside,
            cameras=tuple(_camera(each) for each in report.cameras),
            unseen_gates=tuple(gate.gate_id for gate in view.gates if not gate.is_seen),
            detected_per_s=report.detected_per_s,
            load=view.load,
            orders_waiting=report.billing_waiting,
            billing_problem=report.billing_problem or view.billing,
            clips=0 if kept is None else kept.clips,
            clips_bytes=0 if kept is None else kept.clips_bytes,
            buffer_bytes=0 if kept is None else kept.buffer_bytes,
            clips_waiting=0 if kept is None else kept.clips_waiting,
            disk_free_bytes=None if kept is None else kept.disk_free_bytes,
            evidence_problem=_problem(kept),
            alerting_problem=view.alerting,
            alerts=tuple((each.at_ns, each.detail) for each in view.alerts),
        )

    def open(self, by: str, reason: str, at_ns: int) -> None:
        """See ``Machine.open``."""
        try:
            self.door.open(by, reason, at_ns, self.view().faults)
        except doors.FaultsStand as error:
            raise FaultsStand(str(error)) from error

    def close(self, by: str, reason: str, at_ns: int) -> None:
        """See ``Machine.close``."""
        self.door.close(by, reason, at_ns)


def _camera(seen: Seen) -> CameraHealth:
    return CameraHealth(
        seen.camera_id,
        seen.is_good,
        seen.detail,
        seen.fps_in,
        seen.looked_per_s,
        seen.latency.p50_s,
        seen.latency.p95_s,
        seen.waiting,
        seen.dropped,
        seen.thinned,
        seen.damaged,
        seen.reconnects,
    )


def _problem(kept: EvidenceStatus | None) -> str:
    return "" if kept is None or kept.problem is None else kept.problem
