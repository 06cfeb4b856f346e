"""`tillfree recording new` and `check`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from recordings.files import load_recording
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tillfree.main import main
from tillfree.sources.video import open_recording
from vision.detectors.base import Detector, Pending
from vision.detectors.batches import BatchWorker
from vision.detectors.weights import bundled_weights
from vision.types import Detections, Frame


def test_a_recording_of_ones_own_videos(tmp_path: Path, write_tiny_recording: Any, capsys: Any) -> None:
    source = write_tiny_recording(tmp_path / "source", ("cam_a", "cam_b"))
    out = tmp_path / "made"
    videos = [f"cam_b={source / 'cam_a.mp4'}", str(source / "cam_b.mp4")]
    layout = ["--layout", str(source / "layout.yaml")]
    assert main(["recording", "new", *videos, *layout, "-o", str(out), "--offset", "cam_b=-40.5"]) == 0
    loaded = load_recording(out)
    offsets = {camera.id: camera.offset_ms for camera in loaded.recording.cameras}
    assert offsets == {"cam_b": -40.5, "cam_a": 0.0}
    assert len(list(open_recording(loaded))) == 20
    assert loaded.scans == ()
    assert "all well" in capsys.readouterr().out


def test_linked_videos_and_a_start(tiny_recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    words = [str(tiny_recording / "cam_a.mp4"), "--layout", str(tiny_recording / "layout.yaml"), "-o", str(out)]
    assert main(["recording", "new", *words, "--no-copy", "--started-at", "2026-01-05T09:00:00+00:00"]) == 0
    assert (out / "cam_a.mp4").is_symlink()
    first = next(iter(open_recording(load_recording(out))))
    assert first.captured_at_ns == 1_767_603_600_000_000_000


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["VIDEO", "VIDEO"], "has 1 cameras for 2 videos"),
        (["cam_a=VIDEO", "cam_a=VIDEO"], "second video for camera 'cam_a'"),
        (["none.mp4"], "no such file"),
        (["VIDEO", "--offset", "cam_a=soon"], "--offset cam_a=soon is not understood"),
        (["VIDEO", "--offset", "cam_z=5"], "--offset cam_z=5 is not understood"),
        (["VIDEO", "--started-at", "2026-01-05T09:00:00"], "not a time with a zone"),
        (["SMALL"], "has 128x96 pixels"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    tiny_recording: Path, tmp_path: Path, write_video: Any, capsys: Any, words: list[str], complaint: str
) -> None:
    small = write_video(tmp_path / "small.mp4", 2, (128, 96))
    named = [w.replace("VIDEO", str(tiny_recording / "cam_a.mp4")).replace("SMALL", str(small)) for w in words]
    layout = str(tiny_recording / "layout.yaml")
    assert main(["recording", "new", *named, "--layout", layout, "-o", str(tmp_path / "made")]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_check_tells_what_is_there(tiny_recording: Path, capsys: Any) -> None:
    assert main(["recording", "check", str(tiny_recording)]) == 0
    shown = capsys.readouterr().out
    assert "10.00" in shown
    assert "truth: none" in shown


def test_check_finds_damage_in_the_middle(tiny_recording: Path, capsys: Any) -> None:
    video = tiny_recording / "cam_a.mp4"
    data = bytearray(video.read_bytes())
    data[-400:] = b"\xff" * 400
    video.write_bytes(bytes(data))
    assert main(["recording", "check", str(tiny_recording)]) == 2
    assert "cam_a.mp4" in capsys.readouterr().err


WALK_FPS, WALK_FRAMES = 10, 90


def walker_m(at_s: float) -> tuple[float, float]:
    """Return where somebody is who walks about for nine seconds."""
    return 2.0 + 0.7 * math.sin(0.9 * at_s), 1.6 + 0.4 * math.cos(1.4 * at_s)


class OneWalker(Detector):
    """A detector that reads the time from the picture's brightness and sees one upright person there."""

    name = fingerprint = "walker"
    input_size_px = (320, 180)

    def __init__(self, geometry: StoreGeometry, *, empty: bool = False) -> None:
        self._geometry, self._empty = geometry, empty
        self._worker = BatchWorker(lambda frames: [self._one(each) for each in frames], 1)

    def begin(self, frame: Frame) -> Pending:
        """Find one person with ankles in each frame."""
        return self._worker.submit(frame)

    def _one(self, frame: Frame) -> Detections:
        if self._empty:
            return Detections.empty(frame.camera_id, frame.index, frame.captured_at_ns)
        x, y = walker_m(round((float(frame.image.mean()) - 20) / 2) / WALK_FPS)
        camera = self._geometry.cameras[frame.camera_id]
        pixels, _ = camera.project(np.array([[x, y, 0.08], [x, y, 1.72]]))
        foot, head = pixels
        box = np.array([[head[0] - 12, head[1], head[0] + 12, foot[1]]], np.float32)
        keypoints = np.zeros((1, 17, 3), np.float32)
        keypoints[0, 15:] = (*foot, 1.0)
        hands = np.full((1, 2, 3), (np.nan, np.nan, 0), np.float32)
        return Detections(
            frame.camera_id, frame.index, frame.captured_at_ns, box, np.ones(1, np.float32), hands, keypoints
        )


