"""One slot in one camera: what it looked like, what it looks like now, and when that changed for good."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.shelves.looks import Mask, beyond, blobs, distance, in_light_of, to_lab
from vision.shelves.settings import ChangeSettings
from vision.types import F32, I64, U8, EvidenceFrame

LOOKS = 3
"""New looks remembered of each pixel until one of them is believed: the real one, and two passing ones."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewChange:
    """A part of a slot that one camera saw change for good.

    ``region`` (P, Q) is where; ``before`` and ``after`` (P, Q, 3) Lab are the whole slot around it.
    ``before_ns`` is when the old look was last seen, ``after_ns`` when the new one was first.
    """

    slot_index: int
    camera_id: str
    region: Mask
    before: F32
    after: F32
    before_ns: int
    after_ns: int
    seen_ns: int
    evidence: tuple[EvidenceFrame, ...]

    @property
    def share(self) -> float:
        """Share of the slot's patch that changed."""
        return float(self.region.mean())

    @property
    def middle(self) -> tuple[float, float]:
        """The region's middle, across and down the patch, each 0 to 1."""
        rows, columns = np.nonzero(self.region)
        high, wide = self.region.shape
        return (float(columns.mean()) + 0.5) / wide, (float(rows.mean()) + 0.5) / high


class SlotWatch:
    """Follows one slot in one camera, patch by patch. Memory is a dozen patches, whatever the recording's length."""

    def __init__(self, slot_index: int, camera_id: str, unit_share: float, settings: ChangeSettings) -> None:
        self._key = (slot_index, camera_id)
        self._settings = settings
        self._smallest = max(settings.smallest_share, unit_share)
        self._look: F32 | None = None
        self._old_ns: I64 = np.zeros(0, np.int64)
        self._old_frame: EvidenceFrame | None = None
        self._needed = settings.sightings
        self._novel_ns = -1
        self._settle_ns = round(settings.settle_s * 1e9)

    def saw_unchanged_since(self, begin_ns: int, end_ns: int) -> bool:
        """Tell whether the slot was seen at ``end_ns`` or later, and looked as before from ``begin_ns`` on."""
        if self._look is None or self._novel_ns >= begin_ns:
            return False
        return _share(self._old_ns < end_ns) < self._settings.denial_share * self._smallest

    def see(self, patch: U8, hidden: Mask, frame: EvidenceFrame) -> list[ViewChange]:
        """Take the next patch (P, Q, 3), of which a grid of cells ``hidden`` (G, G) says nothing; return what it proves.

        Patches are compared only once the slot was seen whole.
        """
        covered = _grown(hidden, patch.shape)
        if self._look is None:
            if covered is None:
                self._begin(to_lab(patch, self._settings.blur_px), frame)
            return []
        now = to_lab(patch, self._settings.blur_px)
        if covered is not None:
            cv2.copyTo(self._look, covered.view(np.uint8), now)
        now = self._in_same_light(now, self._look)
        return self._follow(now, covered, frame)

    def _follow(self, now: F32, covered: Mask | None, frame: EvidenceFrame) -> list[ViewChange]:
        assert self._look is not None
        novel = beyond(now, self._look, self._settings.tolerance_levels)
        if covered is not None:
            novel &= ~covered
        self._remember_old(now, ~novel if covered is None else ~(novel | covered), frame)
        if not novel.any():
            return []
        if _share(novel) >= self._settings.denial_share * self._smallest:
            self._novel_ns = frame.captured_at_ns
        looks = self._count(now, novel, frame.captured_at_ns)
        large = blobs(novel, self._smallest * novel.size)
        if not large:
            return []
        which = _fewest(self._seen)  # of pixels that are not novel; a blob has some, where it was closed
        which[novel] = looks
        return self._settled(large, novel, covered, which, frame)

    def _in_same_light(self, now: F32, look: F32) -> F32:
        return in_light_of(now, look, self._settings.light_reach * max(now.shape[:2]))

    def _begin(self, now: F32, frame: EvidenceFrame) -> None:
        shape = now.shape[:2]
        self._look = now
        self._old_ns = np.full(shape, frame.captured_at_ns, np.int64)
        self._new = np.zeros((LOOKS, *shape, 3), np.float32)
        self._seen = np.zeros((LOOKS, *shape), np.int32)
        self._first_ns = np.zeros((LOOKS, *shape), np.int64)
        self._counting = False
        self._old_frame = frame

    def _remember_old(self, now: F32, same: Mask, frame: EvidenceFrame) -> None:
        assert self._look is not None
        # OpenCV and np.copyto take a mask many times faster than indexing by one does
        cv2.accumulateWeighted(now, self._look, self._settings.follow, mask=same.view(np.uint8))
        np.copyto(self._old_ns, frame.captured_at_ns, where=same)
        if self._counting:
            np.copyto(self._seen, 0, where=same)
            self._counting = bool(self._seen.any())
        if _share(same) > 1 - self._settings.smallest_share / 2:
            self._old_frame = frame

    def _count(self, now: F32, novel: Mask, at_ns: int) -> I64:
        """Count this sighting for the new look that each of the K novel pixels shows; return which look (K,) that is.

        One that shows none of the known looks takes the place of the one that was seen least.
        """
        self._counting = True
        new, seen, first_ns = (
            self._new.reshape(LOOKS, -1, 3),
            self._seen.reshape(LOOKS, -1),
            self._first_ns.reshape(LOOKS, -1),
        )
        at = np.flatnonzero(novel)
        colours, counts = now.reshape(-1, 3)[at], seen[:, at]
        gap = distance(colours, new[:, at])
        gap[counts == 0] = np.inf
        known = gap.min(axis=0) <= self._settings.tolerance_levels
        looks: I64 = np.where(known, gap.argmin(axis=0), counts.argmin(axis=0))
        again, fresh = (looks[known], at[known]), (looks[~known], at[~known])
        seen[again] += 1
        new[again] += 0.3 * (colours[known] - new[again])
        seen[fresh], new[fresh], first_ns[fresh] = 1, colours[~known], at_ns
        return looks

    def _settled(
        self, large: list[Mask], novel: Mask, covered: Mask | None, which: I64, frame: EvidenceFrame
    ) -> list[ViewChange]:
        """Return what the ``large`` blobs of the ``novel`` pixels prove; ``which`` (P, Q) new look each pixel shows."""
        smallest = self._smallest * novel.size
        first_ns = np.take_along_axis(self._first_ns, which[None], 0)[0]
        seen = np.take_along_axis(self._seen, which[None], 0)[0]
        lasted = frame.captured_at_ns - first_ns >= self._settle_ns
        settled = novel & (seen >= self._needed) & lasted
        beside_covered = _widened(covered, novel.shape)
        found: list[tuple[int, Mask]] = []
        for blob in large:
            old = frame.captured_at_ns - int(np.median(first_ns[blob])) > self._settings.give_up_s * 1e9
            closed = np.count_nonzero(settled & blob) >= self._settings.closed_share * np.count_nonzero(blob & novel)
            # A change that goes on behind somebody waits until they have stepped aside, unless most of a unit shows.
            whole = not (blob & beside_covered).any() or self._is_clear(blob, first_ns, frame.captured_at_ns)
            if old or (closed and whole):
                found += self._split(blob & settled, first_ns, smallest)
        return [self._commit(part, time, which, frame) for time, part in found]

    def _is_clear(self, blob: Mask, first_ns: I64, now_ns: int) -> bool:
        """Tell whether a blob that somebody hides in part is large enough, and has lasted, to be told as it is."""
        large = _share(blob) >= self._settings.clear_ratio * self._smallest
        return large and now_ns - int(np.median(first_ns[blob])) >= round(self._settings.clear_s * 1e9)

    def _split(self, settled: Mask, first_ns: I64, smallest: float) -> list[tuple[int, Mask]]:
        """Take a settled blob apart into what was first seen at different times."""
        parts: list[tuple[int, Mask]] = []
        for time in np.unique(first_ns[settled]).tolist():
            parts += [(time, part & settled) for part in blobs(settled & (first_ns == time), smallest)]
        if not parts and settled.any():
            parts = [(int(np.median(first_ns[settled])), settled)]
        return parts

    def _commit(self, region: Mask, first_ns: int, which: I64, frame: EvidenceFrame) -> ViewChange:
        assert self._look is not None
        assert self._old_frame is not None
        before = self._look.copy()
        shown = np.take_along_axis(self._new, which[None, :, :, None], 0)[0]
        self._look[region] = shown[region]
        old_ns = min(int(np.quantile(self._old_ns[region], 0.5, method="lower")), first_ns)
        self._seen[:, region] = 0
        self._old_ns[region] = frame.captured_at_ns
        return ViewChange(
            *self._key,
            region=region,
            before=before,
            after=self._look.copy(),
            before_ns=old_ns,
            after_ns=first_ns,
            seen_ns=frame.captured_at_ns,
            evidence=(self._old_frame, frame),
        )


