"""A real film through `replay`: one shopper, two picks that no camera sees, people behind glass.

The layouts are fitted by hand; the film's own list of events is the truth. Products stand edge-on to
all cameras, so the two interactions come from hands alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from recordings.files import load_recording
from tillfree.main import main
from tillfree.replay import EVENTS_FILE, ReplayOptions, replay

FRAME_S = 0.1
UNSEEN_FRAMES = (56, 90)
"""Frames between which camera 3 sees nobody for 3.5 s."""

pytestmark = pytest.mark.slow

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def clips(shared_dir: Path) -> Path:
    place = shared_dir / "clips" / "nanostore-real"
    if not place.is_dir():
        pytest.skip("needs clips/nanostore-real among the shared test clips")
    return place


@pytest.fixture(scope="module")
def weights(shared_dir: Path) -> Path:
    return shared_dir / "models" / "yolov8n-pose_int8_openvino_model"


def recorded(place: Path, clips: Path, layout: Path, cameras: tuple[int, ...], weights: Path) -> Path:
    """Make a recording as users do, with the clocks that are found, and one gate scan at the first frame."""
    videos = [f"camera-{number}={clips / f'cps-test-01-nodepth-cam{number}.mp4'}" for number in cameras]
    words = ["recording", "new", *videos, "--layout", str(layout), "-o", str(place), "--no-copy"]
    assert main([*words, "--weights", str(weights)]) == 0
    scan = {"gate": "entry", "at_s": 0.0, "token": "card-1"}
    (place / "gate_scans.yaml").write_text(yaml.safe_dump({"version": 1, "scans": [scan]}), encoding="utf-8")
    return place


def replayed(recording: Path, out: Path, weights: Path) -> Events:
    replay(recording, out=out, options=ReplayOptions(weights=weights))
    return [json.loads(line) for line in (out / EVENTS_FILE).read_text(encoding="utf-8").splitlines()]


def of_kind(events: Events, kind: str) -> Events:
    return [event for event in events if event["event"] == kind]


def check(recording: Path, clips: Path, events: Events) -> None:
    """Check one visit of one person, and two interactions when and where the film's list has them."""
    loaded = load_recording(recording).recording
    camera_3_s = next(camera.offset_ms for camera in loaded.cameras if camera.id == "camera-3") / 1000

    def frame_of(at_ns: int) -> float:
        return ((at_ns - loaded.started_at_ns) / 1e9 - camera_3_s) / FRAME_S

    (visit,) = of_kind(events, "VisitOpened")
    (bound,) = of_kind(events, "PersonBound")
    (closed,) = of_kind(events, "VisitClosed")
    assert len(of_kind(events, "PersonEntered")) == 1, "nobody behind the glass comes in"
    assert visit["token"] == "card-1"
    assert closed["reason"] == "exit"
    assert frame_of(bound["at_ns"]) < UNSEEN_FRAMES[0]
    assert frame_of(closed["at_ns"]) > UNSEEN_FRAMES[1], "the visit survives what camera 3 does not see"
    truth = json.loads((clips / "events.json").read_text(encoding="utf-8"))["events"]
    told = of_kind(events, "Interaction")
    assert len(told) == len(truth) == 2
    for one, true in zip(told, truth, strict=True):
        first, last = true["camera_3_frames"]
        assert frame_of(one["opened_at_ns"]) <= last
        assert frame_of(one["closed_at_ns"]) >= first
        assert one["shelf_id"] == f"gondola-{true['gondola']}/shelf-{true['shelf']}"
        assert [each["person_id"] for each in one["person_candidates"]] == [bound["person_id"]]


def test_from_camera_3_alone(repo_dir: Path, clips: Path, weights: Path, tmp_path: Path) -> None:
    layout = repo_dir / "tests/data/nanostore_real/layout_cam3.yaml"
    recording = recorded(tmp_path / "film", clips, layout, (3,), weights)
    check(recording, clips, replayed(recording, tmp_path / "run", weights))


def test_from_four_cameras_whose_clocks_are_estimated(
    repo_dir: Path, clips: Path, weights: Path, tmp_path: Path
) -> None:
    layout = repo_dir / "tests/data/nanostore_real/layout_cams1357.yaml"
    recording = recorded(tmp_path / "film", clips, layout, (1, 3, 5, 7), weights)
    offsets = [camera.offset_ms for camera in load_recording(recording).recording.cameras]
    assert all(abs(offset) < 1000 for offset in offsets), "they started within a second of each other"
    assert sum(offset != 0 for offset in offsets) == 3, "every clock is told by the first"
    check(recording, clips, replayed(recording, tmp_path / "run", weights))
