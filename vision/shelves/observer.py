"""Frames to patches of slots: the only place where product pixels are read."""

from __future__ import annotations

import cv2
import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.atlas import make_atlas
from vision.shelves.cover import people_mask, visible_shares
from vision.shelves.settings import ShelvesSettings
from vision.types import F32, F64, U8, Detections, Frame, SlotViews

CELLS = 4
"""News is looked for in a grid of this many cells a side, so that one unit of a wide slot counts."""
NEVER_NS = -(1 << 62)


class ShelfObserver:
    """Watches one camera's slots. Keeps the last frame's and the last sent patches, a few hundred kB."""

    def __init__(self, geometry: StoreGeometry, camera_id: str, settings: ShelvesSettings) -> None:
        self._settings = settings.observer
        self._camera_id = camera_id
        self._atlas = make_atlas(geometry, camera_id, settings.observer)
        rows, columns = self._atlas.patch_px
        count = len(self._atlas.slot_indices)
        self._small = np.zeros((count, CELLS * 3, CELLS * 3, 3), np.float32)
        self._last_small: F32 | None = None
        self._last_ns = NEVER_NS
        self._sent_small = np.zeros_like(self._small)
        self._sent_ns = np.full(count, NEVER_NS, np.int64)
        self._shape = (count, rows, columns, 3)

    def observe(self, frame: Frame, detections: Detections) -> SlotViews:
        """Return the slots of ``frame`` that are worth keeping: unhidden, still, and with news or due."""
        count = self._shape[0]
        if count == 0:
            return self._views(frame, np.zeros(0, np.int64), np.zeros(0), np.zeros(self._shape, np.uint8))
        height, width = frame.image.shape[:2]
        visible = visible_shares(people_mask(detections, width, height, self._settings), self._atlas.cover_px)
        patches = self._cut(frame.image)
        small = _cells(patches)
        chosen = np.flatnonzero(self._worth(small, visible, frame.captured_at_ns))
        self._sent_small[chosen] = small[chosen]
        self._sent_ns[chosen] = frame.captured_at_ns
        self._last_small, self._last_ns = small, frame.captured_at_ns
        return self._views(frame, chosen, visible, patches)

    def _cut(self, image: U8) -> U8:
        across, down = self._atlas.maps[..., 0], self._atlas.maps[..., 1]
        cut = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        patches: U8 = np.asarray(cut, np.uint8).reshape(self._shape)
        return patches

    def _worth(self, small: F32, visible: F64, at_ns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Return (S,) whether each slot is sent: see the settings for what the terms mean."""
        settings = self._settings
        since_frame_s = (at_ns - self._last_ns) / 1e9
        age_s = (at_ns - self._sent_ns) / 1e9
        still = np.ones(len(small), np.bool_)
        if self._last_small is not None and since_frame_s <= settings.still_gap_s:
            still = np.abs(small - self._last_small).mean(axis=3).max(axis=(1, 2)) <= settings.still_levels
        news = _difference(small, self._sent_small) >= settings.news_levels
        due = np.where(news, age_s >= min(settings.repeat_s, 0.9 * since_frame_s), age_s >= settings.heartbeat_s)
        # A slot just seen to change is sent again once, so that the new look is confirmed soon.
        chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (visible >= settings.visible_share) & still & due
        if since_frame_s > settings.still_gap_s:
            chosen = visible >= settings.visible_share
        return chosen

    def _views(
        self, frame: Frame, chosen: np.ndarray[tuple[int, ...], np.dtype[np.int64]], visible: F64, patches: U8
    ) -> SlotViews:
        return SlotViews(
            self._camera_id,
            frame.index,
            frame.captured_at_ns,
            self._atlas.slot_indices[chosen],
            visible[chosen].astype(np.float32),
            patches[chosen],
        )


def _cells(patches: U8) -> F32:
    """Return (S, 3 CELLS, 3 CELLS, 3) mean colours of ``patches`` (S, P, Q, 3)."""
    side = CELLS * 3
    return np.stack([cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA) for patch in patches]).astype(
        np.float32
    )


def _difference(small: F32, other: F32) -> F32:
    """Return (S,) the difference of each slot's worst cell, its mean brightness shift taken out."""
    shift = small - other
    shift = shift - np.median(shift, axis=(1, 2), keepdims=True)
    worst: F32 = np.abs(shift).mean(axis=3).max(axis=(1, 2))
    return worst