@pytest.fixture
def walked(tmp_path: Path, write_tiny_recording: Any, edit_yaml: Any) -> tuple[Path, list[str]]:
    """Return a layout of two cameras and their pictures of one walk; cam_b's begin 0.4 s later."""
    source = write_tiny_recording(tmp_path / "source", ("cam_a", "cam_b"))
    places = {"cam_a": [2.0, -0.9, 2.6], "cam_b": [4.9, 1.6, 2.6]}
    cameras = [
        {"id": name, "resolution_px": [320, 180], "fps": WALK_FPS, "focal_px": 180.0, "position_m": place}
        | {"look_at_m": [2.0, 1.6, 0.8]}
        for name, place in places.items()
    ]
    edit_yaml(source / "layout.yaml", cameras=cameras)
    videos = []
    for name, late in (("cam_a", 0), ("cam_b", 4)):
        (source / name).mkdir()
        for k in range(WALK_FRAMES):
            cv2.imwrite(str(source / name / f"{k:03}.png"), np.full((180, 320, 3), 20 + 2 * (k + late), np.uint8))
        videos.append(f"{name}={source / name}")
    return source / "layout.yaml", videos


def made(walked: tuple[Path, list[str]], out: Path, *more: str) -> dict[str, float]:
    layout, videos = walked
    assert main(["recording", "new", *videos, "--layout", str(layout), "-o", str(out), *more]) == 0
    return {camera.id: camera.offset_ms for camera in load_recording(out).recording.cameras}


def test_clock_offsets_are_found_from_a_walk_and_written(
    walked: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    geometry = StoreGeometry(load_store(walked[0]))
    monkeypatch.setattr("vision.detectors.load_detector", lambda *_: OneWalker(geometry))
    offsets = made(walked, tmp_path / "made", "--weights", str(walked[0]))
    assert offsets["cam_a"] == 0.0
    assert offsets["cam_b"] == pytest.approx(400.0, abs=30.0)
    shown = capsys.readouterr().out
    assert "clock of cam_b: +0." in shown
    assert "give or take" in shown


def test_clocks_of_which_nothing_can_be_told_stay_as_they_are(
    walked: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    geometry = StoreGeometry(load_store(walked[0]))
    monkeypatch.setattr("vision.detectors.load_detector", lambda *_: OneWalker(geometry, empty=True))
    offsets = made(walked, tmp_path / "made", "--weights", str(walked[0]))
    assert offsets == {"cam_a": 0.0, "cam_b": 0.0}
    assert "clock of cam_b: cannot be told, stays 0 s" in capsys.readouterr().out


def test_weights_for_rendered_people_tell_no_clocks(
    walked: tuple[Path, list[str]], tmp_path: Path, capsys: Any
) -> None:
    offsets = made(walked, tmp_path / "made", "--weights", str(bundled_weights()))
    assert offsets == {"cam_a": 0.0, "cam_b": 0.0}
    assert "Clock offsets are not estimated and stay 0 s" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--no-sync"], ["--offset", "cam_b=120"]])
def test_nothing_is_estimated_where_it_is_not_wanted(
    walked: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.delattr("vision.detectors.load_detector")
    offsets = made(walked, tmp_path / "made", *words)
    assert offsets == {"cam_a": 0.0, "cam_b": 120.0 if "--offset" in words else 0.0}
