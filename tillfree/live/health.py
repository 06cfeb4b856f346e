"""How a store that runs is: each camera from its stream to the carts, the detector, evidence and billing, and what of it is a fault.

The engine's thread tells what it looked at, and ``tend`` puts a report together about once a second; any thread may read
the last one. A fault is a reason for which the store must not be open: something that nobody watches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np

from tillfree.live.evidence import EvidenceStatus
from tillfree.live.health_settings import HealthSettings
from tillfree.live.node import CameraRow
from tillfree.live.pacer import PacerCounts
from tillfree.live.queues import QueueCounts
from tillfree.live.watched import Watched
from vision.coarse import Coarse
from vision.picture_health import Latch, PictureHealth, PictureState
from vision.pipeline import Instant
from vision.types import Frame, Observation

_S = 1_000_000_000
LATENCY_S = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Upper bounds of the histogram from capture to cart; half a second is what a gate's screen should be behind."""

_RATE_NS = 5 * _S
_LATENCY_NS = 60 * _S
_UNWATCHED, _UNLOOKED, _NO_ROOM = "nobody watches", "nothing is looked at", "the disk is full"
"""How the words of each fault begin."""
_MOST_A_S = 60
"""Pictures a second and camera that are remembered at most."""


class FeedLike(Protocol):
    """What is asked of a camera's ``FeedStatus``."""

    @property
    def camera_id(self) -> str:
        """The camera's id in the layout."""
        ...

    @property
    def state(self) -> str:
        """``live`` where pictures come."""
        ...

    @property
    def problem(self) -> str | None:
        """Why it is not live."""
        ...

    @property
    def fps(self) -> float | None:
        """Pictures a second that come."""
        ...

    @property
    def dropped_corrupt(self) -> int:
        """Pictures that were damaged."""
        ...

    @property
    def reconnects(self) -> int:
        """How often the stream broke."""
        ...


class BillingLike(Protocol):
    """What is asked of a ``RelayStatus``."""

    @property
    def waiting(self) -> int:
        """Orders that wait."""
        ...

    @property
    def problem(self) -> str | None:
        """Why billing takes none."""
        ...


@dataclass(frozen=True, slots=True)
class HealthSources:
    """Whom health asks. ``spared`` is by camera how many pictures the motion gate kept from the detector."""

    feeds: Callable[[], Sequence[FeedLike]]
    queues: Callable[[], Mapping[str, QueueCounts]]
    spared: Callable[[], Mapping[str, int]]
    evidence: Callable[[], EvidenceStatus] | None = None
    billing: Callable[[], BillingLike] | None = None
    paced: Callable[[], Mapping[str, PacerCounts]] | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from capture to cart: the middle and the slow end of the last minute, None where there was nothing.

    ``counts`` are all so far, up to each bound of LATENCY_S and one above, not added up; ``sum_s`` is their sum.
    """

    p50_s: float | None
    p95_s: float | None
    counts: tuple[int, ...]
    sum_s: float


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """How a camera is.

    Pictures ``taken`` were looked at, ``spared`` of these not by the detector; ``dropped`` were not, nor ``thinned``, which
    were left out evenly.

    ``is_good`` says whether what it watches is watched: it is up, and its picture neither frozen, dark nor displaced.
    """

    camera_id: str
    is_up: bool
    is_good: bool
    detail: str
    fps_in: float
    looked_per_s: float
    taken: int
    dropped: int
    thinned: int
    waiting: int
    spared: int
    damaged: int
    reconnects: int
    latest_ns: int | None
    latency: Latency
    picture: PictureState | None

    @property
    def row(self) -> CameraRow:
        """The camera as gates and operators see it."""
        return CameraRow(self.camera_id, self.is_good, self.looked_per_s, self.latest_ns, self.detail)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How the store is at ``at_ns``. ``detected_per_s`` is what the detector looked at, of all cameras."""

    at_ns: int
    cameras: tuple[CameraHealth, ...] = ()
    detected_per_s: float = 0.0
    evidence: EvidenceStatus | None = None
    billing_waiting: int = 0
    billing_problem: str | None = None
    faults: tuple[str, ...] = ("the engine has not started",)

    @property
    def rows(self) -> tuple[CameraRow, ...]:
        """The cameras as gates and operators see them."""
        return tuple(camera.row for camera in self.cameras)


@dataclass(slots=True)
class _Seen:
    """What the engine did with a camera's pictures."""

    picture: PictureHealth
    looked_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_MOST_A_S * _RATE_NS // _S))
    latest_ns: int | None = None
    judged_ns: int | None = None
    state: PictureState | None = None
    waits: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=_MOST_A_S * _LATENCY_NS // _S))
    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_S) + 1))
    sum_s: float = 0.0


