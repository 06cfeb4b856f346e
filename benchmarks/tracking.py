"""Our per-camera tracker beside three others on the same detections: HOTA, IDF1, MOTA and identity switches.

    python benchmarks/tracking.py --shared ../shared --json tracking.json

Detections come from one detector, once; every tracker gets the same boxes and scores, and runs
with the settings it ships with. Scores are trackeval's. Boxes overlap a true one from 0.5 up.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from trackeval.metrics import CLEAR, HOTA, Identity

from vision.detectors import DetectorSettings, load_detector
from vision.tracking import TrackingSettings, make_tracker
from vision.tracking.association import overlap
from vision.types import F64, I64, Detections, Frame

Rows = tuple[I64, F64]
"""Ids (N,) and boxes (N, 4) of one frame."""
MODEL = "models/yolo11n_int8_openvino_model"


@dataclass(frozen=True)
class Clip:
    """A film with MOTChallenge truth."""

    name: str
    pictures: str
    truth: str
    fps: float


CLIPS = (
    Clip("pets09-s2l1", "clips/pets09-s2l1/vtest.avi", "clips/pets09-s2l1/gt.txt", 10),
    Clip("tud-campus", "clips/tud-campus/img1", "clips/tud-campus/gt/gt.txt", 25),
)


def main() -> None:
    """Run all trackers on all clips, print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of shared test material")
    parser.add_argument("--weights", type=Path, help=f"detector weights (default: {MODEL} in the shared folder)")
    parser.add_argument("--json", type=Path, help="write the table here")
    options = parser.parse_args()
    table = {}
    for clip in CLIPS:
        found, pictures = detections_of(clip, options.shared, options.weights or options.shared / MODEL)
        truth = truth_of(options.shared / clip.truth, len(found))
        table[clip.name] = {name: measured(run, truth) for name, run in trackers_for(clip, found, pictures)}
        print_table(clip.name, table[clip.name])
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def pictures_of(path: Path) -> Iterator[np.ndarray]:
    """Yield the pictures of a film, or of a folder in name order."""
    if path.is_dir():
        yield from (cv2.imread(str(each)) for each in sorted(path.iterdir()))
        return
    film = cv2.VideoCapture(str(path))
    while True:
        more, picture = film.read()
        if not more:
            return
        yield picture


def detections_of(clip: Clip, shared: Path, weights: Path) -> tuple[list[Detections], list[np.ndarray]]:
    """Return the people found in every picture, and the pictures."""
    detector = load_detector(weights, DetectorSettings())
    pictures = list(pictures_of(shared / clip.pictures))
    found: list[Detections] = []
    for index, picture in enumerate(pictures):
        found += detector.detect([Frame(clip.name, index, round(index * 1e9 / clip.fps), picture)])
    return found, pictures


def truth_of(path: Path, frames: int) -> list[Rows]:
    """Read MOTChallenge truth: frame from 1, id, left, top, width, height."""
    rows = np.loadtxt(path, delimiter=",")
    result = []
    for index in range(frames):
        here = rows[rows[:, 0] == index + 1]
        result.append(
            (here[:, 1].astype(np.int64), np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], axis=1))
        )
    return result


def trackers_for(
    clip: Clip, found: Sequence[Detections], pictures: Sequence[np.ndarray]
) -> Iterable[tuple[str, Callable[[], list[Rows]]]]:
    """Yield name and run of every tracker."""
    plain = [replace(each, appearance=None) for each in found]
    yield "tillfree", lambda: ours(found, clip.fps, TrackingSettings())
    yield "tillfree, boxes alone", lambda: ours(plain, clip.fps, TrackingSettings())
    yield "ultralytics ByteTrack", lambda: ultralytics("bytetrack", found, pictures)
    yield "ultralytics BoT-SORT", lambda: ultralytics("botsort", found, pictures)
    yield "ultralytics BoT-SORT, no camera motion", lambda: ultralytics("botsort", found, pictures, gmc_method="none")
    yield "Roboflow ByteTrack", lambda: roboflow(found, clip.fps)


def ours(found: Sequence[Detections], fps: float, settings: TrackingSettings) -> list[Rows]:
    """Run the tracker behind our port."""
    tracker = make_tracker(settings, fps)
    every = [tracker.update(each) for each in found]
    return [(tracks.track_ids, tracks.detections.boxes_xyxy_px.astype(np.float64)) for tracks in every]


