"""The dashboard of a store that runs: its hub, what feeds it, and its service."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from fastapi import FastAPI

from billing.access import Access
from dashboard.app import create_app
from dashboard.audit import AuditLog
from dashboard.desk import Desk, SetUp
from dashboard.health.types import Machine
from dashboard.live.hub import Hub
from dashboard.recordings_desk.desk import RecordingsDesk
from dashboard.recordings_desk.types import Cutter
from dashboard.reviews.desk import ReviewDesk
from dashboard.reviews.types import Questions
from dashboard.roles import Right, rights_of
from dashboard.settings.types import Configuration
from dashboard.stock.desk import StockDesk
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry
from tillfree.live.recording_runs import RecordingRuns
from tillfree.live.replenish import Replenishment
from tillfree.live.run_events import seen_in
from tillfree.live.storefile import DashboardEntry
from tillfree.live.tap import LiveTap
from tillfree.live.visits import LiveVisits
from tillfree.system import steady_clock, system_clock

AUDIT = "audit.jsonl"
RECORDINGS = "recordings"


class LiveDesk:
    """The dashboard while a store is put together: ``tap``, ``stock`` and ``visits`` are fed by the engine, ``app`` is served once all else is there."""

    def __init__(
        self,
        entry: DashboardEntry,
        operators: Access,
        geometry: StoreGeometry,
        stock: StockDesk,
        visits: LiveVisits,
        data: Path,
        weights: Path | None,
        stack: ExitStack,
        replenishment: Replenishment | None = None,
    ) -> None:
        """``weights`` are what recordings are run with, None for their own. ``stack`` closes it. Raises InputError where its log cannot be written."""
        self._operators, self._geometry = operators, geometry
        self.stock, self.visits, self.replenishment = stock, visits, replenishment
        self._hub = Hub(clock=steady_clock())
        stack.callback(self._hub.close)
        self.tap = LiveTap(self._hub, geometry)
        self._url = entry.url or f"http://{entry.host}:{entry.port}"
        self._setup = None if _has_manager(operators) else SetUp()
        self._data = data
        self._audit = _audit_log(data / AUDIT)
        stack.callback(self._audit.close)
        self._runs = RecordingRuns(weights)
        stack.callback(self._runs.stop)

    @property
    def told(self) -> str:
        """What to say to whoever starts the store."""
        if self._setup is None:
            return f"dashboard: {self._url}"
        return f"dashboard, to make the first account (works once): {self._url}{self._setup.path}"

    def app(
        self, machine: Machine, questions: Questions, configuration: Configuration, cutter: Cutter | None = None
    ) -> FastAPI:
        """Return what is served; without a ``cutter`` there is no live footage. Raises InputError where answers that a crash left cannot be read."""
        name = self._geometry.store.name
        desk = Desk(
            name, self._url, self._operators, self._geometry, self._hub, system_clock, self._setup, machine, self._audit,
            configuration=configuration, stock=self.stock, supplier=self.replenishment, visits=self.visits.desk,
            reviews=ReviewDesk(questions, self._data, name, system_clock, self._audit.write),
            recordings=RecordingsDesk(self._data / RECORDINGS, seen_in, self._runs, cutter),
        )  # fmt: skip
        return create_app(desk)


def _audit_log(path: Path) -> AuditLog:
    try:
        return AuditLog(path)
    except OSError as error:
        mend = "give this user the file"
        raise InputError(f"cannot be written: {error.strerror}", file=path, mend=mend) from error


def _has_manager(operators: Access) -> bool:
    """Tell whether somebody can sign in who may add others."""
    found = (each.scopes for each in operators.operators() if each.disabled_at_ns is None and each.has_password)
    return any(Right.MANAGE in rights_of(scopes) for scopes in found)
