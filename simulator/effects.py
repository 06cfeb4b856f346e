"""What a camera's lens and electronics do to a clean picture."""

from __future__ import annotations

import math
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.settings import CameraEffects

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


def vignette(size_px: tuple[int, int], strength: float) -> F32:
    """(H, W, 1) gain that falls with the squared distance from the middle."""
    width, height = size_px
    x = (np.arange(width, dtype=np.float32) + 0.5) / (width / 2) - 1
    y = (np.arange(height, dtype=np.float32) + 0.5) / (height / 2) - 1
    fall = 1.0 - strength * (x[None, :] ** 2 + y[:, None] ** 2) / 2
    return np.asarray(fall[..., None], dtype=np.float32)


def channel_gains(settings: CameraEffects, camera_id: str, at_s: float) -> F32:
    """(3,) gains of B, G, R at one instant: slow swings that differ between cameras."""
    turn = zlib.crc32(camera_id.encode()) % 6283 / 1000.0
    swing = math.sin(0.31 * at_s + turn) * 0.6 + math.sin(0.83 * at_s + 2 * turn) * 0.4
    tint = math.sin(0.17 * at_s + 3 * turn)
    exposure = settings.exposure * (1 + settings.exposure_drift * swing)
    red, green, blue = settings.white_balance
    drift = settings.white_balance_drift * tint
    return np.array([exposure * blue * (1 - drift), exposure * green, exposure * red * (1 + drift)], np.float32)


def apply_effects(
    image: U8, settings: CameraEffects, fall: F32, gains: F32, noise_rng: np.random.Generator | None
) -> U8:
    """Return (H, W, 3) uint8 BGR with blur, gains, vignetting and (with a generator) noise."""
    picture = image
    if settings.blur_px > 0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), settings.blur_px), dtype=np.uint8)
    levels = picture.astype(np.float32) * (fall * gains)
    if settings.saturation != 1.0:
        grey = levels @ np.array([0.114, 0.587, 0.299], np.float32)
        levels = grey[..., None] + (levels - grey[..., None]) * np.float32(settings.saturation)
    if noise_rng is not None:
        noise = noise_rng.standard_normal(levels.shape, dtype=np.float32)
        np.maximum(levels, 0, out=levels)
        levels += noise * (np.float32(settings.noise_read) + np.float32(settings.noise_shot) * np.sqrt(levels))
    return np.clip(levels, 0, 255).astype(np.uint8)
