"""A cheap colour descriptor of each person, by which cameras' views of them are joined.

Upper and lower body apart, each a histogram of hue (weighted by how colourful a pixel is) and of
brightness (weighted by how grey it is), square-rooted, so that a dot product is Bhattacharyya's
coefficient (Arandjelovic and Zisserman 2012 do so with SIFT histograms).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from vision.detectors.settings import AppearanceSettings
from vision.types import F32, F64, U8, Detections, Frame

PATCH_PX = (16, 32)
"""Width and height to which a person is shrunk first: enough for two colours, and cheap."""

UPPER, LOWER = (0.16, 0.48), (0.52, 0.86)
"""Parts of the box's height that show the trunk and the legs; the face, the waist and the shoes are left out."""


def with_appearance(frame: Frame, detections: Detections, settings: AppearanceSettings) -> Detections:
    """Return ``detections`` with their (N, D) colour descriptors, taken from ``frame``."""
    if not settings.enabled:
        return detections
    return replace(detections, appearance=describe(frame.image, detections.boxes_xyxy_px, settings))


def describe(image: U8, boxes_xyxy_px: F32, settings: AppearanceSettings) -> F32:
    """Return (N, D) float32 unit rows, D = 2 (hue_bins + grey_bins), for (N, 4) boxes in ``image``.

    Pixels inside the box of somebody nearer, whose feet are lower in the picture, do not count.
    """
    count = len(boxes_xyxy_px)
    if count == 0:
        return np.zeros((0, 2 * (settings.hue_bins + settings.grey_bins)), np.float32)
    patches = np.empty((count, PATCH_PX[1], PATCH_PX[0], 3), np.uint8)
    free = np.empty((count, PATCH_PX[1], PATCH_PX[0]), np.float32)
    for index, box in enumerate(boxes_xyxy_px.astype(np.float64).tolist()):
        margin = (1 - settings.width_share) / 2 * (box[2] - box[0])
        window = _inside(image, box[0] + margin, box[1], box[2] - margin, box[3])
        left, top, right, bottom = window
        cv2.resize(image[top:bottom, left:right], PATCH_PX, dst=patches[index], interpolation=cv2.INTER_AREA)
        free[index] = _unhidden(window, boxes_xyxy_px, index)
    return _histograms(patches, free, settings)


def _histograms(patches: U8, free: F32, settings: AppearanceSettings) -> F32:
    """Return (N, D) unit rows for ``patches`` (N, H, W, 3), whose pixels count by ``free`` (N, H, W)."""
    rows = cv2.cvtColor(patches.reshape(-1, PATCH_PX[0], 3), cv2.COLOR_BGR2HSV)
    hsv = np.asarray(rows, np.float32).reshape(patches.shape)
    parts = [
        _histogram(hsv[:, shown], free[:, shown], settings)
        for shown in (slice(*(round(share * PATCH_PX[1]) for share in part)) for part in (UPPER, LOWER))
    ]
    whole = np.sqrt(np.concatenate(parts, axis=1))
    # row by row, as a row's last bit must not depend on how many there are
    lengths = np.array([[np.linalg.norm(row)] for row in whole], np.float32)
    return np.asarray(whole / lengths, np.float32)


def _inside(image: U8, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    """Return the window in whole pixels, kept inside the picture and at least one pixel wide and high."""
    height, width = image.shape[:2]
    x, y = min(max(int(left), 0), width - 1), min(max(int(top), 0), height - 1)
    return x, y, min(max(round(right), x + 1), width), min(max(round(bottom), y + 1), height)


def _unhidden(window: tuple[int, int, int, int], boxes_px: F32, index: int) -> F32:
    """Return (H, W) weights of the patch's pixels: 0 inside a nearer person's box, all 1 if nothing is left."""
    columns = window[0] + (np.arange(PATCH_PX[0]) + 0.5) * (window[2] - window[0]) / PATCH_PX[0]
    rows = window[1] + (np.arange(PATCH_PX[1]) + 0.5) * (window[3] - window[1]) / PATCH_PX[1]
    weights = np.ones((PATCH_PX[1], PATCH_PX[0]), np.float32)
    nearer = boxes_px[boxes_px[:, 3] > boxes_px[index, 3]]
    if len(nearer) == 0:
        return weights
    down = (rows >= nearer[:, 1, None]) & (rows <= nearer[:, 3, None])
    across = (columns >= nearer[:, 0, None]) & (columns <= nearer[:, 2, None])
    weights[np.any(down[:, :, None] & across[:, None, :], axis=0)] = 0
    return weights if weights.sum() >= weights.size / 10 else np.ones_like(weights)


def _histogram(hsv: F32, weights: F32, settings: AppearanceSettings) -> F32:
    """Return (N, hue_bins + grey_bins) shares that sum to 1 for (N, H, W, 3) pixels; OpenCV's hue runs from 0 to 180."""
    weights = weights + np.float32(1e-6)
    chroma = hsv[..., 1] / 255 * np.sqrt(hsv[..., 2] / 255)
    hue = _soft_bins(hsv[..., 0] / 180 * settings.hue_bins - 0.5, chroma * weights, settings.hue_bins, wrap=True)
    level = hsv[..., 2] / 255 * settings.grey_bins - 0.5
    grey = _soft_bins(level, (1 - chroma) * weights, settings.grey_bins, wrap=False)
    whole = np.concatenate([hue, grey], axis=1)
    return np.asarray(whole / whole.sum(axis=1, keepdims=True), np.float32)


def _soft_bins(place: F32 | F64, weights: F32 | F64, count: int, *, wrap: bool) -> F32:
    """Share each weight (N, ...) between the two bins nearest to its place, so that a small shift changes little.

    Returns (N, count): what each of N rows has in each bin.
    """
    low = np.floor(place)
    part = (place - low) * weights
    first = count * np.arange(len(place)).reshape(-1, *(1,) * (place.ndim - 1))
    total = np.zeros(len(place) * count, np.float64)
    for index, share in ((low, weights - part), (low + 1, part)):
        where = np.mod(index, count) if wrap else np.clip(index, 0, count - 1)
        bins = (where.astype(np.int64) + first).ravel()
        total += np.bincount(bins, share.astype(np.float64).ravel(), minlength=len(total))
    return total.reshape(-1, count).astype(np.float32)
