"""How many of the faces that the truth says are seen clips hide, and how much of the picture they hide for it.

    python benchmarks/heads.py sample_videos/*/

Looks at every picture, and at every tenth as a machine that is far too slow would.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recordings.files import load_recording
from tillfree.live.evidence_settings import HeadSettings
from tillfree.live.heads import HeadFinder
from tillfree.sources.video import CameraSource, camera_sources, frames
from vision.detectors import Detector, find_weights, load_detector
from vision.types import Detections

EVERY = (1, 10)
FACE_POINTS = 5
SEEN = 2


def faces_of(path: Path, size_px: tuple[int, int]) -> dict[int, list[tuple[int, int]]]:
    """Return noses, eyes and ears that are seen, by the index of their picture."""
    found: dict[int, list[tuple[int, int]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.reader(file):
            points = np.array(row[2:], float).reshape(-1, 3)[:FACE_POINTS]
            inside = [
                (int(x), int(y))
                for x, y, seen in points
                if seen == SEEN and 0 <= x < size_px[0] and 0 <= y < size_px[1]
            ]
            found.setdefault(int(row[0]) - 1, []).extend(inside)
    return found


def score(
    looks: Sequence[Detections], faces: dict[int, list[tuple[int, int]]], size_px: tuple[int, int], every: int
) -> tuple[int, int, float]:
    """Return face points, those hidden, and the sum of hidden shares of the pictures."""
    finder = HeadFinder(looks[::every], size_px, HeadSettings())
    points, covered, share = 0, 0, 0.0
    for look in looks:
        hidden = np.zeros((size_px[1], size_px[0]), np.bool_)
        for left, top, right, bottom in finder.boxes_px(look.captured_at_ns, size_px):
            hidden[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        seen = faces.get(look.frame_index, [])
        points, covered = points + len(seen), covered + sum(bool(hidden[y, x]) for x, y in seen)
        share += float(hidden.mean())
    return points, covered, share


def of_camera(folder: Path, source: CameraSource, detector: Detector) -> list[tuple[int, int, float, int]]:
    """Return the scores of a camera for each of EVERY, with the number of pictures."""
    faces = faces_of(folder / "truth" / "keypoints" / f"{source.camera_id}.csv", source.resolution_px)
    looks = [found for _, found in detector.detect_each(frames(source), 8)]
    return [(*score(looks, faces, source.resolution_px, every), len(looks)) for every in EVERY]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+", type=Path)
    detector = load_detector(find_weights().path)
    print("| recording | faces seen | hidden | of the picture | a look in ten: hidden | of the picture |")
    print("|---|---|---|---|---|---|")
    for folder in parser.parse_args().recordings:
        if (folder / "recording.yaml").is_file():
            scores = np.array([of_camera(folder, each, detector) for each in camera_sources(load_recording(folder))])
            points, covered, share, pictures = scores.sum(axis=0).T
            cells = [f"{covered[k] / points[k]:.3f} | {share[k] / pictures[k]:.3f}" for k in range(len(EVERY))]
            print(f"| {folder.name} | {points[0]:.0f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
