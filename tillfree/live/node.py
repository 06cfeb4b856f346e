"""The port between what gates and operators say and the engine that runs the store.

Threads of the HTTP service call ``NodePort``; ``inbox.NodeInbox`` is the port within one process.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from checkout.types import CartLine, GateScanned, ReviewAnswered, ReviewOpened


class ReportKind(StrEnum):
    """What a gate tells besides scans: its door's sensor, and the button to get out."""

    DOOR_OPENED = "door_opened"
    DOOR_CLOSED = "door_closed"
    DOOR_HELD_OPEN = "door_held_open"
    DOOR_FORCED = "door_forced"
    EXIT_BUTTON = "exit_button"


@dataclass(frozen=True, slots=True)
class GateReported:
    """A gate told of its door. The same report again is one report."""

    gate_id: str
    kind: ReportKind
    at_ns: int


NodeInput = GateScanned | ReviewAnswered | GateReported
"""What comes to the engine from outside the cameras."""


class VisitState(StrEnum):
    """Where a visit that is not final stands: nobody has entered, somebody is in the store, or all have left."""

    WAITING = "waiting"
    SHOPPING = "shopping"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class VisitRow:
    """A visit without a final receipt. ``entered`` counts the people who were ever bound to it.

    ``refused`` is why billing would not open it, empty where it did or has not been asked yet. ``number`` counts visits since the
    log began.
    """

    visit_id: str
    scan_id: str
    token: str
    state: VisitState
    opened_at_ns: int
    party_size: int
    entered: int
    lines: tuple[CartLine, ...] = ()
    open_review_ids: tuple[str, ...] = ()
    refused: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class GateRow:
    """Whether at least one camera sees a gate now."""

    gate_id: str
    is_seen: bool


@dataclass(frozen=True, slots=True)
class CameraRow:
    """How a camera is. ``detail`` says in words what is wrong, empty where nothing is."""

    camera_id: str
    is_up: bool
    frames_per_s: float
    latest_frame_ns: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """Something that an operator should look into; no question with answers to choose from.

    ``what`` is a word such as ``billing_refused``, ``detail`` says in words what happened.
    """

    at_ns: int
    what: str
    detail: str
    visit_id: str | None = None


@dataclass(frozen=True, slots=True)
class NodeView:
    """The store as the engine saw it at ``at_ns``, the time of its latest instant.

    ``faults`` are what keeps the store from being open, in words, unless a manager opened it ``despite_faults``; without any, a
    store that is not open is closed.
    ``billing`` says why billing takes no orders at present, ``evidence`` why clips are missing, ``load`` what was done for want
    of time, ``alerting`` why alerts do not reach people; all are empty where all is well. ``load_level`` is as of ``ladder.Level``. ``alerts`` are the latest, oldest first.
    """

    at_ns: int
    is_open: bool
    people_inside: int = 0
    visits: tuple[VisitRow, ...] = ()
    reviews: tuple[ReviewOpened, ...] = ()
    gates: tuple[GateRow, ...] = ()
    cameras: tuple[CameraRow, ...] = ()
    faults: tuple[str, ...] = ()
    despite_faults: bool = False
    billing: str = ""
    evidence: str = ""
    alerting: str = ""
    load: str = ""
    load_level: int = 0
    alerts: tuple[AlertRow, ...] = ()

    @property
    def blocking(self) -> tuple[str, ...]:
        """What keeps gates shut."""
        return () if self.despite_faults else self.faults

    def sees(self, gate_id: str) -> bool:
        """Tell whether a camera sees a gate."""
        return any(row.is_seen for row in self.gates if row.gate_id == gate_id)

    def review(self, review_id: str) -> ReviewOpened | None:
        """Return an open review, None for one that is not."""
        return next((each for each in self.reviews if each.review_id == review_id), None)


NOT_STARTED = NodeView(at_ns=0, is_open=False, faults=("the engine has not started",))
"""What is seen before the engine's first instant."""


class NodePort(Protocol):
    """What the HTTP service asks of the engine's side. Safe to use from several threads."""

    def view(self) -> NodeView:
        """Return the store as the engine saw it last."""
        ...

    def admit(self, scan: GateScanned) -> None:
        """Hand a scan to the engine, once per ``scan_id``; return when it would outlive a crash.

        Raises NodeFull or NodeStopped where it cannot be taken in.
        """
        ...

    def answer(self, given: ReviewAnswered) -> None:
        """Hand an operator's answer to the engine; return when it would outlive a crash.

        Raises errors.ReviewAnswered where another answer to the same review waits, NodeFull or NodeStopped as ``admit``.
        """
        ...

    def report(self, gate_id: str, kind: ReportKind, at_ns: int) -> None:
        """Hand a gate's report to the engine; return when it would outlive a crash. Raises as ``admit`` does."""
        ...
