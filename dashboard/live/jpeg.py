"""Pictures as browsers take them: OpenCV's JPEG."""

from __future__ import annotations

import cv2

from dashboard.live.types import Pixels


def jpeg_of(image: Pixels, quality: int) -> bytes:
    """Return ``image``, uint8 (H, W, 3) BGR, as JPEG of ``quality`` 1 to 100. Takes no lock of Python's meanwhile."""
    is_done, jpeg = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    assert is_done, "JPEG takes every picture"
    return jpeg.tobytes()
