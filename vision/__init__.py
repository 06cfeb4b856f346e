"""Frames in; detections, tracks, people on the floor and interactions out."""
