"""One slot seen by a slow camera: its look, and what changed from one clear frame to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, blobs, distance, to_lab
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_light import whole
from vision.shelves.slow_window import ClearLook, SlowWindow
from vision.types import F32, U8, EvidenceFrame

_FORMER = 12
"""Frames remembered with what of them was read."""


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
        self._seen: deque[tuple[EvidenceFrame, Mask]] = deque(maxlen=_FORMER)

    def see(self, patch: U8, hidden: Mask, frame: EvidenceFrame) -> Iterator[RegionChange]:
        """Take the next patch (P, Q, 3) BGR, ``hidden`` (G, G) by people; yield what is now known to have changed."""
        clear = self._window.push(patch, hidden, frame, self._picture)
        if clear is not None:
            yield from self._compare(clear)

    def finish(self) -> Iterator[RegionChange]:
        """Judge what still waits."""
        while not self._window.is_empty:
            clear = self._window.pop(self._picture)
            if clear is not None:
                yield from self._compare(clear)

    def _compare(self, clear: ClearLook) -> Iterator[RegionChange]:
        if self._picture is None:
            self._picture = clear.picture
        before, after = self._lab(self._picture), self._lab(clear.picture)
        novel = distance(after, before) > self._settings.tolerance_levels
        if blobs(novel, self._settings.smallest_share * novel.size):
            self._picture = clear.picture
            yield RegionChange(novel, before, after, self._last_seen(novel), clear.frame)
        else:
            followed = self._picture + np.float32(self._settings.follow) * (clear.picture - self._picture)
            self._picture = np.where(novel[..., None], self._picture, followed)
        self._seen.append((clear.frame, clear.unread))

    def _last_seen(self, region: Mask) -> EvidenceFrame:
        """Return the latest frame that showed most of ``region``, or the oldest remembered."""
        read = [frame for frame, unread in self._seen if float(unread[region].mean()) < 0.5]
        return read[-1] if read else self._seen[0][0]

    def _lab(self, picture: F32) -> F32:
        return to_lab(whole(picture), self._settings.blur_px)
