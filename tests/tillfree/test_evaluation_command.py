"""`tillfree evaluate`, with runs whose outcome is known, and expected results."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from recordings.files import load_recording, write_truth
from recordings.model import TrueInteraction, TrueLine, TrueVisit, Truth
from recordings.truth import LoadedTruth
from tillfree.evaluation.expected import Bound, Expected, differences, expected_of, load_expected, write_expected
from tillfree.evaluation.outcome import PredictedInteraction, PredictedLine, PredictedVisit, RunOutcome
from tillfree.main import main


@pytest.fixture
def scored(tiny_recording: Path) -> Path:
    """The tiny recording with a truth: one visit, one tea."""
    visit = TrueVisit(id="v", token="card-1", scanned_at_s=0.1, receipt=(TrueLine(sku="tea", quantity=1),))
    pick = TrueInteraction(kind="pick", shelf="g1/s1", sku="tea", visit="v", from_s=0.4, to_s=0.6)
    write_truth(tiny_recording, LoadedTruth(Truth(version=1, visits=(visit,), interactions=(pick,))))
    return tiny_recording


def right_outcome(folder: Path, sku: str = "tea") -> RunOutcome:
    start_ns = load_recording(folder).recording.started_at_ns
    visit = PredictedVisit("run-v", "card-1", start_ns + 100_000_000, (PredictedLine(sku, 1),), False)
    pick = PredictedInteraction("i", "pick", "g1/s1", None, start_ns + 4 * 10**8, start_ns + 5 * 10**8, sku, "run-v")
    return RunOutcome(start_ns, start_ns + 10**9, (visit,), (pick,))


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Path | None, Any]]:
    """Put a replay in place that is right about everything; return what it was asked for."""
    asked: list[tuple[Path, Path | None, Any]] = []

    def replay(path: Path, *, out: Path | None, options: Any, listener: Any) -> Any:
        asked.append((path, out, options))
        listener.started(10, ["a notice"])
        listener.advanced(9, None)
        listener.finished(None)
        return SimpleNamespace(outcome=right_outcome(path))

    fake = ModuleType("tillfree.replay")
    fake.__dict__.update(replay=replay, ReplayOptions=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "tillfree.replay", fake)
    return asked


def test_scores_go_to_the_table_and_the_file(scored: Path, tmp_path: Path, replayed: list[Any], capsys: Any) -> None:
    file = tmp_path / "scores.json"
    given = ["evaluate", str(scored), str(scored / "recording.yaml"), "--json", str(file), "-o", str(tmp_path / "runs")]
    assert main([*given, "--weights", "w.pt"]) == 0
    whole = json.loads(file.read_text())
    assert set(whole) == {"version", "total", "recordings"}
    assert set(whole["recordings"]) == {"tiny", "tiny #2"}
    assert whole["total"]["receipt_f1"] == 1
    assert whole["total"]["pick_recall"] == 1
    assert whole["total"]["put_back_recall"] is None
    assert whole["total"]["picks"] == 2
    assert [out for _, out, _ in replayed] == [tmp_path / "runs/01", tmp_path / "runs/02"]
    assert replayed[0][2].weights == Path("w.pt")
    captured = capsys.readouterr()
    assert "Receipts" in captured.out
    assert "total" in captured.out
    assert "a notice" in captured.err


def test_what_was_expected_passes_and_the_rest_is_exit_code_5(scored: Path, replayed: list[Any], capsys: Any) -> None:
    recording = load_recording(scored).recording
    assert main(["evaluate", str(scored), "--check"]) == 5
    assert "has no expected.json" in capsys.readouterr().err
    write_expected(scored, expected_of(recording, right_outcome(scored)))
    assert main(["evaluate", str(scored), "--check"]) == 0
    write_expected(scored, expected_of(recording, right_outcome(scored, "jam")))
    assert main(["evaluate", str(scored), "--check"]) == 5
    assert "card-1: the receipt has 1 x tea, expected 1 x jam" in capsys.readouterr().err


def test_a_recording_without_truth_is_told_before_any_replay(
    scored: Path, tmp_path: Path, write_tiny_recording: Any, replayed: list[Any], capsys: Any
) -> None:
    other = write_tiny_recording(tmp_path / "other")
    assert main(["evaluate", str(scored), str(other)]) == 2
    assert "has no truth/truth.json" in capsys.readouterr().err
    assert replayed == []


def test_a_file_that_cannot_be_written_is_told_before_any_replay(
    scored: Path, tmp_path: Path, replayed: list[Any]
) -> None:
    assert main(["evaluate", str(scored), "--json", str(tmp_path / "no" / "scores.json")]) == 2
    assert replayed == []


def test_expected_comes_back_as_it_was_written(scored: Path) -> None:
    recording = load_recording(scored).recording
    expected = expected_of(recording, right_outcome(scored))
    bounded = Expected(version=1, receipts=expected.receipts, scores={"pick_recall": Bound(at_least=0.9)})
    write_expected(scored, bounded)
    assert load_expected(scored) == bounded
    assert differences(recording, right_outcome(scored), {"pick_recall": 0.95}, bounded) == ()


def test_differences_in_words(scored: Path) -> None:
    recording = load_recording(scored).recording
    run = right_outcome(scored)
    expected = expected_of(recording, run)
    nobody = dataclasses.replace(run, visits=())
    assert differences(recording, nobody, {}, expected) == ("card-1: no visit was opened",)
    assert differences(recording, run, {}, Expected(version=1, scores={})) == ("card-1: a visit that was not expected",)
    empty = dataclasses.replace(run, visits=(dataclasses.replace(run.visits[0], lines=()),))
    assert differences(recording, empty, {}, expected) == ("card-1: the receipt has nothing, expected 1 x tea",)
    bounds = Expected(
        version=1,
        receipts=expected.receipts,
        scores={"a": Bound(at_least=0.5), "b": Bound(at_most=3), "c": Bound(at_least=0)},
    )
    assert differences(recording, run, {"a": 0.25, "b": 4, "c": None}, bounds) == (
        "a: is 0.25, expected at least 0.5",
        "b: is 4, expected at most 3",
        "c: has no value",
    )


def test_a_store_beside_the_recordings_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "layout.yaml").write_text("version: 1\n")
    missing = tmp_path / "nothing"
    assert main(["evaluate", str(store), str(missing)]) == 2
    shown = capsys.readouterr()
    assert "left out" in shown.out
    assert "nothing" in shown.err
