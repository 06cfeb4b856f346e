"""Read a YOLO head's raw output: candidates above a score, the weaker of overlapping ones dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """Return the boxes of each class in ``raw`` (4 + class_count + E, A): middle, size, scores, extra per anchor.

    All classes are gone through together: with few boxes each step costs the same, however many there are.
    """
    chosen = [_best(raw[4 + each.class_index], each.score, limits) for each in wanted]
    ends = np.cumsum([len(each) for each in chosen]).tolist()
    anchors = np.concatenate(chosen)
    boxes = _corners(raw, anchors)
    apart = overlaps(boxes, boxes)
    result = []
    for each, own, end in zip(wanted, chosen, ends, strict=True):
        rows = slice(end - len(own), end)
        kept = _alive(apart[rows, rows] <= each.overlap)[: limits.kept]
        scores = raw[4 + each.class_index, own]
        result.append(Boxes(boxes[rows][kept], scores[kept], raw[4 + class_count :, own].T[kept]))
    return result


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
    kept = suppress(boxes, overlap)[: limits.kept]
    return Boxes(boxes[kept], scores[chosen][kept], extra[:, chosen].T[kept])


def _best(scores: F32, above: float, limits: Limits) -> I64:
    """Return the anchors whose ``scores`` (A,) are above that, best first, as many as are compared."""
    chosen = np.flatnonzero(scores > above)
    return chosen[np.argsort(-scores[chosen], kind="stable")[: limits.candidates]]


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
    """Return the rows of (N, 4) boxes, given best first, that no better kept one overlaps by more than ``overlap``."""
    if len(boxes_px) < 2:
        return np.arange(len(boxes_px), dtype=np.int64)
    return _alive(overlaps(boxes_px, boxes_px) <= overlap)


def _alive(apart: NDArray[np.bool_]) -> I64:
    """Return the rows, best first, that are ``apart`` (N, N) from all better ones among them."""
    alive = np.ones(len(apart), np.bool_)
    for row in range(len(apart)):
        if alive[row]:
            alive[row + 1 :] &= apart[row, row + 1 :]
    return np.flatnonzero(alive)


def overlaps(first_px: F32, second_px: F32) -> F32:
    """Return the (N, M) intersection over union of (N, 4) and (M, 4) boxes; 0 where both are empty."""
    # plane by plane: numpy is slow along a last axis of two
    x0, y0, x1, y1 = np.ascontiguousarray(first_px.T)[..., None]
    u0, v0, u1, v1 = np.ascontiguousarray(second_px.T)[:, None]
    zero = np.float32(0)
    wide = np.maximum(np.minimum(x1, u1) - np.maximum(x0, u0), zero)
    high = np.maximum(np.minimum(y1, v1) - np.maximum(y0, v0), zero)
    shared = wide * high
    first = np.maximum(x1 - x0, zero) * np.maximum(y1 - y0, zero)
    second = np.maximum(u1 - u0, zero) * np.maximum(v1 - v0, zero)
    return np.asarray(shared / np.maximum(first + second - shared, np.float32(1e-9)), np.float32)
