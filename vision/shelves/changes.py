"""What changed in a slot between two of its pictures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.shelves.settings import ChangeSettings
from vision.types import F32, U8

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """Where two pictures of a slot differ: (P, Q) mask, its share of the slot, and the mean difference in levels."""

    mask: Mask
    share: float
    levels: float


@dataclass(frozen=True, slots=True, eq=False)
class SeenChange:
    """One camera's word that a slot changed between two instants. ``direction`` is -1, +1, or 0 where it cannot tell."""

    slot: int
    camera_id: str
    after_ns: int
    before_ns: int
    direction: int
    certainty: float
    units: float
    before: F32
    after: F32
    mask: Mask


def difference(before: F32, after: F32, levels: float) -> Difference:
    """Compare two (P, Q, 3) pictures after taking a common change of light out of them."""
    gain = np.clip(np.median(before, axis=(0, 1)) / np.maximum(np.median(after, axis=(0, 1)), 1.0), 0.8, 1.25)
    smooth = cv2.blur(np.abs(before - after * gain.astype(np.float32)), (3, 3)).max(axis=2)
    mask = cv2.morphologyEx((smooth > levels).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    return Difference(mask, float(mask.mean()), float(smooth.mean()))


def structure(picture: F32, mask: Mask) -> float:
    """Return the mean gradient (Sobel, grey levels) inside ``mask``: products have print and edges, empty shelf has none."""
    grey = picture.mean(axis=2)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return float(np.sqrt(dx * dx + dy * dy)[mask].mean()) if mask.any() else 0.0


class SlotMemory:
    """One slot as one camera knows it: its present state, and former ones."""

    def __init__(self, slot: int, camera_id: str, unit_share: float, settings: ChangeSettings) -> None:
        self._slot, self._camera_id, self._settings = slot, camera_id, settings
        self._unit_share = unit_share
        self._state: F32 | None = None
        self._same_ns = 0
        self._pending: tuple[int, F32] | None = None
        self._former: deque[F32] = deque(maxlen=settings.history)

    @property
    def same_ns(self) -> int:
        """When the slot was last seen as it is known."""
        return self._same_ns

    def take(self, patch: U8, at_ns: int) -> SeenChange | None:
        """Take a settled picture; return the change that it confirms, if it does."""
        picture = patch.astype(np.float32)
        if self._state is None:
            self._state, self._same_ns = picture, at_ns
            return None
        found = difference(self._state, picture, self._settings.pixel_levels)
        if not self._is_change(found):
            self._state = self._state * np.float32(0.8) + picture * np.float32(0.2)
            self._same_ns, self._pending = at_ns, None
            return None
        if self._pending is None or self._is_change(difference(self._pending[1], picture, self._settings.pixel_levels)):
            self._pending = (at_ns, picture)
            return None
        since_ns = self._pending[0]
        if at_ns - since_ns < round(self._settings.confirm_s * 1e9):
            return None
        return self._confirm(found, picture, since_ns, at_ns)

    def _is_change(self, found: Difference) -> bool:
        return found.share >= max(self._settings.share_min, self._settings.share_of_unit_min * self._unit_share)

    def _confirm(self, found: Difference, picture: F32, since_ns: int, at_ns: int) -> SeenChange:
        assert self._state is not None
        direction, certainty = self._direction(found, picture)
        units = max(1.0, found.share / max(self._unit_share, 1e-6))
        change = SeenChange(
            self._slot,
            self._camera_id,
            self._same_ns,
            since_ns,
            direction,
            certainty,
            units,
            self._state,
            picture,
            found.mask,
        )
        if direction < 0:
            self._former.append(self._state)
        self._state, self._same_ns, self._pending = picture, at_ns, None
        return change

    def _direction(self, found: Difference, picture: F32) -> tuple[int, float]:
        assert self._state is not None
        apart = [difference(old, picture, self._settings.pixel_levels).levels for old in self._former]
        if apart and min(apart) < self._settings.restored_ratio * found.levels:
            for _ in range(len(apart) - apart.index(min(apart))):
                self._former.pop()  # what was fuller than now may come again only by another return
            return 1, 0.9
        ratio = (structure(picture, found.mask) + 2.0) / (structure(self._state, found.mask) + 2.0)
        if ratio > self._settings.appeared_ratio:
            return 1, 0.6
        return -1, 0.9 if ratio < 1 / self._settings.appeared_ratio else 0.75
