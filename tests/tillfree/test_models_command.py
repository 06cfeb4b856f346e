"""`tillfree models`: says what is here, what it downloads, and what is wrong in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tillfree.errors import ExitCode
from tillfree.main import main
from vision.detectors.weights import FETCHED_NAME


def pretend_ultralytics(monkeypatch: pytest.MonkeyPatch, *, offline: bool) -> list[dict[str, object]]:
    """Put a module in ultralytics' place that exports a small folder, and return what it was asked."""
    asked: list[dict[str, object]] = []

    class YOLO:
        def __init__(self, weights: str) -> None:
            if offline:
                raise ConnectionError("Download failure. Environment may be offline.")
            self.weights = Path(weights)

        def export(self, **options: object) -> str:
            asked.append(options)
            folder = self.weights.with_name("yolo11n-pose_openvino_model")
            folder.mkdir()
            (folder / "yolo11n-pose.xml").write_text("<net/>")
            return str(folder)

    module = ModuleType("ultralytics")
    module.YOLO = YOLO  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ultralytics", module)
    return asked


def test_fetch_says_what_it_downloads_and_stores_an_openvino_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = pretend_ultralytics(monkeypatch, offline=False)
    assert main(["models", "fetch", "--data-dir", str(tmp_path)]) == ExitCode.DONE
    assert "downloads yolo11n-pose.pt" in capsys.readouterr().out
    assert (tmp_path / FETCHED_NAME / "yolo11n-pose.xml").is_file()
    assert asked[0]["format"] == "openvino"
    assert [path.name for path in tmp_path.iterdir()] == [FETCHED_NAME]


def test_fetch_twice_downloads_once_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretend_ultralytics(monkeypatch, offline=False)
    for _ in range(2):
        assert main(["models", "fetch", "--data-dir", str(tmp_path)]) == ExitCode.DONE
    assert len(asked) == 1
    assert main(["models", "fetch", "--again", "--data-dir", str(tmp_path)]) == ExitCode.DONE
    assert len(asked) == 2


def test_without_internet_fetch_says_so_in_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_ultralytics(monkeypatch, offline=True)
    assert main(["models", "fetch", "--data-dir", str(tmp_path)]) == ExitCode.OUT_OF_REACH
    error = capsys.readouterr().err.strip()
    assert "is there internet?" in error
    assert error.count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_without_ultralytics_fetch_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    assert main(["models", "fetch", "--data-dir", str(tmp_path)]) == ExitCode.MISSING_EXTRA
    assert "tillfree[ultralytics]" in capsys.readouterr().err


def test_list_shows_what_a_run_would_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TILLFREE_WEIGHTS", raising=False)
    folder = tmp_path / FETCHED_NAME
    folder.mkdir()
    assert main(["models", "list", "--data-dir", str(tmp_path)]) == ExitCode.DONE
    assert f"uses: {folder} (fetched)" in capsys.readouterr().out
