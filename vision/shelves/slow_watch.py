"""One slot seen by a slow camera: its look, and the regions that changed between clear frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, blobs, distance, same_light
from vision.shelves.settings import SlowSettings
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
    """Follows one slot. A slot that changes in frame after frame has not come to rest: that is one change."""

    def __init__(self, settings: SlowSettings) -> None:
        self._settings = settings
        self._window = SlowWindow(settings)
        self._look: F32 | None = None
        self._frame: EvidenceFrame | None = None
        self._pending: RegionChange | None = None

    def see(self, patch: U8, frame: EvidenceFrame) -> Iterator[RegionChange]:
        """Take the next unhidden patch (P, Q, 3) BGR; yield what is now known to have changed."""
        clear = self._window.push(patch, frame, self._look)
        if clear is not None:
            yield from self._compare(clear)

    def finish(self) -> Iterator[RegionChange]:
        """Judge what still waits."""
        while not self._window.is_empty:
            clear = self._window.pop(self._look)
            if clear is not None:
                yield from self._compare(clear)
        if self._pending is not None:
            yield self._pending
            self._pending = None

    def _compare(self, clear: ClearLook) -> Iterator[RegionChange]:
        if self._look is None or self._frame is None:
            self._look, self._frame = clear.look, clear.frame
            return
        now = same_light(clear.look, self._look)
        region = self._changed(self._look, now)
        found = None if region is None else RegionChange(region, self._look, now, self._frame, clear.frame)
        settle_ns = round(self._settings.rest_s * 1e9)
        rested = self._pending is None or clear.frame.captured_at_ns - self._pending.last.captured_at_ns > settle_ns
        if self._pending is not None and (rested or found is None):
            yield self._pending
            self._pending = None
        if found is not None:
            self._pending = found if self._pending is None else self._joined(self._pending, found)
        self._look, self._frame = (now if found is not None else self._followed(now)), clear.frame

    def _followed(self, now: F32) -> F32:
        assert self._look is not None
        same = distance(now, self._look) <= self._settings.tolerance_levels
        look = self._look.copy()
        look[same] += np.float32(self._settings.follow) * (now[same] - look[same])
        return look

    def _changed(self, before: F32, after: F32) -> Mask | None:
        """Return the largest new part with those at least a quarter as large, or None where nothing is large enough."""
        novel = distance(after, before) > self._settings.tolerance_levels
        parts = blobs(novel, self._settings.smallest_share * novel.size)
        if not parts:
            return None
        kept = [part for part in parts if 4 * int(part.sum()) >= int(parts[0].sum())]
        joined: Mask = np.logical_or.reduce(kept) & novel
        return joined

    def _joined(self, earlier: RegionChange, later: RegionChange) -> RegionChange | None:
        """Return the change from before the earlier to after the later; None if that comes to nothing."""
        region = self._changed(earlier.before, later.after)
        return None if region is None else RegionChange(region, earlier.before, later.after, earlier.first, later.last)
