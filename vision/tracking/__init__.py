"""Tracking in one camera: detections in, the same detections with lasting ids out."""