def ultralytics(kind: str, found: Sequence[Detections], pictures: Sequence[np.ndarray], **changes: Any) -> list[Rows]:
    """Run a tracker of ultralytics with its own settings."""
    from ultralytics.engine.results import Boxes
    from ultralytics.trackers.bot_sort import BOTSORT
    from ultralytics.trackers.byte_tracker import BYTETracker
    from ultralytics.utils import YAML, IterableSimpleNamespace
    from ultralytics.utils.checks import check_yaml

    settings = IterableSimpleNamespace(**{**YAML.load(check_yaml(f"{kind}.yaml")), **changes})
    tracker = {"bytetrack": BYTETracker, "botsort": BOTSORT}[kind](settings)
    result = []
    for each, picture in zip(found, pictures, strict=True):
        columns = [each.boxes_xyxy_px, each.scores[:, None], np.zeros((len(each), 1), np.float32)]
        rows = tracker.update(Boxes(np.concatenate(columns, axis=1), picture.shape[:2]), picture).reshape(-1, 8)
        result.append((rows[:, 4].astype(np.int64), rows[:, :4].astype(np.float64)))
    return result


def roboflow(found: Sequence[Detections], fps: float) -> list[Rows]:
    """Run Roboflow's ByteTrack with its own settings."""
    import supervision
    from trackers import ByteTrackTracker

    tracker = ByteTrackTracker(frame_rate=fps)
    result = []
    for each in found:
        classes = np.zeros(len(each), np.int64)
        rows = tracker.update(supervision.Detections(xyxy=each.boxes_xyxy_px, confidence=each.scores, class_id=classes))
        tracked = rows.tracker_id >= 0
        result.append((rows.tracker_id[tracked].astype(np.int64), rows.xyxy[tracked].astype(np.float64)))
    return result


def measured(run: Callable[[], list[Rows]], truth: Sequence[Rows]) -> dict[str, float]:
    """Return scores in percent, counts, and milliseconds a frame."""
    started = time.perf_counter()
    given = run()
    ms = 1000 * (time.perf_counter() - started) / len(given)
    data = trackeval_data(truth, given)
    hota = HOTA().eval_sequence(data)
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    return {
        "hota": round(100 * float(np.mean(hota["HOTA"])), 2),
        "idf1": round(100 * float(identity["IDF1"]), 2),
        "mota": round(100 * float(clear["MOTA"]), 2),
        "identity_switches": int(clear["IDSW"]),
        "identities": int(data["num_tracker_ids"]),
        "true_identities": int(data["num_gt_ids"]),
        "ms_per_frame": round(ms, 2),
    }


def trackeval_data(truth: Sequence[Rows], given: Sequence[Rows]) -> dict[str, Any]:
    """Return what trackeval's metrics read: ids from 0 and the overlaps of every frame."""
    true_ids, given_ids = (np.unique(np.concatenate([ids for ids, _ in rows])) for rows in (truth, given))
    return {
        "num_timesteps": len(truth),
        "num_gt_ids": len(true_ids),
        "num_tracker_ids": len(given_ids),
        "num_gt_dets": sum(len(ids) for ids, _ in truth),
        "num_tracker_dets": sum(len(ids) for ids, _ in given),
        "gt_ids": [np.searchsorted(true_ids, ids) for ids, _ in truth],
        "tracker_ids": [np.searchsorted(given_ids, ids) for ids, _ in given],
        "similarity_scores": [overlap(a, b) for (_, a), (_, b) in zip(truth, given, strict=True)],
    }


def print_table(clip: str, scores: dict[str, dict[str, float]]) -> None:
    """Print one clip's table in Markdown."""
    print(
        f"\n{clip}\n\n| tracker | HOTA | IDF1 | MOTA | switches | identities (true) | ms a frame |\n|---|---|---|---|---|---|---|"
    )
    for name, row in scores.items():
        print(
            f"| {name} | {row['hota']:.2f} | {row['idf1']:.2f} | {row['mota']:.2f} | {row['identity_switches']} "
            f"| {row['identities']} ({row['true_identities']}) | {row['ms_per_frame']:.2f} |"
        )


if __name__ == "__main__":
    main()
