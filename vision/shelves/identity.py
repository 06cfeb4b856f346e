"""Which product a change was about: the planogram first, what was misplaced, and what people hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.changes import Mask, SeenChange
from vision.shelves.settings import ShelvesSettings
from vision.types import F32, PersonCandidate, SkuCandidate


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    person_id: int
    sku: str
    slot: int
    colours: F32


@dataclass(frozen=True, slots=True, eq=False)
class _Misplaced:
    slot: int
    sku: str
    masks: dict[str, Mask]


class Identity:
    """Remembers what each person took and what lies where it does not belong."""

    def __init__(self, geometry: StoreGeometry, settings: ShelvesSettings) -> None:
        self._geometry, self._settings = geometry, settings
        self._taken: list[_Taken] = []
        self._misplaced: list[_Misplaced] = []

    def judge(
        self, change: SeenChange, persons: Sequence[PersonCandidate]
    ) -> tuple[int, float, tuple[SkuCandidate, ...]]:
        """Return signed units, how sure that is, and the products it may have been."""
        slot = self._geometry.slots[change.slot]
        holders = [each.person_id for each in persons if each.probability >= 0.15]
        held = [taken for taken in self._taken if taken.person_id in holders]
        if change.direction > 0 and held:
            return self._put(change, held)
        certainty = change.certainty if change.direction < 0 else 0.55
        sku = self._sku_there(change) or slot.sku
        colours = colours_of(change.before, change.mask)
        if persons:
            self._taken.append(_Taken(persons[0].person_id, sku, change.slot, colours))
        units = 1 if change.units < 1.7 else 2 if change.units < 2.7 else 3
        return -units, certainty, (SkuCandidate(sku, 0.95),)

    def _put(self, change: SeenChange, held: list[_Taken]) -> tuple[int, float, tuple[SkuCandidate, ...]]:
        slot = self._geometry.slots[change.slot]
        after = colours_of(change.after, change.mask)
        scores = [float((taken.colours * after).sum()) + (0.25 if taken.slot == change.slot else 0.0) for taken in held]
        best = int(np.argmax(scores))
        taken = held[best]
        self._taken.remove(taken)
        if taken.sku != slot.sku:
            self._misplaced.append(_Misplaced(change.slot, taken.sku, {change.camera_id: change.mask}))
        return 1, 0.85, (SkuCandidate(taken.sku, 0.9),)

    def _sku_there(self, change: SeenChange) -> str | None:
        """Return the misplaced product that lay where the change is, if one did, and forget it."""
        for thing in self._misplaced:
            if thing.slot != change.slot:
                continue
            mask = thing.masks.get(change.camera_id)
            overlap = 1.0 if mask is None else float((mask & change.mask).sum()) / max(float(mask.sum()), 1.0)
            if overlap >= 0.4:
                self._misplaced.remove(thing)
                return thing.sku
        return None


def colours_of(picture: F32, mask: Mask) -> F32:
    """Return a unit vector: square-rooted histogram of hue and brightness inside ``mask``."""
    hsv = cv2.cvtColor(np.clip(picture, 0, 255).astype(np.uint8), cv2.COLOR_BGR2HSV)
    inside = mask.astype(np.uint8) * 255
    histogram = cv2.calcHist([hsv], [0, 1, 2], inside, [12, 3, 3], [0, 180, 0, 256, 0, 256]).ravel()
    root = np.sqrt(histogram)
    return np.asarray(root / max(float(np.sqrt((root * root).sum())), 1e-9), np.float32)
