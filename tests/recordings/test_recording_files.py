"""Reading and writing recordings and truths."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.errors import RecordingError
from recordings.files import load_recording, load_truth, write_gate_scans, write_recording, write_truth
from recordings.model import GateScan, RecordedCamera, Recording, TrueInteraction, TrueLine, TrueVisit, Truth
from recordings.tables import BoxTable, FloorTable, KeypointTable
from recordings.truth import LoadedTruth
from store_layout.errors import InputError

START = dt.datetime(2026, 1, 5, 9, 0, 0, 250_000, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.fixture
def folder(tmp_path: Path, repo_dir: Path) -> Path:
    """A recording of two cameras of the small test store; the videos are files that nobody decodes."""
    layout = (repo_dir / "tests/data/small_store.yaml").read_text(encoding="utf-8")
    (tmp_path / "layout.yaml").write_text(layout, encoding="utf-8")
    cameras = tuple(RecordedCamera(id=name, video=f"{name}.mp4") for name in ("north", "west"))
    for camera in cameras:
        (tmp_path / camera.video).write_bytes(b"not looked at here")
    write_recording(tmp_path, Recording(version=1, name="shop", started_at=START, cameras=cameras))
    scans = (GateScan(gate="door", at_s=4.5, token="late"), GateScan(gate="door", at_s=1.25, token="early"))
    write_gate_scans(tmp_path / "gate_scans.yaml", scans)
    return tmp_path


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "recording.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def test_a_recording_comes_back_as_it_was_written(folder: Path) -> None:
    loaded = load_recording(folder)
    assert loaded.recording.started_at == START
    assert loaded.recording.started_at_ns == 1_767_596_400_250_000_000
    assert [scan.token for scan in loaded.scans] == ["early", "late"]
    assert loaded.paths == {"north": folder / "north.mp4", "west": folder / "west.mp4"}
    assert loaded.base_dir == folder
    assert load_recording(folder / "recording.yaml") == loaded


def test_writing_what_was_read_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    loaded = load_recording(folder)
    again = tmp_path / "again"
    write_recording(again, loaded.recording)
    write_gate_scans(again / "gate_scans.yaml", loaded.scans)
    for name in ("recording.yaml", "gate_scans.yaml"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_recording_yaml_may_have_any_name(folder: Path) -> None:
    (folder / "recording.yaml").rename(folder / "whatever.txt")
    assert load_recording(folder / "whatever.txt").recording.name == "shop"


def test_no_gate_scans_are_no_scans(folder: Path) -> None:
    (folder / "gate_scans.yaml").unlink()
    assert load_recording(folder).scans == ()
    edit(folder, gate_scans=None)
    assert load_recording(folder).scans == ()


WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        "gate scans that are named but missing",
        {"gate_scans": "scans.yaml"},
        "gate_scans: there is no file 'scans.yaml'",
    ),
    ("no layout", {"layout": "plan.yaml"}, "layout: there is no file 'plan.yaml'"),
    ("settings that are missing", {"settings": "s.yaml"}, "settings: there is no file 's.yaml'"),
    ("weights that are missing", {"weights": "w.pt"}, "weights: there is no file 'w.pt'"),
    ("an unknown key", {"layuot": "x"}, "layuot: unknown key. Mend: did you mean 'layout'?"),
    ("a time without a zone", {"started_at": "2026-01-05T09:00:00"}, "started_at: "),
    ("no camera", {"cameras": []}, "cameras: "),
    (
        "a camera that the layout has not",
        {"cameras": [{"id": "roof", "video": "north.mp4"}]},
        "cameras[0].id: there is no camera 'roof' in the layout. Mend: the layout has: north, south, west",
    ),
    (
        "two cameras with one id",
        {"cameras": [{"id": "north", "video": "north.mp4"}, {"id": "north", "video": "west.mp4"}]},
        "cameras[0].id: two cameras have the id 'north'",
    ),
    ("a missing video", {"cameras": [{"id": "west", "video": "w.mp4"}]}, "cameras[0].video: there is no file 'w.mp4'"),
    ("a time source that is not known", {"cameras": [{"id": "west", "video": "west.mp4", "times": "ntp"}]}, "times"),
]


@pytest.mark.parametrize(("changes", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_one_line(folder: Path, changes: dict[str, Any], words: str) -> None:
    edit(folder, **changes)
    with pytest.raises(RecordingError) as caught:
        load_recording(folder)
    line = str(caught.value)
    assert words in line
    assert str(folder / "recording.yaml") in line
    assert "Mend: " in line
    assert "\n" not in line


def test_a_scan_at_no_gate(folder: Path) -> None:
    write_gate_scans(folder / "gate_scans.yaml", (GateScan(gate="roof", at_s=1, token="a"),))
    with pytest.raises(RecordingError, match=r"gate_scans\.yaml: scans\[0\]\.gate: there is no gate 'roof'.*door"):
        load_recording(folder)


def test_an_empty_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recording\.yaml: does not exist"):
        load_recording(tmp_path)


def make_truth(n: int = 5) -> LoadedTruth:
    visit = TrueVisit(id="v1", token="t", scanned_at_s=0.5, persons=(1,), receipt=(TrueLine(sku="rice", quantity=2),))
    pick = TrueInteraction(kind="pick", shelf="left/low", sku="rice", visit="v1", from_s=1, to_s=2.125)
    frames, ids = np.arange(1, n + 1), np.ones(n, np.int64)
    boxes = BoxTable(frames, ids, np.arange(n * 4, dtype=np.float64).reshape(n, 4) / 4, np.full(n, 0.5))
    floor = FloorTable(frames, ids, np.arange(n * 2, dtype=np.float64).reshape(n, 2) / 16)
    points = KeypointTable(frames, ids, np.arange(n * 51, dtype=np.float64).reshape(n, 17, 3).round())
    return LoadedTruth(
        Truth(version=1, floor_fps=10, visits=(visit,), interactions=(pick,)),
        {"north": boxes},
        floor,
        {"north": points},
    )


def test_a_truth_comes_back_as_it_was_written(tmp_path: Path) -> None:
    truth = make_truth()
    write_truth(tmp_path, truth)
    back = load_truth(tmp_path)
    assert back is not None
    assert back.truth == truth.truth
    assert back.floor is not None
    assert truth.floor is not None
    np.testing.assert_array_equal(back.floor.floor_m, truth.floor.floor_m)
    for name in ("frames", "ids", "boxes_ltwh_px", "visibility"):
        np.testing.assert_array_equal(getattr(back.boxes["north"], name), getattr(truth.boxes["north"], name))
    np.testing.assert_array_equal(back.keypoints["north"].keypoints_px, truth.keypoints["north"].keypoints_px)
    write_truth(tmp_path / "again", back)
    for file in sorted((tmp_path / "truth").rglob("*.*")):
        assert (tmp_path / "again" / "truth" / file.relative_to(tmp_path / "truth")).read_bytes() == file.read_bytes()


def test_no_truth_is_none(tmp_path: Path) -> None:
    assert load_truth(tmp_path) is None


def test_a_truth_file_reads_as_the_format_says(tmp_path: Path) -> None:
    write_truth(tmp_path, make_truth(1))
    assert (tmp_path / "truth/boxes/north.txt").read_text() == "1,1,0.00,0.25,0.50,0.75,1,1,0.500\n"
    assert (tmp_path / "truth/floor.txt").read_text() == "1,1,0.0000,0.0625\n"


def test_rows_that_motchallenge_does_not_score_are_left_out(tmp_path: Path) -> None:
    write_truth(tmp_path, make_truth(1))
    rows = "2,1,0,0,5,5,1,-1,-1,-1\n1,4,0,0,5,5,0,1,1\n1,3,1,1,5,5,1,1,0.25\n"
    (tmp_path / "truth/boxes/north.txt").write_text(rows.replace(",-1,-1,-1", ",-1,-1"))
    back = load_truth(tmp_path)
    assert back is not None
    assert back.boxes["north"].ids.tolist() == [3, 1]
    assert back.boxes["north"].visibility.tolist() == [0.25, 1.0]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("truth.json", "{", "line 1"),
        ("truth.json", '{"version": 1, "visist": []}', "visist: unknown key"),
        ("truth.json", '{"version": 1}', "floor_fps: is missing, but floor.txt is there"),
        ("truth.json", '{"version": 1, "visits": [{"id": "a"}]}', r"visits\[0\]\.token: is missing"),
        (
            "truth.json",
            '{"version": 1, "interactions": [{"kind": "pick", "shelf": "g/s", "from_s": 2, "to_s": 1}]}',
            "before from_s",
        ),
        (
            "truth.json",
            '{"version": 1, "interactions": [{"kind": "pick", "shelf": "g/s", "from_s": 1, "to_s": 2, "visit": "x"}]}',
            "there is no visit 'x'",
        ),
        ("floor.txt", "1,1,2\n", "has 3 columns"),
        ("floor.txt", "1,1,two,3\n", "not a table of numbers"),
        ("floor.txt", "1,1,2,3\n1,2\n", "not a table of numbers"),
        ("floor.txt", "1,1,2,3\n1,1,2,3\n", "one id twice in one frame"),
        ("floor.txt", "0,1,2,3\n", "frame below 1"),
        ("floor.txt", "1,1,nan,3\n", "not finite"),
        ("boxes/north.txt", "1,1,2,3\n", "has 4 columns"),
        ("keypoints/north.csv", "1,1,2,3\n", "has 4 columns"),
    ],
)
def test_a_wrong_truth_is_one_line(tmp_path: Path, file: str, text: str, words: str) -> None:
    write_truth(tmp_path, make_truth())
    (tmp_path / "truth" / file).write_text(text)
    with pytest.raises(RecordingError, match=words) as caught:
        load_truth(tmp_path)
    assert "\n" not in str(caught.value)
    assert file.split("/")[-1] in str(caught.value)


def test_tables_refuse_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="boxes_ltwh_px must be float64"):
        BoxTable(np.array([1]), np.array([1]), np.zeros((1, 3)), np.ones(1))


rows = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 4), st.floats(-50, 50), st.floats(-50, 50)),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row[:2],
)


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_bytes_do_not_depend_on_the_order_of_rows(tmp_path_factory: Any, given_rows: Any, random: Any) -> None:
    def text_of(chosen: Any) -> bytes:
        base = tmp_path_factory.mktemp("truth")
        data = np.array(chosen, np.float64)
        table = FloorTable(data[:, 0].astype(np.int64), data[:, 1].astype(np.int64), data[:, 2:])
        write_truth(base, LoadedTruth(Truth(version=1, floor_fps=10), floor=table))
        back = load_truth(base)
        assert back is not None
        assert back.floor is not None
        np.testing.assert_allclose(np.sort(back.floor.floor_m, axis=0), np.sort(table.floor_m, axis=0), atol=5.1e-5)
        return bytes((base / "truth/floor.txt").read_bytes())

    shuffled = list(given_rows)
    random.shuffle(shuffled)
    assert text_of(given_rows) == text_of(shuffled)
