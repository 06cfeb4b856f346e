"""Shelves seen by slow cameras, about a frame a second: no motion, no person, changes between frames alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_boxes import BoxReader, UnitFront
from vision.shelves.slow_census import SlowCensus
from vision.shelves.slow_judge import SlowJudge
from vision.shelves.slow_watch import RegionChange, SlotLook, SlowWatch
from vision.shelves.verdicts import Verdict
from vision.types import EvidenceFrame, SlotViews

_Known = tuple[int, RegionChange, Verdict]
"""Slot index, change and verdict."""


class SlowShelves:
    """Watches every slot of every slow camera. Memory is some patches a slot, whatever the recording's length.

    Where the detector knows more than people, things are counted one by one; where it does not, changed pixels
    are told apart.
    """

    def __init__(self, geometry: StoreGeometry, settings: SlowSettings, references: References) -> None:
        self._geometry, self._settings, self._references = geometry, settings, references
        self._cameras = {camera.id for camera in geometry.store.cameras if camera.fps < settings.below_fps}
        self._watches: dict[tuple[str, int], SlowWatch] = {}
        self._judges: dict[tuple[str, int], SlowJudge | SlowCensus] = {}

    def watches(self, camera_id: str) -> bool:
        """Tell whether this camera is a slow one."""
        return camera_id in self._cameras

    def take(self, view: SlotViews) -> Iterator[_Known]:
        """Take what a slow camera saw; yield what is now known."""
        frame = EvidenceFrame(view.camera_id, view.frame_index, view.captured_at_ns)
        things = np.zeros((0, 6), np.float32) if view.things is None else view.things
        for row, slot in enumerate(view.slot_indices.tolist()):
            key = (view.camera_id, slot)
            if key not in self._watches:
                self._begin(key, view.things is not None)
            here = things[things[:, 0] == row, 1:]
            yield from self._judged(key, self._watches[key].see(view.patches[row], view.hidden[row], here, frame))

    def finish(self) -> Iterator[_Known]:
        """Yield what the last patches prove."""
        for key in sorted(self._watches):
            yield from self._judged(key, self._watches[key].finish())
            yield from ((key[1], *each) for each in self._judges[key].finish())

    def _judged(self, key: tuple[str, int], looks: Iterable[SlotLook]) -> Iterator[_Known]:
        for look in looks:
            yield from ((key[1], *each) for each in self._judges[key].judge(look))

    def _begin(self, key: tuple[str, int], counts_things: bool) -> None:
        settings = self._settings
        agreement = settings.census.cover_agreement if counts_things else settings.cover_agreement
        self._watches[key] = SlowWatch(settings, agreement)
        self._judges[key] = self._census(key[1]) if counts_things else self._judge(key[1])

    def _judge(self, slot: int) -> SlowJudge:
        fronts = self._fronts(slot)
        shares = {sku: math.nan if front is None else front.share for sku, front in fronts.items()}
        return SlowJudge(self._geometry.slots[slot].sku, shares, self._references, self._settings)

    def _census(self, slot: int) -> SlowCensus:
        width_m, height_m = self._size_m(slot)
        reader = BoxReader(self._fronts(slot), width_m / height_m, self._references, self._settings)
        return SlowCensus(reader, self._settings)

    def _fronts(self, slot: int) -> dict[str, UnitFront | None]:
        """Return for each SKU how large one unit stands in the slot, None for products without a size."""
        width_m, height_m = self._size_m(slot)
        sizes = {each.sku: each.size_m for each in self._geometry.store.products}
        return {
            sku: None if size is None else UnitFront(size[0] * size[2] / (width_m * height_m), size[0] / size[2])
            for sku, size in sorted(sizes.items())
        }

    def _size_m(self, slot: int) -> tuple[float, float]:
        corners = self._geometry.slots[slot].front_corners_m
        width_m = float(np.sqrt(((corners[1] - corners[0]) ** 2).sum()))
        return width_m, float(corners[0, 2] - corners[3, 2])
