"""docs/recordings.md: its schemas are up to date, every key is in it, and its example works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from recordings.files import load_recording, load_truth
from tillfree.evaluation.outcome import PredictedInteraction, PredictedLine, PredictedVisit, RunOutcome
from tillfree.evaluation.schemas import SCHEMAS, schema_texts
from tillfree.evaluation.scores import document, score
from tillfree.main import main


@pytest.fixture(scope="module")
def page(repo_dir: Path) -> str:
    return (repo_dir / "docs/recordings.md").read_text(encoding="utf-8")


def blocks(page: str) -> dict[str, str]:
    return dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def example(page: str, tmp_path: Path, write_video: Any) -> Path:
    for name, text in blocks(page).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    write_video(tmp_path / "film.mp4")
    return tmp_path


def test_schemas_are_up_to_date(repo_dir: Path) -> None:
    stored = {path.name: path.read_text(encoding="utf-8") for path in (repo_dir / "docs/schemas").glob("*.json")}
    for name, text in schema_texts().items():
        assert stored[name] == text, "run: python -m tillfree.evaluation.schemas docs/schemas"


def keys_of(schema: dict[str, Any]) -> set[str]:
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_key_is_documented(page: str, name: str) -> None:
    keys = keys_of(SCHEMAS[name].model_json_schema())
    assert keys
    assert {key for key in keys if not re.search(rf"[`\"]{key}[`\"]", page)} == set()


def test_every_score_is_documented(page: str, example: Path) -> None:
    scores = document(score(empty_run(example), load_recording(example), truth_of(example)))
    assert {key for key in scores if f"`{key}`" not in page} == set()


def truth_of(example: Path) -> Any:
    truth = load_truth(example)
    assert truth is not None
    return truth


def empty_run(example: Path) -> RunOutcome:
    start_ns = load_recording(example).recording.started_at_ns
    return RunOutcome(start_ns, start_ns + 45_000_000_000)


def test_the_example_fits_the_schemas(page: str) -> None:
    found = blocks(page)
    for name, file in (("recording", "recording.yaml"), ("gate_scans", "gate_scans.yaml")):
        data = yaml.load(found[file], Loader=yaml.BaseLoader) if name == "recording" else yaml.safe_load(found[file])
        if name == "recording":
            data["version"] = int(data["version"])
            data["cameras"] = yaml.safe_load(found[file])["cameras"]
        jsonschema.validate(data, json.loads(schema_texts()[f"{name}.json"]))
    jsonschema.validate(json.loads(found["truth/truth.json"]), json.loads(schema_texts()["truth.json"]))


def test_the_example_checks(example: Path, capsys: Any) -> None:
    assert main(["recording", "check", str(example)]) == 0
    assert "1 visits, 3 interactions" in capsys.readouterr().out


def test_the_example_scores(example: Path) -> None:
    loaded = load_recording(example)
    start_ns = loaded.recording.started_at_ns

    def saw(kind: Any, sku: str, from_s: float) -> PredictedInteraction:
        from_ns = start_ns + round(from_s * 1e9)
        return PredictedInteraction(f"{kind}{from_s}", kind, "shelf/top", None, from_ns, from_ns + 10**9, sku, "v")

    at_ns, final_ns = start_ns + 1_200_000_000, start_ns + 44_000_000_000
    visit = PredictedVisit(
        "v", "pass-17", at_ns, (PredictedLine("jam", 1), PredictedLine("tea", 1)), False, None, final_ns
    )
    run = RunOutcome(start_ns, final_ns, (visit,), (saw("pick", "jam", 12), saw("pick", "tea", 24)))
    got = document(score(run, loaded, truth_of(example)))
    assert (got["receipt_precision"], got["receipt_recall"], got["overcharge_minor"]) == (0.5, 1.0, 340)
    assert (got["pick_recall"], got["put_back_recall"], got["sku_accuracy"]) == (1.0, 0.0, 1.0)
    assert got["seconds_to_receipt_median"] == 3.0
    assert (got["attribution_accuracy"], got["floor_hota"], got["box_hota"]) == (None, None, None)
