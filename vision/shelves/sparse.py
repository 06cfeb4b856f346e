"""Cameras that see a frame a second: which of the frames shows the shelf and which a hand before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import blobs, distance, same_light, skin, to_lab
from vision.shelves.settings import ChangeSettings
from vision.types import F32, U8, EvidenceFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    look: F32
    bare_skin: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    frame: EvidenceFrame


class SparseWindow:
    """Holds a few patches, before and after the one judged.

    What stands on a shelf looks the same in some other patch near in time; a hand never comes
    back the same. A patch with a large new part that none of its neighbours shares is a hand's.
    """

    def __init__(self, settings: ChangeSettings) -> None:
        self._settings = settings
        self._patches: list[_Waiting] = []
        self._next = 0

    def push(self, patch: U8, frame: EvidenceFrame, believed: F32 | None) -> list[tuple[F32, EvidenceFrame]]:
        """Take the next patch; return the patch, if any, that is now known to show the shelf."""
        look = to_lab(patch, self._settings.blur_px)
        if self._patches:
            look = same_light(look, self._patches[0].look)
        self._patches.append(_Waiting(look, skin(patch), frame))
        ready = len(self._patches) - self._settings.neighbours > self._next
        return self._judge_next(believed) if ready else []

    def flush(self, believed: F32 | None) -> list[tuple[F32, EvidenceFrame]]:
        """Return those of the remaining patches that show the shelf."""
        found = []
        while self._next < len(self._patches):
            found += self._judge_next(believed)
        return found

    def _judge_next(self, believed: F32 | None) -> list[tuple[F32, EvidenceFrame]]:
        judged = self._patches[self._next]
        others = [each.look for k, each in enumerate(self._patches) if k != self._next]
        clear = believed is None or not self._is_disturbed(judged, others, believed)
        self._next += 1
        if self._next > self._settings.neighbours:
            self._patches.pop(0)
            self._next -= 1
        return [(judged.look, judged.frame)] if clear else []

    def _is_disturbed(self, judged: _Waiting, others: list[F32], believed: F32) -> bool:
        settings = self._settings
        novel = distance(same_light(judged.look, believed), believed) > settings.tolerance_levels
        agreed = np.zeros(novel.shape, np.int64)
        for other in others:
            agreed += distance(judged.look, other) <= settings.tolerance_levels
        arm = settings.arm_share * novel.size
        alone = novel & (agreed == 0)
        bare = novel & judged.bare_skin & (agreed < settings.arm_sightings - 1)
        return bool(blobs(alone, arm) or blobs(bare, arm))
