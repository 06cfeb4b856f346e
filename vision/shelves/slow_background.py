"""What lies behind the things in a bin, as far as it was ever seen, and what it tells of a change."""

from __future__ import annotations

import numpy as np

from vision.shelves.looks import Mask, blobs, distance
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_watch import RegionChange
from vision.types import F32


class SlowBackground:
    """The look of one slot of (P, Q) pixels where nothing was put or all was taken. Unknown at first."""

    def __init__(self, shape: tuple[int, ...], settings: SlowSettings) -> None:
        self._settings = settings
        self._look = np.zeros((*shape, 3), np.float32)
        self._known = np.zeros(shape, np.bool_)

    def parts(self, change: RegionChange) -> list[tuple[Mask, float]]:
        """Return connected parts (P, Q) of a change, each with its lean: 1 where a thing left, -1 where one came.

        A part in which the background appeared at one place and vanished at another is two, a thing
        that left and one that came; both had what is background neither before nor after.
        """
        before, after = self._bare(change.before), self._bare(change.after)
        found: list[tuple[Mask, float]] = []
        for part in blobs(change.region, self._smallest(change.region)):
            left, came = part & after & ~before, part & before & ~after
            shared = part & self._known & ~before & ~after
            if self._is_large(left) and self._is_large(came):
                found += [(self._solid(left | shared), 1.0), (self._solid(came | shared), -1.0)]
            else:
                found.append((part, round((int(left.sum()) - int(came.sum())) / int(part.sum()), 6)))
        return found

    def bared(self, region: Mask, after: F32) -> None:
        """Learn that a thing left ``region``: what shows there now lay behind it."""
        self._look[region] = after[region]
        self._known |= region

    def covered(self, region: Mask, before: F32) -> None:
        """Learn that a thing came to ``region``: what showed there lies behind it."""
        fresh = region & ~self._known
        self._look[fresh] = before[fresh]
        self._known |= region

    def _bare(self, look: F32) -> Mask:
        return self._known & (distance(look, self._look) <= self._settings.tolerance_levels)

    def _smallest(self, region: Mask) -> float:
        return self._settings.smallest_share * region.size

    def _is_large(self, region: Mask) -> bool:
        return bool(blobs(region, self._smallest(region)))

    def _solid(self, region: Mask) -> Mask:
        return np.asarray(np.logical_or.reduce(blobs(region, self._smallest(region))), np.bool_)
