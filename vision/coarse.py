"""A picture at half and a quarter of its size, each made once and only when asked for."""

from __future__ import annotations

import cv2
import numpy as np

from vision.types import U8

SCALE = 4
"""Where people are is judged in a picture this much coarser than the camera's."""


class Coarse:
    """One frame's picture, shrunk by means over 2x2 pixels once or twice.

    OpenCV does that three times as fast as the mean over 4x4 pixels at once, which differs by rounding alone.
    """

    def __init__(self, image: U8, half: U8 | None = None) -> None:
        self._made = {1: image}
        if half is not None:
            self._made[2] = half

    def shrunk(self, factor: int) -> U8:
        """Return the picture (ceil(H / factor), ceil(W / factor), 3), ``factor`` being 1, 2 or 4."""
        if factor not in self._made:
            self._made[factor] = halved(self.shrunk(factor // 2))
        return self._made[factor]


def halved(image: U8) -> U8:
    """Return ``image`` (H, W, 3) with half its height and width, rounded up."""
    size = (-(-image.shape[1] // 2), -(-image.shape[0] // 2))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def coarse_size(resolution_px: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a picture of ``resolution_px`` (width, height) shrunk by SCALE."""
    width, height = resolution_px
    return -(-width // SCALE), -(-height // SCALE)
