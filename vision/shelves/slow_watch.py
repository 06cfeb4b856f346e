"""One slot seen by a slow camera: its look, and what changed from one clear frame to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, blobs, distance, to_lab
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_light import whole
from vision.shelves.slow_window import ClearLook, SlowWindow
from vision.types import F32, U8, EvidenceFrame


@dataclass(frozen=True, slots=True, eq=False)
class RegionChange:
    """A part ``region`` (P, Q) of a slot that changed; ``before`` and ``after`` (P, Q, 3) Lab show the whole slot.

    ``first`` is the last clear frame before, ``last`` the first clear frame after.
    """

    region: Mask
    before: F32
    after: F32
    first: EvidenceFrame
    last: EvidenceFrame


class SlowWatch:
    """Follows one slot from clear frame to clear frame, and its light."""

    def __init__(self, settings: SlowSettings) -> None:
        self._settings = settings
        self._window = SlowWindow(settings)
        self._picture: F32 | None = None
        self._frame: EvidenceFrame | None = None

    def see(self, patch: U8, frame: EvidenceFrame) -> Iterator[RegionChange]:
        """Take the next unhidden patch (P, Q, 3) BGR; yield what is now known to have changed."""
        clear = self._window.push(patch, frame, self._picture)
        if clear is not None:
            yield from self._compare(clear)

    def finish(self) -> Iterator[RegionChange]:
        """Judge what still waits."""
        while not self._window.is_empty:
            clear = self._window.pop(self._picture)
            if clear is not None:
                yield from self._compare(clear)

    def _compare(self, clear: ClearLook) -> Iterator[RegionChange]:
        if self._picture is None or self._frame is None:
            self._picture, self._frame = clear.picture, clear.frame
            return
        before, after = self._lab(self._picture), self._lab(clear.picture)
        novel = distance(after, before) > self._settings.tolerance_levels
        first, self._frame = self._frame, clear.frame
        if blobs(novel, self._settings.smallest_share * novel.size):
            self._picture = clear.picture
            yield RegionChange(novel, before, after, first, clear.frame)
        else:
            followed = self._picture + np.float32(self._settings.follow) * (clear.picture - self._picture)
            self._picture = np.where(novel[..., None], self._picture, followed)

    def _lab(self, picture: F32) -> F32:
        return to_lab(whole(picture), self._settings.blur_px)
