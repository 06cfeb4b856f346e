"""Cameras that give a frame a second: what of each frame shows the shelf, and what a hand before it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vision.shelves.looks import Mask, blobs, distance, skin, to_lab
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_light import relight, whole
from vision.types import F32, U8, EvidenceFrame


@dataclass(frozen=True, slots=True, eq=False)
class ClearLook:
    """One patch, judged.

    ``picture`` (P, Q, 3) is the patch, BGR, in the light of the look believed before; where ``unread`` (P, Q) it is
    that look itself. ``patch`` (P, Q, 3) is as the camera gave it, and ``things`` (T, 5) what else was: left, top, right, bottom in pixels of the patch, and score.
    """

    picture: F32
    unread: Mask
    frame: EvidenceFrame
    patch: U8
    things: F32


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    picture: F32
    skin: Mask
    hidden: Mask
    frame: EvidenceFrame
    patch: U8
    things: F32

    def judged(self, picture: F32, unread: Mask) -> ClearLook:
        return ClearLook(picture, unread, self.frame, self.patch, self.things)


class SlowWindow:
    """Holds a few patches of one slot, before and after the one judged.

    What stands on a shelf looks the same in some other patch near in time; a hand never comes
    back the same. A large new part that no neighbour shares is a hand's, and so is a part where a
    person was found unless neighbours share nearly all of it. Such parts are not read.
    """

    def __init__(self, settings: SlowSettings, cover_agreement: int) -> None:
        self._settings, self._cover_agreement = settings, cover_agreement
        self._patches: list[_Waiting] = []
        self._next = 0

    def push(
        self, patch: U8, hidden: Mask, things: F32, frame: EvidenceFrame, believed: F32 | None
    ) -> ClearLook | None:
        """Take the next patch (P, Q, 3) BGR; return an earlier one, if enough later ones are known.

        ``hidden`` (G, G) is a grid over the patch, true where a person was found, ``things`` (T, 5) is what else was.
        ``believed`` is the picture (P, Q, 3) BGR that the slot last gave, None before the first.
        """
        size = (patch.shape[1], patch.shape[0])
        cover = np.asarray(cv2.resize(hidden.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)) > 0
        self._patches.append(_Waiting(patch.astype(np.float32), skin(patch), cover, frame, patch, things))
        ready = len(self._patches) - self._settings.neighbours > self._next
        return self.pop(believed) if ready else None

    @property
    def is_empty(self) -> bool:
        """Whether every patch was judged."""
        return self._next >= len(self._patches)

    def pop(self, believed: F32 | None) -> ClearLook | None:
        """Judge the next patch without waiting for later ones; None for one that cannot be the first."""
        judged = self._patches[self._next]
        look = None if believed is None and judged.hidden.any() else self._read(judged, believed)
        self._next += 1
        if self._next > self._settings.neighbours:
            self._patches.pop(0)
            self._next -= 1
        return look

    def _read(self, judged: _Waiting, believed: F32 | None) -> ClearLook:
        if believed is None:
            return judged.judged(judged.picture, np.zeros(judged.skin.shape, np.bool_))
        now = relight(judged.picture, believed)
        unread = self._disturbed(now, judged, believed)
        return judged.judged(np.where(unread[..., None], believed, now), unread)

    def _disturbed(self, now: F32, judged: _Waiting, believed: F32) -> Mask:
        settings, look = self._settings, self._lab(now)
        novel = distance(look, self._lab(believed)) > settings.tolerance_levels
        parts = blobs(novel, settings.smallest_share * novel.size)
        disturbed = np.zeros(novel.shape, np.bool_)
        if not parts:
            return disturbed
        agreed = np.zeros(novel.shape, np.int64)
        for k, other in enumerate(self._patches):
            if k != self._next:
                agreed += distance(look, self._lab(relight(other.picture, now))) <= settings.tolerance_levels
        for part in parts:
            if self._is_hand(part, agreed, judged):
                disturbed |= part
        wide = cv2.dilate(disturbed.astype(np.uint8), np.ones((5, 5), np.uint8))
        return np.asarray(wide, np.uint8) > 0

    def _is_hand(self, part: Mask, agreed: np.ndarray[tuple[int, ...], np.dtype[np.int64]], judged: _Waiting) -> bool:
        settings = self._settings
        if float(judged.hidden[part].mean()) > settings.cover_share:
            return float((agreed[part] >= self._cover_agreement).mean()) < settings.agreed_share
        arm = settings.arm_share * part.size
        bare = part & judged.skin & (agreed < settings.skin_agreement)
        return bool(blobs(part & (agreed == 0), arm) or blobs(bare, arm))

    def _lab(self, picture: F32) -> F32:
        return to_lab(whole(picture), self._settings.blur_px)
