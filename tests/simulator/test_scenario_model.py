from pathlib import Path

import pytest
import yaml

from simulator.scenario.errors import ScenarioError
from simulator.scenario.files import load_scenario
from simulator.scenario.model import Scenario, Wait

SAMPLES = ("one-shopper", "put-back", "two-shelves", "same-shelf", "wrong-shelf", "four-crossing")

GOOD = {
    "version": 1,
    "name": "small",
    "layout": "layout.yaml",
    "seed": 1,
    "duration_s": 30,
    "shoppers": [
        {"id": "ann", "token": "t", "script": [{"enter": {"gate": "main", "at_s": 0}}, {"leave": {"gate": "main"}}]}
    ],
}


def write(tmp_path: Path, repo_dir: Path, change) -> Path:
    document = yaml.safe_load(yaml.safe_dump(GOOD))
    document["layout"] = str(repo_dir / "sample_videos" / "store" / "layout.yaml")
    change(document)
    file = tmp_path / "scenario.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_scenario_fits_its_store(repo_dir: Path, name: str) -> None:
    loaded = load_scenario(repo_dir / "sample_videos" / name / "scenario.yaml")
    assert loaded.scenario.name == name
    assert len(loaded.store.cameras) == 4


def script_with(step):
    def change(document):
        document["shoppers"][0]["script"].insert(1, step)

    return change


def set_key(*path, value):
    def change(document):
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = value

    return change


WRONG = {
    "unknown key": (set_key("colour", value="red"), "unknown key"),
    "unknown option": (script_with({"pick": {"slot": "drinks/high/s1", "fast": True}}), "unknown key"),
    "no such slot": (script_with({"pick": {"slot": "drinks/high/s9"}}), "no slot 'drinks/high/s9'"),
    "no such gate": (set_key("shoppers", 0, "script", 1, value={"leave": {"gate": "back"}}), "no gate 'back'"),
    "two actions": (script_with({"wait": {"for_s": 1}, "mark": "here"}), "exactly one action"),
    "mark nobody sets": (script_with({"wait": {"mark": "never"}}), "which no script sets"),
    "hands over to nobody": (script_with({"hand_over": {"to": "bob"}}), "no other shopper"),
    "no token": (set_key("shoppers", 0, "token", value=None), "give a token"),
    "leaves first": (script_with({"leave": {"gate": "main"}}), "leave comes last"),
    "no layout": (set_key("layout", value="nowhere.yaml"), "no layout"),
    "gap in no slot": (set_key("stock", value={"gaps": [{"slot": "a/b/c"}]}), "no slot 'a/b/c'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_scenario_gives_one_line_that_says_why(tmp_path: Path, repo_dir: Path, case: str) -> None:
    change, words = WRONG[case]
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(tmp_path, repo_dir, change))
    line = str(caught.value)
    assert words in line
    assert "scenario.yaml" in line
    assert "\n" not in line
    assert caught.value.exit_code == 2


def test_a_step_knows_its_action() -> None:
    scenario = Scenario.model_validate(
        {**GOOD, "shoppers": [{**GOOD["shoppers"][0], "script": [GOOD["shoppers"][0]["script"][0], {"mark": "m"}]}]}
    )
    assert scenario.shoppers[0].script[1].action == "m"
    assert isinstance(Wait(for_s=1.0).for_s, float)
