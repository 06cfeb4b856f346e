"""When there is more than the machine can do: measures, steps down the ladder, and says which visits may have suffered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from checkout.types import ShelvesUnseen
from store_layout.model import Camera
from tillfree.live.budget import Budget, Counted, Meter
from tillfree.live.ladder import CameraLoad, Ladder, Level, Step
from tillfree.live.looks import Look, Looks
from tillfree.live.overload_settings import OverloadSettings
from tillfree.live.pacer import Pacer, PacerCounts
from tillfree.live.queues import QueueCounts
from tillfree.live.watched import Watched

_S = 1_000_000_000
_LOAD_TENDS = 5
"""Loads are taken over so many seconds: one alone has few pictures of each camera."""
_MARKED = 1000
"""Visits that are remembered as marked; the count goes on."""


@dataclass(frozen=True, slots=True)
class OverloadSources:
    """Whom it asks and tells. ``spared`` is by camera what the motion gate kept from the detector."""

    queues: Callable[[], Mapping[str, QueueCounts]]
    spared: Callable[[], Mapping[str, int]]
    set_heartbeat: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class OverloadStatus:
    """Where the ladder stands, and what came of it. ``capacity_per_s`` is None while the machine was never short of time.

    ``paced`` counts by camera what was sent and left out evenly; ``marked`` how many visits were asked about.
    """

    step: Step
    capacity_per_s: float | None
    busy: float
    paced: Mapping[str, PacerCounts]
    dropped: int
    marked: int
    marked_ids: tuple[str, ...]

    @property
    def words(self) -> str:
        """What is done for want of time, empty where nothing is."""
        return step_in_words(self.step, self.capacity_per_s)

    @property
    def account(self) -> str:
        """The same with what came of it so far, empty where nothing was ever done."""
        thinned = sum(each.thinned for each in self.paced.values())
        if not (thinned or self.dropped or self.marked):
            return self.words
        so_far = f"so far {thinned} pictures left out, {self.dropped} dropped, {self.marked} visits marked"
        return f"{self.words}; {so_far}" if self.words else so_far


@dataclass(frozen=True, slots=True)
class _Tally:
    """What came of the cameras up to ``at_ns``."""

    at_ns: int
    paced: Mapping[str, PacerCounts]
    queues: Mapping[str, QueueCounts]
    spared: Mapping[str, int]


class Overload:
    """Call ``tend`` and ``unseen`` about once a second, in the loop's thread. ``pacer``, ``meter`` and ``looks`` are wired around it."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        places: Sequence[Watched],
        heartbeat_s: float,
        settings: OverloadSettings,
        sources: OverloadSources,
        pacer: Pacer,
        meter: Meter,
    ) -> None:
        """``places`` as of ``watched.watched_places``; ``heartbeat_s`` is the motion gate's own."""
        self.pacer, self.meter = pacer, meter
        self.looks = Looks(cameras, pacer.sent_ns, pacer.let_ns, settings)
        self._places, self._heartbeat_s, self._settings, self._sources = places, heartbeat_s, settings, sources
        self._budget = Budget(settings)
        self._ladder = Ladder(heartbeat_s, settings)
        self._tallies: deque[_Tally] = deque(maxlen=_LOAD_TENDS + 1)
        self._marked: deque[str] = deque(maxlen=_MARKED)
        self._marked_count = 0

    def tend(self, now_ns: int) -> Step | None:
        """Measure, and go where the ladder leads; return the step where its level is another than before."""
        tally = _Tally(now_ns, self.pacer.counts(), self._sources.queues(), dict(self._sources.spared()))
        self._tallies.append(tally)
        capacity_per_s = self._budget.measure(_counted(tally, self.meter.idle_ns))
        before = self._ladder.step
        step = self._ladder.judge(loads(self._tallies, self._settings.awake_share), capacity_per_s, now_ns)
        if step == before:
            return None
        self.pacer.set_rate(step.rate_fps)
        factor = 1.0 if step.level is Level.ALL else self._settings.heartbeat_factor
        self._sources.set_heartbeat(self._heartbeat_s * factor)
        return None if step.level is before.level else step

    def unseen(self, good: Collection[str], at_ns: int, visits: Mapping[str, int | None]) -> ShelvesUnseen | None:
        """Return what was looked at too seldom by ``at_ns``, the latest instant's time, if visits were under way then.

        ``visits`` says when each was closed, None of those that are open.
        ``good`` are the cameras that are up. A place is fine while one camera that watches it is.
        """
        judged = self.looks.judge(at_ns)
        fine = {camera for camera in good if judged[camera] is Look.FINE}
        short = {camera for camera in good if judged[camera] is Look.SHORT}
        places = [place for place in self._places if fine.isdisjoint(place.cameras)]
        why = short & {camera for place in places for camera in place.cameras}
        from_ns = at_ns - max((self.looks.window_ns(camera) for camera in why), default=0)
        under_way = tuple(visit for visit, closed_ns in visits.items() if closed_ns is None or closed_ns > from_ns)
        if not why or not under_way:
            return None
        self._mark(under_way)
        return ShelvesUnseen(from_ns, at_ns, under_way, "overloaded")

    def heard(self, good: Collection[str], at_ns: int) -> tuple[str, ...]:
        """Return those of ``good`` that sent something lately: nobody sees by a camera that is up and silent."""
        judged = self.looks.judge(at_ns)
        return tuple(camera for camera in good if judged[camera] is not Look.SILENT)

    def status(self) -> OverloadStatus:
        """Return how it stands."""
        return OverloadStatus(
            self._ladder.step,
            self._budget.capacity_per_s,
            self._budget.busy,
            self.pacer.counts(),
            sum(each.dropped for each in self._sources.queues().values()),
            self._marked_count,
            tuple(self._marked),
        )

    def _mark(self, visits: Iterable[str]) -> None:
        for visit_id in visits:
            if visit_id not in self._marked:
                self._marked.append(visit_id)
                self._marked_count += 1


