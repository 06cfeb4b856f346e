"""Where each slot's front is in a camera's picture, worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from store_layout.geometry import CameraModel, SlotPlace, StoreGeometry
from vision.shelves.settings import ObserverSettings
from vision.types import F32, F64, I64

GRID = 12
"""What of a slot is hidden or moves is judged in a grid of this many cells a side."""


@dataclass(frozen=True, slots=True, eq=False)
class SlotAtlas:
    """The slots that a camera sees.

    ``slot_indices`` (S,); ``maps`` (S * P, Q, 2) float32 pixels for cv2.remap, slot below slot;
    ``cells_px`` (S, GRID, GRID, 2) float64 pixels on which hiding is judged; ``patch_px`` (P, Q).
    """

    slot_indices: I64
    maps: F32
    cells_px: F64
    patch_px: tuple[int, int]


def front_points(slot: SlotPlace, rows: int, columns: int) -> F64:
    """Return the middles (rows, columns, 3) in m of a grid of cells on the slot's front, top row first."""
    top_left, top_right, _, bottom_left = slot.front_corners_m
    across = (np.arange(columns) + 0.5) / columns
    down = (np.arange(rows) + 0.5) / rows
    points: F64 = (
        top_left + across[None, :, None] * (top_right - top_left) + down[:, None, None] * (bottom_left - top_left)
    )
    return points


def _first_row(slot: SlotPlace, rows: int, columns: int, inset_m: float) -> F64:
    inwards: F64 = -min(inset_m, slot.depth_m / 4) * slot.normal
    return front_points(slot, rows, columns) + inwards


def make_atlas(geometry: StoreGeometry, camera_id: str, settings: ObserverSettings) -> SlotAtlas:
    """Return the atlas of ``camera_id``: slots in its picture, facing it, large enough, unhidden by furniture."""
    camera = geometry.cameras[camera_id]
    seen = visible_slots(geometry, camera_id, settings)
    size = _patch_size(camera, [geometry.slots[i] for i in seen], settings)
    maps = [_project(camera, _first_row(geometry.slots[i], *size, settings.inset_m)) - 0.5 for i in seen]
    cells = [_project(camera, _first_row(geometry.slots[i], GRID, GRID, settings.inset_m)) for i in seen]
    return SlotAtlas(
        np.array(seen, np.int64),
        np.concatenate([np.zeros((0, size[1], 2)), *maps]).astype(np.float32),
        np.stack(cells) if cells else np.zeros((0, GRID, GRID, 2)),
        size,
    )


def patch_homographies(atlas: SlotAtlas) -> F64:
    """Return (S, 3, 3) homographies from the camera's pixels to each patch's. A lens's distortion is left out."""
    rows, columns = atlas.patch_px
    maps = atlas.maps.reshape(-1, rows, columns, 2) + np.float32(0.5)
    patch = np.array([[0, 0], [columns - 1, 0], [columns - 1, rows - 1], [0, rows - 1]], np.float32) + np.float32(0.5)
    corners = np.ascontiguousarray(maps[:, [0, 0, -1, -1], [0, -1, -1, 0]])
    found = [cv2.getPerspectiveTransform(each, patch) for each in corners]
    return np.stack(found) if found else np.zeros((0, 3, 3))


def visible_slots(geometry: StoreGeometry, camera_id: str, settings: ObserverSettings) -> list[int]:
    """Return the indices of the slots that the camera sees large enough, from in front, and unhidden by furniture."""
    return [i for i, slot in enumerate(geometry.slots) if _is_seen(geometry, camera_id, slot, settings)]


def front_areas_px2(geometry: StoreGeometry, camera_id: str, slots: Sequence[int]) -> dict[int, float]:
    """Return how many pixels the fronts of ``slots`` have in the camera's picture."""
    camera = geometry.cameras[camera_id]
    return {slot: round(_area(_project(camera, geometry.slots[slot].front_corners_m)), 3) for slot in slots}


def _project(camera: CameraModel, points_m: F64) -> F64:
    pixels, _ = camera.project(points_m.reshape(-1, 3))
    flat: F64 = pixels.reshape(*points_m.shape[:-1], 2)
    return flat


def _is_seen(geometry: StoreGeometry, camera_id: str, slot: SlotPlace, settings: ObserverSettings) -> bool:
    camera = geometry.cameras[camera_id]
    points = front_points(slot, 4, 4).reshape(-1, 3) + 0.01 * slot.normal
    sight = camera.position_m - points.mean(axis=0)
    slant = float((sight * slot.normal).sum()) / float(np.sqrt((sight * sight).sum()))
    if slant < settings.smallest_slant or float(geometry.sees(camera_id, points).mean()) < 0.9:
        return False
    corners = _project(camera, slot.front_corners_m)
    return _area(corners) >= settings.smallest_front_px


def _area(corners: F64) -> float:
    x, y = corners[:, 0], corners[:, 1]
    return 0.5 * abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))


def _patch_size(camera: CameraModel, slots: list[SlotPlace], settings: ObserverSettings) -> tuple[int, int]:
    """Return rows and columns that keep most slots at the picture's own sharpness, in steps of 4."""
    if not slots:
        return (settings.patch_side_px, settings.patch_side_px)
    corners = np.stack([_project(camera, slot.front_corners_m) for slot in slots])
    sides = np.sqrt(((corners - np.roll(corners, -1, axis=1)) ** 2).sum(axis=2))
    wide, high = float(np.median(sides[:, [0, 2]])) * 1.25, float(np.median(sides[:, [1, 3]])) * 1.25
    shrink = min(1.0, settings.patch_side_px / max(wide, high))
    rows, columns = (max(16, 4 * round(side * shrink / 4)) for side in (high, wide))
    return rows, columns
