"""Frames to patches of slots: the only place where product pixels are read."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from store_layout.geometry import StoreGeometry
from vision.coarse import SCALE, Coarse, coarse_size
from vision.shelves.atlas import GRID, SlotAtlas, front_areas_px2, make_atlas, patch_homographies
from vision.shelves.cover import NEVER_NS, PeopleCover, boxed_people, wide_box
from vision.shelves.settings import ShelvesSettings
from vision.shelves.units import unit_share
from vision.types import F32, F64, I64, U8, Detections, Frame, SlotViews

Mask = NDArray[np.bool_]
I16 = NDArray[np.int16]


class ShelfObserver:
    """Watches one camera's slots. Keeps the background, the last frame's and the last sent patches, a few hundred kB."""

    def __init__(self, geometry: StoreGeometry, camera_id: str, settings: ShelvesSettings) -> None:
        self._settings = settings.observer
        self._camera_id = camera_id
        self._atlas = make_atlas(geometry, camera_id, settings.observer)
        camera = next(each for each in geometry.store.cameras if each.id == camera_id)
        self._is_slow = camera.fps < settings.slow.below_fps
        areas = front_areas_px2(geometry, camera_id, self._atlas.slot_indices.tolist())
        product_px2 = max((area * unit_share(geometry, slot) for slot, area in areas.items()), default=0.0)
        self._cover = PeopleCover(*camera.resolution_px, product_px2, settings.observer.cover)
        self._size = coarse_size(camera.resolution_px)
        places = (self._atlas.cells_px / SCALE).astype(np.int64)
        self._cells = (
            np.clip(places[..., 1], 0, self._size[1] - 1),
            np.clip(places[..., 0], 0, self._size[0] - 1),
        )
        count = len(self._atlas.slot_indices)
        self._shape = (count, *self._atlas.patch_px, 3)
        self._no_slots = (
            np.zeros(0, np.int64),
            np.zeros(0, np.float32),
            np.zeros((0, GRID, GRID), np.bool_),
            np.zeros((0, *self._shape[1:]), np.uint8),
        )
        self._to_patch = patch_homographies(self._atlas)
        self._shrink, self._colours = _cell_maps(self._atlas)
        self._last_small: I16 | None = None
        self._last_ns = NEVER_NS
        self._sent_small = np.zeros((3, count, GRID, GRID), np.int16)
        self._sent_ns = np.full(count, NEVER_NS, np.int64)
        self._news_ns = np.full(count, NEVER_NS, np.int64)

    def nothing(self, frame: Frame, people: int) -> SlotViews:
        """Return no slots, for a frame with so many people whose shelves are not read."""
        hidden_by = np.zeros((people, self._shape[0]), np.float32)
        return SlotViews(self._camera_id, frame.index, frame.captured_at_ns, *self._no_slots, hidden_by)

    def observe(self, frame: Frame, picture: Coarse, detections: Detections) -> SlotViews:
        """Return the slots of ``frame`` that are worth keeping: with enough to read, and with news or due.

        ``picture`` is that of the frame, shrunk or yet to be.
        """
        count = self._shape[0]
        if count == 0:
            return self.nothing(frame, len(detections))
        small = self._see(picture)
        people = self._people(picture, detections)
        hidden = people | self._moving(small, frame.captured_at_ns)
        chosen = np.flatnonzero(self._worth(small, hidden, frame.captured_at_ns))
        self._sent_small[:, chosen] = np.where(hidden[chosen], self._sent_small[:, chosen], small[:, chosen])
        self._sent_ns[chosen] = frame.captured_at_ns
        self._last_small, self._last_ns = small, frame.captured_at_ns
        hidden_by = self._hidden_by(people, detections)
        patches = self._cut(frame.image, chosen)
        return self._views(frame, chosen, hidden, patches, hidden_by, self._things(chosen, detections))

    def _see(self, picture: Coarse) -> I16:
        """Return the colours (3, S, GRID, GRID) of all cells; planes lie apart, so that sums over them are quick."""
        found = cv2.remap(
            picture.shrunk(self._shrink), *self._colours, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.stack(cv2.split(found)).astype(np.int16).reshape(3, -1, GRID, GRID)

    def _cut(self, image: U8, chosen: I64) -> U8:
        """Return the patches (C, P, Q, 3) of the ``chosen`` slots (C,)."""
        _, rows, columns, _ = self._shape
        if len(chosen) == 0:
            return np.zeros((0, rows, columns, 3), np.uint8)
        maps = self._atlas.maps.reshape(-1, rows, columns, 2)[chosen].reshape(-1, columns, 2)
        cut = cv2.remap(image, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cut, np.uint8).reshape(-1, rows, columns, 3)

    def _people(self, picture: Coarse, detections: Detections) -> Mask:
        """Return (S, GRID, GRID) where people are before the slots."""
        if self._is_slow:
            mask = boxed_people(detections, self._size, self._settings.cover)
        else:
            mask = self._cover.mask(picture, detections)
        hidden: Mask = mask[self._cells] > 0
        return hidden

    def _hidden_by(self, people: Mask, detections: Detections) -> F32:
        """Return (N, S) the share of each slot that ``people`` (S, GRID, GRID) hides inside each detection's box."""
        rows, columns = self._cells
        shares = np.zeros((len(detections), len(people)), np.float32)
        for i in range(len(detections)):
            x0, y0, x1, y1 = wide_box(detections, i, self._settings.cover.search_margin)
            inside = (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
            shares[i] = np.count_nonzero(people & inside, axis=(1, 2)) / GRID**2
        return shares

    def _things(self, chosen: I64, detections: Detections) -> F32 | None:
        """Return (T, 6) what else was detected: row of ``chosen``, box in its patch, score. Only slow cameras are asked."""
        if not self._is_slow or detections.things_px is None:
            return None
        found = [np.zeros((0, 6), np.float32)]
        rows, columns = self._atlas.patch_px
        for row, slot in enumerate(chosen.tolist()):
            boxes, shares = _moved_boxes(detections.things_px[:, :4], self._to_patch[slot], (columns, rows))
            inside = shares >= self._settings.thing_inside
            scores = detections.things_px[inside, 4:]
            found.append(
                np.concatenate([np.full((len(scores), 1), row), boxes[inside], scores], axis=1, dtype=np.float32)
            )
        return np.concatenate(found)

    def _moving(self, small: I16, at_ns: int) -> Mask:
        """Return (S, GRID, GRID) where something moves; slow cameras cannot tell."""
        if self._is_slow or self._last_small is None or (at_ns - self._last_ns) / 1e9 > self._settings.still_gap_s:
            return np.zeros(small.shape[1:], np.bool_)
        moving: Mask = np.abs(small - self._last_small).sum(axis=0) > 3 * self._settings.still_levels
        return moving

    def _worth(self, small: I16, hidden: Mask, at_ns: int) -> Mask:
        """Return (S,) whether each slot is sent: see the settings for what the terms mean."""
        settings = self._settings
        readable = 1.0 - np.count_nonzero(hidden, axis=(1, 2)) / GRID**2
        if self._is_slow:
            return np.asarray(readable >= settings.visible_share, np.bool_)
        since_frame_s = (at_ns - self._last_ns) / 1e9
        age_s = (at_ns - self._sent_ns) / 1e9
        news = _difference(small, self._sent_small, hidden) >= settings.news_levels
        self._news_ns[news] = at_ns
        fresh = at_ns - self._news_ns <= round(settings.confirm_s * 1e9)
        due = np.where(fresh, age_s >= min(settings.repeat_s, 0.9 * since_frame_s), age_s >= settings.heartbeat_s)
        return np.asarray((readable >= settings.readable_share) & due, np.bool_)

    def _views(
        self, frame: Frame, chosen: I64, hidden: Mask, patches: U8, hidden_by: F32, things: F32 | None
    ) -> SlotViews:
        visible: F64 = 1.0 - hidden[chosen].mean(axis=(1, 2))
        return SlotViews(
            self._camera_id,
            frame.index,
            frame.captured_at_ns,
            self._atlas.slot_indices[chosen],
            visible.astype(np.float32),
            hidden[chosen],
            patches,
            hidden_by,
            things,
        )


def _moved_boxes(boxes_px: F32, homography: F64, size_px: tuple[int, int]) -> tuple[F32, F32]:
    """Return the upright hulls (N, 4) of boxes (N, 4) in a patch, cut to it, and the share (N,) of each that is inside."""
    corners = boxes_px[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2).astype(np.float64)
    raised = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2) @ homography.T
    places = raised[..., :2] / raised[..., 2:]
    whole = np.concatenate([places.min(axis=1), places.max(axis=1)], axis=1)
    cut = np.clip(whole, 0, np.array([*size_px, *size_px]))
    shares = np.prod(cut[:, 2:] - cut[:, :2], axis=1) / np.maximum(np.prod(whole[:, 2:] - whole[:, :2], axis=1), 1e-9)
    return np.round(cut, 2).astype(np.float32), shares.astype(np.float32)


