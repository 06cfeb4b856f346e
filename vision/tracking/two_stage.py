"""The default tracker: two rounds by score as in ByteTrack (arXiv 2110.06864), a third that finds lost tracks again.

What differs from ByteTrack: boxes are widened before their overlap is measured, noise is
given in box heights and seconds instead of frames, a track unseen for a while is looked for
in a circle that grows with the time, and ids and state live in the instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vision.tracking import association
from vision.tracking.base import tracks_of
from vision.tracking.motion import BoxMotion
from vision.tracking.settings import TrackingSettings
from vision.types import F32, F64, I64, Detections, Tracks

NS_PER_S = 1_000_000_000
UNCONFIRMED = 0
_NOBODY = np.zeros(0, np.int64)
NEARNESS = 0.0
"""The least similarity of the round that goes by nearness: the circle's edge. Overlap always needs more."""
APPEARANCE_MEMORY = 0.9


@dataclass(slots=True, eq=False)
class _Mark:
    """What is known of one track beside its box: id (0 while unconfirmed), frames seen in a row, and when last seen."""

    track_id: int
    streak: int
    seen_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """All T tracks of a camera: boxes, marks, and looks (T, D) where the detector gives them."""

    motion: BoxMotion
    marks: list[_Mark]
    look: F64 | None

    @classmethod
    def empty(cls) -> _Pool:
        return cls(BoxMotion.empty(), [], None)

    def kept(self, places: list[int]) -> _Pool:
        look = None if self.look is None else self.look[places]
        return _Pool(self.motion.kept(places), [self.marks[place] for place in places], look)

    def with_new(self, motion: BoxMotion, at_ns: int, look: F32 | None) -> _Pool:
        n, before = len(motion), len(self.marks)
        marks = [*self.marks, *(_Mark(UNCONFIRMED, 1, at_ns) for _ in range(n))]
        return _Pool(self.motion.joined(motion), marks, _stacked(self.look, look, before, n))


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
        if not len(detections) and not self._pool.marks:
            self._last_ns = now_ns
            return Tracks(detections, _NOBODY, _NOBODY)
        self._advance(now_ns)
        boxes = detections.boxes_xyxy_px.astype(np.float64)
        scores: list[float] = detections.scores.tolist()
        usable = [x1 > x0 and y1 > y0 for x0, y0, x1, y1 in boxes.tolist()]
        tracks, rows = self._matched(detections, boxes, scores, usable)
        self._correct(tracks, rows, boxes, detections)
        found = self._found_tracks(detections, boxes, scores, usable, rows)
        seen = [(row, self._pool.marks[track].track_id) for track, row in zip(tracks, rows, strict=True)]
        confirmed = [pair for pair in seen if pair[1] != UNCONFIRMED]
        result = tracks_of(detections, _places(row for row, _ in confirmed), _places(each for _, each in confirmed))
        self._drop_stale(now_ns, {*tracks, *found})
        return result

    def _advance(self, now_ns: int) -> None:
        step_s = self._frame_s if self._last_ns is None else (now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        pool, s = self._pool, self._settings
        if not pool.marks:
            return
        motion = pool.motion.predicted(step_s, s.acceleration_heights_per_s2)
        unseen = [now_ns - mark.seen_ns > 1.5 * step_s * NS_PER_S for mark in pool.marks]
        if any(unseen):
            motion = motion.slowed(np.where(unseen, 1.0 / (1.0 + step_s / s.coast_s), 1.0))
        self._pool = _Pool(motion, pool.marks, pool.look)

    def _matched(
        self, detections: Detections, boxes: F64, scores: list[float], usable: list[bool]
    ) -> tuple[list[int], list[int]]:
        """Return track places and detection rows of all matches of the three rounds."""
        s, marks, now_ns = self._settings, self._pool.marks, detections.captured_at_ns
        if not (marks and usable):
            return [], []
        likeness = self._likeness(detections, boxes)
        recent = [(now_ns - mark.seen_ns) / NS_PER_S <= 2.5 * self._frame_s for mark in marks]
        known = [mark.track_id != UNCONFIRMED for mark in marks]
        away = {place for place in range(len(marks)) if known[place] and not recent[place]}
        strong = {row for row, score in enumerate(scores) if usable[row] and score >= s.high_score}
        weak = {row for row, score in enumerate(scores) if usable[row] and s.low_score <= score < s.high_score}
        confirmed = {place for place, each in enumerate(known) if each}
        fresh = {place for place, each in enumerate(known) if not each}
        rounds = (
            (s.minimum_overlap, confirmed, strong),
            (s.minimum_low_overlap, confirmed - away, weak),
            (NEARNESS, away, strong),
            (s.minimum_overlap, fresh, strong),
        )
        pairs: dict[int, int] = {}
        for minimum, places, candidates in rounds:
            free, rows = sorted(places - pairs.keys()), sorted(candidates.difference(pairs.values()))
            if free and rows:
                similarity = self._nearness(boxes, now_ns) if minimum == NEARNESS else likeness
                found = association.assigned(similarity[_places(free)[:, None], rows], minimum)
                pairs |= {free[i]: rows[j] for i, j in zip(*(each.tolist() for each in found), strict=True)}
        return list(pairs), list(pairs.values())

    def _likeness(self, detections: Detections, boxes: F64) -> F64:
        """Return the overlap of widened boxes (T, N), with a share of appearance where there is one."""
        margin, share = self._settings.margin_heights, self._settings.appearance_weight
        predicted = association.widened(self._pool.motion.boxes_xyxy_px, margin)
        shared = association.overlap(predicted, association.widened(boxes, margin))
        if self._pool.look is None or detections.appearance is None or share == 0:
            return shared
        alike = _cosine(self._pool.look, detections.appearance.astype(np.float64))
        return np.where(shared > 0, (1 - share) * shared + share * alike * shared, 0.0)

    def _nearness(self, boxes: F64, now_ns: int) -> F64:
        """Return 1 at a lost track's prediction, 0 at the edge of its circle, -1 outside of it (T, N)."""
        unseen_s = np.array([(now_ns - mark.seen_ns) / NS_PER_S for mark in self._pool.marks])
        predicted = self._pool.motion.boxes_xyxy_px
        reach = np.maximum(self._settings.relink_heights_per_s * unseen_s, 1e-9)[:, None]
        near = 1.0 - association.distance_heights(predicted, boxes) / reach
        alike = association.size_similarity(predicted, boxes) >= 0.7
        return np.where((near >= 0) & alike, near, -1.0)

    def _correct(self, tracks: list[int], rows: list[int], boxes: F64, detections: Detections) -> None:
        pool, s = self._pool, self._settings
        seen = set(tracks)
        for place, mark in enumerate(pool.marks):
            mark.streak = mark.streak + 1 if place in seen else 0
        for place in tracks:
            mark = pool.marks[place]
            mark.seen_ns = detections.captured_at_ns
            if mark.track_id == UNCONFIRMED and mark.streak >= s.founding_frames:
                mark.track_id = self._next_id
                self._next_id += 1
        if tracks:
            motion = pool.motion.corrected(_places(tracks), boxes[rows], s.measurement_heights)
            self._pool = _Pool(motion, pool.marks, _blended(pool.look, tracks, detections.appearance, rows))

    def _found_tracks(
        self, detections: Detections, boxes: F64, scores: list[float], usable: list[bool], matched_rows: list[int]
    ) -> range:
        """Start tracks at strong detections that nothing explains; return their places in the pool."""
        s, before = self._settings, len(self._pool.marks)
        taken = set(matched_rows)
        rows = [
            row for row, score in enumerate(scores) if usable[row] and score >= s.founding_score and row not in taken
        ]
        if rows and matched_rows:
            crowd = association.overlap(boxes[rows], boxes[matched_rows]).max(axis=1).tolist()
            rows = [row for row, covered in zip(rows, crowd, strict=True) if covered < s.duplicate_overlap]
        if rows:
            look = None if detections.appearance is None else detections.appearance[rows]
            started = BoxMotion.start(boxes[rows], s.measurement_heights)
            self._pool = self._pool.with_new(started, detections.captured_at_ns, look)
        return range(before, before + len(rows))

    def _drop_stale(self, now_ns: int, seen_now: set[int]) -> None:
        """Forget unconfirmed tracks that missed a frame, and confirmed ones unseen for too long."""
        lost_ns = round(self._settings.lost_s * NS_PER_S)
        keep = [
            place
            for place, mark in enumerate(self._pool.marks)
            if place in seen_now or (mark.track_id != UNCONFIRMED and now_ns - mark.seen_ns <= lost_ns)
        ]
        if len(keep) < len(self._pool.marks):
            self._pool = self._pool.kept(keep)


def _places(values: Iterable[int]) -> I64:
    return np.array(list(values), np.int64)


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


def _blended(look: F64 | None, tracks: list[int], appearance: F32 | None, rows: list[int]) -> F64 | None:
    """Move the looks of matched tracks a tenth of the way to what was just seen, and keep them unit rows."""
    if look is None or appearance is None or not tracks:
        return look
    mixed = APPEARANCE_MEMORY * look[tracks] + (1 - APPEARANCE_MEMORY) * appearance[rows].astype(np.float64)
    norm = np.sqrt((mixed * mixed).sum(axis=1, keepdims=True))
    result = look.copy()
    result[tracks] = mixed / np.maximum(norm, 1e-12)
    return result
