"""Prometheus metrics of one app, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Gauges = Callable[[], Iterable[tuple[str, str, dict[str, float]]]]
"""Gives name, help and values by label ``state``: what is counted when somebody looks."""

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)
"""0.1 s and 0.3 s are limits that the service has to hold: a half-loaded answer, and the gate's."""


class Metrics:
    """Counts requests, and asks ``gauges`` for the state of the books when it is read."""

    def __init__(self, gauges: Gauges) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("tillfree_billing_requests", "Requests.", labels, registry=self._registry)
        self._seconds = Histogram(
            "tillfree_billing_request_seconds",
            "Seconds until an answer.",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(_Gauges(gauges))

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Say nothing before somebody asks: the database is not read at start."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the state of the books."""
        for name, about, values in self._gauges():
            family = GaugeMetricFamily(f"tillfree_billing_{name}", about, labels=["state"])
            for state, value in values.items():
                family.add_metric([state], value)
            yield family
