"""The port that all per-camera trackers fill, and the one place that chooses among them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from vision.tracking.settings import TrackingSettings
from vision.types import I64, Detections, Tracks


class Tracker(Protocol):
    """Follows the people of one camera from frame to frame.

    One instance serves one camera and one run. Ids start at 1 in every instance, are
    never used twice, and depend on the detections alone.
    """

    def update(self, detections: Detections) -> Tracks:
        """Return those detections of a frame that belong to a confirmed track, with its id.

        Frames come in the order of their time. Rows keep the order that they have in
        ``detections``; hands, keypoints and appearance travel with them.
        """
        ...


def make_tracker(settings: TrackingSettings, fps: float) -> Tracker:
    """Return the tracker that ``settings.kind`` names, for a camera of ``fps`` frames a second."""
    if settings.kind == "roboflow_bytetrack":
        from vision.tracking.roboflow import RoboflowByteTracker

        return RoboflowByteTracker(settings, fps)
    from vision.tracking.two_stage import TwoStageTracker

    return TwoStageTracker(settings, fps)


def chosen(detections: Detections, rows: I64) -> Detections:
    """Return the given rows of ``detections``, which rise, every column alike; what else was detected is left out."""
    if len(rows) == len(detections) and detections.things_px is None:
        return detections
    return Detections(
        detections.camera_id,
        detections.frame_index,
        detections.captured_at_ns,
        detections.boxes_xyxy_px[rows],
        detections.scores[rows],
        detections.hands_px[rows],
        None if detections.keypoints_px is None else detections.keypoints_px[rows],
        None if detections.appearance is None else detections.appearance[rows],
    )


def tracks_of(detections: Detections, rows: I64, track_ids: I64) -> Tracks:
    """Return tracks for the given rows, put back into the detections' own order."""
    if len(rows) > 1:
        order = np.argsort(rows, kind="stable")
        rows, track_ids = rows[order], track_ids[order]
    return Tracks(chosen(detections, rows), track_ids, rows)
