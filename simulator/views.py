"""A layout's camera as the renderer draws it: a pinhole picture that is then bent by the lens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.graphics import Rect
from store_layout.cameras import CameraModel

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

NEAR_M = 0.06
FAR_M = 40.0
_MAX_WIDENING = 2.5
"""A bent lens may need a pinhole picture this much wider than its own; beyond, corners stay black."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How one camera is rendered.

    ``clip`` (4, 4) takes the world to OpenGL's clip space with the picture's top row
    first, ``unclip`` back; ``size_px`` is the rendered size, ``focal_uv`` (2,) the focal
    lengths in rendered widths and heights. ``bend`` holds, for a lens with distortion,
    where in the rendered picture each pixel of the camera's picture lies.
    """

    camera: CameraModel
    clip: F64
    unclip: F64
    size_px: tuple[int, int]
    focal_uv: tuple[float, float]
    bend: tuple[F32, F32] | None

    @classmethod
    def of_camera(cls, camera: CameraModel, supersampling: float) -> View:
        """Set a camera up for rendering with ``supersampling`` rendered pixels per pixel."""
        window = (0.0, 0.0, float(camera.width_px), float(camera.height_px))
        straight = _straight_pixels(camera) if np.any(camera.distortion) else None
        if straight is not None:
            window = _window(straight, (camera.width_px, camera.height_px))
        extent = (window[2] - window[0], window[3] - window[1])
        size = (round(extent[0] * supersampling), round(extent[1] * supersampling))
        bend = None
        if straight is not None:
            # OpenCV counts from the middle of the first pixel.
            across = (straight[..., 0] - window[0]) * (size[0] / extent[0]) - 0.5
            down = (straight[..., 1] - window[1]) * (size[1] / extent[1]) - 0.5
            bend = (np.asarray(across, np.float32), np.asarray(down, np.float32))
        clip = _clip(camera, window)
        focal = (float(camera.camera_matrix[0, 0]) / extent[0], float(camera.camera_matrix[1, 1]) / extent[1])
        return cls(camera, clip, np.asarray(np.linalg.inv(clip), np.float64), size, focal, bend)

    def project(self, points_m: F64) -> tuple[F64, F64]:
        """Return (N, 2) rendered pixels and (N,) depth in metres; pixels mean nothing at depth <= 0."""
        corners = np.column_stack([points_m, np.ones(len(points_m))]) @ self.clip.T
        depth = corners[:, 3]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        return (corners[:, :2] / safe[:, None] * 0.5 + 0.5) * np.array(self.size_px), depth

    def rect(self, points_m: F64, margin_px: int) -> Rect | None:
        """Return the rectangle around points, inside the picture; the whole picture where one lies behind it."""
        pixels, depth = self.project(points_m)
        width, height = self.size_px
        ahead = depth > NEAR_M
        if not ahead.any():
            return None
        low, high = (pixels[ahead].min(axis=0), pixels[ahead].max(axis=0))
        if not ahead.all():
            # Something reaches behind the camera: its edges run out of the picture somewhere.
            low, high = np.array([0.0, 0.0]), np.array([width, height], np.float64)
        x0, y0 = (max(0, int(low[axis]) - margin_px) for axis in (0, 1))
        x1, y1 = (min((width, height)[axis], int(high[axis]) + 1 + margin_px) for axis in (0, 1))
        return (x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None

    def develop(self, rendered: U8) -> tuple[U8, U8]:
        """Return the camera's picture (H, W, 3) RGB and its rows of bodies (H, W) from a rendered (h, w, 4)."""
        size = (self.camera.width_px, self.camera.height_px)
        colour, rows = np.ascontiguousarray(rendered[..., :3]), np.ascontiguousarray(rendered[..., 3])
        if self.bend is not None:
            picture = cv2.remap(colour, *self.bend, cv2.INTER_LINEAR)
            return np.asarray(picture, np.uint8), np.asarray(cv2.remap(rows, *self.bend, cv2.INTER_NEAREST), np.uint8)
        if self.size_px == size:
            return colour, rows
        picture = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        return np.asarray(picture, np.uint8), np.asarray(
            cv2.resize(rows, size, interpolation=cv2.INTER_NEAREST), np.uint8
        )


def _straight_pixels(camera: CameraModel) -> F64:
    """(H, W, 2) where each pixel's ray meets the picture of a camera without distortion; NaN outside the lens."""
    columns, rows = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    _, directions = camera.rays(np.stack([columns.ravel(), rows.ravel()], axis=1))
    local = directions @ camera.rotation.T
    pixels = local[:, :2] / local[:, 2:3] * np.diag(camera.camera_matrix)[:2] + camera.camera_matrix[:2, 2]
    return np.asarray(pixels.reshape(camera.height_px, camera.width_px, 2))


def _window(straight: F64, size_px: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the straight picture that a bent lens sees."""
    extent = np.array(size_px, np.float64)
    limit = (_MAX_WIDENING - 1) / 2 * extent
    low = np.maximum(np.nanmin(straight, axis=(0, 1)) - 1, -limit)
    high = np.minimum(np.nanmax(straight, axis=(0, 1)) + 1, extent + limit)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _clip(camera: CameraModel, window: tuple[float, float, float, float]) -> F64:
    """(4, 4) world to clip space; the window's top row comes out first, at clip y = -1."""
    left, top, right, bottom = window
    fx, fy = camera.camera_matrix[0, 0], camera.camera_matrix[1, 1]
    cx, cy = camera.camera_matrix[:2, 2]
    lens = np.zeros((4, 4))
    lens[0, 0], lens[0, 2] = 2 * fx / (right - left), 2 * (cx - left) / (right - left) - 1
    lens[1, 1], lens[1, 2] = 2 * fy / (bottom - top), 2 * (cy - top) / (bottom - top) - 1
    lens[2, 2], lens[2, 3] = (FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    lens[3, 2] = 1
    world = np.eye(4)
    world[:3, :3] = camera.rotation
    world[:3, 3] = -camera.rotation @ camera.position_m
    return lens @ world
