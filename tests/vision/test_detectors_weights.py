"""Which weights are used, and what is said of those that cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from store_layout.errors import InputError
from vision.detectors import find_weights, load_detector, rendered_people_notice
from vision.detectors.weights import BUNDLED_NAME, FETCHED_NAME, bundled_weights


def model_folder(place: Path, **metadata: object) -> Path:
    place.mkdir(parents=True)
    (place / "model.xml").write_text("<net/>")
    (place / "metadata.yaml").write_text(yaml.safe_dump({"task": "detect", "imgsz": [384, 640], **metadata}))
    return place


def test_the_order_is_option_recording_environment_fetched_bundled(tmp_path: Path) -> None:
    option, configured = model_folder(tmp_path / "option"), model_folder(tmp_path / "configured")
    environment = {"TILLFREE_WEIGHTS": str(model_folder(tmp_path / "environment"))}
    data_dir = tmp_path / "data"
    model_folder(data_dir / FETCHED_NAME)
    empty = tmp_path / "nothing fetched"

    def found(*given: Path | None, variables: dict[str, str] = environment, data: Path = data_dir) -> tuple[str, str]:
        weights = find_weights(*given, environment=variables, data_dir=data)
        return weights.origin, weights.path.name

    assert found(option, configured) == ("option", "option")
    assert found(None, configured) == ("recording", "configured")
    assert found() == ("environment", "environment")
    assert found(variables={}) == ("fetched", FETCHED_NAME)
    assert found(variables={}, data=empty) == ("bundled", BUNDLED_NAME)


def test_what_is_named_must_exist_and_is_not_passed_over(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for given, variables, field in (
        ((gone, None), {}, "--weights"),
        ((None, gone), {}, "weights"),
        ((None, None), {"TILLFREE_WEIGHTS": str(gone)}, "TILLFREE_WEIGHTS"),
    ):
        with pytest.raises(InputError, match="not found") as caught:
            find_weights(*given, environment=variables, data_dir=tmp_path)
        assert caught.value.field == field
        assert caught.value.file == str(gone)


def test_the_environments_folder_may_hold_the_model_in_a_folder_of_its_own(tmp_path: Path) -> None:
    inside = model_folder(tmp_path / "models" / "shop_openvino_model")
    variables = {"TILLFREE_WEIGHTS": str(tmp_path / "models")}
    assert find_weights(environment=variables, data_dir=tmp_path).path == inside
    model_folder(tmp_path / "models" / "another_openvino_model")
    with pytest.raises(InputError, match="must hold one model"):
        find_weights(environment=variables, data_dir=tmp_path)


def test_the_bundled_weights_are_there_small_and_say_what_they_were_trained_on() -> None:
    files = list(bundled_weights().iterdir())
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    notice = rendered_people_notice(bundled_weights(), rendered_recording=False)
    assert notice is not None
    assert "tillfree models fetch" in notice
    assert "\n" not in notice
    assert rendered_people_notice(bundled_weights(), rendered_recording=True) is None


def test_other_weights_need_no_notice(tmp_path: Path) -> None:
    assert rendered_people_notice(model_folder(tmp_path / "coco"), rendered_recording=False) is None


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "metadata.yaml").unlink(), "metadata.yaml is missing"),
        (lambda folder: (folder / "metadata.yaml").write_text("task: ["), "cannot be read as YAML"),
        (lambda folder: (folder / "metadata.yaml").write_bytes(b"\xff\xfe\x00task"), "cannot be read"),
        (lambda folder: (folder / "metadata.yaml").write_text("task: segment\nimgsz: [64, 64]\nnames: {}"), "task"),
        (lambda folder: (folder / "metadata.yaml").write_text("task: detect\nimgsz: [64, 64]\nnames: {0: cat}"), "no class 'person'"),
        (lambda folder: (folder / "model.xml").unlink(), "holds no OpenVINO model"),
        (lambda folder: (folder / "second.xml").write_text("<net/>"), "more than one"),
        (lambda folder: None, "OpenVINO cannot read the model"),
    ],
)  # fmt: skip
def test_unreadable_weights_are_told_in_one_line_with_file_and_mend(tmp_path: Path, spoil: object, says: str) -> None:
    folder = model_folder(tmp_path / "model", names={0: "person"})
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(InputError, match=says) as caught:
        load_detector(folder)
    assert str(folder) in str(caught.value)
    assert "Mend:" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_cut_off_model_file_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(bundled_weights(), folder)
    binary = next(folder.glob("*.bin"))
    binary.write_bytes(binary.read_bytes()[:1000])
    with pytest.raises(InputError, match="OpenVINO cannot read the model"):
        load_detector(folder)


def test_a_file_of_no_known_kind_is_told(tmp_path: Path) -> None:
    other = tmp_path / "weights.zip"
    other.write_bytes(b"")
    with pytest.raises(InputError, match="kind that is understood"):
        load_detector(other)
    with pytest.raises(InputError, match="not found"):
        load_detector(tmp_path / "none.pt")