class Health:
    """A ``Watcher`` of the engine. ``observed`` and ``happened`` are its thread's, all else is any thread's."""

    def __init__(
        self,
        cameras: Iterable[str],
        places: Sequence[Watched],
        settings: HealthSettings,
        sources: HealthSources,
        clock: Callable[[], int],
    ) -> None:
        """``places`` as of ``watched.watched_places``; ``clock`` is the cameras' readers' own."""
        self._settings, self._sources, self._clock = settings, sources, clock
        self._seen = {camera: _Seen(PictureHealth(settings.picture)) for camera in cameras}
        self._lock = Lock()
        self._faults = Faults(places, settings)
        self._looked_ns: int | None = None
        self._detected: deque[tuple[int, int]] = deque(maxlen=64)
        self._report = HealthReport(0)

    def observed(self, frame: Frame, observation: Observation) -> None:
        """Hear that a frame was looked at; see to its picture about once a second."""
        now_ns = self._clock()
        seen = self._seen[frame.camera_id]
        every_ns = round(self._settings.look_every_s * _S)
        is_due = seen.judged_ns is None or frame.captured_at_ns - seen.judged_ns >= every_ns
        state = seen.state
        if is_due:
            picture = Coarse(frame.picture)
            state = seen.picture.look(picture, frame.captured_at_ns, observation.detections)
        with self._lock:
            self._looked_ns, seen.latest_ns = now_ns, frame.captured_at_ns
            seen.looked_ns.append(now_ns)
            seen.state = state
            if is_due:
                seen.judged_ns = frame.captured_at_ns

    def told(self, observation: Observation, state: PictureState | None) -> None:
        """Hear that another machine looked at a frame, in whose pictures it finds ``state``."""
        now_ns, (at_ns, camera_id, _) = self._clock(), observation.order
        seen = self._seen[camera_id]
        with self._lock:
            self._looked_ns, seen.latest_ns, seen.state = now_ns, at_ns, state
            seen.looked_ns.append(now_ns)

    def happened(self, instant: Instant) -> None:
        """Hear of an instant whose consequences are in the carts now."""
        now_ns = self._clock()
        with self._lock:
            for tracks in instant.tracks:
                seen = self._seen[tracks.detections.camera_id]
                waited_s = max(0, now_ns - tracks.detections.captured_at_ns) / _S
                seen.waits.append((now_ns, waited_s))
                seen.counts[int(np.searchsorted(LATENCY_S, waited_s))] += 1
                seen.sum_s += waited_s

    def learn_anew(self, camera_id: str) -> None:
        """Take what a camera shows as where it should be: it was moved on purpose. From the engine's thread."""
        self._seen[camera_id].picture.learn_anew()

    def tend(self, at_ns: int) -> HealthReport:
        """Put a report together, about once a second. Raises OSError where the disk cannot be asked."""
        counts, spared = self._sources.queues(), self._sources.spared()
        paced = {} if self._sources.paced is None else self._sources.paced()
        feeds = {feed.camera_id: feed for feed in self._sources.feeds()}
        evidence = None if self._sources.evidence is None else self._sources.evidence()
        billing = None if self._sources.billing is None else self._sources.billing()
        with self._lock:
            cameras = tuple(
                self._camera(
                    camera, feeds.get(camera), counts.get(camera), paced.get(camera), spared.get(camera, 0), at_ns
                )
                for camera in self._seen
            )
            looked_ns = self._looked_ns
        self._detected.append((at_ns, sum(each.taken - each.spared for each in cameras)))
        self._report = HealthReport(
            at_ns,
            cameras,
            _rate(self._detected),
            evidence,
            0 if billing is None else billing.waiting,
            None if billing is None else billing.problem,
            self._faults.judge(cameras, looked_ns, evidence is not None and evidence.is_full, at_ns),
        )
        return self._report

    def report(self) -> HealthReport:
        """Return the last report."""
        return self._report

    def faults(self, at_ns: int) -> tuple[str, ...]:
        """Return what keeps the store from being open at ``at_ns``, in words, from a new report."""
        return self.tend(at_ns).faults

    def _camera(
        self,
        camera_id: str,
        feed: FeedLike | None,
        counts: QueueCounts | None,
        paced: PacerCounts | None,
        spared: int,
        at_ns: int,
    ) -> CameraHealth:
        seen = self._seen[camera_id]
        is_up = feed is not None and feed.state == "live"
        picture = seen.state
        is_sound = picture is None or not (picture.frozen or picture.dark or picture.moved)
        return CameraHealth(
            camera_id,
            is_up,
            is_up and is_sound,
            _detail(feed, picture),
            0.0 if feed is None or not is_up else feed.fps or 0.0,
            round(sum(looked >= at_ns - _RATE_NS for looked in seen.looked_ns) * _S / _RATE_NS, 2),
            0 if counts is None else counts.taken,
            0 if counts is None else counts.dropped,
            0 if paced is None else paced.thinned,
            0 if counts is None else counts.waiting,
            spared,
            0 if feed is None else feed.dropped_corrupt,
            0 if feed is None else feed.reconnects,
            seen.latest_ns,
            _latency(seen, at_ns),
            picture,
        )


