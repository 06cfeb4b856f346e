"""A cheap colour descriptor of each person, by which cameras' views of them are joined.

Upper and lower body apart, each a histogram of hue (weighted by how colourful a pixel is) and of
brightness (weighted by how grey it is), square-rooted, so that a dot product is Bhattacharyya's
coefficient (Arandjelovic and Zisserman 2012 do so with SIFT histograms).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vision.detectors.settings import AppearanceSettings
from vision.types import F32, F64, I64, U8, Detections, Frame

PATCH_PX = (16, 32)
"""Width and height to which a person is shrunk first: enough for two colours, and cheap."""

UPPER, LOWER = (0.16, 0.48), (0.52, 0.86)
"""Parts of the box's height that show the trunk and the legs; the face, the waist and the shoes are left out."""

_ROWS = [range(*(round(share * PATCH_PX[1]) for share in part)) for part in (UPPER, LOWER)]
_SHOWN = np.concatenate([np.array(rows, np.int64) for rows in _ROWS])
_PART = np.repeat(np.arange(2), [len(rows) for rows in _ROWS])
"""Rows of a patch that are shown, and to which part each belongs."""


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
    windows = np.empty((count, 4), np.int64)
    for index, box in enumerate(boxes_xyxy_px.astype(np.float64).tolist()):
        margin = (1 - settings.width_share) / 2 * (box[2] - box[0])
        window = _inside(image, box[0] + margin, box[1], box[2] - margin, box[3])
        cv2.resize(_thinned(image, window), PATCH_PX, dst=patches[index], interpolation=cv2.INTER_AREA)
        windows[index] = window
    return _histograms(patches, _unhidden(windows, boxes_xyxy_px), settings)


def _histograms(patches: U8, free: F32, settings: AppearanceSettings) -> F32:
    """Return (N, D) unit rows for ``patches`` (N, H, W, 3), whose pixels count by ``free`` (N, H, W).

    Each weight is shared between the two bins nearest to its place, so that a small shift changes little.
    """
    count, tables = len(patches), _tables(settings.hue_bins, settings.grey_bins)
    rows = cv2.cvtColor(patches.reshape(-1, PATCH_PX[0], 3), cv2.COLOR_BGR2HSV)
    hue, colour, light = (np.asarray(each).reshape(free.shape)[:, _SHOWN] for each in cv2.split(rows))
    weights = free[:, _SHOWN] + np.float32(1e-6)
    coloured = colour * tables.chroma[light] * weights
    grey = weights - coloured
    hue_above, grey_above = coloured * tables.hue_share[hue], grey * tables.grey_share[light]
    size = settings.hue_bins + settings.grey_bins
    first = size * (2 * np.arange(count)[:, None, None] + _PART[None, :, None])
    bins = np.stack(
        [tables.hue_bin[0][hue], tables.hue_bin[1][hue], tables.grey_bin[0][light], tables.grey_bin[1][light]]
    )
    shares = np.stack([coloured - hue_above, hue_above, grey - grey_above, grey_above])
    total = np.bincount((bins + first).ravel(), shares.ravel(), minlength=2 * size * count).reshape(count, 2, size)
    # both parts' shares sum to 1, so the roots of half of them are a row of length 1
    whole: F64 = np.sqrt(total / (2 * total.sum(axis=2, keepdims=True)))
    return whole.reshape(count, 2 * size).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What 8-bit hue (0 to 179), colour and light (0 to 255) come to: ``chroma`` is per level of colour, by light.

    ``*_bin`` are the bins below and above each level, ``*_share`` what of a weight belongs to the one above.
    """

    chroma: F32
    hue_bin: I64
    hue_share: F32
    grey_bin: I64
    grey_share: F32


@functools.cache
def _tables(hue_bins: int, grey_bins: int) -> _Tables:
    hue = np.arange(180) / 180 * hue_bins - 0.5
    light = np.arange(256) / 255
    grey = light * grey_bins - 0.5
    return _Tables(
        (np.sqrt(light) / 255).astype(np.float32),
        np.mod(np.stack([np.floor(hue), np.floor(hue) + 1]), hue_bins).astype(np.int64),
        (hue - np.floor(hue)).astype(np.float32),
        np.clip(np.stack([np.floor(grey), np.floor(grey) + 1]), 0, grey_bins - 1).astype(np.int64) + hue_bins,
        (grey - np.floor(grey)).astype(np.float32),
    )


def _inside(image: U8, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    """Return the window in whole pixels, kept inside the picture and at least one pixel wide and high."""
    height, width = image.shape[:2]
    x, y = min(max(int(left), 0), width - 1), min(max(int(top), 0), height - 1)
    return x, y, min(max(round(right), x + 1), width), min(max(round(bottom), y + 1), height)


def _thinned(image: U8, window: tuple[int, int, int, int]) -> U8:
    """Return the pixels of the window; of large ones every second, third ... across and down.

    At least four go into each pixel of the patch, which is plenty for its colour, and means over all of them take long.
    """
    left, top, right, bottom = window
    step = max(1, min((right - left) // (2 * PATCH_PX[0]), (bottom - top) // (2 * PATCH_PX[1])))
    return np.ascontiguousarray(image[top:bottom:step, left:right:step])


def _unhidden(windows: I64, boxes_px: F32) -> F32:
    """Return (N, H, W) weights of the patches' pixels: 0 inside a nearer person's box, all 1 if nothing is left.

    ``windows`` (N, 4) are the patches' left, top, right and bottom in the picture, ``boxes_px`` (N, 4) everybody's.
    """
    weights = np.ones((len(windows), PATCH_PX[1], PATCH_PX[0]), np.float32)
    nearer = boxes_px[None, :, 3] > boxes_px[:, None, 3]
    if not nearer.any():
        return weights
    sides = (windows[:, 2:] - windows[:, :2])[..., None]
    columns = windows[:, :1] + (np.arange(PATCH_PX[0]) + 0.5) / PATCH_PX[0] * sides[:, 0]
    rows = windows[:, 1:2] + (np.arange(PATCH_PX[1]) + 0.5) / PATCH_PX[1] * sides[:, 1]
    left, top, right, bottom = boxes_px.T[:, None, None]
    down = (rows[..., None] >= top) & (rows[..., None] <= bottom) & nearer[:, None]
    across = (columns[..., None] >= left) & (columns[..., None] <= right)
    covered = down.astype(np.float32) @ across.astype(np.float32).transpose(0, 2, 1) > 0
    covered[covered.mean(axis=(1, 2)) > 0.9] = False
    weights[covered] = 0
    return weights
