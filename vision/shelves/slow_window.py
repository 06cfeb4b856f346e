"""Cameras that give a frame a second: which of the frames shows the shelf, and which a hand before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, blobs, distance, skin, to_lab
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_light import relight, whole
from vision.types import F32, U8, EvidenceFrame


@dataclass(frozen=True, slots=True, eq=False)
class ClearLook:
    """A patch (P, Q, 3) BGR, in the light of the look believed before, that shows the shelf and no hand."""

    picture: F32
    frame: EvidenceFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    picture: F32
    skin: Mask
    frame: EvidenceFrame


class SlowWindow:
    """Holds a few patches of one slot, before and after the one judged.

    What stands on a shelf looks the same in some other patch near in time; a hand never comes
    back the same. A patch with a large new part that none of its neighbours shares is a hand's.
    """

    def __init__(self, settings: SlowSettings) -> None:
        self._settings = settings
        self._patches: list[_Waiting] = []
        self._next = 0

    def push(self, patch: U8, frame: EvidenceFrame, believed: F32 | None) -> ClearLook | None:
        """Take the next patch (P, Q, 3) BGR; return an earlier one if it is now known to show the shelf.

        ``believed`` is the picture (P, Q, 3) BGR that the slot last gave, None before the first.
        """
        self._patches.append(_Waiting(patch.astype(np.float32), skin(patch), frame))
        ready = len(self._patches) - self._settings.neighbours > self._next
        return self.pop(believed) if ready else None

    @property
    def is_empty(self) -> bool:
        """Whether every patch was judged."""
        return self._next >= len(self._patches)

    def pop(self, believed: F32 | None) -> ClearLook | None:
        """Judge the next patch without waiting for later ones."""
        judged = self._patches[self._next]
        now = relight(judged.picture, self._patches[0].picture if believed is None else believed)
        disturbed = believed is not None and self._is_disturbed(now, judged.skin, believed)
        self._next += 1
        if self._next > self._settings.neighbours:
            self._patches.pop(0)
            self._next -= 1
        return None if disturbed else ClearLook(now, judged.frame)

    def _is_disturbed(self, now: F32, bare: Mask, believed: F32) -> bool:
        settings = self._settings
        look = self._lab(now)
        novel = distance(look, self._lab(believed)) > settings.tolerance_levels
        arm = settings.arm_share * novel.size
        if int(novel.sum()) < arm:
            return False
        agreed = np.zeros(novel.shape, np.int64)
        for k, other in enumerate(self._patches):
            if k != self._next:
                agreed += distance(look, self._lab(relight(other.picture, now))) <= settings.tolerance_levels
        alone = novel & (agreed == 0)
        skinned = novel & bare & (agreed < settings.skin_agreement)
        return bool(blobs(alone, arm) or blobs(skinned, arm))

    def _lab(self, picture: F32) -> F32:
        return to_lab(whole(picture), self._settings.blur_px)
