"""The benchmark of the dashboard runs, asks for every page, and says which limits it missed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.dashboard_load import answers, pages_speed, speed
from benchmarks.live_latency import Run, Written
from tests.dashboard.desk_rig import REPO


@pytest.mark.slow
def test_every_page_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "pages.json"
    words = ["--part", "pages", "--visits", "60", "--asks", "1", "--json", str(file)]
    done = subprocess.run(
        [sys.executable, "benchmarks/dashboard.py", *words], cwd=REPO, capture_output=True, text=True, check=False
    )
    said = json.loads(file.read_text(encoding="utf-8"))
    assert done.returncode == bool(said["wrong"]), done.stderr
    assert said["visits"] == 60
    assert {"live", "one review", "one visit", "sales", "one recording", "health", "audit", "settings"} <= said[
        "pages_ms"
    ].keys()
    assert said["pages_ms_most"] == max(each["median"] for each in said["pages_ms"].values())


def test_limits_are_judged() -> None:
    assert speed.judged({"pipeline_share_kept": 0.95}) == []
    assert speed.judged({"pipeline_share_kept": 0.85}) == ["pipeline_share_kept: 0.850, to be at least 0.9"]
    pages = {"live": {"median": 20.0, "longest": 900.0}, "stock": {"median": 301.0, "longest": 301.0}}
    assert pages_speed.judged({"pages_ms": pages}) == ["stock: 301 ms, to be at most 300"]
    told = {"n": 3, "p50_s": 0.4, "p95_s": 0.8, "max_s": 0.9}
    assert answers.judged({"answer_to_receipt": told, "answers_without_receipt": 0}) == []
    assert answers.judged({"answer_to_receipt": told | {"max_s": 1.2}, "answers_without_receipt": 0}) == [
        "answer to receipt: 1.2 s, to be under 1 s"
    ]
    assert answers.judged({"answer_to_receipt": told, "answers_without_receipt": 1}) == [
        "answers: 3 receipts came, 1 did not"
    ]


def question(review_id: str, *visits: str) -> dict[str, object]:
    return {"review_id": review_id, "near": [{"visit_id": each, "is_asked": True} for each in visits]}


def test_a_receipt_is_ready_once_answers_alone_hold_it() -> None:
    run = Run(None, 1.0, "", [Written(10**9, {"event": "VisitClosed", "visit_id": "v-1"})])  # type: ignore[arg-type]
    mine = [question("r-1", "v-1"), question("r-2", "v-1"), question("r-3", "v-2")]
    assert answers.settled(run, mine, 5 * 10**9) is None
    assert answers.settled(run, mine, 7 * 10**9) == ("v-1", ["r-1", "r-2"])
    assert answers.settled(run, [*mine, question("r-4", "v-1", "v-2")], 7 * 10**9) is None
