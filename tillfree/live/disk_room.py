"""Keeps evidence within its room on the disk: what is old goes, then what matters least, and then nothing new is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from shutil import disk_usage

from tillfree.live.clips import ClipStore, OpenReviews
from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.ring import PacketRing

_S = 1_000_000_000
_MB = 1_000_000
_DAY_S = 86_400
_FOUND_SHARE = 0.98
"""Share of the budget below which room counts as found again, so that a store on the brink does not flap."""

_WAITED_SHARE = 2.0
"""Times ``buffer_s`` that files are kept at most for clips that wait."""


def free_bytes(folder: Path) -> int:
    """Return what is free on a folder's disk."""
    return disk_usage(folder).free


class DiskRoom:
    """Deletes in this order: the buffer down to ``buffer_least_s``, clips of which no review is open, the rest of the buffer."""

    def __init__(
        self,
        folder: Path,
        ring: PacketRing,
        store: ClipStore,
        settings: EvidenceSettings,
        open_reviews: OpenReviews,
        disk_free: Callable[[Path], int],
    ) -> None:
        self._folder, self._ring, self._store, self._settings = folder, ring, store, settings
        self._open_reviews, self._disk_free = open_reviews, disk_free
        self.is_full = False

    @property
    def free_bytes(self) -> int:
        """What is free on the disk."""
        return self._disk_free(self._folder)

    def tidy(self, now_ns: int, cameras: Iterable[str], needed_from_ns: Mapping[str, int]) -> None:
        """Delete what is too old, and what there is no room for. Raises OSError."""
        self._ring.expire({camera: self._keep_from_ns(now_ns, needed_from_ns.get(camera)) for camera in cameras})
        self._store.delete_older(now_ns - round(self._settings.keep_clips_days * _DAY_S * _S))
        self._make_room(now_ns)

    def _keep_from_ns(self, now_ns: int, needed_ns: int | None) -> int:
        buffer_ns = round(self._settings.buffer_s * _S)
        usual_ns = now_ns - buffer_ns
        if needed_ns is None:
            return usual_ns
        return max(min(usual_ns, needed_ns), now_ns - round(_WAITED_SHARE * buffer_ns))

    def _make_room(self, now_ns: int) -> None:
        least_ns = now_ns - round(self._settings.buffer_least_s * _S)
        share = _FOUND_SHARE if self.is_full else 1.0
        while not self._fits(share) and self._ring.drop_oldest(least_ns):
            pass
        while not self._fits(share) and self._store.delete_oldest(self._open_reviews()):
            pass
        self.is_full = not self._fits(share)
        while not self._fits(1.0) and self._ring.drop_oldest():
            pass
        self._ring.pause(is_paused=not self._fits(1.0))

    def _fits(self, share: float) -> bool:
        used = self._ring.size_bytes + self._store.size_bytes
        free_min = self._settings.disk_free_min_mb * _MB
        return used <= share * self._settings.disk_budget_mb * _MB and self.free_bytes >= free_min