def loads(tallies: Sequence[_Tally], awake_share: float) -> Mapping[str, CameraLoad]:
    """Return what each camera sends and how much of it the detector sees, between the first tally and the last."""
    first, last = tallies[0], tallies[-1]
    passed_s = (last.at_ns - first.at_ns) / _S
    if passed_s <= 0:
        return {}
    found: dict[str, CameraLoad] = {}
    for camera, paced in last.paced.items():
        sent = paced.sent - first.paced[camera].sent
        taken = last.queues[camera].taken - first.queues[camera].taken
        spared = last.spared.get(camera, 0) - first.spared.get(camera, 0)
        share = 1.0 if not taken else max(0.0, (taken - spared) / taken)
        found[camera] = CameraLoad(sent / passed_s, share, share >= awake_share)
    return found


def step_in_words(step: Step, capacity_per_s: float | None) -> str:
    """Say what is done for want of time, empty where nothing is."""
    can = "" if capacity_per_s is None else f" (this machine looks at about {capacity_per_s:.0f} a second)"
    match step.level:
        case Level.ALL:
            return ""
        case Level.LONGER_HEARTBEAT:
            return f"short of time: still cameras are looked at less often{can}"
        case Level.LOWER_RATE:
            return f"short of time: {step.rate_fps:g} pictures a second of each camera are looked at{can}"
        case Level.DROPPING:
            return f"overloaded: not even {step.rate_fps:g} pictures a second of each camera are looked at{can}; receipts go to review"


def outlook(cost_ns: float, cameras: Sequence[Camera], settings: OverloadSettings) -> str | None:
    """Say before the start what rate will be had while all cameras see people, None where it is all they send.

    ``cost_ns`` is what a picture costs the detector alone, so that the rest makes it less.
    """
    capacity_per_s = _S / cost_ns
    every = {camera.id: CameraLoad(camera.fps, 1.0, is_awake=True) for camera in cameras}
    sent = sum(load.sent_fps for load in every.values())
    if sent <= capacity_per_s:
        return None
    least = sum(min(load.sent_fps, settings.rate_min_fps) for load in every.values())
    what = f"the detector looks at about {capacity_per_s:.0f} pictures a second, and the cameras send {sent:.0f}"
    mend = "fewer or slower cameras, a faster machine, or weights for smaller pictures would mend it"
    if least > capacity_per_s:
        return f"{what}: while all see people, not even {settings.rate_min_fps:g} of each are looked at and receipts go to review; {mend}"
    return f"{what}: while all see people, fewer of each are looked at; {mend}"


def _counted(tally: _Tally, idle_ns: int) -> Counted:
    taken = sum(each.taken for each in tally.queues.values())
    put = sum(each.sent - each.thinned for each in tally.paced.values())
    dropped = sum(each.dropped for each in tally.queues.values())
    return Counted(tally.at_ns, idle_ns, put, dropped, taken - sum(tally.spared.values()))
