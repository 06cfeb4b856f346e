"""`tillfree recording new` and `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recordings.files import load_recording
from tillfree.main import main
from tillfree.sources.video import open_recording


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
