"""The last seconds of every camera, and the pictures that are cut from them as evidence."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from store_layout.geometry import StoreGeometry
from tillfree.overlay.cameras import bgr
from tillfree.overlay.style import WARN
from vision.types import U8, Frame, Interaction

_KEPT_FRAMES = 160
_QUALITY = 82
_BEFORE_NS = 600_000_000
"""How long before a hand came the "before" picture of a slot is taken that no camera saw change: no arm is there yet."""
_CROP_PX = (180, 180)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Pictures of one interaction as data addresses for a web page; None where no frame was at hand."""

    camera_id: str
    before: str | None
    during: str | None
    after: str | None


class PictureBuffer:
    """Keeps compressed frames of the last seconds, a bounded number a camera."""

    def __init__(self, geometry: StoreGeometry) -> None:
        self._geometry = geometry
        self._frames: dict[str, deque[tuple[int, bytes]]] = {
            camera: deque(maxlen=_KEPT_FRAMES) for camera in geometry.cameras
        }

    def keep(self, frame: Frame) -> None:
        """Add a frame; the oldest goes."""
        _, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        self._frames[frame.camera_id].append((frame.captured_at_ns, data.tobytes()))

    def evidence(self, interaction: Interaction) -> Evidence | None:
        """Return pictures of the slot before, during and after.

        They are from the camera that shows it largest of those that saw it change, or of all where none did. "Before"
        is that camera's last clear look at the slot.
        """
        corners_m = self._corners_m(interaction)
        witnesses = sorted({each.camera_id for each in interaction.evidence})
        camera_id = self._best_camera(corners_m, witnesses) or self._best_camera(corners_m, sorted(self._frames))
        if camera_id is None:
            return None
        pixels, _ = self._geometry.cameras[camera_id].project(corners_m)
        middle_ns = (interaction.opened_at_ns + interaction.closed_at_ns) // 2
        during = self._at(camera_id, middle_ns)
        looks = [each.captured_at_ns for each in interaction.evidence if each.camera_id == camera_id]
        before_ns = min(looks, default=interaction.opened_at_ns - _BEFORE_NS)
        return Evidence(
            camera_id,
            _crop(self._at(camera_id, before_ns), pixels),
            None if during is None else _data_address(_outlined(during, pixels)),
            _crop(self._newest(camera_id), pixels),
        )

    def _corners_m(self, interaction: Interaction) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        if interaction.slot_id is not None:
            return self._geometry.slots[self._geometry.slot_index(interaction.slot_id)].front_corners_m
        shelf = next(each for each in self._geometry.shelves if each.shelf_id == interaction.shelf_id)
        return shelf.front_corners_m

    def _best_camera(
        self, corners_m: np.ndarray[tuple[int, ...], np.dtype[np.float64]], among: Sequence[str]
    ) -> str | None:
        areas: dict[str, float] = {}
        for camera_id in among:
            camera = self._geometry.cameras[camera_id]
            if self._frames[camera_id] and self._geometry.sees(camera_id, corners_m).all():
                pixels, _ = camera.project(corners_m)
                areas[camera_id] = float(cv2.contourArea(pixels.astype(np.float32)))
        return max(sorted(areas), key=lambda camera: areas[camera]) if areas else None

    def _at(self, camera_id: str, at_ns: int) -> U8 | None:
        kept = self._frames[camera_id]
        if not kept:
            return None
        return _decode(min(kept, key=lambda each: abs(each[0] - at_ns))[1])

    def _newest(self, camera_id: str) -> U8 | None:
        kept = self._frames[camera_id]
        return _decode(kept[-1][1]) if kept else None


def _decode(data: bytes) -> U8:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, "the buffer holds what this module encoded"
    return np.asarray(picture, np.uint8)


def _data_address(picture: U8) -> str:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _outlined(picture: U8, corners_px: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> U8:
    outline = np.round(corners_px).astype(np.int32)
    return np.asarray(cv2.polylines(picture, [outline], True, bgr(WARN), 2, cv2.LINE_AA), np.uint8)


def _crop(picture: U8 | None, corners_px: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str | None:
    """Cut a square around the slot, half as large again, and bring it to one size."""
    if picture is None:
        return None
    low, high = corners_px.min(axis=0), corners_px.max(axis=0)
    half = max(float((high - low).max()) * 0.75, 24.0)
    centre = (low + high) / 2
    height, width = picture.shape[:2]
    left, right = (round(min(max(centre[0] + shift, 0), width)) for shift in (-half, half))
    top, bottom = (round(min(max(centre[1] + shift, 0), height)) for shift in (-half, half))
    if right - left < 2 or bottom - top < 2:
        return None
    scale = min(_CROP_PX[0] / (right - left), _CROP_PX[1] / (bottom - top))
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    return _data_address(np.asarray(cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_CUBIC)))
