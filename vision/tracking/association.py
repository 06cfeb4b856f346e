"""Which track is which detection: similarities and one-to-one assignment."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from vision.types import F64, I64

_OUTWARDS = np.array([-1.0, -1.0, 1.0, 1.0])


def overlap(a_xyxy_px: F64, b_xyxy_px: F64) -> F64:
    """Return intersection over union (N, M) of (N, 4) and (M, 4) boxes; 0 where both are empty."""
    low = np.maximum(a_xyxy_px[:, None, :2], b_xyxy_px[:, :2])
    high = np.minimum(a_xyxy_px[:, None, 2:], b_xyxy_px[:, 2:])
    size = np.maximum(high - low, 0.0)
    common = size[:, :, 0] * size[:, :, 1]
    union = _area(a_xyxy_px)[:, None] + _area(b_xyxy_px) - common
    shared: F64 = common / np.maximum(union, 1e-9)
    return shared


def widened(boxes_xyxy_px: F64, margin_heights: float) -> F64:
    """Return (N, 4) boxes grown on all sides by a share of their height (buffered IoU, arXiv 2211.14317)."""
    return boxes_xyxy_px + (boxes_xyxy_px[:, 3:] - boxes_xyxy_px[:, 1:2]) * (margin_heights * _OUTWARDS)


def distance_heights(a_xyxy_px: F64, b_xyxy_px: F64) -> F64:
    """Return the distance (N, M) of the boxes' middles in mean box heights."""
    middle_a, middle_b = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (a_xyxy_px, b_xyxy_px))
    height_a, height_b = (boxes[:, 3] - boxes[:, 1] for boxes in (a_xyxy_px, b_xyxy_px))
    away = middle_a[:, None] - middle_b[None]
    mean_height = np.maximum((height_a[:, None] + height_b[None]) / 2, 1.0)
    return np.sqrt(away[:, :, 0] ** 2 + away[:, :, 1] ** 2) / mean_height


def size_similarity(a_xyxy_px: F64, b_xyxy_px: F64) -> F64:
    """Return the smaller over the larger box height (N, M), 1 where they are equal."""
    height_a, height_b = (np.maximum(boxes[:, 3] - boxes[:, 1], 1.0) for boxes in (a_xyxy_px, b_xyxy_px))
    return np.minimum(height_a[:, None], height_b[None]) / np.maximum(height_a[:, None], height_b[None])


def assigned(similarity: F64, minimum: float | F64) -> tuple[I64, I64]:
    """Pair rows and columns of (N, M) so that the summed similarity of pairs at or above ``minimum`` is largest.

    Returns rows (P,) and columns (P,), rows rising. Similarities are rounded, so that the
    last bit of a floating-point number never decides between two pairings.
    """
    if similarity.size == 1:  # mostly one person is in view, and the library's call costs more than all else here
        pair = np.zeros(int(round(float(similarity[0, 0]), 9) >= np.asarray(minimum).item()), np.int64)
        return pair, pair
    rounded = np.round(similarity, 9)
    allowed = rounded >= minimum
    rows, columns = linear_sum_assignment(np.where(allowed, rounded + 1.0, 0.0), maximize=True)
    good = allowed[rows, columns]
    return rows[good].astype(np.int64), columns[good].astype(np.int64)


def _area(boxes_xyxy_px: F64) -> F64:
    size = np.maximum(boxes_xyxy_px[:, 2:] - boxes_xyxy_px[:, :2], 0.0)
    area: F64 = size[:, 0] * size[:, 1]
    return area
