"""Bad input of ten kinds: one clear line, exit code 2, and nothing on the way that looks like a result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tillfree.main import main

Spoil = Callable[[Path, Any], None]


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def missing_camera_file(folder: Path, write_video: Any) -> None:
    (folder / "cam_a.mp4").unlink()


def truncated_mp4(folder: Path, write_video: Any) -> None:
    data = (folder / "cam_a.mp4").read_bytes()
    (folder / "cam_a.mp4").write_bytes(data[: len(data) * 3 // 4])


def wrong_resolution(folder: Path, write_video: Any) -> None:
    write_video(folder / "cam_a.mp4", 5, (128, 96))


def layout_with_an_unknown_key(folder: Path, write_video: Any) -> None:
    change(folder / "layout.yaml", lambda layout: layout["gondolas"][0].update(hieght_m=1.6))


def slot_without_product(folder: Path, write_video: Any) -> None:
    change(folder / "layout.yaml", lambda layout: layout["products"].pop())


def gate_scan_for_no_gate(folder: Path, write_video: Any) -> None:
    change(folder / "gate_scans.yaml", lambda scans: scans["scans"][0].update(gate="roof"))


def two_cameras_with_one_id(folder: Path, write_video: Any) -> None:
    change(folder / "recording.yaml", lambda recording: recording["cameras"].append(dict(recording["cameras"][0])))


def empty_video(folder: Path, write_video: Any) -> None:
    (folder / "cam_a.mp4").write_bytes(b"")


def recording_without_layout(folder: Path, write_video: Any) -> None:
    (folder / "layout.yaml").unlink()


KINDS: list[tuple[Spoil, tuple[str, ...]]] = [
    (missing_camera_file, ("recording.yaml: cameras[0].video: ", "cam_a.mp4")),
    (truncated_mp4, ("cam_a.mp4: is cut short",)),
    (wrong_resolution, ("cam_a.mp4: has 128x96 pixels", "160x96")),
    (layout_with_an_unknown_key, ("layout.yaml", "gondolas[0].hieght_m", "unknown key", "'height_m'")),
    (slot_without_product, ("layout.yaml", "gondolas[g1].shelves[s1].slots[jam].sku", "jam")),
    (gate_scan_for_no_gate, ("gate_scans.yaml: scans[0].gate: ", "'roof'", "door")),
    (two_cameras_with_one_id, ("recording.yaml: cameras[0].id: ", "'cam_a'")),
    (empty_video, ("cam_a.mp4: is empty",)),
    (recording_without_layout, ("recording.yaml: layout: ", "layout.yaml")),
]


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what went to the error stream, which must be one line that says error."""
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.strip()]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    assert "Mend: " in lines[0]
    assert "Traceback" not in captured.err + captured.out
    return lines[0]


@pytest.mark.parametrize("command", ["check", "replay"])
@pytest.mark.parametrize(("spoil", "words"), KINDS, ids=[spoil.__name__ for spoil, _ in KINDS])
def test_bad_input_is_one_line_and_exit_code_2(
    tiny_recording: Path,
    tmp_path: Path,
    write_video: Any,
    capsys: pytest.CaptureFixture[str],
    spoil: Spoil,
    words: tuple[str, ...],
    command: str,
) -> None:
    spoil(tiny_recording, write_video)
    run = tmp_path / "run"
    given = (
        ["recording", "check", str(tiny_recording)]
        if command == "check"
        else ["replay", str(tiny_recording), "-o", str(run)]
    )
    assert main(given) == 2
    line = complaint(capsys)
    for word in words:
        assert word in line
    assert not (run / "receipts.json").exists()


def test_an_openvino_model_that_cannot_be_read(
    tiny_recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights_openvino_model"
    weights.mkdir()
    (weights / "weights.xml").write_text("<net broken", encoding="utf-8")
    (weights / "weights.bin").write_bytes(b"\x00" * 16)
    (weights / "metadata.yaml").write_text("task: pose\nimgsz: [384, 640]\nnames: {0: person}\n", encoding="utf-8")
    given = ["replay", str(tiny_recording), "-o", str(tmp_path / "run"), "--weights", str(weights)]
    assert main(given) == 2
    assert str(weights) in complaint(capsys)


def test_weights_that_are_not_there(tiny_recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["replay", str(tiny_recording), "-o", str(tmp_path / "run"), "--weights", str(tmp_path / "none.pt")]
    assert main(given) == 2
    assert "none.pt" in complaint(capsys)


def test_weights_that_onnx_runtime_cannot_read(
    tiny_recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="needs: pip install 'tillfree[onnx]'")
    weights = tmp_path / "weights.onnx"
    weights.write_bytes(b"these are no weights")
    assert main(["replay", str(tiny_recording), "-o", str(tmp_path / "run"), "--weights", str(weights)]) == 2
    assert str(weights) in complaint(capsys)


@pytest.mark.slow
@pytest.mark.ultralytics
def test_weights_that_ultralytics_cannot_read(tiny_recording: Path, tmp_path: Path, repo_dir: Path) -> None:
    pytest.importorskip("ultralytics", reason="needs: pip install 'tillfree[ultralytics]'")
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"these are no weights")
    # a process of its own: ultralytics keeps the output streams that it finds when it is imported
    given = ["replay", str(tiny_recording), "-o", str(tmp_path / "run"), "--weights", str(weights)]
    command = [sys.executable, "-m", "tillfree", *given]
    done = subprocess.run(command, cwd=repo_dir, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert str(weights) in lines[0]


def test_the_recording_is_sound_before_it_is_spoilt(tiny_recording: Path) -> None:
    assert main(["recording", "check", str(tiny_recording)]) == 0
