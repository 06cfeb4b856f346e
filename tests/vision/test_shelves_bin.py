"""Real hands at a bin, filmed at a frame a second or less: clips/shelf-bin through `replay`, to its event log.

Of each clip only the first ten frames and their boxes are used to set it up: they give the reference
pictures. china-v1 is the test; v2 is what the methods were made on: one for detectors that box things, which is
what china-v1 is scored with, one for those that know people alone.
"""

from __future__ import annotations

import csv
import json
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from tillfree.replay import EVENTS_FILE, ReplayOptions, replay

ENROLLED_FRAMES = 10
BOXES, PEOPLE_ALONE = "yolo11n_int8_openvino_model", "yolov8n-pose_int8_openvino_model"
REACHED_F1 = 0.78
"""A floor under what was measured (0.81, docs/interactions.md); the aim of 0.85 is not reached."""
V2_REACHED_F1 = {BOXES: 0.92, PEOPLE_ALONE: 0.8}
"""The same for the clip that they were made on (0.96 and 0.84)."""
V2_SITTINGS = ((0, 22), (22, 77), (77, 117))
"""Frames of v2 between which the bin was filled anew, days or minutes apart."""
V2_UNLABELLED_HAND = 60
"""A hand and the noodles behind it have no box in this frame of v2."""

pytestmark = pytest.mark.slow

Events = list[dict[str, Any]]


@dataclass(frozen=True)
class Change:
    """One unit taken (-1) or put (+1) between two times in seconds of the file names."""

    sku: str
    sign: int
    after_s: float
    before_s: float


@pytest.fixture(scope="module")
def clips(shared_dir: Path) -> Path:
    place = shared_dir / "clips" / "shelf-bin"
    if not place.is_dir():
        pytest.skip("needs clips/shelf-bin among the shared test clips")
    return place


def boxes(frame: Path) -> list[tuple[str, int, int, int, int]]:
    """Return name, left, top, right and bottom of each box of a labelled frame."""
    found = []
    for thing in ET.parse(frame.with_suffix(".xml")).getroot().iter("object"):
        x0, y0, x1, y1 = (int(thing.findtext(f"bndbox/{side}", "0")) for side in ("xmin", "ymin", "xmax", "ymax"))
        found.append((thing.findtext("name", ""), x0, y0, x1, y1))
    return found


def time_s(frame: Path) -> float:
    return float(frame.stem.split("_")[1])


