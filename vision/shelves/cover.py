"""Where people hide the shelves in a picture."""

from __future__ import annotations

import cv2
import numpy as np

from vision.shelves.settings import ObserverSettings
from vision.types import F32, F64, U8, Detections

SCALE = 4
"""The mask is this much coarser than the picture."""
LIMBS = (
    (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
    (5, 12), (6, 11), (0, 5), (0, 6),
)  # fmt: skip
"""Pairs of COCO keypoints joined by a limb, the trunk crossed."""


def people_mask(detections: Detections, width_px: int, height_px: int, settings: ObserverSettings) -> U8:
    """Return a mask (height / SCALE, width / SCALE), 1 where a person is: limbs where known, else the whole box."""
    mask = np.zeros((-(-height_px // SCALE), -(-width_px // SCALE)), np.uint8)
    for i in range(len(detections)):
        if detections.scores[i] >= settings.minimum_score:
            _draw_person(mask, detections, i, settings)
    return mask


def _draw_person(mask: U8, detections: Detections, i: int, settings: ObserverSettings) -> None:
    x0, y0, x1, y1 = (round(float(v) / SCALE) for v in detections.boxes_xyxy_px[i])
    high = max(y1 - y0, 1)
    points = None if detections.keypoints_px is None else detections.keypoints_px[i]
    sure = [] if points is None else [k for k in range(17) if points[k, 2] >= settings.joint_confidence]
    if points is None or not {5, 6}.issubset(sure) or not {11, 12}.intersection(sure):
        cv2.rectangle(mask, (x0, y0), (x1, y1), 1, -1)
    else:
        drawn = [(tuple(_point(points[a])), tuple(_point(points[b]))) for a, b in LIMBS if a in sure and b in sure]
        width = max(2, round(2 * settings.limb_heights * high))
        for a, b in drawn:
            cv2.line(mask, a, b, 1, width)
        _draw_head(mask, points, high, settings)
    for hand in detections.hands_px[i]:
        if hand[2] >= settings.joint_confidence:
            cv2.circle(mask, tuple(_point(hand)), max(2, round(settings.hand_heights * high)), 1, -1)


def _draw_head(mask: U8, points: F32, high: int, settings: ObserverSettings) -> None:
    """Hide the head: above the shoulders along the trunk, and around every point of the face that is seen."""
    radius = max(2, round(settings.head_heights * high))
    shoulders, hips = points[5:7, :2].mean(axis=0), points[11:13, :2].mean(axis=0)
    trunk = shoulders - hips
    up = trunk / max(float(np.hypot(trunk[0], trunk[1])), 1.0)
    for rise in (0.0, 0.6, 1.2):
        centre = shoulders + up * (rise * radius * SCALE)
        cv2.circle(mask, (round(float(centre[0]) / SCALE), round(float(centre[1]) / SCALE)), radius, 1, -1)
    for point in points[:5]:
        if point[2] >= settings.joint_confidence:
            cv2.circle(mask, tuple(_point(point)), radius, 1, -1)


def _point(keypoint: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[int]:
    return [round(float(keypoint[0]) / SCALE), round(float(keypoint[1]) / SCALE)]


def visible_shares(mask: U8, points_px: F64) -> F64:
    """Return (S,) shares of ``points_px`` (S, K, 2) that the mask leaves free."""
    if len(points_px) == 0:
        return np.zeros(0)
    rows = np.clip((points_px[..., 1] / SCALE).astype(np.int64), 0, mask.shape[0] - 1)
    columns = np.clip((points_px[..., 0] / SCALE).astype(np.int64), 0, mask.shape[1] - 1)
    free: F64 = 1.0 - mask[rows, columns].mean(axis=1, dtype=np.float64)
    return free
