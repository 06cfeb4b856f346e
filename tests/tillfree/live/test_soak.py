"""The soak: what it calls flat, what it reports of a soak that was cut off, and in the slow suite the soak itself.

TILLFREE_SOAK_MINUTES sets how long that is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.soak import MIB, Sample, judged, read_samples, sampled, window_s

ROUND_S = 33.0


def samples(minutes: float, mib_a_minute: float, fds_a_minute: float = 0.0) -> list[Sample]:
    """A store that breathes by 40 MiB in each round, after a beginning in which it fills, and grows as told."""
    found = []
    for seconds in range(0, round(minutes * 60), 5):
        late_min = max(0.0, seconds / 60 - 10)
        mib = min(400.0, seconds) + 40 * (seconds % ROUND_S) / ROUND_S + mib_a_minute * late_min
        size = round(mib * MIB)
        fds = 37 + round(fds_a_minute * late_min)
        found.append(Sample(float(seconds), size, size, size, size, fds, 17, 0, seconds * 0.5, 1000 * seconds))
    return found


def test_memory_that_breathes_with_the_rounds_is_flat() -> None:
    report, wrong = judged(samples(60, 0.0), ROUND_S)
    assert wrong == []
    growth = report["growth"]
    assert isinstance(growth, dict)
    assert growth["rss"]["first"] == pytest.approx(growth["rss"]["last"], rel=0.01)


def test_growth_and_files_left_open_are_told() -> None:
    _, wrong = judged(samples(60, 0.6, 0.1), ROUND_S)
    assert [line.split(" ")[0] for line in wrong] == ["rss", "anonymous", "fds:"]


def test_nothing_is_said_of_growth_before_two_windows_after_ten_minutes() -> None:
    report, wrong = judged(samples(12, 30.0), ROUND_S)
    assert (report["growth"], wrong) == (
        dict.fromkeys(("rss", "pss", "uss", "anonymous", "fds", "threads", "children")),
        [],
    )


def test_a_window_is_whole_rounds() -> None:
    assert [window_s(each) for each in (33.0, 60.0, 90.0)] == [66.0, 60.0, 90.0]


@pytest.mark.slow
def test_a_soak_that_was_cut_off_says_how_long_it_was(tmp_path: Path, repo_dir: Path) -> None:
    file, rows = tmp_path / "cut.samples.jsonl", samples(30, 0.0)
    lines = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    file.write_text(lines[:-20], encoding="utf-8")
    assert read_samples(file) == rows[:-1]
    command = [sys.executable, "-m", "benchmarks.soak", "--report", str(file)]
    done = subprocess.run(command, cwd=repo_dir, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["minutes"] == pytest.approx(30, abs=0.2)
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_sample_is_of_a_process() -> None:
    found = sampled(os.getpid(), 1.0, 7)
    assert found.rss > found.anonymous > MIB
    assert found.threads >= 1
    assert found.fds >= 3
    assert replace(found, rss=0, pss=0, uss=0, anonymous=0, fds=0, threads=0, children=0, cpu_s=0.0) == Sample(
        1.0, 0, 0, 0, 0, 0, 0, 0, 0.0, 7
    )


@pytest.mark.slow
def test_memory_stays_flat_and_every_visit_is_billed_once(tmp_path: Path, repo_dir: Path) -> None:
    minutes = float(os.environ.get("TILLFREE_SOAK_MINUTES", "120"))
    file = tmp_path / "soak.json"
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", str(minutes), "--json", str(file)]
    subprocess.run(command, cwd=repo_dir, check=False)
    said = json.loads(file.read_text(encoding="utf-8"))
    assert said["wrong"] == []
    assert said["visits"] == said["receipts"] == said["charges"] > 0
    assert said["minutes"] > minutes - 0.5
