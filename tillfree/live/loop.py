"""The one loop of a store that runs: pictures, scans and answers in; the log, the view and what billing is asked out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from checkout.checkout import Checkout
from checkout.types import GateScanned, ReviewAnswered
from store_layout.geometry import StoreGeometry
from tillfree.live.activity import Activity
from tillfree.live.alert_post import Alerts
from tillfree.live.cameras import Feeds
from tillfree.live.coverage import Coverage
from tillfree.live.door import Door
from tillfree.live.errors import PartDied
from tillfree.live.evidence import Evidence
from tillfree.live.health import Health
from tillfree.live.history import History
from tillfree.live.inbox import NodeInbox, Queued
from tillfree.live.ladder import Level
from tillfree.live.node import AlertRow, GateReported, NodeView, ReportKind
from tillfree.live.overload import Overload, OverloadStatus
from tillfree.live.queues import QueueCounts
from tillfree.live.rejoining import PeopleFile, Rejoining
from tillfree.live.relay import RelayBiller
from tillfree.live.tap import LiveTap
from tillfree.live.view import (
    billing_alerts,
    billing_problem,
    evidence_problem,
    gate_rows,
    gates_seen_by,
    people_inside,
    visit_rows,
)
from tillfree.run import StoreRun
from tillfree.serving import ServerThread
from tillfree.system import give_back_memory

_S = 1_000_000_000
_WAIT_S = 0.05
"""The loop waits this long for a picture before it looks for scans and answers again."""
_PUBLISH_NS = _S // 5
"""Gates look at the view: five times a second is fresher than anybody walks from reader to line."""
_TEND_NS = _S
_FORGET_NS = 60 * _S
_DEEDS_NS = 600 * _S
"""What was done in visits that were paid so long ago is left to the log: nothing here asks for it."""
_REPORTS = 50
_TOLD = {ReportKind.DOOR_FORCED: "was forced open", ReportKind.DOOR_HELD_OPEN: "is held open"}
"""Reports of gates that an operator should hear of."""


class LiveEngine(Protocol):
    """What moves time: ``engine.Engine``, or a coordinator's."""

    def step(self, wait_s: float) -> int:
        """Do what is there to do, or wait so long for it; return how much it was."""
        ...

    def drain(self) -> None:
        """Take what was begun with."""
        ...


class Queues(Protocol):
    """Frames on their way to the engine."""

    def set_busy(self, camera_id: str, busy: bool) -> None:
        """Say whether something happens in a camera."""
        ...

    def counts(self) -> Mapping[str, QueueCounts]:
        """Return the counts of each camera."""
        ...


class Helper(Protocol):
    """A thread that works beside the loop."""

    def start(self) -> None:
        """Begin, or begin again where it has died."""
        ...

    def stop(self) -> None:
        """End."""
        ...


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What the loop drives; ``store.open_store`` puts it together. ``kept`` hears that the log may be on the disk."""

    geometry: StoreGeometry
    feeds: Feeds
    queues: Queues
    activity: Activity
    evidence: Evidence
    health: Health
    door: Door
    overload: Overload
    engine: LiveEngine
    run: StoreRun
    checkout: Checkout
    history: History
    inbox: NodeInbox
    relay: RelayBiller
    workers: tuple[Helper, ...]
    servers: tuple[ServerThread, ...]
    tap: LiveTap | None
    alerts: Alerts | None
    coverage: Coverage
    rejoining: Rejoining
    people_file: PeopleFile
    doubts: deque[AlertRow]
    clock: Callable[[], int]
    forget_ns: int
    note_ns: int
    kept: Callable[[], None]


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a store stands, for a screen. ``behind_s`` is how far the engine's time is behind the clock."""

    view: NodeView
    queues: Mapping[str, QueueCounts]
    frames: int
    late: int
    behind_s: float
    orders_waiting: int
    overload: OverloadStatus
    spared: Mapping[str, int]


