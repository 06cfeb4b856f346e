"""A picture at half and a quarter of its size, in colour or not, each made once and only when asked for."""

from __future__ import annotations

import cv2
import numpy as np

from vision.types import U8, Picture

SCALE = 4
"""Where people are is judged in a picture this much coarser than the camera's."""


class Coarse:
    """One frame's picture, shrunk by means over 2x2 pixels once or twice.

    OpenCV does that three times as fast as the mean over 4x4 pixels at once, which differs by rounding alone.
    """

    def __init__(self, picture: U8 | Picture) -> None:
        self._picture = picture
        self._made: dict[int, U8] = {}

    def shrunk(self, factor: int) -> U8:
        """Return the picture (ceil(H / factor), ceil(W / factor), 3), ``factor`` being 1, 2 or 4."""
        if factor not in self._made:
            self._made[factor] = self._full() if factor == 1 else halved(self.shrunk(factor // 2))
        return self._made[factor]

    def brightness(self) -> U8:
        """Return the picture's brightness (ceil(H / SCALE), ceil(W / SCALE)), 0 to 255.

        It is taken from the decoder's own plane where there is one, so that a picture in colour need not be made for it.
        """
        luma = None if isinstance(self._picture, np.ndarray) else self._picture.luma
        if luma is None:
            return np.asarray(cv2.cvtColor(self.shrunk(SCALE), cv2.COLOR_BGR2GRAY), np.uint8)
        return np.asarray(cv2.convertScaleAbs(halved(halved(luma)), alpha=_STRETCH, beta=-_BLACK * _STRETCH), np.uint8)

    def _full(self) -> U8:
        return self._picture if isinstance(self._picture, np.ndarray) else self._picture.bgr


_BLACK, _WHITE = 16, 235
"""A video's darkest and brightest value: ITU-R BT.601, 8 bits."""

_STRETCH = 255 / (_WHITE - _BLACK)


def halved(image: U8) -> U8:
    """Return ``image`` (H, W, 3) or (H, W) with half its height and width, rounded up."""
    size = (-(-image.shape[1] // 2), -(-image.shape[0] // 2))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def coarse_size(resolution_px: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a picture of ``resolution_px`` (width, height) shrunk by SCALE."""
    width, height = resolution_px
    return -(-width // SCALE), -(-height // SCALE)
