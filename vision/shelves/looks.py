"""Pictures compared: light taken out, colours counted, likeness measured. Pure functions of arrays."""

from __future__ import annotations

import math
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.types import F32, F64, U8

Mask = NDArray[np.bool_]

BINS = (5, 9, 9)
"""Cells of the colour histogram along L, a and b."""
COLOUR_SPAN = 54.0
"""a and b are counted from 128 - COLOUR_SPAN to 128 + COLOUR_SPAN: stronger colours share the outermost cells."""

_WEIGHTS = np.array([[0.5, 1.0, 1.0]], np.float32)
"""What the squares of L, a and b count in a distance: shadows change lightness most."""
_COARSE = 4
"""Light is looked at in pictures this much coarser than the patch."""


def to_lab(patch: U8, blur_px: float) -> F32:
    """Return ``patch`` (P, Q, 3) BGR as 8-bit-scaled Lab float32, smoothed by a Gaussian of ``blur_px``."""
    lab = np.asarray(cv2.cvtColor(patch, cv2.COLOR_BGR2LAB), np.float32)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), blur_px), np.float32) if blur_px > 0 else lab


def _middle(colours: F32) -> F32:
    """Return the median (3,) of each channel of ``colours`` (P, Q, 3).

    numpy selects several times faster where a channel lies together and one place of it is asked for, which is why
    this is no call of ``np.median``. The result is the same.
    """
    channels = np.ascontiguousarray(colours.reshape(-1, 3).T)
    count = channels.shape[1]
    parted = np.partition(channels, count // 2, axis=1)
    upper = parted[:, count // 2]
    lower = upper if count % 2 else parted[:, : count // 2].max(axis=1)
    middle: F32 = (lower + upper) / np.float32(2)
    return middle


def in_light_of(patch: F32, reference: F32, reach_px: float) -> F32:
    """Return ``patch`` in the light of ``reference``: the whole picture's shift taken out, then that of each place.

    The shift is the middle difference of each channel, blind to a change of less than half the patch. A shadow dims a
    part of a shelf evenly and leaves its print as it was, so the ratio of the two lightnesses, smoothed over
    ``reach_px``, is taken out after it; what is left is print, edges and colour. The ratio is limited to what shadows
    and highlights of people do. Light is looked at in pictures shrunk to a quarter a side: it has no finer detail.
    """
    rows, columns = patch.shape[:2]
    size = (-(-columns // _COARSE), -(-rows // _COARSE))
    now, then = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (patch, reference))
    shift = np.zeros(4)  # OpenCV's scalars have four places
    shift[:3] = np.clip(_middle(now - then), -30.0, 30.0)
    lightness = cv2.merge([cv2.extractChannel(cv2.subtract(now, shift), 0), cv2.extractChannel(then, 0)])
    smooth = cv2.GaussianBlur(lightness, (0, 0), reach_px / _COARSE) + np.float32(8.0)
    limited = np.clip(smooth[..., 1] / smooth[..., 0], 0.7, 1.6)
    ratio = cv2.resize(limited, (columns, rows), interpolation=cv2.INTER_LINEAR)
    moved = cv2.subtract(patch, shift)
    lit = np.clip(cv2.multiply(cv2.extractChannel(moved, 0), ratio), 0.0, 255.0)
    return np.asarray(cv2.insertChannel(lit, moved, 0), np.float32)


def beyond(a: F32, b: F32, levels: float) -> Mask:
    """Return where (P, Q) two Lab patches are farther apart than ``levels`` by :func:`distance`, without its roots."""
    gap = cv2.subtract(a, b)
    squares = cv2.transform(cv2.multiply(gap, gap), _WEIGHTS)
    return np.asarray(squares > levels * levels, np.bool_)


def distance(a: F32, b: F32) -> F32:
    """Return the colour distance (P, Q) of two Lab patches; lightness counts half, as shadows change it most."""
    gap = a - b
    apart: F32 = np.sqrt(0.5 * gap[..., 0] ** 2 + gap[..., 1] ** 2 + gap[..., 2] ** 2).astype(np.float32)
    return apart


def blobs(mask: Mask, smallest: float) -> list[Mask]:
    """Return the connected parts of ``mask`` with at least ``smallest`` pixels, largest first, specks removed."""
    clean = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    if not cv2.countNonZero(clean):
        return []
    clean = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.asarray(clean, np.uint8), connectivity=8)
    order = sorted(range(1, count), key=lambda k: (-int(stats[k, cv2.CC_STAT_AREA]), k))
    return [labels == k for k in order if stats[k, cv2.CC_STAT_AREA] >= smallest]


SKIN_CR, SKIN_CB = (136, 172), (85, 130)
"""Bare skin in 8-bit YCrCb: Chai and Ngan, IEEE CSVT 9(4), 1999, widened in Cb for warm indoor light."""


def skin(patch: U8) -> Mask:
    """Return where ``patch`` (P, Q, 3) BGR has the colour of bare skin. Products and wood may have it too."""
    light = np.asarray(cv2.cvtColor(patch, cv2.COLOR_BGR2YCrCb))
    red, blue = light[..., 1], light[..., 2]
    coloured: Mask = (red >= SKIN_CR[0]) & (red <= SKIN_CR[1]) & (blue >= SKIN_CB[0]) & (blue <= SKIN_CB[1])
    return coloured & (light[..., 0] > 50)


def histogram(lab: F32, mask: Mask) -> F64:
    """Return the (BINS product,) colour histogram of ``lab`` under ``mask``, shared softly between cells, sum 1."""
    pixels = lab[mask].astype(np.float64)
    if len(pixels) == 0:
        return np.full(int(np.prod(BINS)), 1.0 / float(np.prod(BINS)))
    light = np.clip(pixels[:, 0], 0.0, 255.0) / 255.0 * (BINS[0] - 1)
    spans = (np.clip(pixels[:, 1:].T - 128.0, -COLOUR_SPAN, COLOUR_SPAN) + COLOUR_SPAN) / (2 * COLOUR_SPAN)
    places = (light, spans[0] * (BINS[1] - 1), spans[1] * (BINS[2] - 1))
    low = [np.minimum(np.floor(place), bins - 2).astype(np.int64) for place, bins in zip(places, BINS, strict=True)]
    upper = [place - whole for place, whole in zip(places, low, strict=True)]
    shares = [(1 - share, share) for share in upper]
    lowest = (low[0] * BINS[1] + low[1]) * BINS[2] + low[2]
    counts = np.zeros(int(np.prod(BINS)))
    for i, j, k in product(range(2), repeat=3):
        cell = lowest + ((i * BINS[1] + j) * BINS[2] + k)
        counts += np.bincount(cell, weights=shares[0][i] * shares[1][j] * shares[2][k], minlength=len(counts))
    total: F64 = counts / counts.sum()
    return total


def likeness(a: F64, b: F64) -> float:
    """Return the Bhattacharyya coefficient of two histograms, 0 to 1."""
    return round(float(np.sqrt(a * b).sum()), 6)


_RIM_PX = 7
"""Width of the strips inside and outside a region's rim whose colours are compared (patch px)."""


def rim_contrast(lab: F32, region: Mask) -> float:
    """Return how far, in 8-bit Lab, ``lab`` (P, Q, 3) differs between the two sides of the rim of ``region`` (P, Q).

    The picture that shows the thing has its outline there; the one without it goes on across the rim.
    The patch's own edge is left out. 0 where the region has no rim.
    """
    kernel = np.ones((_RIM_PX, _RIM_PX), np.uint8)
    whole = region.astype(np.uint8)
    inside = whole - np.asarray(cv2.erode(whole, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)
    outside = np.asarray(cv2.dilate(whole, kernel), np.uint8) - whole
    rim = np.asarray(cv2.dilate(whole, np.ones((3, 3), np.uint8)), np.uint8) > whole
    rim[:2], rim[-2:], rim[:, :2], rim[:, -2:] = False, False, False, False
    if not rim.any():
        return 0.0
    apart = distance(_mean_near(lab, inside), _mean_near(lab, outside))
    return round(float(apart[rim].mean(dtype=np.float64)), 4)


def outline_lost(before: F32, after: F32, region: Mask) -> float:
    """Return the log ratio of the contrast across the rim of ``region`` before and after: positive where a thing left."""
    return round(math.log((rim_contrast(before, region) + 2.0) / (rim_contrast(after, region) + 2.0)), 6)


def touch(one: Mask, other: Mask) -> bool:
    """Tell whether two regions (P, Q) overlap or lie within two pixels of each other."""
    wider = np.asarray(cv2.dilate(one.astype(np.uint8), np.ones((5, 5), np.uint8)), np.uint8)
    return bool((wider[other] > 0).any())


def _mean_near(lab: F32, where: U8) -> F32:
    """Return for each pixel the mean colour (P, Q, 3) of the pixels of ``where`` around it."""
    size = (_RIM_PX, _RIM_PX)
    weight = where.astype(np.float32)
    total = np.asarray(cv2.boxFilter(lab * weight[..., None], -1, size, normalize=False), np.float32)
    count = np.asarray(cv2.boxFilter(weight, -1, size, normalize=False), np.float32)
    mean: F32 = np.asarray(total / np.maximum(count, 1.0)[..., None], np.float32)
    return mean
