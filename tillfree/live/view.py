"""The store as gates, operators and screens see it, put together from what the run and its helpers know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from checkout.state import State, Visit
from store_layout.geometry import StoreGeometry
from tillfree.folds import StoreFold, VisitRecord
from tillfree.live.evidence import EvidenceStatus
from tillfree.live.node import AlertRow, CameraRow, GateRow, VisitRow, VisitState
from tillfree.live.relay import RelayStatus

_CHEST_M = 1.2
"""A gate is seen where a camera sees the chest of somebody who walks through its middle."""


def gates_seen_by(geometry: StoreGeometry) -> Mapping[str, tuple[str, ...]]:
    """Return by gate the cameras that see it."""
    found: dict[str, tuple[str, ...]] = {}
    for gate in geometry.gates:
        middle = np.array([[*gate.line_m.mean(axis=0), _CHEST_M]])
        found[gate.gate_id] = tuple(camera for camera in geometry.cameras if geometry.sees(camera, middle)[0])
    return found


def gate_rows(seen_by: Mapping[str, tuple[str, ...]], cameras: Sequence[CameraRow]) -> tuple[GateRow, ...]:
    """Return which gates a camera sees that is up."""
    up = {row.camera_id for row in cameras if row.is_up}
    return tuple(GateRow(gate, not up.isdisjoint(watching)) for gate, watching in seen_by.items())


def visit_rows(state: State, fold: StoreFold) -> tuple[VisitRow, ...]:
    """Return the visits without a final receipt."""
    return tuple(_visit_row(visit, fold.visits[visit.visit_id], state) for visit in state.visits.values())


def _visit_row(visit: Visit, record: VisitRecord, state: State) -> VisitRow:
    where = VisitState.WAITING if visit.waits_for_person else VisitState.SHOPPING
    return VisitRow(
        visit.visit_id,
        record.scan_id,
        record.token,
        VisitState.LEFT if visit.closed_at_ns is not None else where,
        visit.opened_at_ns,
        visit.party_size,
        len(visit.bound),
        state.lines(visit.visit_id),
        state.open_reviews(visit.visit_id),
        "" if record.refused is None else record.refused.reason,
        record.number,
    )


def people_inside(state: State) -> int:
    """Return how many people are in the store, those counted whom no camera sees at the moment."""
    lost = {number for visit in state.visits.values() for number in visit.lost}
    return len(lost | {number for number, person in state.persons.items() if person.inside})


def billing_alerts(status: RelayStatus) -> tuple[AlertRow, ...]:
    """Return what billing refused, in words."""
    return tuple(
        AlertRow(
            each.at_ns,
            "billing_refused",
            f"billing refused ({each.what}): {each.reason}{f' - {each.detail}' if each.detail else ''}",
            each.visit_id,
        )
        for each in status.refused
    )


def billing_problem(status: RelayStatus) -> str:
    """Return why billing takes no orders, empty while it does."""
    if status.problem is not None:
        return f"{status.waiting} orders wait: {status.problem}"
    return "" if status.is_running else "the relay does not run"


def evidence_problem(status: EvidenceStatus | None) -> str:
    """Return why evidence is missing, empty where all is well."""
    return "" if status is None or status.problem is None else status.problem
