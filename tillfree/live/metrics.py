"""Prometheus metrics of a store's machine, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tillfree.live.decisions import GateDecision
from tillfree.live.node import NodeView

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0)
"""0.3 s is what a gate waits for; 0.15 s is what billing has of it."""


class NodeMetrics:
    """Counts calls and scans, and asks for the engine's view when it is read."""

    def __init__(self, view: Callable[[], NodeView]) -> None:
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
            "faults": ("What keeps the store from being open.", len(view.faults)),
            "view_seconds": ("Unix time of the engine's latest instant.", view.at_ns / 1e9),
        }
        for name, (about, value) in plain.items():
            yield GaugeMetricFamily(f"tillfree_node_{name}", about, float(value))
        yield _by("camera_up", "Whether a camera is up.", "camera", ((r.camera_id, r.is_up) for r in view.cameras))
        rates = ((r.camera_id, r.frames_per_s) for r in view.cameras)
        yield _by("camera_frames_per_second", "Frames a second.", "camera", rates)
        yield _by("gate_seen", "Whether a camera sees a gate.", "gate", ((r.gate_id, r.is_seen) for r in view.gates))


def _by(name: str, about: str, label: str, rows: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"tillfree_node_{name}", about, labels=[label])
    for key, value in rows:
        family.add_metric([key], float(value))
    return family
