"""Shelves seen by slow cameras, about a frame a second: no motion, no person, changes between frames alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_judge import SlowJudge
from vision.shelves.slow_watch import RegionChange, SlowWatch
from vision.shelves.verdicts import Verdict
from vision.types import EvidenceFrame, SlotViews


class SlowShelves:
    """Watches every slot of every slow camera. Memory is some patches a slot, whatever the recording's length."""

    def __init__(self, geometry: StoreGeometry, settings: SlowSettings, references: References) -> None:
        self._geometry, self._settings, self._references = geometry, settings, references
        self._cameras = {camera.id for camera in geometry.store.cameras if camera.fps < settings.below_fps}
        self._watches: dict[tuple[str, int], SlowWatch] = {}
        self._judges: dict[tuple[str, int], SlowJudge] = {}

    def watches(self, camera_id: str) -> bool:
        """Tell whether this camera is a slow one."""
        return camera_id in self._cameras

    def take(self, view: SlotViews) -> Iterator[tuple[int, RegionChange, Verdict]]:
        """Take what a slow camera saw; yield slot index, change and verdict of what is now known."""
        for row, slot in enumerate(view.slot_indices.tolist()):
            key = (view.camera_id, slot)
            if key not in self._watches:
                self._watches[key] = SlowWatch(self._settings)
                planned, shares = self._geometry.slots[slot].sku, self._unit_shares(slot)
                self._judges[key] = SlowJudge(planned, shares, self._references, self._settings)
            frame = EvidenceFrame(view.camera_id, view.frame_index, view.captured_at_ns)
            for change in self._watches[key].see(view.patches[row], view.hidden[row], frame):
                yield from ((slot, *each) for each in self._judges[key].judge(change))

    def _unit_shares(self, slot: int) -> dict[str, float]:
        """Return for each SKU the share of the slot's front that one unit covers, NaN for products without a size."""
        corners = self._geometry.slots[slot].front_corners_m
        width_m = float(np.sqrt(((corners[1] - corners[0]) ** 2).sum()))
        front_m2 = width_m * float(corners[0, 2] - corners[3, 2])
        return {
            product.sku: math.nan if product.size_m is None else product.size_m[0] * product.size_m[2] / front_m2
            for product in sorted(self._geometry.store.products, key=lambda each: each.sku)
        }

    def finish(self) -> Iterator[tuple[int, RegionChange, Verdict]]:
        """Yield what the last patches prove."""
        for key in sorted(self._watches):
            for change in self._watches[key].finish():
                yield from ((key[1], *each) for each in self._judges[key].judge(change))
