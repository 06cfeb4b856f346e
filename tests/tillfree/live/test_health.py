"""The health of a store that runs: what is counted, when something is a fault, and when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tillfree.live.evidence import EvidenceStatus
from tillfree.live.health import LATENCY_S, Health, HealthReport, HealthSources
from tillfree.live.health_settings import HealthSettings
from tillfree.live.metrics import NodeMetrics
from tillfree.live.node import NodeView
from tillfree.live.queues import QueueCounts
from tillfree.live.watched import Watched, watched_places
from vision.pipeline import Instant
from vision.settings import VisionSettings
from vision.types import Detections, Frame, Observation, People, SlotViews, Tracks

S = 1_000_000_000
BEGAN_NS = 1_767_600_000 * S
PLACES = (
    Watched("door", "gate door", ("cam1",)),
    Watched("g/s/tea", "shelf g/s", ("cam1", "cam2")),
    Watched("g/s/jam", "shelf g/s", ("cam2",)),
)
ROOM = EvidenceStatus((), 10, 1, 20, 0, 3, 2, 1, 1_000, is_full=False, problem=None)


@dataclass(frozen=True)
class Feed:
    camera_id: str
    state: str = "live"
    problem: str | None = None
    fps: float | None = 10.0
    dropped_corrupt: int = 0
    reconnects: int = 0


@dataclass(frozen=True)
class Billing:
    waiting: int = 0
    problem: str | None = None


def nobody(camera: str, at_ns: int) -> Observation:
    views = SlotViews(
        camera,
        0,
        at_ns,
        np.zeros(0, np.int64),
        np.zeros(0, np.float32),
        np.zeros((0, 2, 2), np.bool_),
        np.zeros((0, 4, 4, 3), np.uint8),
        np.zeros((0, 0), np.float32),
    )
    return Observation(Detections.empty(camera, 0, at_ns), views)


def instant(at_ns: int, *cameras: str) -> Instant:
    tracks = tuple(
        Tracks(Detections.empty(camera, 0, at_ns), np.zeros(0, np.int64), np.zeros(0, np.int64)) for camera in cameras
    )
    people = People(
        at_ns,
        np.zeros(0, np.int64),
        np.zeros((0, 2)),
        np.zeros((0, 2, 2)),
        np.zeros((0, 2, 3)),
        np.zeros((0, 2)),
        (),
        np.zeros(0, np.bool_),
    )
    return Instant(at_ns, tracks, people, {}, ())


class Store:
    """Two cameras, a gate and a shelf, on a clock that a test sets."""

    def __init__(self, **told: object) -> None:
        self.now_ns = BEGAN_NS
        self.feeds = {"cam1": Feed("cam1"), "cam2": Feed("cam2")}
        self.counts = {"cam1": QueueCounts(0, 0, 0), "cam2": QueueCounts(0, 0, 0)}
        self.spared: Mapping[str, int] = {}
        self.evidence = ROOM
        self.billing = Billing()
        self._noise = np.random.default_rng(0)
        sources = HealthSources(
            lambda: tuple(self.feeds.values()),
            lambda: self.counts,
            lambda: self.spared,
            lambda: self.evidence,
            lambda: self.billing,
        )
        settings = HealthSettings.model_validate(told)
        self.health = Health(("cam1", "cam2"), PLACES, settings, sources, lambda: self.now_ns)

    def look(self, camera: str, level: int = 100) -> None:
        """Let the engine look at a picture of a brightness, with noise."""
        image = (self._noise.integers(0, 10, (90, 160, 3)) + level).astype(np.uint8)
        self.health.observed(Frame(camera, 0, self.now_ns, image), nobody(camera, self.now_ns))

    def run(self, seconds: int, *, looks: bool = True, **levels: int) -> list[tuple[str, ...]]:
        """Let seconds pass, with a look at each camera that is live; return the faults of each."""
        found = []
        for _ in range(seconds):
            self.now_ns += S
            for camera, feed in self.feeds.items():
                if looks and feed.state == "live":
                    self.look(camera, levels.get(camera, 100))
            found.append(self.health.faults(self.now_ns))
        return found

    def lose(self, camera: str) -> None:
        self.feeds[camera] = Feed(camera, "waiting", "refuses connections", None, 3, 2)

    def find(self, camera: str) -> None:
        self.feeds[camera] = Feed(camera)


def test_a_store_that_is_well_has_no_faults() -> None:
    store = Store()
    assert store.health.report().faults == ("the engine has not started",)
    assert set(store.run(10)) == {()}
    assert [row.is_up for row in store.health.report().rows] == [True, True]


def test_what_was_never_watched_is_a_fault_at_once() -> None:
    store = Store()
    store.lose("cam2")
    assert store.run(1) == [("nobody watches shelf g/s: cam2 waiting: refuses connections",)]


def test_a_camera_that_alone_watches_a_gate_is_missed_after_a_while_and_is_long_in_coming_back() -> None:
    store = Store(down_after_s=10, good_again_s=30)
    store.run(5)
    store.lose("cam1")
    missed = store.run(20)
    assert missed.index(("nobody watches gate door: cam1 waiting: refuses connections",)) == 10
    assert missed[9] == ()
    store.find("cam1")
    back = store.run(40)
    assert back[0] == ("nobody watches gate door: cam1 is back, and must stay so",)
    assert back[29] != ()
    assert back[30] == ()


def test_a_camera_that_comes_and_goes_is_one_fault() -> None:
    store = Store(down_after_s=5, good_again_s=30)
    store.run(5)
    store.lose("cam1")
    store.run(6)
    for _ in range(5):
        store.find("cam1")
        assert () not in store.run(5)
        store.lose("cam1")
        assert () not in store.run(5)


def test_short_failures_are_none() -> None:
    store = Store(down_after_s=10)
    store.run(5)
    for _ in range(5):
        store.lose("cam1")
        assert set(store.run(8)) == {()}
        store.find("cam1")
        assert set(store.run(3)) == {()}


def test_a_shelf_that_two_watch_is_missed_when_both_are_gone() -> None:
    store = Store()
    store.run(5)
    store.lose("cam1")
    store.lose("cam2")
    assert store.run(20)[-1] == (
        "nobody watches any gate or shelf: cam1 waiting: refuses connections, cam2 waiting: refuses connections",
    )


def test_a_dark_camera_watches_nothing() -> None:
    store = Store()
    store.run(5)
    assert store.run(30, cam1=10)[-1] == ("nobody watches gate door: cam1 dark",)
    (first, _) = store.health.report().cameras
    assert (first.is_up, first.is_good, first.row.is_up, first.row.detail) == (True, False, False, "dark")


def test_cameras_that_send_and_are_not_looked_at_are_a_fault() -> None:
    store = Store(no_inference_s=5)
    store.run(5)
    quiet = store.run(8, looks=False)
    assert quiet[3] == ()
    assert quiet[4] == ("nothing is looked at, though cameras send",)


def test_a_full_disk_is_a_fault() -> None:
    store = Store()
    store.run(2)
    store.evidence = replace(ROOM, is_full=True)
    assert store.run(1) == [("the disk is full: no evidence can be kept",)]


def test_what_is_counted() -> None:
    store = Store()
    store.run(5)
    store.counts = {"cam1": QueueCounts(50, 3, 1), "cam2": QueueCounts(40, 0, 0)}
    store.spared = {"cam1": 20}
    store.feeds["cam1"] = replace(Feed("cam1"), dropped_corrupt=3, reconnects=2)
    store.billing = Billing(7, "away")
    store.run(1)
    report = store.health.report()
    first = report.cameras[0]
    assert (first.taken, first.dropped, first.waiting, first.spared, first.damaged, first.reconnects) == (
        50, 3, 1, 20, 3, 2,
    )  # fmt: skip
    assert (first.fps_in, first.looked_per_s, first.latest_ns) == (10.0, 1.2, store.now_ns)
    assert report.detected_per_s == 14.0  # 90 - 20 in 5 s
    assert (report.billing_waiting, report.billing_problem) == (7, "away")


def test_latency_is_of_the_last_minute() -> None:
    store = Store()
    for _ in range(100):
        store.health.happened(instant(store.now_ns - 9 * S, "cam1"))
    store.now_ns += 61 * S
    for k in range(100):
        store.health.happened(instant(store.now_ns - round((0.2 + 0.001 * k) * S), "cam1"))
    first, second = store.health.tend(store.now_ns).cameras
    assert first.latency.p50_s == pytest.approx(0.2495)
    assert first.latency.p95_s == pytest.approx(0.2941, abs=1e-3)
    assert sum(first.latency.counts) == 200
    assert first.latency.counts[LATENCY_S.index(10.0)] == 100
    assert first.latency.sum_s == pytest.approx(100 * 9 + 24.95)
    assert (second.latency.p50_s, second.latency.p95_s) == (None, None)


def test_metrics_tell_the_report() -> None:
    store = Store()
    store.counts = {"cam1": QueueCounts(50, 3, 1), "cam2": QueueCounts(40, 0, 0)}
    store.health.happened(instant(store.now_ns - S // 4, "cam1"))
    store.run(12, cam1=10)
    metrics = NodeMetrics(lambda: NodeView(store.now_ns, is_open=True), store.health.report)
    lines = metrics.text().decode().splitlines()
    for line in (
        'tillfree_node_camera_taken_total{camera="cam1"} 50.0',
        'tillfree_node_camera_dropped_total{camera="cam1"} 3.0',
        'tillfree_node_camera_sends_per_second{camera="cam2"} 10.0',
        'tillfree_node_camera_picture{camera="cam1",fault="dark"} 1.0',
        'tillfree_node_camera_picture{camera="cam2",fault="dark"} 0.0',
        'tillfree_node_capture_to_cart_seconds_bucket{camera="cam1",le="0.2"} 0.0',
        'tillfree_node_capture_to_cart_seconds_bucket{camera="cam1",le="0.3"} 1.0',
        'tillfree_node_capture_to_cart_seconds_bucket{camera="cam1",le="+Inf"} 1.0',
        'tillfree_node_evidence_clips_total{outcome="made"} 3.0',
        'tillfree_node_evidence_bytes{what="buffer"} 10.0',
        "tillfree_node_evidence_full 0.0",
        "tillfree_node_billing_orders_waiting 0.0",
    ):
        assert line in lines


def test_without_health_metrics_are_as_before() -> None:
    assert b"capture_to_cart" not in NodeMetrics(lambda: NodeView(0, is_open=False)).text()
    assert HealthReport(0).rows == ()


def test_the_sample_store_is_watched_in_all_its_places(repo_dir: Path) -> None:
    geometry = StoreGeometry(load_store(repo_dir / "sample_videos/store/layout.yaml"))
    places = watched_places(geometry, VisionSettings().shelves.observer)
    assert {place.place_id for place in places} == {
        *(gate.gate_id for gate in geometry.gates),
        *(slot.slot_id for slot in geometry.slots),
    }
    assert all(set(place.cameras) <= set(geometry.cameras) for place in places)
    assert min(len(place.cameras) for place in places) == 2  # no camera of it is alone with anything
