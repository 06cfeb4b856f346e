"""From boxes in the network's picture to Detections in the camera's: the same for every adapter."""

from __future__ import annotations

import numpy as np

from vision.detectors.decode import Boxes
from vision.detectors.hands import hands_from_boxes, hands_from_skeletons, no_hands
from vision.detectors.letterbox import Letterbox
from vision.detectors.settings import DetectorSettings
from vision.types import F32, Detections, Frame

PIXEL_DECIMALS, SCORE_DECIMALS = 2, 4
"""Results are rounded to these, far finer than they are right, so that a last bit cannot make two runs differ."""


def assemble(
    frame: Frame,
    letterbox: Letterbox,
    people: Boxes,
    keypoints_px: F32 | None,
    hand_boxes: tuple[F32, F32] | None,
    things: Boxes | None,
    settings: DetectorSettings,
) -> Detections:
    """Return the Detections of one frame.

    ``people`` and, as (N, 17, 3), ``keypoints_px`` are in the network's picture, as are ``hand_boxes``: (M, 4)
    boxes and (M,) scores, or None where the model knows no hands. Skeletons win over hand boxes. ``things``
    are what else it found, None where it knows nothing else.
    """
    boxes = rounded(boxes_back(letterbox, people.xyxy_px), PIXEL_DECIMALS)
    keypoints = None if keypoints_px is None else _points_back(letterbox, keypoints_px)
    if keypoints is not None:
        hands = hands_from_skeletons(keypoints, settings.hands)
    elif hand_boxes is not None:
        hands = hands_from_boxes(boxes, boxes_back(letterbox, hand_boxes[0]), hand_boxes[1], settings.hands)
    else:
        hands = no_hands(len(people))
    return Detections(
        frame.camera_id,
        frame.index,
        frame.captured_at_ns,
        boxes,
        rounded(people.scores, SCORE_DECIMALS),
        rounded(hands, PIXEL_DECIMALS),
        None if keypoints is None else rounded(keypoints, PIXEL_DECIMALS),
        things_px=None if things is None else _things_back(letterbox, things),
    )


def _things_back(letterbox: Letterbox, things: Boxes) -> F32:
    """Return (M, 5) float32 boxes in the camera's picture with their scores."""
    boxes = rounded(boxes_back(letterbox, things.xyxy_px), PIXEL_DECIMALS)
    return np.concatenate([boxes, rounded(things.scores, SCORE_DECIMALS)[:, None]], axis=1)


def boxes_back(letterbox: Letterbox, boxes_px: F32) -> F32:
    """Return (N, 4) boxes of the network's picture in the camera's."""
    return letterbox.back(boxes_px.reshape(-1, 2, 2)).reshape(-1, 4)


def rounded(values: F32, decimals: int) -> F32:
    """Return float32 rounded to ``decimals``."""
    return values.astype(np.float64).round(decimals).astype(np.float32)


def _points_back(letterbox: Letterbox, keypoints_px: F32) -> F32:
    places = letterbox.back(keypoints_px[:, :, :2])
    return np.concatenate([places, keypoints_px[:, :, 2:]], axis=2).astype(np.float32)
