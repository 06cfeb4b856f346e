"""One slot seen by a slow camera: its look, and what changed from one clear frame to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, blobs, distance, to_lab
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_light import whole
from vision.shelves.slow_window import ClearLook, SlowWindow
from vision.types import F32, U8, EvidenceFrame

FORMER = 12
"""Frames remembered with what of them was read."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionChange:
    """A part ``region`` (P, Q) of a slot that changed; ``before`` and ``after`` (P, Q, 3) Lab show the whole slot.

    ``first`` is the last clear frame before, ``last`` the first clear frame after; ``hidden`` are the frames between
    them, in which a hand was before it.
    """

    region: Mask
    before: F32
    after: F32
    first: EvidenceFrame
    last: EvidenceFrame
    hidden: tuple[EvidenceFrame, ...] = ()

    @property
    def when_ns(self) -> tuple[int, int]:
        """Return from when to when a hand was there: while it hid the place, else between the two clear frames."""
        frames = self.hidden or (self.first, self.last)
        return frames[0].captured_at_ns, frames[-1].captured_at_ns


@dataclass(frozen=True, slots=True, eq=False)
class SlotLook:
    """One clear frame against the look believed before it.

    ``before`` and ``after`` (P, Q, 3) Lab; ``novel`` (P, Q) is where they differ; ``change`` is that
    difference where it is large enough to be a thing's, else None.
    """

    clear: ClearLook
    before: F32
    after: F32
    novel: Mask
    change: RegionChange | None


class SlowWatch:
    """Follows one slot from clear frame to clear frame, and its light."""

    def __init__(self, settings: SlowSettings, cover_agreement: int) -> None:
        """``cover_agreement`` is how many neighbouring frames must share what is read in people's boxes."""
        self._settings = settings
        self._window = SlowWindow(settings, cover_agreement)
        self._picture: F32 | None = None
        self._seen: deque[tuple[EvidenceFrame, Mask]] = deque(maxlen=FORMER)

    def see(self, patch: U8, hidden: Mask, things: F32, frame: EvidenceFrame) -> Iterator[SlotLook]:
        """Take the next patch (P, Q, 3) BGR, ``hidden`` (G, G) by people, with the ``things`` (T, 5) detected in it.

        Yield an earlier one, now that it can be judged.
        """
        clear = self._window.push(patch, hidden, things, frame, self._picture)
        if clear is not None:
            yield self._compare(clear)

    def finish(self) -> Iterator[SlotLook]:
        """Judge what still waits."""
        while not self._window.is_empty:
            clear = self._window.pop(self._picture)
            if clear is not None:
                yield self._compare(clear)

    def _compare(self, clear: ClearLook) -> SlotLook:
        if self._picture is None:
            self._picture = clear.picture
        before, after = self._lab(self._picture), self._lab(clear.picture)
        novel = distance(after, before) > self._settings.tolerance_levels
        change = None
        if blobs(novel, self._settings.smallest_share * novel.size):
            self._picture = clear.picture
            first = last_read(self._seen, novel)
            hidden = between((frame for frame, _ in self._seen), first, clear.frame)
            change = RegionChange(novel, before, after, first, clear.frame, hidden)
        else:
            followed = self._picture + np.float32(self._settings.follow) * (clear.picture - self._picture)
            self._picture = np.where(novel[..., None], self._picture, followed)
        self._seen.append((clear.frame, clear.unread))
        return SlotLook(clear, before, after, novel, change)

    def _lab(self, picture: F32) -> F32:
        return to_lab(whole(picture), self._settings.blur_px)


def between(frames: Iterable[EvidenceFrame], first: EvidenceFrame, last: EvidenceFrame) -> tuple[EvidenceFrame, ...]:
    """Return those of ``frames``, in order, that lie between two others."""
    return tuple(each for each in frames if first.captured_at_ns < each.captured_at_ns < last.captured_at_ns)


def last_read(seen: Sequence[tuple[EvidenceFrame, Mask]], region: Mask) -> EvidenceFrame:
    """Return the latest of the frames ``seen``, each with what of it was unread, that showed most of ``region``.

    The oldest remembered where none did.
    """
    read = [frame for frame, unread in seen if float(unread[region].mean()) < 0.5]
    return read[-1] if read else seen[0][0]
