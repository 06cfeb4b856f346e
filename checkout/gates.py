"""Who came in on which scan: order-preserving matching of scans and crossings at one gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from checkout.settings import GatePolicy, to_ns
from store_layout.model import Gate

_BEFORE_SCAN_NS = 1_000_000_000
"""What crossing before the scan costs at once, so that the usual order wins near ties."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Room for one person on a visit's scan."""

    visit_id: str
    scanned_at_ns: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """A person who came in and has no visit yet."""

    person_id: int
    at_ns: int


def cost_ns(seat: Seat, crossing: Crossing, policy: GatePolicy) -> int | None:
    """Return how unusual it is that this person came in on this scan, or None where it cannot be."""
    lag_ns = crossing.at_ns - seat.scanned_at_ns
    if lag_ns < 0:
        return _BEFORE_SCAN_NS - lag_ns if -lag_ns <= to_ns(policy.crossing_before_scan_max_s) else None
    if lag_ns > to_ns(policy.crossing_after_scan_max_s):
        return None
    return max(0, lag_ns - to_ns(policy.scan_to_crossing_typical_s))


def match(
    seats: Sequence[Seat], crossings: Sequence[Crossing], policy: GatePolicy
) -> tuple[tuple[Seat, Crossing], ...]:
    """Pair seats with crossings: as many pairs as possible, then least unusual, then oldest scan first.

    Both must be sorted by time. People pass a gate in the order in which they scan, so pairs never
    cross; this is sequence alignment by dynamic programming, O(seats x crossings).
    """
    best: dict[tuple[int, int], tuple[int, int, tuple[tuple[int, int], ...]]] = {}
    rows, columns = len(seats), len(crossings)
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            options: list[tuple[int, int, tuple[tuple[int, int], ...]]] = [(0, 0, ())]
            options += [best[i + 1, j]] if i < rows else []
            options += [best[i, j + 1]] if j < columns else []
            price = cost_ns(seats[i], crossings[j], policy) if i < rows and j < columns else None
            if price is not None:
                pairs, total, chain = best[i + 1, j + 1]
                options.append((pairs - 1, total + price, ((i, j), *chain)))
            best[i, j] = min(options)
    return tuple((seats[i], crossings[j]) for i, j in best[0, 0][2])


def near_exit(gates: Sequence[Gate], point_m: tuple[float, float], max_m: float) -> bool:
    """Say whether ``point_m`` is within ``max_m`` of the line of a gate that lets people out."""
    return any(gate.kind != "entry" and _distance_m(point_m, gate.line_m) <= max_m for gate in gates)


def _distance_m(point_m: tuple[float, float], line_m: tuple[tuple[float, float], tuple[float, float]]) -> float:
    (ax, ay), (bx, by) = line_m
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    along = 0.0 if length2 == 0 else ((point_m[0] - ax) * dx + (point_m[1] - ay) * dy) / length2
    along = min(1.0, max(0.0, along))
    return math.sqrt((point_m[0] - ax - along * dx) ** 2 + (point_m[1] - ay - along * dy) ** 2)
