"""A layout drawn over a camera's still: floor grid, shelf units, slots, and marked points."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from store_layout.cameras import CameraModel
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry, gondola_axes, gondola_footprint

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

# BGR, bright enough for dark and light floors
GRID, EDGES, SLOTS, MARK, SOLVED = (200, 190, 120), (60, 160, 255), (120, 230, 120), (60, 60, 255), (255, 255, 80)
_GRID_STEP_M = 0.5
_PIECE_M = 0.05
"""Lines are cut into pieces so long that lens distortion bends them by less than a pixel."""
_SHIFT = 4
"""Fractional bits of OpenCV's drawing coordinates: a sixteenth of a pixel."""


def read_picture(path: Path, resolution_px: tuple[int, int]) -> U8:
    """Return the picture in ``path`` (H, W, 3) BGR; InputError if it is unreadable or not of ``resolution_px``."""
    if not path.is_file():
        raise InputError("there is no such file", file=path, mend="check the path")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError("is not a picture that can be read", file=path, mend="use a PNG or JPEG file")
    height, width = picture.shape[:2]
    if (width, height) != tuple(resolution_px):
        message = f"is {width} x {height} pixels, the layout's camera {resolution_px[0]} x {resolution_px[1]}"
        raise InputError(message, file=path, mend="use a full still, or correct resolution_px")
    return np.asarray(picture, np.uint8)


def write_picture(path: Path, picture: U8) -> None:
    """Write ``picture`` (H, W, 3) BGR to ``path``; InputError where its ending names no picture format."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError("is neither .png nor .jpg", file=path, mend="name the picture as in fit.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture):
        raise InputError("cannot be written", file=path, mend="name a writable place")


def draw_over(image: U8, geometry: StoreGeometry, camera: CameraModel) -> U8:
    """Return a copy of ``image`` (H, W, 3) BGR with the layout drawn over it as ``camera`` sees it."""
    picture = image.copy()
    for start, end in _grid_lines(geometry):
        draw_line(picture, camera, start, end, GRID, 1)
    for place in geometry.slots:
        _draw_loop(picture, camera, place.front_corners_m, SLOTS, 1)
    for shelf in geometry.shelves:
        draw_line(picture, camera, shelf.front_corners_m[3], shelf.front_corners_m[2], EDGES, 1)
    for gondola in geometry.store.gondolas:
        base = np.column_stack([gondola_footprint(gondola), np.zeros(4)])
        top = base + np.array([0.0, 0.0, gondola.height_m])
        _draw_loop(picture, camera, base, EDGES, 2)
        _draw_loop(picture, camera, top, EDGES, 2)
        for low, high in zip(base, top, strict=True):
            draw_line(picture, camera, low, high, EDGES, 2)
        _, normal = gondola_axes(gondola)
        _write(picture, camera, (top[0] + top[1]) / 2 + normal * 0.02, gondola.id)
    return picture


def draw_marks(image: U8, camera: CameraModel, pixels: F64, world_m: F64) -> U8:
    """Return a copy of ``image`` with the marked ``pixels`` (N, 2) as rings and where ``world_m`` (N, 3) fall as crosses."""
    picture = image.copy()
    shown, _ = camera.project(world_m)
    for marked, solved in zip(pixels, shown, strict=True):
        cv2.circle(picture, _fixed(marked), 5 << _SHIFT, MARK, 2, cv2.LINE_AA, _SHIFT)
        if np.isfinite(solved).all():
            for reach in ((4.0, 0.0), (0.0, 4.0)):
                cv2.line(picture, _fixed(solved - reach), _fixed(solved + reach), SOLVED, 1, cv2.LINE_AA, _SHIFT)
    return picture


def draw_line(
    picture: U8, camera: CameraModel, start_m: F64, end_m: F64, colour: tuple[int, int, int], width_px: int
) -> None:
    """Draw the straight line between two world points (3,) into ``picture``, bent as the lens bends it."""
    count = max(2, int(np.linalg.norm(end_m - start_m) / _PIECE_M) + 1)
    pixels, _ = camera.project(start_m + (end_m - start_m) * np.linspace(0, 1, count)[:, None])
    near = np.all(np.abs(pixels) < 20 * max(picture.shape), axis=1)
    for index in range(count - 1):
        if near[index] and near[index + 1]:
            ends = _fixed(pixels[index]), _fixed(pixels[index + 1])
            cv2.line(picture, *ends, colour, width_px, cv2.LINE_AA, _SHIFT)


def _fixed(pixel: F64) -> tuple[int, int]:
    """Return OpenCV's fixed-point place of a pixel counted from the picture's corner."""
    return round((float(pixel[0]) - 0.5) * (1 << _SHIFT)), round((float(pixel[1]) - 0.5) * (1 << _SHIFT))


def _draw_loop(picture: U8, camera: CameraModel, corners_m: F64, colour: tuple[int, int, int], width_px: int) -> None:
    for start, end in zip(corners_m, np.roll(corners_m, -1, axis=0), strict=True):
        draw_line(picture, camera, start, end, colour, width_px)


def _grid_lines(geometry: StoreGeometry) -> list[tuple[F64, F64]]:
    """Return the lines of a grid on the floor, cut at the floor's edge."""
    from shapely.geometry import LineString

    left, bottom, right, top = geometry.floor.bounds
    xs = np.arange(np.ceil(left / _GRID_STEP_M), right / _GRID_STEP_M + 1e-9) * _GRID_STEP_M
    ys = np.arange(np.ceil(bottom / _GRID_STEP_M), top / _GRID_STEP_M + 1e-9) * _GRID_STEP_M
    lines = [LineString([(x, bottom), (x, top)]) for x in xs] + [LineString([(left, y), (right, y)]) for y in ys]
    pieces = [line.intersection(geometry.floor) for line in lines]
    parts = [part for piece in pieces for part in getattr(piece, "geoms", [piece]) if part.length > 0]
    return [(np.array([*part.coords[0], 0.0]), np.array([*part.coords[-1], 0.0])) for part in parts]


def _write(picture: U8, camera: CameraModel, place_m: F64, text: str) -> None:
    pixel, _ = camera.project(place_m[None])
    if camera.in_picture(pixel)[0]:
        at = round(float(pixel[0, 0])), round(float(pixel[0, 1])) - 4
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (20, 20, 20), 3, cv2.LINE_AA)
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, EDGES, 1, cv2.LINE_AA)
