"""Lines of sight to the hands that all cameras see, with those to their shoulders."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from store_layout.model import Point3
from vision.people.hands import HandRay
from vision.people.settings import HandSettings3D
from vision.people.sightings import FloorViews
from vision.types import F32, F64, I64, Detections, Tracks

LEFT_SHOULDER = 5
"""Row of COCO's 17 keypoints; the right shoulder is the next."""


def hand_rays(
    tracks: Sequence[Tracks], views: FloorViews, settings: HandSettings3D
) -> dict[tuple[str, int], list[HandRay]]:
    """Return the rays to all hands that the cameras see, by camera and row of its tracks."""
    result: dict[tuple[str, int], list[HandRay]] = {}
    found = [each.detections for each in tracks if len(each)]
    if not found:
        return result
    counts = [len(each) for each in found]
    hands = np.concatenate([each.hands_px for each in found]).astype(np.float64)
    rows, sides = np.nonzero(hands[:, :, 2] >= settings.minimum_confidence)
    if len(rows) == 0:
        return result
    shoulders = np.concatenate([_shoulders(each) for each in found]).astype(np.float64)[rows, sides]
    which = np.repeat(np.array([views.places[each.camera_id] for each in found], np.int64), counts)[rows]
    directions, to_shoulders = _directions(hands[rows, sides], shoulders, which, views, settings.shoulder_confidence)
    keys = [(each.camera_id, row) for each, n in zip(found, counts, strict=True) for row in range(n)]
    origins, confidences = views.rig.positions_m[which].tolist(), hands[rows, sides, 2].tolist()
    for k, (row, side) in enumerate(zip(rows.tolist(), sides.tolist(), strict=True)):
        direction, (x, y, z) = directions[k], origins[k]
        if direction is not None:
            ray = HandRay(keys[row][0], side, (x, y, z), direction, confidences[k], to_shoulders[k])
            result.setdefault(keys[row], []).append(ray)
    return result


def _directions(
    hands: F64, shoulders: F64, which: I64, views: FloorViews, confidence: float
) -> tuple[list[Point3 | None], list[Point3 | None]]:
    """Return the directions to hands and to their shoulders, both pixels and confidence (K, 3); None where unknown."""
    sure = np.flatnonzero(shoulders[:, 2] >= confidence)
    pixels = np.concatenate([hands[:, :2], shoulders[sure, :2]])
    found = _points(views.rig.rays(np.concatenate([which, which[sure]]), pixels))
    to_shoulders: list[Point3 | None] = [None] * len(hands)
    for place, direction in zip(sure.tolist(), found[len(hands) :], strict=True):
        to_shoulders[place] = direction
    return found[: len(hands)], to_shoulders


def _points(rows: F64) -> list[Point3 | None]:
    return [(x, y, z) if math.isfinite(x + y + z) else None for x, y, z in rows.tolist()]


def _shoulders(found: Detections) -> F32:
    """Return (N, 2, 3) the shoulders' pixels and confidence, NaN where the detector gives no skeleton."""
    if found.keypoints_px is None:
        return np.full((len(found), 2, 3), np.nan, np.float32)
    return found.keypoints_px[:, LEFT_SHOULDER : LEFT_SHOULDER + 2]
