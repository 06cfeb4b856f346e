"""Cameras that give a frame a second: which of the frames shows the shelf, and which a hand before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, blobs, distance, same_light, skin, to_lab
from vision.shelves.settings import SlowSettings
from vision.types import F32, U8, EvidenceFrame


@dataclass(frozen=True, slots=True, eq=False)
class ClearLook:
    """A patch (P, Q, 3), as smoothed Lab, that shows the shelf and no hand."""

    look: F32
    frame: EvidenceFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    look: F32
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

        ``believed`` is the look (P, Q, 3) that the slot last had, None before the first.
        """
        look = to_lab(patch, self._settings.blur_px)
        if self._patches:
            look = same_light(look, self._patches[0].look)
        self._patches.append(_Waiting(look, skin(patch), frame))
        ready = len(self._patches) - self._settings.neighbours > self._next
        return self._judge_next(believed) if ready else None

    @property
    def is_empty(self) -> bool:
        """Whether every patch was judged."""
        return self._next >= len(self._patches)

    def pop(self, believed: F32 | None) -> ClearLook | None:
        """Judge the next patch without waiting for later ones."""
        return self._judge_next(believed)

    def _judge_next(self, believed: F32 | None) -> ClearLook | None:
        judged = self._patches[self._next]
        others = [each.look for k, each in enumerate(self._patches) if k != self._next]
        clear = believed is None or not self._is_disturbed(judged, others, believed)
        self._next += 1
        if self._next > self._settings.neighbours:
            self._patches.pop(0)
            self._next -= 1
        return ClearLook(judged.look, judged.frame) if clear else None

    def _is_disturbed(self, judged: _Waiting, others: list[F32], believed: F32) -> bool:
        settings = self._settings
        novel = distance(same_light(judged.look, believed), believed) > settings.tolerance_levels
        agreed = np.zeros(novel.shape, np.int64)
        for other in others:
            agreed += distance(judged.look, other) <= settings.tolerance_levels
        arm = settings.arm_share * novel.size
        alone = novel & (agreed == 0)
        bare = novel & judged.skin & (agreed < settings.skin_agreement)
        return bool(blobs(alone, arm) or blobs(bare, arm))
