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


def to_bgr(picture: av.VideoFrame) -> U8:
    """Return ``picture`` as uint8 (H, W, 3) BGR, by OpenCV where it can: libswscale takes twice as long."""
    plain = picture.format.name == "yuv420p" and picture.width % 2 == 0 and picture.height % 2 == 0
    if plain and picture.colorspace in BT601_SPACES and picture.color_range != FULL_RANGE:
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
