"""Tracking in one camera: detections in, the same detections with lasting ids out."""

from vision.tracking.base import Tracker, make_tracker
from vision.tracking.settings import TrackingSettings

__all__ = ["Tracker", "TrackingSettings", "make_tracker"]
