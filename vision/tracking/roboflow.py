"""Roboflow's ByteTrack behind the port. Vendor types stay in this file."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from vision.tracking.base import tracks_of
from vision.tracking.settings import TrackingSettings
from vision.types import I64, Detections, Tracks

BUFFER_FPS = 30.0
"""The library counts its buffer of lost tracks in frames of a 30 frames a second camera."""


@dataclass(slots=True)
class _Own:
    """An id of ours, and the number of the update that used it last."""

    number: int
    seen_in: int = 0


class RoboflowByteTracker:
    """ByteTrack of the ``trackers`` library, with its own defaults but for the scores and the lost time.

    The library numbers tracks from 0; here ids are given in the order in which tracks are
    confirmed, from 1, by this instance, whatever the library does with its own.
    """

    def __init__(self, settings: TrackingSettings, fps: float) -> None:
        from trackers import ByteTrackTracker

        self._vendor = ByteTrackTracker(
            lost_track_buffer=round(settings.lost_s * BUFFER_FPS),
            frame_rate=fps,
            track_activation_threshold=settings.founding_score,
            minimum_consecutive_frames=settings.founding_frames,
            high_conf_det_threshold=settings.high_score,
        )
        self._low_score = settings.low_score
        self._lost_updates = math.ceil(settings.lost_s * fps) + 1
        self._updates = self._given = 0
        self._ids: OrderedDict[int, _Own] = OrderedDict()

    def update(self, detections: Detections) -> Tracks:
        """See ``Tracker.update``."""
        import supervision

        usable = np.flatnonzero(detections.scores >= self._low_score)
        found = self._vendor.update(
            supervision.Detections(
                xyxy=detections.boxes_xyxy_px[usable].astype(np.float64),
                confidence=detections.scores[usable].astype(np.float64),
                class_id=np.zeros(len(usable), np.int64),
                data={"row": usable},
            )
        )
        vendor_ids = np.asarray(found.tracker_id, np.int64)
        tracked = vendor_ids >= 0
        rows = np.asarray(found.data.get("row", np.zeros(0)), np.int64)[tracked]
        return tracks_of(detections, rows, self._own_ids(vendor_ids[tracked]))

    def _own_ids(self, vendor_ids: I64) -> I64:
        self._updates += 1
        for vendor_id in sorted(vendor_ids.tolist()):
            own = self._ids.pop(vendor_id, None)
            if own is None:
                self._given += 1
                own = _Own(self._given)
            own.seen_in = self._updates
            self._ids[vendor_id] = own
        while self._ids and self._updates - next(iter(self._ids.values())).seen_in > self._lost_updates:
            self._ids.popitem(last=False)  # the vendor has given it up, too
        return np.array([self._ids[vendor_id].number for vendor_id in vendor_ids.tolist()], np.int64)
