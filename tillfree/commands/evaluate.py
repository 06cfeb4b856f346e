"""`tillfree evaluate`: replay recordings and score them against their truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from recordings.errors import wrong
from recordings.files import LoadedRecording, LoadedTruth, load_recording, load_truth
from tillfree.errors import NotAsExpected
from tillfree.evaluation.expected import differences, load_expected
from tillfree.evaluation.outcome import RunOutcome
from tillfree.evaluation.scores import RecordingScore, check_scans, check_truth, document, evaluation_document, score
from tillfree.evaluation.tables import evaluation_tables

if TYPE_CHECKING:
    from tillfree.folds import StoreFold
    from tillfree.replay import ReplayOptions


def evaluate(
    recordings: Annotated[list[Path], typer.Argument(help="Folders of recordings, or their recording.yaml.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the scores to this file.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Keep each run's files in a folder here.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Detector weights for all recordings.")] = None,
    settings: Annotated[Path | None, typer.Option(help="A settings file for all recordings.")] = None,
    tapes: Annotated[
        Path | None,
        typer.Option(help="Keep what the detector saw in this folder, and go on from it where nothing has changed."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with each recording's expected.json; exit code 5 if one differs.")
    ] = False,
) -> None:
    """Replay recordings and score them against their truth, each alone and all together.

    A score whose truth a recording does not hold is a dash in the table and null in the JSON.
    docs/recordings.md says what each score is.
    """
    from tillfree.replay import ReplayOptions

    console = Console()
    recordings = _without_stores(console, recordings)
    pairs = [load_pair(place) for place in recordings]
    if json_file is not None and not json_file.parent.is_dir():
        raise wrong(json_file, None, "cannot be written: its folder does not exist", "make the folder first")
    scores, faults = run_all(
        recordings, pairs, out, ReplayOptions(weights=weights, settings=settings, tapes=tapes), check
    )
    for table in evaluation_tables(scores):
        console.print(table)
    if json_file is not None:
        text = json.dumps(evaluation_document(scores), indent=1, ensure_ascii=False, allow_nan=False)
        json_file.write_text(text + "\n", encoding="utf-8", newline="\n")
    if faults:
        raise NotAsExpected("; ".join(faults))


def _without_stores(console: Console, places: list[Path]) -> list[Path]:
    """Leave out folders that hold a store's layout and no recording, as a pattern like `samples/*/` names them too."""
    stores = [each for each in places if (each / "layout.yaml").is_file() and not (each / "recording.yaml").exists()]
    for each in stores:
        console.print(f"[yellow]note:[/] {each} holds a store, not a recording: left out", highlight=False)
    return [each for each in places if each not in stores]


def load_pair(place: Path) -> tuple[LoadedRecording, LoadedTruth]:
    """Read a recording and its truth, so that what is wrong comes out before hours of replay."""
    loaded = load_recording(place)
    truth = load_truth(loaded.base_dir)
    if truth is None:
        mend = "write one (docs/recordings.md), or use 'tillfree replay'"
        raise wrong(loaded.base_dir, None, "has no truth/truth.json to score against", mend)
    check_truth(loaded, truth)
    check_scans(loaded, truth)
    return loaded, truth


def run_all(
    places: Sequence[Path],
    pairs: Sequence[tuple[LoadedRecording, LoadedTruth]],
    out: Path | None,
    options: ReplayOptions,
    check: bool,
) -> tuple[list[RecordingScore], list[str]]:
    """Replay each recording; return the scores, and what is not as expected where that was asked for."""
    from tillfree.replay import replay

    scores: list[RecordingScore] = []
    faults: list[str] = []
    with _progress() as progress:
        for number, (place, (loaded, truth)) in enumerate(zip(places, pairs, strict=True), start=1):
            task = progress.add_task(f"{number}/{len(pairs)} {loaded.recording.name}", total=None)
            run_out = None if out is None else out / f"{number:02d}"
            outcome = replay(place, out=run_out, options=options, listener=_Bar(progress, task)).outcome
            scores.append(score(outcome, loaded, truth))
            faults += _faults(loaded, outcome, scores[-1]) if check else []
    return scores, faults


def _faults(loaded: LoadedRecording, outcome: RunOutcome, part: RecordingScore) -> list[str]:
    expected = load_expected(loaded.base_dir)
    if expected is None:
        return [f"{part.name}: has no expected.json"]
    found = differences(loaded.recording, outcome, document(part), expected)
    return [f"{part.name}: {difference}" for difference in found]


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


class _Bar:
    """Shows how far one replay is."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def started(self, frame_count: int, notices: Sequence[str]) -> None:
        """Say how much is to come, and what the run has to tell."""
        self._progress.update(self._task, total=frame_count)
        for notice in notices:
            self._progress.console.print(notice)

    def advanced(self, frames: int, fold: StoreFold) -> None:
        """Move the bar."""
        del fold
        self._progress.advance(self._task, frames)

    def finished(self, fold: StoreFold) -> None:
        """Fill the bar: the frame count was the container's word."""
        del fold
        done = next(task.completed for task in self._progress.tasks if task.id == self._task)
        self._progress.update(self._task, total=done)
