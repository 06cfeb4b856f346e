"""One light for two pictures of the same shelf, however much of it changed between them."""

from __future__ import annotations

import cv2
import numpy as np

from vision.types import F32, U8

_STEP = 3
"""Pictures are shrunk to a third a side: enough to know the light, and free of noise."""
_CELLS = 4
"""Guesses are made in a grid of this many cells a side: one cell that did not change is enough."""
_DARK = 6.0
"""Added before ratios are taken, so that dark pixels' noise weighs little (8-bit levels)."""
_SAME = 0.08
"""Pixels whose ratio is this near to a guess agree with it."""
_LIMITS = (0.55, 1.8)
"""Automatic exposure and white balance stay within these factors."""


def relight(picture: F32, reference: F32) -> F32:
    """Return ``picture`` (P, Q, 3) BGR in the light of ``reference``: each channel times one factor.

    A camera that sets exposure and colour by itself changes the whole picture when a large thing
    leaves, so a mean or median over all of it is wrong. The factors tried are the medians of the
    cells of a grid; those that most pixels agree with win.
    """
    ratios, weights = _ratios(picture, reference)
    if int(weights.sum()) < _CELLS * _CELLS:
        return picture
    all_ratios = ratios[weights]
    guesses = [np.ones(3, np.float32), np.median(all_ratios, axis=0), *_cell_medians(ratios, weights)]
    best = max(guesses, key=lambda guess: int(_agree(all_ratios, guess).sum()))
    agreed = all_ratios[_agree(all_ratios, best)]
    factors = np.median(agreed, axis=0) if len(agreed) else best
    factors = np.clip(factors, *_LIMITS).astype(np.float32)
    moved = (picture + np.float32(_DARK)) * factors - np.float32(_DARK)
    return np.asarray(np.clip(moved, 0.0, 255.0), np.float32)


def whole(picture: F32) -> U8:
    """Return ``picture`` in whole levels."""
    return np.rint(np.clip(picture, 0.0, 255.0)).astype(np.uint8)


def _ratios(picture: F32, reference: F32) -> tuple[F32, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Return (p, q, 3) ratios and where (p, q) they can be trusted: neither black nor blown out."""
    size = (max(picture.shape[1] // _STEP, 1), max(picture.shape[0] // _STEP, 1))
    now, then = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (picture, reference))
    bright, dark = np.maximum(now, then).max(axis=2), np.minimum(now, then).min(axis=2)
    ratios = (then + np.float32(_DARK)) / (now + np.float32(_DARK))
    return np.asarray(ratios, np.float32), (bright < 248) & (dark > 4)


def _cell_medians(ratios: F32, weights: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[F32]:
    found = []
    for rows in np.array_split(np.arange(len(ratios)), _CELLS):
        for columns in np.array_split(np.arange(ratios.shape[1]), _CELLS):
            cell, good = ratios[np.ix_(rows, columns)], weights[np.ix_(rows, columns)]
            if 4 * int(good.sum()) > good.size:
                found.append(np.median(cell[good], axis=0))
    return found


def _agree(ratios: F32, guess: F32) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    near: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (np.abs(ratios / guess - 1.0) < _SAME).all(axis=1)
    return near