def recorded(place: Path, frames: Sequence[Path], enrolled: Sequence[Path], layout: Path) -> Path:
    """Make a recording of ``frames``, its reference pictures cut from the labelled frames ``enrolled``."""
    store = yaml.safe_load(layout.read_text(encoding="utf-8"))
    pictures: dict[str, list[str]] = {}
    (place / "frames").mkdir(parents=True)
    for frame in enrolled:
        image = cv2.imread(str(frame))
        assert image is not None
        for k, (name, x0, y0, x1, y1) in enumerate(boxes(frame)):
            pictures.setdefault(name, []).append(f"{name}-{frame.stem}-{k}.png")
            cv2.imwrite(str(place / pictures[name][-1]), image[y0:y1, x0:x1])
    for product in store["products"]:
        product["reference_pictures"] = pictures[product["sku"]]
    (place / "layout.yaml").write_text(yaml.safe_dump(store, sort_keys=False), encoding="utf-8")
    for frame in frames:
        shutil.copy(frame, place / "frames" / frame.name)
    described = {
        "version": 1,
        "name": "bin",
        "started_at": datetime.fromtimestamp(time_s(frames[0]), UTC).isoformat(),
        "gate_scans": None,
        "settings": "settings.yaml",
        "cameras": [{"id": "bin", "video": "frames", "times": "file_name"}],
    }
    shutil.copy(layout.parent / "settings.yaml", place)
    (place / "recording.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    return place


def replayed(recording: Path, weights: Path) -> Events:
    out = recording / "run"
    replay(recording, out=out, options=ReplayOptions(weights=weights))
    return [json.loads(line) for line in (out / EVENTS_FILE).read_text(encoding="utf-8").splitlines()]


def told(events: Events) -> list[tuple[float, str, int]]:
    """Return for each unit told its time, the middle of the interaction, its product and its sign."""
    return [
        (
            (each["opened_at_ns"] + each["closed_at_ns"]) / 2e9,
            each["sku_candidates"][0]["sku"],
            1 if each["change"] > 0 else -1,
        )
        for each in events
        if each["event"] == "Interaction"
        for _ in range(abs(each["change"] or 0))
    ]


def hits(found: Sequence[tuple[float, str, int]], truth: Sequence[Change]) -> int:
    """Return how many told units can be given each a true one of its product and kind, in its time plus a second."""
    fits = [
        [(one.sku, one.sign) == (sku, sign) and one.after_s - 0.05 <= at_s <= one.before_s + 1.0 for one in truth]
        for at_s, sku, sign in found
    ]
    if not found or not truth:
        return 0
    # The most pairs that there are: first come, first served would depend on the order in which changes are told.
    matched = maximum_bipartite_matching(csr_array(np.array(fits, np.bool_)), perm_type="column")
    return int((matched >= 0).sum())


def china_truth(clips: Path) -> list[Change]:
    """Return the clip's own list; its times count from the first frame."""
    with (clips / "china-v1-events.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    start_s = time_s(min((clips / "china-v1").glob("*.jpg")))
    return [
        Change(
            row["product"],
            1 if row["action"] == "put" else -1,
            start_s + float(row["t_before"]),
            start_s + float(row["t_after"]),
        )
        for row in rows
        for _ in range(int(row["count"]))
    ]


def is_clear(frame: Path) -> bool:
    return all(name != "hand" for name, *_ in boxes(frame))


def labelled_truth(frames: Sequence[Path]) -> list[Change]:
    """Return what the boxes say changed from one frame without a hand to the next."""
    found: list[Change] = []
    before_s = 0.0
    before: Counter[str] | None = None
    for frame in frames:
        counts = Counter(name for name, *_ in boxes(frame))
        if counts["hand"]:
            continue
        if before is not None:
            for sku in sorted(counts | before):
                more = counts[sku] - before[sku]
                found += [Change(sku, 1 if more > 0 else -1, before_s, time_s(frame))] * abs(more)
        before_s, before = time_s(frame), counts
    return found


@pytest.mark.parametrize("model", [BOXES, PEOPLE_ALONE])
def test_takes_and_puts_of_the_clip_it_was_made_on(
    model: str, repo_dir: Path, shared_dir: Path, clips: Path, tmp_path: Path
) -> None:
    weights = shared_dir / "models" / model
    frames = sorted((clips / "v2").glob("*.jpg"))
    enrolled = [frame for frame in frames[:ENROLLED_FRAMES] if is_clear(frame)]
    matched = claimed = true = 0
    for first, end in V2_SITTINGS:
        sitting = frames[first:end]
        place = recorded(tmp_path / str(first), sitting, enrolled, repo_dir / "tests/data/shelf_bin/layout_v2.yaml")
        truth = labelled_truth([frame for frame in sitting if frame != frames[V2_UNLABELLED_HAND]])
        # What happens after the last frame without a hand is in no list.
        end_s = max(time_s(frame) for frame in sitting if is_clear(frame) and frame != frames[V2_UNLABELLED_HAND])
        found = [each for each in told(replayed(place, weights)) if each[0] < end_s]
        matched, claimed, true = matched + hits(found, truth), claimed + len(found), true + len(truth)
    assert 2 * matched / (claimed + true) >= V2_REACHED_F1[model], f"{matched} of {claimed} told are among {true} true"


def test_takes_and_puts_of_a_clip_it_never_saw(repo_dir: Path, shared_dir: Path, clips: Path, tmp_path: Path) -> None:
    frames = sorted((clips / "china-v1").glob("*.jpg"))
    place = recorded(tmp_path / "bin", frames, frames[:ENROLLED_FRAMES], repo_dir / "tests/data/shelf_bin/layout.yaml")
    events = replayed(place, shared_dir / "models" / BOXES)
    assert not {each["event"] for each in events} & {"VisitOpened", "ReceiptDrafted", "ReceiptFinalised", "Charge"}
    truth, found = china_truth(clips), told(events)
    matched = hits(found, truth)
    assert 2 * matched / (len(found) + len(truth)) >= REACHED_F1, (
        f"{matched} of {len(found)} told are among {len(truth)} true"
    )
