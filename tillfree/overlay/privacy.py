"""Heads made unrecognisable before a picture is kept.

The head is where a skeleton has its face, or the top of a person's box. It is pixelated to a
few coarse cells rather than blurred, since a blur can be undone in part (Hill et al. 2016).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.types import U8, Detections

_CELLS = 4
_HEAD_SHARE = 0.17
"""Height of the head with a margin as a share of the body: about one seventh (Drillis and Contini 1964: 0.130)."""
_FACE_KEYPOINTS = 5
_SEEN = 0.4


def hide_heads(image: U8, detections: Detections, score_min: float = 0.2) -> U8:
    """Return a copy of ``image`` (H, W, 3) with the heads of all ``detections`` pixelated.

    Weak detections count too from ``score_min`` on: hiding a head too many costs nothing.
    """
    canvas = image.copy()
    for row in range(len(detections)):
        if detections.scores[row] >= score_min:
            pixelate(canvas, head_box_px(detections, row))
    return canvas


def head_box_px(detections: Detections, row: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a person's head in pixels, not yet cut at the picture's edges."""
    left, top, right, bottom = detections.boxes_xyxy_px[row].astype(np.float64).tolist()
    side = _HEAD_SHARE * (bottom - top)
    centre = None if detections.keypoints_px is None else _skeleton_head(detections.keypoints_px[row], side)
    if centre is None:  # without a skeleton the head may be anywhere along the top of the box
        margin = 0.1 * side
        return int(left - margin), int(top - margin), int(right + margin) + 1, int(top + 1.3 * side) + 1
    return _square(centre, side)


def _skeleton_head(keypoints_px: NDArray[np.float32], side: float) -> NDArray[np.float64] | None:
    """Return the middle of the face, or of what stands on the shoulders where the face is turned away."""
    for first, last, up_px in ((0, _FACE_KEYPOINTS, 0.0), (_FACE_KEYPOINTS, _FACE_KEYPOINTS + 2, 0.8 * side)):
        points = keypoints_px[first:last]
        seen = points[points[:, 2] >= _SEEN, :2]
        if len(seen):
            middle: NDArray[np.float64] = seen.mean(axis=0).astype(np.float64) - np.array([0.0, up_px])
            return middle
    return None


def _square(centre: NDArray[np.float64], side: float) -> tuple[int, int, int, int]:
    half = 0.75 * side
    return int(centre[0] - half), int(centre[1] - half), int(centre[0] + half) + 1, int(centre[1] + half) + 1


def pixelate(canvas: U8, box_px: tuple[int, int, int, int]) -> None:
    """Make what is in a box (left, top, right, bottom in pixels) of ``canvas`` unrecognisable, there itself."""
    height, width = canvas.shape[:2]
    left, top, right, bottom = box_px
    left, right = max(left, 0), min(right, width)
    top, bottom = max(top, 0), min(bottom, height)
    if right - left < 2 or bottom - top < 2:
        return
    coarse = cv2.resize(canvas[top:bottom, left:right], (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    canvas[top:bottom, left:right] = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