def fault_key(fault: str) -> str:
    """Return what stays of a fault's words while places and reasons in them change."""
    return next((each for each in (_UNWATCHED, _UNLOOKED, _NO_ROOM) if fault.startswith(each)), fault)


class Faults:
    """What keeps a store from being open, told after a while and over after a longer one."""

    def __init__(self, places: Sequence[Watched], settings: HealthSettings) -> None:
        self._places, self._settings = tuple(places), settings
        self._latches = {place.place_id: self._latch(settings.down_after_s) for place in places}
        self._was_watched: set[str] = set()
        self._inference = self._latch(0.0)
        self._room = self._latch(0.0)
        self._began_ns: int | None = None

    def judge(
        self, cameras: Sequence[CameraHealth], looked_ns: int | None, is_full: bool, at_ns: int
    ) -> tuple[str, ...]:
        """Return the faults at ``at_ns``; times must rise. A place that was never watched yet is a fault at once."""
        if self._began_ns is None:
            self._began_ns = at_ns
        good = {camera.camera_id for camera in cameras if camera.is_good}
        unwatched = [place for place in self._places if self._is_unwatched(place, good, at_ns)]
        quiet_ns = at_ns - (self._began_ns if looked_ns is None else looked_ns)
        is_fed = any(camera.is_up for camera in cameras)
        self._inference.update(is_fed and quiet_ns >= self._settings.no_inference_s * _S, at_ns)
        self._room.update(is_full, at_ns)
        details = {camera.camera_id: camera.detail for camera in cameras}
        said = list(_in_words(unwatched, details, len(self._places)))
        said += [f"{_UNLOOKED}, though cameras send"] if self._inference.is_set else []
        said += [f"{_NO_ROOM}: no evidence can be kept"] if self._room.is_set else []
        return tuple(said)

    def _is_unwatched(self, place: Watched, good: set[str], at_ns: int) -> bool:
        is_watched = not good.isdisjoint(place.cameras)
        latch = self._latches[place.place_id]
        latch.update(not is_watched, at_ns)
        if is_watched:
            self._was_watched.add(place.place_id)
        return latch.is_set or place.place_id not in self._was_watched

    def _latch(self, after_s: float) -> Latch:
        return Latch(after_s, self._settings.good_again_s)


def _in_words(places: Sequence[Watched], details: Mapping[str, str], n_places: int) -> Iterable[str]:
    """Yield one sentence for all gates and shelves that nobody watches, with what is wrong with their cameras."""
    if not places:
        return
    where = dict.fromkeys(place.where for place in places)
    cameras = dict.fromkeys(camera for place in places for camera in place.cameras)
    what = "any gate or shelf" if len(places) == n_places else ", ".join(where)
    why = ", ".join(f"{camera} {details.get(camera) or 'is back, and must stay so'}" for camera in cameras)
    yield f"{_UNWATCHED} {what}: {why}"


def _detail(feed: FeedLike | None, picture: PictureState | None) -> str:
    """Say what is wrong with a camera, empty where nothing is."""
    if feed is None:
        return "absent"
    if feed.state != "live":
        return f"{feed.state}: {feed.problem or 'no picture yet'}"
    return "" if picture is None else picture.words


def _latency(seen: _Seen, at_ns: int) -> Latency:
    recent = [waited_s for heard_ns, waited_s in seen.waits if heard_ns >= at_ns - _LATENCY_NS]
    p50_s, p95_s = (float(each) for each in np.quantile(recent, (0.5, 0.95))) if recent else (None, None)
    return Latency(p50_s, p95_s, tuple(seen.counts), seen.sum_s)


def _rate(counted: Sequence[tuple[int, int]]) -> float:
    """Return how fast a count rose lately, by the second."""
    last_ns, last = counted[-1]
    first_ns, first = next(each for each in counted if each[0] >= last_ns - _RATE_NS)
    return round((last - first) * _S / (last_ns - first_ns), 2) if last_ns > first_ns else 0.0