def _cell_maps(atlas: SlotAtlas) -> tuple[int, tuple[I16, NDArray[np.uint16]]]:
    """Return by how much a picture is shrunk before cells are read in it, and the maps for cv2.remap there.

    A cell is then about a pixel, and so one look at it is its mean colour.
    """
    side_px = min(atlas.patch_px) / GRID
    shrink = 4 if side_px >= 3 else 2 if side_px >= 1.5 else 1
    places = (atlas.cells_px / shrink - 0.5).reshape(-1, GRID, 2).astype(np.float32)
    fixed = cv2.convertMaps(places[..., 0], places[..., 1], cv2.CV_16SC2)  # takes half the time of float maps
    return shrink, (np.asarray(fixed[0], np.int16), np.asarray(fixed[1], np.uint16))


def _difference(small: I16, other: I16, hidden: Mask) -> F32:
    """Return (S,) the difference of each slot's worst cell that can be read, its median brightness shift taken out."""
    shift = small - other
    count = small.shape[1]
    # every fourth cell says as much of the light; the median of 36 lies between the two middle ones
    some = np.partition(shift[:, :, ::2, ::2].reshape(3, count, -1), (17, 18), axis=2)
    light = some[:, :, 17] + some[:, :, 18]
    twice = np.abs(2 * shift - light[:, :, None, None]).sum(axis=0)
    twice[hidden] = 0
    return np.asarray(twice.max(axis=(1, 2)) / 6, np.float32)
