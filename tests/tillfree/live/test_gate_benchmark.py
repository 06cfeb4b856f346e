"""The benchmark of gates runs, and its figures are of scans that were let in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_gates_answer_while_the_gateway_hangs(repo_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    command = [sys.executable, "benchmarks/gate.py", "--json", str(file), "--scans", "24", "--hang-s", "0.5"]
    done = subprocess.run(command, cwd=repo_dir, capture_output=True, text=True, check=False)
    said = json.loads(file.read_text(encoding="utf-8"))
    assert said["reasons"] == {"welcome": 24}, done.stderr
    assert said["visits_opened_meanwhile"] > 0
    assert 0 < said["p50_ms"] <= said["p99_ms"] <= said["max_ms"]
    assert said["limit_ms"] == 300
