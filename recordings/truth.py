"""Reading and writing a recording's truth: truth.json and the tables beside it.

Nothing but the evaluation, the reports that show it, the simulator that makes it and the dashboard's page that labels it may
call this; a test replays a recording without its truth folder and gets the same events.
Writers give the same bytes for the same data: fixed key order, fixed decimals, Unix line ends.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recordings.errors import wrong
from recordings.model import Truth
from recordings.reading import read_json, read_text
from recordings.tables import F64, BoxTable, FloorTable, KeypointTable

TRUTH_FOLDER = "truth"
TRUTH_FILE = "truth.json"
FLOOR_FILE = "floor.txt"
KEYPOINTS = 17
# left, top, width and height to a hundredth of a pixel: finer than any camera resolves
BOX_FORMAT = ("%d", "%d", "%.2f", "%.2f", "%.2f", "%.2f", "%d", "%d", "%.3f")
FLOOR_FORMAT = ("%d", "%d", "%.4f", "%.4f")
KEYPOINT_FORMAT = ("%d", "%d", *(("%.2f", "%.2f", "%d") * KEYPOINTS))


@dataclass(frozen=True, slots=True)
class LoadedTruth:
    """A truth with its tables; a table that the recording does not have is missing, not empty."""

    truth: Truth
    boxes: Mapping[str, BoxTable] = field(default_factory=dict)
    floor: FloorTable | None = None
    keypoints: Mapping[str, KeypointTable] = field(default_factory=dict)


def load_truth(base_dir: Path) -> LoadedTruth | None:
    """Read the truth of the recording in ``base_dir``, or None where it has none.

    Raises RecordingError with file, field and mend for whatever does not fit recordings.model.Truth
    or the table formats named there.
    """
    truth = load_truth_file(base_dir)
    if truth is None:
        return None
    folder = base_dir / TRUTH_FOLDER
    file = folder / TRUTH_FILE
    floor = _read_floor(folder / FLOOR_FILE) if (folder / FLOOR_FILE).is_file() else None
    if floor is not None and truth.floor_fps is None:
        raise wrong(file, "floor_fps", f"is missing, but {FLOOR_FILE} is there", "add the rate of its frames")
    boxes = {path.stem: _read_boxes(path) for path in sorted((folder / "boxes").glob("*.txt"))}
    keypoints = {path.stem: _read_keypoints(path) for path in sorted((folder / "keypoints").glob("*.csv"))}
    return LoadedTruth(truth, boxes, floor, keypoints)


def load_truth_file(base_dir: Path) -> Truth | None:
    """Read truth.json alone, or None where there is none. Raises RecordingError."""
    file = base_dir / TRUTH_FOLDER / TRUTH_FILE
    if not file.is_file():
        return None
    truth = read_json(file, Truth)
    _check_references(file, truth)
    return truth


def write_truth(base_dir: Path, loaded: LoadedTruth) -> None:
    """Write ``loaded`` into ``base_dir``/truth, the same bytes for the same truth."""
    folder = base_dir / TRUTH_FOLDER
    write_truth_file(base_dir, loaded.truth)
    for camera_id, boxes in sorted(loaded.boxes.items()):
        n = len(boxes)
        columns = (boxes.frames, boxes.ids, boxes.boxes_ltwh_px, np.ones((n, 2)), boxes.visibility)
        _write_table(folder / "boxes" / f"{camera_id}.txt", np.column_stack(columns).astype(np.float64), BOX_FORMAT)
    if loaded.floor is not None:
        rows = np.column_stack((loaded.floor.frames, loaded.floor.ids, loaded.floor.floor_m)).astype(np.float64)
        _write_table(folder / FLOOR_FILE, rows, FLOOR_FORMAT)
    for camera_id, points in sorted(loaded.keypoints.items()):
        flat = points.keypoints_px.reshape(len(points), KEYPOINTS * 3)
        rows = np.column_stack((points.frames, points.ids, flat)).astype(np.float64)
        _write_table(folder / "keypoints" / f"{camera_id}.csv", rows, KEYPOINT_FORMAT)


def write_truth_file(base_dir: Path, truth: Truth) -> Path:
    """Write truth.json alone and return its path; whoever reads meanwhile finds the old file or the new one, whole."""
    file = base_dir / TRUTH_FOLDER / TRUTH_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {"version": truth.version, **truth.model_dump(mode="json", exclude_defaults=True)}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    fresh = file.with_suffix(".new")
    fresh.write_text(text + "\n", encoding="utf-8", newline="\n")
    fresh.replace(file)
    return file


def _check_references(file: Path, truth: Truth) -> None:
    visits = {visit.id for visit in truth.visits}
    if len(visits) != len(truth.visits):
        raise wrong(file, "visits", "has two visits with one id", "give each its own")
    for index, done in enumerate(truth.interactions):
        where = f"interactions[{index}]"
        if done.to_s < done.from_s:
            raise wrong(file, f"{where}.to_s", f"{done.to_s} is before from_s", "swap the two")
        if done.visit is not None and done.visit not in visits:
            raise wrong(file, f"{where}.visit", f"there is no visit '{done.visit}'", "name one of visits")
        if done.provenance == "proposed" and truth.interactions_known:
            mend = "confirm it, or write interactions_known: false"
            raise wrong(file, f"{where}.provenance", "is the pipeline's own proposal, which nobody confirmed", mend)


def _read_table(file: Path, columns: int) -> F64:
    """Return the numbers of a comma-separated file as (N, ``columns``) float64, sorted by the first two columns."""
    text = read_text(file)
    if not text.strip():
        return np.zeros((0, columns))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rows = np.loadtxt(text.splitlines(), delimiter=",", ndmin=2, dtype=np.float64)
    except (ValueError, UserWarning) as error:
        raise wrong(file, None, f"is not a table of numbers: {error}", "mend that row") from error
    if rows.shape[1] < columns:
        raise wrong(file, None, f"has {rows.shape[1]} columns", f"it needs {columns}, see docs/recordings.md")
    rows = rows[:, :columns]
    _check_keys(file, rows)
    ordered: F64 = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return ordered


def _check_keys(file: Path, rows: F64) -> None:
    if not np.all(np.isfinite(rows)):
        raise wrong(file, None, "holds a number that is not finite", "leave such rows out")
    if np.any(rows[:, 0] < 1):
        raise wrong(file, "column 1", "holds a frame below 1", "count frames from 1")
    if len(np.unique(rows[:, :2], axis=0)) != len(rows):
        raise wrong(file, "columns 1 and 2", "hold one id twice in one frame", "keep one row of each")


def _read_boxes(file: Path) -> BoxTable:
    rows = _read_table(file, 9)
    # MOTChallenge: a 0 in column 7 marks a row not to be scored; -1 in column 9 an unknown visibility
    rows = rows[rows[:, 6] != 0]
    visibility = np.where(rows[:, 8] < 0, 1.0, rows[:, 8])
    return BoxTable(_whole(rows[:, 0]), _whole(rows[:, 1]), rows[:, 2:6], visibility)


def _read_floor(file: Path) -> FloorTable:
    rows = _read_table(file, 4)
    return FloorTable(_whole(rows[:, 0]), _whole(rows[:, 1]), rows[:, 2:4])


def _read_keypoints(file: Path) -> KeypointTable:
    rows = _read_table(file, 2 + KEYPOINTS * 3)
    return KeypointTable(_whole(rows[:, 0]), _whole(rows[:, 1]), rows[:, 2:].reshape(-1, KEYPOINTS, 3))


def _whole(column: F64) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return column.astype(np.int64)


def _write_table(file: Path, rows: F64, formats: tuple[str, ...]) -> None:
    """Write ``rows`` (N, len(formats)) sorted by their first two columns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # adding 0 turns -0.0 into 0.0, so that a sign without meaning does not change the bytes
    ordered = rows[np.lexsort((rows[:, 1], rows[:, 0]))] + 0.0
    line = ",".join(formats)
    lines = [line % tuple(row) for row in ordered.tolist()]
    file.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8", newline="\n")
