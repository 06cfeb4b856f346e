"""Heads are hidden in pictures that are kept, with and without a skeleton."""

from __future__ import annotations

import numpy as np

from tillfree.overlay.privacy import hide_heads
from vision.types import Detections


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 160, 3), dtype=np.uint8)


def person(keypoints: np.ndarray | None) -> Detections:
    box = np.array([[40, 20, 100, 180]], np.float32)
    return Detections("c", 0, 0, box, np.array([0.9], np.float32), np.zeros((1, 2, 3), np.float32), keypoints)


def test_without_a_skeleton_the_whole_top_of_the_box_is_hidden() -> None:
    image = picture()
    hidden = hide_heads(image, person(None))
    changed = (hidden != image).any(axis=2)
    assert changed[22:48, 41:100].mean() > 0.95
    assert not changed[70:].any()


def test_with_a_face_the_face_is_hidden() -> None:
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, :5] = [50, 40, 0.9]
    image = picture()
    changed = (hide_heads(image, person(keypoints)) != image).any(axis=2)
    assert changed[35:46, 45:56].mean() > 0.95
    assert not changed[:, 90:].any()
