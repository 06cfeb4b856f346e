"""Prometheus metrics of a store's machine, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tillfree.live.decisions import GateDecision
from tillfree.live.evidence import EvidenceStatus
from tillfree.live.health import LATENCY_S, CameraHealth, HealthReport
from tillfree.live.node import NodeView

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0)
"""0.3 s is what a gate waits for; 0.15 s is what billing has of it."""


class NodeMetrics:
    """Counts calls and scans, and asks for the engine's view when it is read."""

    def __init__(self, view: Callable[[], NodeView], health: Callable[[], HealthReport] | None = None) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "tillfree_node_requests", "Calls.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "tillfree_node_request_seconds",
            "Seconds until an answer.",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._scans = Counter(
            "tillfree_node_scans", "Decisions.", ("gate", "outcome", "reason"), registry=self._registry
        )
        self._registry.register(_View(view))
        if health is not None:
            self._registry.register(_Health(health))

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one call."""
        self._calls.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def decided(self, gate_id: str, decision: GateDecision) -> None:
        """Count a decision; ``gate_id`` is one of the store's, so that nobody makes up labels."""
        self._scans.labels(gate_id, decision.outcome, decision.reason).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _View(Collector):
    def __init__(self, view: Callable[[], NodeView]) -> None:
        self._view = view

    def describe(self) -> Iterable[Metric]:
        """Say nothing before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the store as the engine saw it last."""
        view = self._view()
        plain = {
            "store_open": ("Whether the store is open.", view.is_open),
            "people_inside": ("People in the store.", view.people_inside),
            "open_visits": ("Visits without a final receipt.", len(view.visits)),
            "open_reviews": ("Questions to an operator.", len(view.reviews)),
            "load_level": ("What is done for want of time: 0 nothing, 3 pictures are dropped.", view.load_level),
            "faults": ("What keeps the store from being open.", len(view.faults)),
            "view_seconds": ("Unix time of the engine's latest instant.", view.at_ns / 1e9),
        }
        for name, (about, value) in plain.items():
            yield GaugeMetricFamily(f"tillfree_node_{name}", about, float(value))
        yield _by("camera_up", "Whether a camera is up.", "camera", ((r.camera_id, r.is_up) for r in view.cameras))
        rates = ((r.camera_id, r.frames_per_s) for r in view.cameras)
        yield _by("camera_frames_per_second", "Frames a second.", "camera", rates)
        yield _by("gate_seen", "Whether a camera sees a gate.", "gate", ((r.gate_id, r.is_seen) for r in view.gates))


class _Health(Collector):
    def __init__(self, health: Callable[[], HealthReport]) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        """Say nothing before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the last report."""
        report = self._health()
        yield from _cameras(report.cameras)
        yield _latencies(report.cameras)
        yield _plain("detected_per_second", "Pictures a second that the detector looks at.", report.detected_per_s)
        yield _plain("billing_orders_waiting", "Orders that billing has not taken yet.", report.billing_waiting)
        if report.evidence is not None:
            yield from _evidence(report.evidence)


def _cameras(cameras: Iterable[CameraHealth]) -> Iterator[Metric]:
    told = tuple(cameras)
    yield _by("camera_sends_per_second", "Pictures a second that come.", "camera", _each(told, "fps_in"))
    yield _by("camera_waiting", "Pictures that wait to be looked at.", "camera", _each(told, "waiting"))
    for name, about in {
        "taken": "Pictures that were looked at.",
        "dropped": "Pictures for which there was no time.",
        "thinned": "Pictures left out evenly for want of time.",
        "spared": "Pictures in which nothing moved, kept from the detector.",
        "damaged": "Damaged pictures.",
        "reconnects": "How often the stream broke.",
    }.items():
        counter = CounterMetricFamily(f"tillfree_node_camera_{name}", about, labels=["camera"])
        for camera_id, value in _each(told, name):
            counter.add_metric([camera_id], value)
        yield counter
    wrong = GaugeMetricFamily(
        "tillfree_node_camera_picture", "Whether a picture has a fault.", labels=["camera", "fault"]
    )
    for camera in told:
        for fault in ("frozen", "dark", "blurred", "moved"):
            wrong.add_metric(
                [camera.camera_id, fault], float(camera.picture is not None and getattr(camera.picture, fault))
            )
    yield wrong


def _latencies(cameras: Iterable[CameraHealth]) -> Metric:
    family = HistogramMetricFamily(
        "tillfree_node_capture_to_cart_seconds", "Seconds from a picture to what follows from it.", labels=["camera"]
    )
    bounds = [*(f"{bound:g}" for bound in LATENCY_S), "+Inf"]
    for camera in cameras:
        added = accumulate(camera.latency.counts)
        family.add_metric([camera.camera_id], list(zip(bounds, added, strict=True)), camera.latency.sum_s)
    return family


def _evidence(status: EvidenceStatus) -> Iterator[Metric]:
    sizes = [("buffer", status.buffer_bytes), ("clips", status.clips_bytes), ("free", status.disk_free_bytes)]
    yield _by("evidence_bytes", "Bytes of the disk.", "what", sizes)
    yield _plain("evidence_full", "Whether there is no room for clips.", status.is_full)
    yield _plain("evidence_clips_waiting", "Clips that wait to be made.", status.clips_waiting)
    counter = CounterMetricFamily("tillfree_node_evidence_clips", "Clips asked for.", labels=["outcome"])
    for outcome in ("made", "refused", "failed"):
        counter.add_metric([outcome], getattr(status, f"clips_{outcome}"))
    yield counter
    dropped = CounterMetricFamily("tillfree_node_evidence_dropped", "Packets that were not kept.", labels=["camera"])
    for buffer in status.buffers:
        dropped.add_metric([buffer.camera_id], buffer.dropped)
    yield dropped


def _each(cameras: Iterable[CameraHealth], name: str) -> list[tuple[str, float]]:
    return [(camera.camera_id, float(getattr(camera, name))) for camera in cameras]


def _plain(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tillfree_node_{name}", about, float(value))


def _by(name: str, about: str, label: str, rows: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"tillfree_node_{name}", about, labels=[label])
    for key, value in rows:
        family.add_metric([key], float(value))
    return family
