"""The default tracker: two rounds by score as in ByteTrack (arXiv 2110.06864), a third that finds lost tracks again.

What differs from ByteTrack: boxes are widened before their overlap is measured, noise is
given in box heights and seconds instead of frames, a track unseen for a while is looked for
in a circle that grows with the time, and ids and state live in the instance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.tracking import association
from vision.tracking.base import tracks_of
from vision.tracking.motion import BoxMotion
from vision.tracking.settings import TrackingSettings
from vision.types import F32, F64, I64, Detections, Tracks

NS_PER_S = 1_000_000_000
UNCONFIRMED = 0
APPEARANCE_MEMORY = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """All T tracks of a camera: id (0 while unconfirmed), frames seen in a row, when last seen, and look."""

    motion: BoxMotion
    ids: I64
    streak: I64
    seen_at_ns: I64
    look: F64 | None

    @classmethod
    def empty(cls) -> _Pool:
        none = np.zeros(0, np.int64)
        return cls(BoxMotion.empty(), none, none, none, None)

    def kept(self, keep: np.ndarray) -> _Pool:
        look = None if self.look is None else self.look[keep]
        return _Pool(self.motion.kept(keep), self.ids[keep], self.streak[keep], self.seen_at_ns[keep], look)

    def with_new(self, motion: BoxMotion, at_ns: int, look: F32 | None) -> _Pool:
        n = len(motion)
        return _Pool(
            self.motion.joined(motion),
            np.concatenate([self.ids, np.full(n, UNCONFIRMED, np.int64)]),
            np.concatenate([self.streak, np.ones(n, np.int64)]),
            np.concatenate([self.seen_at_ns, np.full(n, at_ns, np.int64)]),
            _stacked(self.look, look, len(self.ids), n),
        )


class TwoStageTracker:
    """See the module's text. ``fps`` says how long the gap before the first frame is taken to be."""

    def __init__(self, settings: TrackingSettings, fps: float) -> None:
        self._settings = settings
        self._frame_s = 1.0 / fps
        self._pool = _Pool.empty()
        self._last_ns: int | None = None
        self._next_id = 1

    def update(self, detections: Detections) -> Tracks:
        """See ``Tracker.update``."""
        now_ns = detections.captured_at_ns
        self._advance(now_ns)
        boxes = detections.boxes_xyxy_px.astype(np.float64)
        usable = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        tracks, rows = self._matched(detections, boxes, usable)
        self._correct(tracks, rows, boxes, detections)
        found = self._found_tracks(detections, boxes, usable, rows)
        confirmed = self._pool.ids[tracks] != UNCONFIRMED
        result = tracks_of(detections, rows[confirmed], self._pool.ids[tracks[confirmed]])
        self._drop_stale(now_ns, np.concatenate([tracks, found]))
        return result

    def _advance(self, now_ns: int) -> None:
        step_s = self._frame_s if self._last_ns is None else (now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        steps = np.full(len(self._pool.ids), step_s)
        motion = self._pool.motion.predicted(steps, self._settings.acceleration_heights_per_s2)
        unseen = now_ns - self._pool.seen_at_ns > 1.5 * step_s * NS_PER_S
        share = np.where(unseen, 1.0 / (1.0 + step_s / self._settings.coast_s), 1.0)
        pool = self._pool
        self._pool = _Pool(motion.slowed(share), pool.ids, pool.streak, pool.seen_at_ns, pool.look)

    def _matched(self, detections: Detections, boxes: F64, usable: np.ndarray) -> tuple[I64, I64]:
        """Return track places and detection rows of all matches of the three rounds."""
        s = self._settings
        scores = detections.scores.astype(np.float64)
        likeness = self._likeness(detections, boxes)
        unseen_s = (detections.captured_at_ns - self._pool.seen_at_ns) / NS_PER_S
        recent = unseen_s <= 2.5 * self._frame_s
        strong, weak = usable & (scores >= s.high_score), usable & (scores >= s.low_score) & (scores < s.high_score)
        confirmed = self._pool.ids != UNCONFIRMED
        free = np.ones(len(recent), np.bool_)
        away = confirmed & ~recent
        near = self._nearness(boxes, unseen_s) if away.any() else likeness  # nobody is away, so nobody asks
        rounds = (
            (likeness, s.minimum_overlap, confirmed, strong),
            (likeness, s.minimum_low_overlap, confirmed & recent, weak),
            (near, 0.0, away, strong),
            (likeness, s.minimum_overlap, ~confirmed, strong),
        )
        none = np.zeros(0, np.int64)
        pairs: list[tuple[I64, I64]] = [(none, none)]
        taken = np.zeros(len(boxes), np.bool_)
        for similarity, minimum, track_mask, row_mask in rounds:
            places, rows = (track_mask & free).nonzero()[0], (row_mask & ~taken).nonzero()[0]
            if not (places.size and rows.size):
                continue
            i, j = association.assigned(similarity[places[:, None], rows], minimum)
            free[places[i]], taken[rows[j]] = False, True
            pairs.append((places[i], rows[j]))
        return np.concatenate([p for p, _ in pairs]), np.concatenate([r for _, r in pairs])

    def _likeness(self, detections: Detections, boxes: F64) -> F64:
        """Return the overlap of widened boxes (T, N), with a share of appearance where there is one."""
        margin, share = self._settings.margin_heights, self._settings.appearance_weight
        predicted = association.widened(self._pool.motion.boxes_xyxy_px, margin)
        shared = association.overlap(predicted, association.widened(boxes, margin))
        if self._pool.look is None or detections.appearance is None or share == 0:
            return shared
        alike = _cosine(self._pool.look, detections.appearance.astype(np.float64))
        return np.where(shared > 0, (1 - share) * shared + share * alike * shared, 0.0)

    def _nearness(self, boxes: F64, unseen_s: F64) -> F64:
        """Return 1 at a lost track's prediction, 0 at the edge of its circle, -1 outside of it (T, N)."""
        predicted = self._pool.motion.boxes_xyxy_px
        reach = np.maximum(self._settings.relink_heights_per_s * unseen_s, 1e-9)[:, None]
        near = 1.0 - association.distance_heights(predicted, boxes) / reach
        alike = association.size_similarity(predicted, boxes) >= 0.7
        return np.where((near >= 0) & alike, near, -1.0)

    def _correct(self, tracks: I64, rows: I64, boxes: F64, detections: Detections) -> None:
        pool, s = self._pool, self._settings
        motion = pool.motion.corrected(tracks, boxes[rows], s.measurement_heights)
        streak, seen, ids = np.zeros_like(pool.streak), pool.seen_at_ns.copy(), pool.ids.copy()
        streak[tracks] = pool.streak[tracks] + 1
        seen[tracks] = detections.captured_at_ns
        for place in tracks[(ids[tracks] == UNCONFIRMED) & (streak[tracks] >= s.founding_frames)]:
            ids[place] = self._next_id
            self._next_id += 1
        look = _blended(pool.look, tracks, detections.appearance, rows)
        self._pool = _Pool(motion, ids, streak, seen, look)

    def _found_tracks(self, detections: Detections, boxes: F64, usable: np.ndarray, matched_rows: I64) -> I64:
        """Start tracks at strong detections that nothing explains; return their places in the pool."""
        s = self._settings
        free = usable & (detections.scores.astype(np.float64) >= s.founding_score)
        free[matched_rows] = False
        rows = free.nonzero()[0]
        if len(matched_rows) and len(rows):
            crowd = association.overlap(boxes[rows], boxes[matched_rows])
            rows = rows[crowd.max(axis=1) < s.duplicate_overlap]
        before = len(self._pool.ids)
        if not len(rows):
            return np.zeros(0, np.int64)
        look = None if detections.appearance is None else detections.appearance[rows]
        started = BoxMotion.start(boxes[rows], s.measurement_heights)
        self._pool = self._pool.with_new(started, detections.captured_at_ns, look)
        return np.arange(before, len(self._pool.ids), dtype=np.int64)

    def _drop_stale(self, now_ns: int, seen_now: I64) -> None:
        """Forget unconfirmed tracks that missed a frame, and confirmed ones unseen for too long."""
        keep = (now_ns - self._pool.seen_at_ns) <= round(self._settings.lost_s * NS_PER_S)
        unseen = np.ones(len(keep), np.bool_)
        unseen[seen_now] = False
        keep &= ~(unseen & (self._pool.ids == UNCONFIRMED))
        if not keep.all():
            self._pool = self._pool.kept(keep)


def _cosine(a: F64, b: F64) -> F64:
    """Return the inner products (N, M) of unit rows, rounded so that the order of summing does not show."""
    alike: F64 = np.round((a[:, None, :] * b[None, :, :]).sum(axis=2), 6)
    return alike


def _stacked(old: F64 | None, new: F32 | None, n_old: int, n_new: int) -> F64 | None:
    """Put looks of new tracks below the old; zeros stand for tracks without one."""
    if old is None and new is None:
        return None
    width = new.shape[1] if new is not None else (old.shape[1] if old is not None else 0)
    above = old if old is not None else np.zeros((n_old, width))
    below = new.astype(np.float64) if new is not None else np.zeros((n_new, width))
    return np.concatenate([above, below])


def _blended(look: F64 | None, tracks: I64, appearance: F32 | None, rows: I64) -> F64 | None:
    """Move the looks of matched tracks a tenth of the way to what was just seen, and keep them unit rows."""
    if look is None or appearance is None or not len(tracks):
        return look
    mixed = APPEARANCE_MEMORY * look[tracks] + (1 - APPEARANCE_MEMORY) * appearance[rows].astype(np.float64)
    norm = np.sqrt((mixed * mixed).sum(axis=1, keepdims=True))
    result = look.copy()
    result[tracks] = mixed / np.maximum(norm, 1e-12)
    return result
