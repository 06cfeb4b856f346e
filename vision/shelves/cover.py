"""Where people hide the shelves in a picture: their limbs where known, and whatever stands before the background.

A detector's box says that somebody is in it, not which of its pixels are theirs. What a fixed
camera sees where no box is becomes the background; inside a box, a large connected part that
differs from the background is the person. A product that was taken or put differs too, but is
small and apart, and so is not mistaken for a body.
"""

from __future__ import annotations

import cv2
import numpy as np

from vision.coarse import SCALE, Coarse, coarse_size
from vision.shelves.looks import Mask, beyond, to_lab
from vision.shelves.settings import CoverSettings
from vision.types import F32, U8, Detections

NEVER_NS = -(1 << 62)
LIMBS = (
    (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
    (5, 12), (6, 11), (0, 5), (0, 6),
)  # fmt: skip
"""Pairs of COCO keypoints joined by a limb, the trunk crossed."""


class PeopleCover:
    """One camera's background, and the mask of people before it."""

    def __init__(self, width_px: int, height_px: int, product_px2: float, settings: CoverSettings) -> None:
        """``product_px2`` is how large the largest product looks in this camera."""
        self._settings = settings
        self._smallest = max(settings.body_products * product_px2 / SCALE**2, 1.0)
        self._size = coarse_size((width_px, height_px))
        columns, rows = self._size
        self._background = np.zeros((rows, columns, 3), np.float32)
        self._candidate = np.zeros((rows, columns, 3), np.float32)
        self._agreed = np.zeros((rows, columns), np.uint8)
        self._known = np.zeros((rows, columns), np.bool_)
        self._learned_ns = NEVER_NS

    def mask(self, picture: Coarse, detections: Detections) -> U8:
        """Return a mask (rows, columns) uint8, 1 where a person may be, and learn the background elsewhere.

        The mask is SCALE times coarser than the ``picture``, BGR. Background is learned a few times a second.
        """
        due = detections.captured_at_ns - self._learned_ns >= round(self._settings.learn_s * 1e9)
        body = np.zeros(self._size[::-1], np.uint8)
        if not len(detections) and not due:
            return body
        boxes = np.zeros(body.shape, np.uint8)
        for x0, y0, x1, y1 in self._wide_boxes(detections, self._settings.search_margin):
            boxes[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
        if boxes.any():
            drawn = drawn_people(detections, self._size, self._settings)
            self._find_bodies(body, picture.shrunk(SCALE), boxes, drawn, detections)
        if due:
            self._learn(to_lab(picture.shrunk(SCALE), 0.0), (boxes == 0) & (body == 0))
            self._learned_ns = detections.captured_at_ns
        return body

    def _find_bodies(self, body: U8, small: U8, boxes: U8, drawn: U8, detections: Detections) -> None:
        """Mark in ``body`` who stands in ``boxes`` or is ``drawn``; only the part of the picture around these is looked at."""
        left, top, width, height = cv2.boundingRect(boxes | drawn)
        x0, y0 = max(left - 2, 0), max(top - 2, 0)
        part = (slice(y0, top + height + 2), slice(x0, left + width + 2))
        now, background = to_lab(np.ascontiguousarray(small[part]), 0.0), self._background[part]
        before = beyond(now, background, self._settings.foreground_levels) | ~self._known[part]
        body[part] = self._bodies(before & (boxes[part] > 0), drawn[part], detections, (x0, y0))

    def _wide_boxes(self, detections: Detections, margin: float) -> list[tuple[int, int, int, int]]:
        """Return the boxes of those who count as people, widened, in mask pixels."""
        sure = np.flatnonzero(detections.scores >= self._settings.minimum_score).tolist()
        return [wide_box(detections, i, margin) for i in sure]

    def _bodies(self, before: Mask, drawn: U8, detections: Detections, origin: tuple[int, int]) -> U8:
        """Return the mask of people: limbs and hands, and the large parts of ``before`` with all that touches these.

        ``origin`` (across, down) is where the masks' corner is in the whole picture.
        """
        clean = cv2.morphologyEx(before.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        count, labels = cv2.connectedComponents(np.asarray(clean, np.uint8) | drawn, connectivity=8)
        large = np.bincount(labels[drawn > 0], minlength=count) > 0
        for x0, y0, x1, y1 in self._wide_boxes(detections, self._settings.box_margin):
            left, top, right, bottom = (
                max(v, 0) for v in (x0 - origin[0], y0 - origin[1], x1 - origin[0], y1 - origin[1])
            )
            smallest = max(self._settings.body_share * (x1 - x0) * (y1 - y0), self._smallest)
            large |= np.bincount(labels[top:bottom, left:right].ravel(), minlength=count) >= smallest
        large[0] = False
        return np.asarray(cv2.dilate(large[labels].astype(np.uint8), np.ones((3, 3), np.uint8)), np.uint8)

    def _learn(self, small: F32, free: Mask) -> None:
        """Follow the background where nobody is: slowly where it is the same, at once where another look has lasted."""
        settings = self._settings
        same = free & self._known & ~beyond(small, self._background, settings.foreground_levels)
        cv2.accumulateWeighted(small, self._background, settings.follow, mask=same.astype(np.uint8))
        other = free & ~same
        if other.any():
            again = other & (self._agreed > 0) & ~beyond(small, self._candidate, settings.foreground_levels)
            np.copyto(self._candidate, small, where=(other & ~again)[..., None])
            self._agreed = np.where(again, np.minimum(self._agreed, 254) + 1, other).astype(np.uint8)
            settled = other & (~self._known | (self._agreed >= settings.background_sightings))
            np.copyto(self._background, small, where=settled[..., None])
            self._known |= settled


def wide_box(detections: Detections, i: int, margin: float) -> tuple[int, int, int, int]:
    """Return the i-th detection's box, widened by the share ``margin`` on each side, in mask pixels.

    That is left, top, right and bottom, the last two excluded.
    """
    x0, y0, x1, y1 = (float(v) / SCALE for v in detections.boxes_xyxy_px[i])
    beside, below = margin * (x1 - x0), margin * (y1 - y0)
    return round(x0 - beside), round(y0 - below), round(x1 + beside) + 1, round(y1 + below) + 1


def drawn_people(detections: Detections, size: tuple[int, int], settings: CoverSettings) -> U8:
    """Return a mask of ``size`` (columns, rows): limbs and heads of skeletons, and a disc about every hand."""
    mask = np.zeros(size[::-1], np.uint8)
    for i in np.flatnonzero(detections.scores >= settings.minimum_score).tolist():
        _draw_person(mask, detections, i, settings)
    return mask


def boxed_people(detections: Detections, size: tuple[int, int], settings: CoverSettings) -> U8:
    """Return the same for cameras without a background: skeletons, or the whole box where there is none."""
    mask = drawn_people(detections, size, settings)
    for i in np.flatnonzero(detections.scores >= settings.minimum_score).tolist():
        if not _has_trunk(detections, i, settings):
            x0, y0, x1, y1 = (round(float(v) / SCALE) for v in detections.boxes_xyxy_px[i])
            cv2.rectangle(mask, (x0, y0), (x1, y1), 1, -1)
    return mask


def _sure(detections: Detections, i: int, settings: CoverSettings) -> set[int]:
    if detections.keypoints_px is None:
        return set()
    return set(np.flatnonzero(detections.keypoints_px[i, :, 2] >= settings.joint_confidence).tolist())


def _has_trunk(detections: Detections, i: int, settings: CoverSettings) -> bool:
    sure = _sure(detections, i, settings)
    return {5, 6} <= sure and bool({11, 12} & sure)


def _draw_person(mask: U8, detections: Detections, i: int, settings: CoverSettings) -> None:
    high = max(float(detections.boxes_xyxy_px[i, 3] - detections.boxes_xyxy_px[i, 1]) / SCALE, 1.0)
    if detections.keypoints_px is not None and _has_trunk(detections, i, settings):
        points, sure = detections.keypoints_px[i], _sure(detections, i, settings)
        width = max(2, round(2 * settings.limb_heights * high))
        for a, b in LIMBS:
            if a in sure and b in sure:
                cv2.line(mask, _point(points[a]), _point(points[b]), 1, width)
        _draw_head(mask, points, high, settings)
    for hand in detections.hands_px[i]:
        if hand[2] >= settings.joint_confidence:
            cv2.circle(mask, _point(hand), max(2, round(settings.hand_heights * high)), 1, -1)


def _draw_head(mask: U8, points: F32, high: float, settings: CoverSettings) -> None:
    """Hide the head: above the shoulders along the trunk, and around every point of the face that is seen."""
    radius = max(2, round(settings.head_heights * high))
    shoulders, hips = points[5:7, :2].mean(axis=0), points[11:13, :2].mean(axis=0)
    trunk = shoulders - hips
    up = trunk / max(float(np.hypot(trunk[0], trunk[1])), 1.0)
    for rise in (0.0, 0.6, 1.2):
        centre = shoulders + up * (rise * radius * SCALE)
        cv2.circle(mask, _point(centre), radius, 1, -1)
    for point in points[:5]:
        if point[2] >= settings.joint_confidence:
            cv2.circle(mask, _point(point), radius, 1, -1)


def _point(place: F32) -> tuple[int, int]:
    return round(float(place[0]) / SCALE), round(float(place[1]) / SCALE)
