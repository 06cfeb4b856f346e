"""What a decoder gives, as the pictures that the pipeline takes: uint8 (H, W, 3) BGR."""

from __future__ import annotations

import av
import cv2
import numpy as np

from vision.canvas import framed
from vision.types import U8

# AVColorSpace numbers that mean BT.601, which is what OpenCV's conversion assumes (2: not stated).
BT601_SPACES = frozenset({2, 5, 6})
FULL_RANGE = 2


class Decoded:
    """A decoder's picture, a ``vision.types.Picture``: it becomes BGR of ``resolution_px`` when that is first asked for.

    Several threads may ask; two that do at once both do the work, and either's result is as good.
    """

    __slots__ = ("_bgr", "_picture", "_resolution_px")

    def __init__(self, picture: av.VideoFrame, resolution_px: tuple[int, int] | None = None) -> None:
        """``resolution_px`` (width, height) of the same shape; None: as it was decoded."""
        self._picture = picture
        self._resolution_px = resolution_px or (picture.width, picture.height)
        self._bgr: U8 | None = None

    @property
    def bgr(self) -> U8:
        """The picture as uint8 (H, W, 3) BGR."""
        if self._bgr is None:
            self._bgr = scaled(to_bgr(self._picture), self._resolution_px)
        return self._bgr

    @property
    def luma(self) -> U8 | None:
        """The decoder's plane of brightness, uint8 (H, W), where it is BT.601's of 8 bits and needs no scaling."""
        if not _is_plain(self._picture) or self._resolution_px != (self._picture.width, self._picture.height):
            return None
        plane = self._picture.planes[0]
        return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _is_plain(picture: av.VideoFrame) -> bool:
    """Tell whether OpenCV's conversion holds for ``picture``."""
    is_even = picture.width % 2 == 0 and picture.height % 2 == 0
    is_limited = picture.colorspace in BT601_SPACES and picture.color_range != FULL_RANGE
    return picture.format.name == "yuv420p" and is_even and is_limited


def to_bgr(picture: av.VideoFrame) -> U8:
    """Return ``picture`` as uint8 (H, W, 3) BGR, by OpenCV where it can: libswscale takes twice as long."""
    if _is_plain(picture):
        into = framed(picture.height, picture.width)
        return np.asarray(cv2.cvtColor(picture.to_ndarray(), cv2.COLOR_YUV2BGR_I420, dst=into), np.uint8)
    return np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)


def has_shape_of(size_px: tuple[int, int], resolution_px: tuple[int, int]) -> bool:
    """Tell whether a picture of ``size_px`` (width, height) shows what one of ``resolution_px`` does, to the pixel."""
    (width, height), (want_width, want_height) = size_px, resolution_px
    return abs(width * want_height - height * want_width) <= max(want_width, want_height, width, height)


def scaled(image: U8, resolution_px: tuple[int, int]) -> U8:
    """Return ``image`` with ``resolution_px`` (width, height); areas are averaged, so that small things do not flicker."""
    if (image.shape[1], image.shape[0]) == resolution_px:
        return image
    return np.asarray(cv2.resize(image, resolution_px, interpolation=cv2.INTER_AREA), np.uint8)
