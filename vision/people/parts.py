"""Bodies that a detector without skeletons found in two parts, joined where the camera says that both make one upright person.

Networks box the upper and the lower half of somebody apart who is seen steeply from above, near the camera. Either half is
too short for a body where it stands, and both together are as tall as people are. Two people one behind the other are not
joined: the nearer one is tall enough alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from store_layout.cameras import CameraModel
from store_layout.model import Strict
from vision.types import F32, Detections

Box = Sequence[float]


class PartsSettings(Strict):
    """When two boxes are one body. Part of a tape's fingerprint."""

    use: bool = Field(default=True, description="join bodies that were found in two parts")
    lowest_m: float = Field(
        default=1.5, ge=0.8, le=2.0, description="height from which on two boxes together are a whole body (m)"
    )
    highest_m: float = Field(
        default=1.95, ge=1.2, le=2.5, description="and up to which: mean of adults and two standard deviations (m)"
    )
    part_m: float = Field(
        default=1.42,
        ge=0.5,
        le=1.7,
        description="a lower box that is this tall by itself is somebody who is there alone (m); halves are up to 1.4",
    )
    across: float = Field(
        default=0.6, gt=0, le=1, description="share of the narrower box's width that both boxes have in common"
    )
    apart: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of the whole height that may lie between the boxes, found in neither",
    )
    stagger: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="share of its height by which the lower box begins and ends below the upper one",
    )
    same_hand: float = Field(
        default=0.08,
        ge=0,
        le=1,
        description="hands of both parts nearer than this share of the whole height are one hand",
    )


class BodyParts:
    """Joins the parts of bodies in one camera's detections."""

    def __init__(self, camera: CameraModel, settings: PartsSettings) -> None:
        self._camera, self._settings = camera, settings

    def join(self, found: Detections) -> Detections:
        """Return ``found`` with each body in two parts as one: the box around both, the better score, and the surest hands.

        Detections with skeletons are returned as they are.
        """
        if len(found) < 2 or not self._settings.use or found.keypoints_px is not None:
            return found
        boxes = found.boxes_xyxy_px.astype(np.float64).tolist()
        pairs = [(u, w) for u in range(len(boxes)) for w in range(len(boxes)) if self._may_be_one(boxes[u], boxes[w])]
        joined = self._chosen(boxes, pairs) if pairs else []
        return _joined(found, joined, self._settings.same_hand) if joined else found

    def _may_be_one(self, upper: Box, lower: Box) -> bool:
        """Tell whether ``lower`` may go on where ``upper`` ends, as they lie in the picture."""
        settings = self._settings
        drop = settings.stagger
        if lower[1] - upper[1] <= drop * (lower[3] - lower[1]) or lower[3] - upper[3] <= drop * (upper[3] - upper[1]):
            return False
        common = min(upper[2], lower[2]) - max(upper[0], lower[0])
        narrow = min(upper[2] - upper[0], lower[2] - lower[0])
        return common >= settings.across * narrow and lower[1] - upper[3] <= settings.apart * (lower[3] - upper[1])

    def _chosen(self, boxes: Sequence[Box], pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the pairs that make one body each, the likeliest first; a box is of one pair at most."""
        wholes = [_around(boxes[upper], boxes[lower]) for upper, lower in pairs]
        tall_m = self._heights_m([*wholes, *(boxes[lower] for _, lower in pairs)])
        settings = self._settings
        middle_m = (settings.lowest_m + settings.highest_m) / 2
        fitting = sorted(
            (abs(whole_m - middle_m), pair)
            for pair, whole_m, lower_m in zip(pairs, tall_m, tall_m[len(pairs) :], strict=False)
            if settings.lowest_m <= whole_m <= settings.highest_m and lower_m < settings.part_m
        )
        chosen: list[tuple[int, int]] = []
        for _, pair in fitting:
            if not any(row in pair for other in chosen for row in other):
                chosen.append(pair)
        return chosen

    def _heights_m(self, boxes: Sequence[Box]) -> list[float]:
        """Return how high above the floor the top of each box is, if its bottom is where somebody stands; NaN if unknown."""
        feet = [((x0 + x1) / 2, y1) for x0, _, x1, y1 in boxes]
        heads = [((x0 + x1) / 2, y0) for x0, y0, x1, _ in boxes]
        eye, rays = self._camera.rays(np.array([*feet, *heads]))
        down, up = rays[: len(boxes)], rays[len(boxes) :]
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(down[:, 2] < 0, -eye[2] / down[:, 2], np.nan)
            away = reach[:, None] * down[:, :2]
            share = (away * up[:, :2]).sum(axis=1) / (up[:, :2] ** 2).sum(axis=1)
            tall: list[float] = (eye[2] + share * up[:, 2]).tolist()
        return tall


def _around(a: Box, b: Box) -> Box:
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))


def _joined(found: Detections, pairs: list[tuple[int, int]], same_hand: float) -> Detections:
    boxes, scores, hands = found.boxes_xyxy_px.copy(), found.scores.copy(), found.hands_px.copy()
    for upper, lower in pairs:
        boxes[upper] = _around(boxes[upper].tolist(), boxes[lower].tolist())
        scores[upper] = max(scores[upper], scores[lower])
        near_px = same_hand * float(boxes[upper, 3] - boxes[upper, 1])
        hands[upper] = _surest(np.concatenate([hands[upper], hands[lower]]), near_px)
    kept = np.setdiff1d(np.arange(len(found)), [lower for _, lower in pairs])
    rows = kept[np.argsort(-scores[kept], kind="stable")]
    return Detections(
        found.camera_id, found.frame_index, found.captured_at_ns, boxes[rows], scores[rows], hands[rows],
        things_px=found.things_px,
    )  # fmt: skip


def _surest(hands: F32, near_px: float) -> F32:
    """Return the two surest (2, 3) of several hands (N, 3), counting such as lie ``near_px`` to a surer one as that one."""
    chosen: list[F32] = []
    for row in np.argsort(-hands[:, 2], kind="stable").tolist():
        x, y, sure = hands[row].tolist()
        if sure > 0 and len(chosen) < 2 and all(np.hypot(x - a, y - b) > near_px for a, b, _ in chosen):
            chosen.append(hands[row])
    unseen = np.array([np.nan, np.nan, 0], np.float32)
    return np.stack([*chosen, unseen, unseen][:2])
