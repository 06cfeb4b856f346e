"""Replays of bundled recordings, from pixels: what they read, and that they say the same twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tillfree.commands.demo import DEFAULT
from tillfree.replay import EVENTS_FILE, TAPE_FILE, ReplayOptions, replay

QUICK_S = 8.0


@pytest.fixture(scope="module")
def sample(repo_dir: Path) -> Path:
    return repo_dir / "sample_videos" / DEFAULT


@pytest.fixture(scope="module")
def first_run(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Replay the sample's first seconds from its pixels, keeping a tape."""
    out = tmp_path_factory.mktemp("first")
    replay(sample, out=out, options=ReplayOptions(keep_tape=True, limit_s=QUICK_S))
    return out


def events(run: Path) -> str:
    return (run / EVENTS_FILE).read_text(encoding="utf-8")


def test_a_short_replay_from_pixels_opens_the_visit_and_follows_the_shopper(first_run: Path) -> None:
    kinds = [json.loads(line)["event"] for line in events(first_run).splitlines()]
    assert "VisitOpened" in kinds
    assert "PersonBound" in kinds
    assert kinds[-1] == "Charge"


def test_the_tape_gives_the_same_bytes(sample: Path, first_run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    replay(sample, out=again, options=ReplayOptions(tape=first_run / TAPE_FILE))
    assert events(again) == events(first_run)


def renamed_copy(sample: Path, target: Path) -> Path:
    """Copy what the pipeline may read, under other names and without truth, scenario or expected result."""
    document = yaml.safe_load((sample / "recording.yaml").read_text(encoding="utf-8"))
    layout = (sample / document["layout"]).resolve()
    shutil.copytree(layout.parent, target / "a")
    for number, camera in enumerate(document["cameras"]):
        shutil.copy(sample / camera["video"], target / f"v{number}.mp4")
        camera["video"] = f"v{number}.mp4"
    shutil.copy(sample / document.get("gate_scans", "gate_scans.yaml"), target / "s.yaml")
    document |= {"name": "x", "layout": f"a/{layout.name}", "gate_scans": "s.yaml"}
    (target / "recording.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return target


@pytest.mark.slow
@pytest.mark.parametrize("name", [DEFAULT, "wrong-shelf"])
def test_only_video_layout_catalogue_and_scans_are_read(repo_dir: Path, name: str, tmp_path: Path) -> None:
    """The same pixels give the same events without truth and under other names; run twice, it is the same machine."""
    sample = repo_dir / "sample_videos" / name
    bare = tmp_path / "b"
    bare.mkdir()
    renamed_copy(sample, bare)
    assert not list(bare.rglob("truth*"))
    replay(sample, out=tmp_path / "one", options=ReplayOptions())
    replay(bare, out=tmp_path / "two", options=ReplayOptions())
    assert events(tmp_path / "one") == events(tmp_path / "two")


@pytest.mark.slow
def test_one_core_and_two_give_the_same_receipts(sample: Path, tmp_path: Path) -> None:
    runs = []
    for threads in (1, 2):
        settings = tmp_path / f"{threads}.yaml"
        settings.write_text(yaml.safe_dump({"vision": {"detector": {"threads": threads}}}))
        result = replay(sample, out=None, options=ReplayOptions(settings=settings))
        runs.append([(visit.token, visit.lines) for visit in result.fold.visits.values()])
    assert runs[0] == runs[1]


def test_a_tape_of_another_recording_is_refused(
    repo_dir: Path, first_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tillfree.main import main

    other = repo_dir / "sample_videos" / "one-shopper"
    assert main(["replay", str(other), "-o", str(tmp_path / "o"), "--tape", str(first_run / TAPE_FILE)]) == 2
    assert "other videos" in capsys.readouterr().err


def test_a_folder_with_other_files_is_not_overwritten(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tillfree.main import main

    (tmp_path / "mine.txt").write_text("keep")
    assert main(["replay", str(sample), "-o", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "keep"
