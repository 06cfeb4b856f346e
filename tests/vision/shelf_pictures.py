"""Patches of a shelf, drawn."""

from __future__ import annotations

import numpy as np


def shelf(seed: int = 1) -> np.ndarray:
    """Return a bare board (48, 64, 3) BGR with a soft pattern."""
    rng = np.random.default_rng(seed)
    picture = np.full((48, 64, 3), (150, 160, 170), np.float64)
    picture += 8 * np.sin(np.arange(64) / 5.0)[None, :, None] + rng.normal(0, 2, (48, 64, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def with_can(picture: np.ndarray, left: int = 20) -> np.ndarray:
    """Return ``picture`` with a red can on it."""
    out = picture.copy()
    out[14:44, left : left + 16] = (30, 30, 190)
    out[14:18, left : left + 16] = (200, 200, 200)
    return out
