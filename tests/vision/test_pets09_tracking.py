"""The tracker beside Roboflow's on the same detections of PETS 2009 S2L1, scored by trackeval."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vision.tracking import TrackingSettings

pytestmark = pytest.mark.slow


def benchmark(repo_dir: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tracking_benchmark", repo_dir / "benchmarks/tracking.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ours_is_no_worse_than_roboflows(repo_dir: Path, shared_dir: Path) -> None:
    bench = benchmark(repo_dir)
    clip = bench.CLIPS[0]
    found, _ = bench.detections_of(clip, shared_dir, shared_dir / bench.MODEL)
    truth = bench.truth_of(shared_dir / clip.truth, len(found))
    ours = bench.measured(lambda: bench.ours(found, clip.fps, TrackingSettings()), truth)
    theirs = bench.measured(lambda: bench.roboflow(found, clip.fps), truth)
    assert ours["hota"] >= theirs["hota"]
    assert ours["idf1"] >= theirs["idf1"]
    assert ours["identity_switches"] <= 1.1 * theirs["identity_switches"]