def _share(mask: Mask) -> float:
    """Return the share of ``mask`` that is set: its mean, at a fraction of the cost."""
    return np.count_nonzero(mask) / mask.size


def _grown(hidden: Mask, shape: tuple[int, ...]) -> Mask | None:
    """Return ``hidden`` (G, G) as large as a patch of ``shape``, None where nothing is hidden."""
    if not hidden.any():
        return None
    return np.asarray(cv2.resize(hidden.view(np.uint8), shape[1::-1], interpolation=cv2.INTER_NEAREST)).view(np.bool_)


def _widened(covered: Mask | None, shape: tuple[int, ...]) -> Mask:
    """Return ``covered`` (P, Q) with two pixels around it; nothing at all for None."""
    if covered is None:
        return np.zeros(shape, np.bool_)
    return np.asarray(cv2.dilate(covered.view(np.uint8), np.ones((5, 5), np.uint8))) > 0


def _fewest(counts: NDArray[np.int32]) -> I64:
    """Return which of ``counts`` (K, P, Q) is the smallest at each pixel (P, Q), the first of equal ones."""
    which, least = np.zeros(counts.shape[1:], np.int64), counts[0].copy()
    for k, each in enumerate(counts[1:], start=1):  # np.argmin along the first axis takes six times as long
        np.copyto(which, k, where=each < least)
        np.minimum(least, each, out=least)
    return which
