"""Reading layouts: each fault gives one line with file, field and mend."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from store_layout.checks import check_store, store_problems
from store_layout.errors import LayoutError
from store_layout.files import load_store, model_faults, read_store
from store_layout.model import Store
from store_layout.settings import ViewSettings

Data = dict[str, Any]


@pytest.fixture(scope="module")
def small(repo_dir: Path) -> Data:
    data: Data = yaml.safe_load((repo_dir / "tests/data/small_store.yaml").read_text())
    return data


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "layout.yaml"
    path.write_text(text)
    with pytest.raises(LayoutError) as caught:
        read_store(path)
    line = str(caught.value)
    assert "\n" not in line
    assert "layout.yaml" in line
    assert "Mend: " in line
    return line


def test_an_unknown_key_is_named_with_its_line_and_the_likely_one(tmp_path: Path, repo_dir: Path) -> None:
    text = (
        (repo_dir / "tests/data/small_store.yaml")
        .read_text()
        .replace("clearance_m: 0.4\n        depth_m", "clearance_m: 0.4\n        deph_m")
    )
    line = refused(tmp_path, text)
    assert "gondolas[0].shelves[1].deph_m: unknown key" in line
    assert "did you mean 'depth_m'?" in line
    number = int(line.split("layout.yaml:")[1].split(":")[0])
    assert "deph_m" in text.splitlines()[number - 1]


def test_both_branches_of_a_union_give_one_fault(tmp_path: Path, repo_dir: Path) -> None:
    text = (repo_dir / "tests/data/small_store.yaml").read_text().replace("focal_px: [405, 400]", "focal_px: wide")
    path = tmp_path / "layout.yaml"
    path.write_text(text)
    assert [fault.field for fault in model_faults(path, Store, LayoutError)] == ["cameras[2].focal_px"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1, 2", "layout.yaml:1"),
        ("a: 1\na: 2\n", "'a' is given twice"),
        ("", "holds no keys"),
        ("- 1\n- 2\n", "holds no keys"),
        ("version: 2\n", "version"),
        ("a: \x07", "is not YAML"),
        ("? [1, 2]\n: 3\n", "layout.yaml"),
    ],
)
def test_text_that_is_no_layout(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(tmp_path, text)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="there is no such file"):
        read_store(tmp_path / "none.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff\x00")
    with pytest.raises(LayoutError, match="is not a text file"):
        read_store(tmp_path / "picture.yaml")


def test_the_small_store_is_sound(repo_dir: Path) -> None:
    path = repo_dir / "tests/data/small_store.yaml"
    assert check_store(load_store(path), path.parent) == ()


def test_load_store_refuses_a_slot_without_product(tmp_path: Path, small: Data) -> None:
    data = copy.deepcopy(small)
    data["gondolas"][0]["shelves"][0]["slots"][1]["sku"] = "ryce"
    path = tmp_path / "layout.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(
        LayoutError, match=r"gondolas\[left\].shelves\[low\].slots\[b\].sku: no product has the SKU 'ryce'"
    ):
        load_store(path)


def _set(*path: str | int, value: object) -> Callable[[Data], None]:
    def change(data: Data) -> None:
        place: Any = data
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


FAULTS = {
    "camera id twice": (_set("cameras", 1, "id", value="north"), "the id 'north' is given 2 times"),
    "gondola id twice": (_set("gondolas", 1, "id", value="left"), "the id 'left' is given 2 times"),
    "shelf id twice": (_set("gondolas", 0, "shelves", 1, "id", value="low"), "the id 'low' is given 2 times"),
    "slot id twice": (_set("gondolas", 0, "shelves", 0, "slots", 1, "id", value="a"), "the id 'a' is given 2 times"),
    "sku twice": (_set("products", 1, "sku", value="oat-flakes"), "the sku 'oat-flakes' is given 2 times"),
    "tax class": (_set("products", 0, "tax_class", value="none"), "there is no tax class 'none'"),
    "slots overlap": (_set("gondolas", 0, "shelves", 0, "slots", 1, "from_m", value=0.5), "overlaps the slot 'a'"),
    "slot outside": (_set("gondolas", 0, "shelves", 0, "slots", 2, "to_m", value=1.9), "ends beyond the shelf"),
    "slot backwards": (_set("gondolas", 0, "shelves", 0, "slots", 0, "from_m", value=0.6), "is not right of from_m"),
    "shelf too high": (_set("gondolas", 1, "shelves", 1, "clearance_m", value=0.8), "ends above the gondola"),
    "shelves overlap": (_set("gondolas", 1, "shelves", 0, "clearance_m", value=0.7), "reaches into the shelf 'top'"),
    "shelf too deep": (_set("gondolas", 0, "shelves", 1, "depth_m", value=0.5), "deeper than its gondola"),
    "direction twice": (_set("cameras", 0, "yaw_deg", value=10), "must be given exactly once"),
    "no direction": (_set("cameras", 2, "pitch_deg", value=None), "must be given exactly once"),
    "zones overlap": (_set("zones", 0, "area_m", 2, value=[5, 1.5]), "overlaps zones[street]"),
    "gate off the floor": (_set("gates", 0, "line_m", 1, value=[5.5, 0.8]), "the gate is not on the floor"),
    "gondola off the floor": (_set("gondolas", 1, "front_left_m", value=[4.0, 5.55]), "does not stand on the floor"),
    "gondolas overlap": (_set("gondolas", 1, "front_left_m", value=[0.2, 2.9]), "overlaps gondolas[left]"),
    "crossed floor": (_set("floor_m", value=[[0, 0], [5, 6], [5, 0], [0, 6]]), "is not a simple polygon"),
    "principal point": (_set("cameras", 2, "principal_point_px", value=[900, 10]), "lies outside the picture"),
    "focal length": (_set("cameras", 0, "focal_px", value=-5), "focal_px must be above 0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_cross_check_finds_its_fault(small: Data, name: str) -> None:
    change, says = FAULTS[name]
    data = copy.deepcopy(small)
    change(data)
    errors = [problem for problem in store_problems(Store.model_validate(data)) if problem.severity == "error"]
    assert any(says in str(problem) for problem in errors), [str(problem) for problem in errors]
    assert all(problem.mend for problem in errors)


def test_too_many_units_for_a_slot_are_a_warning(small: Data) -> None:
    data = copy.deepcopy(small)
    data["gondolas"][0]["shelves"][0]["slots"][0]["facings"] = 9
    (problem,) = store_problems(Store.model_validate(data))
    assert problem.severity == "warning"
    assert "1.260 m wide, the slot 0.500" in problem.message


def test_a_missing_reference_picture_is_found(small: Data, tmp_path: Path) -> None:
    data = copy.deepcopy(small)
    data["products"][0]["reference_pictures"] = ["oats.png"]
    store = Store.model_validate(data)
    assert [problem.message for problem in check_store(store, tmp_path)] == ["there is no file 'oats.png'"]
    (tmp_path / "oats.png").write_bytes(b"")
    assert check_store(store, tmp_path) == ()


def test_a_shelf_that_no_camera_sees_well_enough_is_found(small: Data, tmp_path: Path) -> None:
    turned = copy.deepcopy(small)
    turned["cameras"] = [turned["cameras"][1]]
    problems = check_store(Store.model_validate(turned), tmp_path)
    assert [problem.field for problem in problems] == [
        f"gondolas[left].shelves[{name}]" for name in ("low", "middle", "top")
    ]
    sharper = check_store(Store.model_validate(small), tmp_path, ViewSettings(min_px_per_m=500))
    assert len(sharper) == 5
