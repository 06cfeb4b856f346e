"""Read a YOLO head's raw output: candidates above a score, the weaker of overlapping ones dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vision.types import F32, I64


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of one class in the network's picture, best first.

    ``xyxy_px`` (N, 4), ``scores`` (N,), ``extra`` (N, E): what the head says besides, such as keypoints.
    """

    xyxy_px: F32
    scores: F32
    extra: F32

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A class to be read: candidates above ``score``; of two that overlap by more than ``overlap`` the weaker is dropped."""

    class_index: int
    score: float
    overlap: float


def decode_classes(raw: F32, wanted: Sequence[Wanted], class_count: int, limits: Limits) -> list[Boxes]:
    """Return the boxes of each class in ``raw`` (4 + class_count + E, A): middle, size, scores, extra per anchor."""
    extra = raw[4 + class_count :]
    return [_decode(raw, raw[4 + each.class_index], extra, each.score, each.overlap, limits) for each in wanted]


def decode_others(
    raw: F32, known: Sequence[int], class_count: int, score: float, overlap: float, limits: Limits
) -> Boxes:
    """Return the boxes of ``raw`` (4 + class_count + E, A) whose likeliest class, whichever it is, is none of ``known``."""
    others = np.ones((class_count, 1), np.bool_)
    others[list(known)] = False
    classes = raw[4 : 4 + class_count]
    best: F32 = np.max(classes, axis=0, where=others, initial=0.0)
    scores = np.where(best > np.max(classes, axis=0, where=~others, initial=0.0), best, np.float32(0))
    return _decode(raw, scores, raw[:0], score, overlap, limits)


def _decode(raw: F32, scores: F32, extra: F32, score: float, overlap: float, limits: Limits) -> Boxes:
    """Return the boxes of the anchors whose ``scores`` (A,) are above ``score``, with their columns of ``extra`` (E, A)."""
    chosen = _best(scores, score, limits)
    boxes = _corners(raw, chosen)
    if len(chosen) > 1:
        kept = suppress(boxes, overlap)[: limits.kept]
        boxes, chosen = boxes[kept], chosen[kept]
    return Boxes(boxes, scores[chosen], extra[:, chosen].T)


def _best(scores: F32, above: float, limits: Limits) -> I64:
    """Return the anchors whose ``scores`` (A,) are above that, best first, as many as are compared."""
    chosen = (scores > above).nonzero()[0]
    return chosen[(-scores[chosen]).argsort(kind="stable")[: limits.candidates]] if len(chosen) > 1 else chosen


def _corners(raw: F32, anchors: I64) -> F32:
    """Return the (N, 4) corners of the boxes that ``raw`` has at ``anchors`` (N,)."""
    placed = raw[:4, anchors]
    middle, half = placed[:2], placed[2:] / 2
    return np.concatenate([middle - half, middle + half]).T.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the work on one picture: candidates compared, and boxes kept."""

    candidates: int
    kept: int


def suppress(boxes_px: F32, overlap: float) -> I64:
    """Return the rows of (N, 4) boxes, given best first, that no better kept one overlaps by more than ``overlap``.

    OpenCV's, which for the few boxes of a picture takes a tenth of what the same takes in arrays.
    """
    if len(boxes_px) < 2:
        return np.arange(len(boxes_px), dtype=np.int64)
    sized = boxes_px.astype(np.float64)
    sized[:, 2:] -= sized[:, :2]
    falling = np.arange(len(sized), 0, -1).astype(np.float32)  # it sorts by scores, and these are sorted
    return np.asarray(cv2.dnn.NMSBoxes(sized, falling, 0.0, overlap), np.int64)  # type: ignore[arg-type]
