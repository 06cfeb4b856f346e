"""What the benchmark of live latency makes of a log and of a store's counts; in the slow suite of a store that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.live_latency import Counts, Measured, S, Written, bound_of, exits, judged, share_within, true_exits

INF = float("inf")


def written(at_s: float, event: str, **fields: Any) -> Written:
    return Written(round(at_s * S), {"event": event, **fields})


def visit(name: str, opened_s: float, left_s: float, final_s: float | None, **final: Any) -> list[Written]:
    rows = [
        written(opened_s, "VisitOpened", visit_id=name, at_ns=round(opened_s * S), token="card"),
        written(left_s, "VisitClosed", visit_id=name, at_ns=round(left_s * S), reason=final.get("reason", "exit")),
    ]
    reviewed = final.get("reviewed", False)
    return rows if final_s is None else [*rows, written(final_s, "ReceiptFinalised", visit_id=name, reviewed=reviewed)]


LOG = [
    *visit("early", -15, 8, 9),
    *visit("plain", 20, 40, 42.75),
    *visit("asked", 20, 40, 70, reviewed=True),
    *visit("lost", 25, 60, 75, reason="vanished"),
    *visit("never", 30, 55, None),
]
MEASURED = Measured(1.0, 10 * S, 100 * S, 0, Counts(900, 0, 0, 0, {0.5: 90, 1.5: 99, INF: 100}), LOG)


def test_only_exits_without_a_review_count_and_all_are_named() -> None:
    waits, how = exits(MEASURED)
    assert waits == [2.75]
    assert how == {"exit": 1, "exit, reviewed": 1, "vanished": 1}


def test_true_exits_count_who_has_no_receipt() -> None:
    found = true_exits(LOG, {"card": 19.5}, MEASURED.begin_ns, MEASURED.end_ns)
    assert (found.plain, found.reviewed, found.without) == ([3.25, 30.5], [30.5], 1)


def test_a_visit_that_comes_back_counts_from_its_last_exit() -> None:
    again = written(45, "VisitClosed", visit_id="plain", at_ns=45 * S, reason="exit")
    log = [*visit("plain", 20, 40, None), again, written(48, "ReceiptFinalised", visit_id="plain", reviewed=False)]
    assert exits(Measured(1.0, 0, 50 * S, 0, MEASURED.counts, log))[0] == [3.0]


def test_histograms_are_read_by_their_bounds() -> None:
    buckets = MEASURED.counts.buckets
    assert (bound_of(buckets, 0.5), bound_of(buckets, 0.95), bound_of(buckets, 0.995)) == (0.5, 1.5, None)
    assert share_within(buckets, 1.5) == 0.99
    assert share_within({}, 1.5) is None


@pytest.mark.parametrize(
    ("counts", "is_sustained"),
    [((9, 0, 0, 0), True), ((9, 1, 0, 0), False), ((9, 0, 0, 1), False), ((0, 0, 0, 0), False)],
)
def test_a_rate_is_sustained_where_nothing_is_dropped_or_late(
    counts: tuple[int, int, int, int], is_sustained: bool
) -> None:
    assert Measured(1.0, 0, S, 0, Counts(*counts, {}), []).is_sustained is is_sustained


def test_limits_that_are_missed_are_told() -> None:
    said = {
        "exit_to_receipt": {"n": 4, "p50_s": 3.2, "p95_s": 9.9},
        "capture_to_cart": {"p95_below_s": 2.0},
        "sustained": False,
    }
    assert [line.split(":")[0] for line in judged(said)] == [
        "exit to receipt",
        "capture to cart",
        "frames were dropped or late",
    ]
    assert judged({**said, "exit_to_receipt": {"n": 0}}) == ["nobody left"]


@pytest.mark.slow
def test_a_store_that_runs_is_measured(tmp_path: Path, repo_dir: Path) -> None:
    file = tmp_path / "latency.json"
    command = [sys.executable, "-m", "benchmarks.live_latency", "--speed", "1", "--minutes", "1", "--json", str(file)]
    subprocess.run(command, cwd=repo_dir, check=False)
    said = json.loads(file.read_text(encoding="utf-8"))
    assert said["cameras"] == 4
    assert said["exit_to_receipt"]["n"] > 0
    assert said["capture_to_log"]["n"] > 0
    assert said["spared_by_motion_gate"] > 0
