"""Fit a camera's picture into the network's, and find the way back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from vision.canvas import GREY, frame_of, margin_px
from vision.types import F32, U8


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture of one size lies in the network's picture: scaled evenly, centred, margins grey."""

    scale: float
    left_px: int
    top_px: int
    inner_px: tuple[int, int]
    outer_px: tuple[int, int]
    source_px: tuple[int, int]

    @classmethod
    @cache
    def fit(cls, source_px: tuple[int, int], outer_px: tuple[int, int]) -> Letterbox:
        """Return the letterbox for a source of (width, height); rounding as ultralytics' ``LetterBox`` does it."""
        scale = min(outer_px[0] / source_px[0], outer_px[1] / source_px[1])
        inner = (round(source_px[0] * scale), round(source_px[1] * scale))
        left, top = (margin_px(outer - size) for outer, size in zip(outer_px, inner, strict=True))
        return cls(scale, left, top, inner, outer_px, source_px)

    def apply(self, image: U8) -> U8:
        """Return the (H, W, 3) network's picture of ``image``."""
        canvas = np.empty((self.outer_px[1], self.outer_px[0], 3), np.uint8)
        self.draw(image, canvas)
        return canvas

    def draw(self, image: U8, canvas: U8) -> None:
        """Fill ``canvas`` (H, W, 3) with the network's picture of ``image``."""
        if self.inner_px != self.source_px:
            image = np.asarray(cv2.resize(image, self.inner_px, interpolation=cv2.INTER_LINEAR), np.uint8)
        right, bottom = self.left_px + self.inner_px[0], self.top_px + self.inner_px[1]
        canvas[: self.top_px] = canvas[bottom:] = GREY
        canvas[:, : self.left_px] = canvas[:, right:] = GREY
        canvas[self.top_px : bottom, self.left_px : right] = image

    def ready_made(self, image: U8) -> U8 | None:
        """Return the (H, W, 3) network's picture of ``image`` where it lies in one already, else None."""
        return frame_of(image, self.outer_px[1], self.outer_px[0]) if self.inner_px == self.source_px else None

    def back(self, points_px: F32) -> F32:
        """Return (..., 2) points of the network's picture in the source's pixels, kept inside it."""
        corner, most = _ends(self.left_px, self.top_px, self.source_px)
        moved = (points_px - corner) / np.float32(self.scale)
        return np.asarray(np.minimum(np.maximum(moved, np.float32(0)), most), np.float32)


@cache
def _ends(left_px: int, top_px: int, source_px: tuple[int, int]) -> tuple[F32, F32]:
    """Return the picture's corner in the network's picture, and its size, each (2,)."""
    return np.array([left_px, top_px], np.float32), np.array(source_px, np.float32)