class StoreLoop:
    """Runs a store until it is told to stop. One thread calls ``run``."""

    def __init__(self, parts: LiveParts, show: Callable[[LiveState], None]) -> None:
        """``show`` is called once a second."""
        self._parts, self._show = parts, show
        self._seen_by = gates_seen_by(parts.geometry)
        self._scans: list[Queued] = []
        self._answers: list[Queued] = []
        self._reports: deque[AlertRow] = deque(maxlen=_REPORTS)
        self._published_ns = self._tended_ns = self._forgot_ns = self._noted_ns = self._watched_ns = 0

    def run(self, stopped: Event, until_ns: int | None, *, end_visits: bool) -> None:
        """Run until ``stopped`` is set, the clock says ``until_ns``, or nothing more can come.

        In the last case ``end_visits`` closes all visits; else those that are open go on at the next start. Raises
        PartDied, OSError where the log cannot be written, and whatever is a mistake in Tillfree: the process has to end
        and be started again, and nothing is lost by that.
        """
        parts = self._parts
        self._start()
        while not stopped.is_set() and not self._is_over():
            if until_ns is not None and parts.clock() >= until_ns:
                break
            parts.engine.step(_WAIT_S)
            self._hear()
            if parts.run.ended_at_ns - self._watched_ns >= _TEND_NS:
                self._watch_shelves()
            self._tend(parts.clock())
        self._end(stopped, finish=end_visits and self._is_over())

    def _start(self) -> None:
        parts = self._parts
        parts.run.resume()
        parts.evidence.start()
        parts.relay.start()
        for worker in parts.workers:
            worker.start()
        if parts.alerts is not None:
            parts.alerts.start()
        self._publish(parts.clock())
        for server in parts.servers:
            server.start()
        parts.feeds.start(parts.overload.pacer.put)

    def _end(self, stopped: Event, *, finish: bool) -> None:
        """Take what is in flight. Gates are shut first, so that nobody is let in who would not be heard of."""
        parts = self._parts
        parts.inbox.publish(NodeView(parts.run.ended_at_ns, is_open=False))
        for server in parts.servers:
            server.stop()
        parts.feeds.stop()
        while parts.engine.step(0.0):
            pass
        parts.engine.drain()
        self._hear()
        if finish:
            if any(status.state != "ended" for status in parts.feeds.statuses()):
                self._watch_shelves()  # cameras that were lost before a recording was over
            parts.run.finish()
            parts.people_file.note(parts.clock(), ())
        else:
            self._note(parts.clock())
        if self._is_over():
            parts.evidence.finish(stopped)
        else:
            parts.evidence.stop()
        parts.relay.stop()
        parts.run.poll()
        self._hear()
        for worker in parts.workers:
            worker.stop()
        if parts.alerts is not None:
            parts.alerts.stop()
        self._show(self._state(parts.clock()))

    def _is_over(self) -> bool:
        parts = self._parts
        return parts.feeds.is_over and not any(each.waiting for each in parts.queues.counts().values())

    # -- what comes from gates and operators ----------------------------------------

    def _hear(self) -> None:
        """Take what waits. It is done with once the log has what came of it: until then a restart brings it again."""
        parts = self._parts
        for queued in parts.inbox.take(parts.clock()):
            match queued.given:
                case GateScanned():
                    parts.run.expect(queued.given)
                    self._scans.append(queued)
                case ReviewAnswered():
                    self._answers.append(queued)
                case GateReported():
                    self._report(queued.given)
                    parts.inbox.done(queued.number)
        self._answer()
        known = parts.run.fold.scans
        self._scans = [each for each in self._scans if not self._is_done(each, known)]

    def _is_done(self, queued: Queued, known: Mapping[str, GateScanned]) -> bool:
        assert isinstance(queued.given, GateScanned)
        is_known = queued.given.scan_id in known
        if is_known:
            self._parts.inbox.done(queued.number)
        return is_known

    def _answer(self) -> None:
        """Give answers once the pictures are as far as they are: what was seen before them counts before them."""
        due = [each for each in self._answers if each.given.at_ns <= self._parts.run.ended_at_ns]
        for each in due:
            assert isinstance(each.given, ReviewAnswered)
            self._parts.run.answer(each.given)
            self._parts.inbox.done(each.number)
            self._answers.remove(each)

    def _report(self, given: GateReported) -> None:
        if given.kind in _TOLD:
            self._reports.append(AlertRow(given.at_ns, given.kind, f"gate {given.gate_id} {_TOLD[given.kind]}"))

    # -- upkeep -----------------------------------------------------------------------

    def _tend(self, now_ns: int) -> None:
        if now_ns - self._tended_ns >= _TEND_NS:
            self._tended_ns = now_ns
            self._look_after(now_ns)
            self._publish(now_ns)
            self._show(self._state(now_ns))
        if now_ns - self._published_ns >= _PUBLISH_NS:
            self._publish(now_ns)
        if now_ns - self._noted_ns >= self._parts.note_ns:
            self._note(now_ns)
        if now_ns - self._forgot_ns >= _FORGET_NS:
            self._forgot_ns = now_ns
            self._parts.run.forget(now_ns - self._parts.forget_ns, now_ns - _DEEDS_NS)
            give_back_memory()

    def _note(self, now_ns: int) -> None:
        """Keep who is where, for the case of a crash."""
        self._noted_ns = now_ns
        self._parts.people_file.note(now_ns, self._parts.rejoining.people(self._parts.checkout.state))

    def _look_after(self, now_ns: int) -> None:
        """Keep the log, and start anew what died. Raises PartDied where that cannot be done."""
        parts = self._parts
        parts.history.tend(now_ns, parts.run.fold, parts.checkout.state)
        parts.kept()
        parts.feeds.tend(now_ns)
        parts.health.tend(now_ns)
        self._watch_load(now_ns)
        self._watch_shelves()
        parts.relay.start()
        for worker in parts.workers:
            worker.start()
        if parts.alerts is not None:
            parts.alerts.start()
        for server in parts.servers:
            if not server.is_alive:
                raise PartDied(f"the HTTP service at {server.address} has ended by itself")

    def _watch_load(self, now_ns: int) -> None:
        """Keep to what the machine can do; operators hear where that is too little."""
        changed = self._parts.overload.tend(now_ns)
        if changed is not None and changed.level is Level.DROPPING:
            self._reports.append(AlertRow(now_ns, "overloaded", self._parts.overload.status().words))

    def _watch_shelves(self) -> None:
        """Have visits asked about times in which shelves were not seen, or too seldom, once pictures tell the time."""
        parts, at_ns = self._parts, self._parts.run.ended_at_ns
        if at_ns == 0:
            return
        self._watched_ns = at_ns
        live = {status.camera_id for status in parts.feeds.statuses() if status.state == "live"}
        good = [camera.camera_id for camera in parts.health.report().cameras if camera.is_good]
        good = [camera for camera in good if camera in live]
        visits = {visit.visit_id: visit.closed_at_ns for visit in parts.checkout.state.visits.values()}
        heard = parts.overload.heard(good, at_ns)
        for unseen in (
            parts.coverage.see(heard, at_ns, visits, parts.overload.looks.latest_ns()),
            parts.overload.unseen(good, at_ns, visits),
        ):
            if unseen is not None:
                parts.run.unseen(unseen)

    def _publish(self, now_ns: int) -> None:
        parts, view = self._parts, self._view()
        self._published_ns = now_ns
        parts.inbox.publish(view)
        if parts.tap is not None:
            parts.tap.published(view, parts.checkout.state, parts.run.fold)
        if parts.alerts is not None:
            parts.alerts.published(view, now_ns)

    def _view(self) -> NodeView:
        parts = self._parts
        state, fold, status = parts.checkout.state, parts.run.fold, parts.relay.status()
        report, overload = parts.health.report(), parts.overload.status()
        return NodeView(
            parts.run.ended_at_ns,
            is_open=parts.door.state.is_open,
            people_inside=people_inside(state),
            visits=visit_rows(state, fold),
            reviews=tuple(state.reviews.values()),
            gates=gate_rows(self._seen_by, report.rows),
            cameras=report.rows,
            faults=report.faults,
            despite_faults=parts.door.is_despite(report.faults),
            billing=billing_problem(status),
            evidence=evidence_problem(report.evidence),
            alerting="" if parts.alerts is None else parts.alerts.problem,
            load=overload.account,
            load_level=overload.step.level,
            alerts=tuple(sorted((*billing_alerts(status), *self._reports, *parts.doubts), key=lambda each: each.at_ns)),
        )

    def _state(self, now_ns: int) -> LiveState:
        parts = self._parts
        behind_s = max(0, now_ns - parts.run.ended_at_ns) / _S
        return LiveState(
            self._view(),
            parts.queues.counts(),
            parts.activity.frames,
            parts.run.late_count,
            behind_s,
            parts.relay.status().waiting,
            parts.overload.status(),
            {camera.camera_id: camera.spared for camera in parts.health.report().cameras},
        )
