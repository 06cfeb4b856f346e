"""Recordings run from the dashboard: one at a time, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dashboard.errors import InConflict
from dashboard.recordings_desk.types import RunState
from tests.tillfree.live.camera_rig import REPO
from tillfree.live.recording_runs import FORMER, PART, RUN, RecordingRuns, _put_in_place, _tidy
from tillfree.live.run_events import seen_in


@pytest.fixture
def runs() -> Iterator[RecordingRuns]:
    made = RecordingRuns()
    yield made
    made.stop()


def over(runs: RecordingRuns, folder: Path, wait_s: float = 120.0) -> RunState:
    """Wait until a run is over."""
    return until(runs, folder, lambda state: state.is_over, wait_s)


def until(runs: RecordingRuns, folder: Path, held: Callable[[RunState], bool], wait_s: float = 120.0) -> RunState:
    """Wait until ``held`` is true of a run."""
    pause = Event()
    for _ in range(round(wait_s / 0.05)):
        state = runs.state(folder)
        if state is not None and held(state):
            return state
        pause.wait(0.05)
    raise AssertionError("it did not come")


def test_a_result_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for name, word in ((RUN, "old"), (PART, "new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.jsonl").write_text(word, encoding="utf-8")
    assert _put_in_place(tmp_path) == ""
    assert (tmp_path / RUN / "events.jsonl").read_text(encoding="utf-8") == "new"
    assert [each.name for each in tmp_path.iterdir()] == [RUN]


def test_what_a_crash_left_is_tidied_and_the_run_before_comes_back(tmp_path: Path) -> None:
    for name in (FORMER, PART):
        (tmp_path / name).mkdir()
    _tidy(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [RUN]


def test_what_is_wrong_with_a_recording_is_told_and_nothing_is_left(
    runs: RecordingRuns, tmp_path: Path, write_tiny_recording: Any
) -> None:
    folder = write_tiny_recording(tmp_path / "tiny", ("cam_a",))
    (folder / "cam_a.mp4").write_bytes(b"no video")
    assert not runs.begin(folder).is_over
    with pytest.raises(InConflict, match="run already"):
        runs.begin(folder)
    state = over(runs, folder)
    assert "cam_a.mp4" in state.problem
    assert not (folder / PART).exists()
    assert not (folder / RUN).exists()


@pytest.mark.slow
def test_a_run_is_told_of_as_it_goes_and_can_be_cancelled(runs: RecordingRuns, tmp_path: Path) -> None:
    folder = tmp_path / "put-back"
    folder.mkdir()
    for each in (REPO / "sample_videos" / "put-back").iterdir():
        (folder / each.name).symlink_to(each)
    (tmp_path / "store").symlink_to(REPO / "sample_videos" / "store")
    runs.begin(folder)
    until(runs, folder, lambda state: state.share > 0)
    runs.cancel(folder)
    assert over(runs, folder).problem == ""
    assert not (folder / PART).exists()
    runs.begin(folder)
    assert over(runs, folder) == RunState(1.0, is_over=True)
    assert "pick" in {each.kind for each in seen_in(folder / RUN / "events.jsonl")}
