"""Pictures that lie in memory as networks want them: grey margins about them, up to sides that are multiples of 32 pixels."""

from __future__ import annotations

import numpy as np

from vision.types import U8

STRIDE_PX = 32
"""The sides of what YOLO networks take are multiples of this."""

GREY = 114
"""The margins' grey: the one that ultralytics' models are trained with."""


def framed(height_px: int, width_px: int) -> U8:
    """Return an unset picture (H, W, 3) to be filled, with grey margins above and below it in the same memory.

    A network of the picture's width then reads it where it lies. Pictures whose width is no multiple of 32 get none.
    """
    high_px = -(-height_px // STRIDE_PX) * STRIDE_PX
    if width_px % STRIDE_PX:
        return np.empty((height_px, width_px, 3), np.uint8)
    canvas = np.empty((high_px, width_px, 3), np.uint8)
    top = margin_px(high_px - height_px)
    canvas[:top] = canvas[top + height_px :] = GREY
    return canvas[top : top + height_px]


def margin_px(spare_px: int) -> int:
    """Return how many of ``spare_px`` go above or left of a picture; rounding as ultralytics' ``LetterBox`` does it."""
    return round(spare_px / 2 - 0.1)


def frame_of(image: U8, height_px: int, width_px: int) -> U8 | None:
    """Return the (height, width, 3) memory that ``framed`` put about ``image``, or None where it has no such."""
    canvas = image.base
    if not isinstance(canvas, np.ndarray) or canvas.shape != (height_px, width_px, 3) or not canvas.flags.c_contiguous:
        return None
    top = margin_px(height_px - image.shape[0])
    if image.shape[1] != width_px or _address(image) - _address(canvas) != top * canvas.strides[0]:
        return None
    below = top + image.shape[0]
    margins = [canvas[row] for row in (0, top - 1) if top] + [canvas[row] for row in (below, -1) if below < height_px]
    grey = bytes([GREY]) * canvas.strides[0]
    return canvas if all(row.tobytes() == grey for row in margins) else None


def _address(array: U8) -> int:
    address: int = array.__array_interface__["data"][0]  # a tenth of what array.ctypes costs
    return address
