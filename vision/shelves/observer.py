"""Cuts the slots out of a camera's frames: the only place where a product's pixels are read."""

from __future__ import annotations

import cv2
import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.settings import ObserverSettings, ShelvesSettings
from vision.types import F32, F64, U8, Detections, Frame, SlotViews

NS_PER_S = 1_000_000_000
_GRID = 7


class ShelfObserver:
    """Gives the settled, unhidden pictures of the slots that one camera sees.

    All slots are rectified by one ``cv2.remap`` a frame.
    """

    def __init__(self, geometry: StoreGeometry, camera_id: str, settings: ShelvesSettings) -> None:
        self._settings = settings.observer
        self._geometry, self._camera_id = geometry, camera_id
        self._slots = np.array(visible_slots(geometry, camera_id, self._settings), np.int64)
        self._maps = self._remap_tables()
        self._samples = self._sample_pixels()
        shape = (len(self._slots), self._settings.patch_height_px, self._settings.patch_width_px, 3)
        self._former: U8 = np.zeros(shape, np.uint8)
        self._kept: U8 = np.zeros(shape, np.uint8)
        self._kept_ns = np.full(len(self._slots), -(10**18), np.int64)

    def observe(self, frame: Frame, detections: Detections) -> SlotViews:
        """Return the slots of ``frame`` that are worth keeping."""
        if not len(self._slots):
            return self._views(frame, np.zeros(0, np.int64), np.zeros(0, np.float32), self._former)
        atlas = cv2.remap(frame.image, self._maps[0], self._maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        patches = np.asarray(atlas, np.uint8).reshape(self._former.shape)
        visible = self._visible(detections)
        moved = _mean_change(patches, self._former)
        changed = _mean_change(patches, self._kept)
        due = frame.captured_at_ns - self._kept_ns >= round(self._settings.heartbeat_s * NS_PER_S)
        settled = (visible >= self._settings.visible_min) & (moved <= self._settings.settled_levels)
        rows = np.flatnonzero(settled & (due | (changed >= self._settings.changed_levels)))
        self._former = patches
        self._kept[rows] = patches[rows]
        self._kept_ns[rows] = frame.captured_at_ns
        return self._views(frame, rows, visible, patches)

    def _views(self, frame: Frame, rows: np.ndarray, visible: F32, patches: U8) -> SlotViews:
        return SlotViews(
            frame.camera_id, frame.index, frame.captured_at_ns, self._slots[rows], visible[rows], patches[rows]
        )

    def _remap_tables(self) -> tuple[F32, F32]:
        height, width = self._settings.patch_height_px, self._settings.patch_width_px
        across, down = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
        tables = np.zeros((len(self._slots), height, width, 2), np.float32)
        for row, slot in enumerate(self._slots.tolist()):
            points = front_points(self._geometry.slots[slot].front_corners_m, across, down)
            pixels, _ = self._geometry.cameras[self._camera_id].project(points.reshape(-1, 3))
            tables[row] = (pixels - 0.5).reshape(height, width, 2)  # remap counts from pixel centres
        flat = tables.reshape(-1, width, 2)
        return np.ascontiguousarray(flat[..., 0]), np.ascontiguousarray(flat[..., 1])

    def _sample_pixels(self) -> F64:
        steps = (np.arange(_GRID) + 0.5) / _GRID
        camera = self._geometry.cameras[self._camera_id]
        found = [
            camera.project(front_points(self._geometry.slots[slot].front_corners_m, steps, steps).reshape(-1, 3))[0]
            for slot in self._slots.tolist()
        ]
        return np.array(found, np.float64).reshape(len(self._slots), _GRID * _GRID, 2)

    def _visible(self, detections: Detections) -> F32:
        hidden = np.zeros(self._samples.shape[:2], np.bool_)
        margin = self._settings.box_margin_px
        x, y = self._samples[..., 0], self._samples[..., 1]
        for box, score in zip(detections.boxes_xyxy_px.tolist(), detections.scores.tolist(), strict=True):
            if score >= self._settings.person_score_min:
                hidden |= (
                    (x >= box[0] - margin) & (x <= box[2] + margin) & (y >= box[1] - margin) & (y <= box[3] + margin)
                )
        for hand in detections.hands_px.reshape(-1, 3).tolist():
            if hand[2] > 0:
                hidden |= (x - hand[0]) ** 2 + (y - hand[1]) ** 2 <= (4 * margin) ** 2
        return np.asarray(1 - hidden.mean(axis=1), np.float32)


def _mean_change(patches: U8, other: U8) -> F32:
    flat = (len(patches), -1)
    difference = cv2.absdiff(patches.reshape(flat), other.reshape(flat))
    return np.asarray(difference.mean(axis=1), np.float32)


def front_points(corners_m: F64, across: F64, down: F64) -> F64:
    """Return (len(down), len(across), 3) points of a front plane given by its four corners, clockwise from top left."""
    u, v = across[None, :, None], down[:, None, None]
    top = corners_m[0] * (1 - u) + corners_m[1] * u
    bottom = corners_m[3] * (1 - u) + corners_m[2] * u
    return np.asarray(top * (1 - v) + bottom * v, np.float64)


def visible_slots(geometry: StoreGeometry, camera_id: str, settings: ObserverSettings) -> list[int]:
    """Return the indices of the slots whose fronts this camera sees whole, large enough and not too edge-on."""
    camera = geometry.cameras[camera_id]
    found = []
    for index, slot in enumerate(geometry.slots):
        pixels, _ = camera.project(slot.front_corners_m)
        towards = camera.position_m - slot.centre_m
        cosine = float((towards * slot.normal).sum()) / float(np.sqrt((towards**2).sum()))
        if not np.isfinite(pixels).all() or cosine < settings.cosine_min:
            continue
        x, y = pixels[:, 0], pixels[:, 1]
        area_px = 0.5 * abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))
        # the corners themselves touch boards and side panels: ask a little inside and in front
        inner = slot.centre_m + 0.85 * (slot.front_corners_m - slot.centre_m) + 0.01 * slot.normal
        if area_px >= settings.area_px_min and bool(geometry.sees(camera_id, inner).all()):
            found.append(index)
    return found
