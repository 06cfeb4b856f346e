"""Boxes, skeletons, hands and shelf slots over a camera's picture."""

from __future__ import annotations

import cv2
import numpy as np

from store_layout.geometry import StoreGeometry
from tillfree.overlay.style import MUTED, U8, WARN, Rgb, label, paste, person_colour
from tillfree.overlay.view import InstantView
from vision.types import Tracks

# COCO's limbs as pairs of keypoints, without the face
LIMBS = (
    (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
_SEEN = 0.4  # a keypoint below this confidence would be drawn in a wrong place more often than not


def bgr(colour: Rgb) -> Rgb:
    """Return an RGB colour in OpenCV's order."""
    return colour[2], colour[1], colour[0]


class CameraOverlay:
    """Draws on one camera's pictures. The slots' outlines are projected once."""

    def __init__(self, geometry: StoreGeometry, camera_id: str) -> None:
        self._camera_id = camera_id
        camera = geometry.cameras[camera_id]
        self._outlines: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int32]]] = {}
        fronts = [(slot.slot_id, slot.front_corners_m) for slot in geometry.slots]
        fronts += [(shelf.shelf_id, shelf.front_corners_m) for shelf in geometry.shelves]
        for name, corners_m in fronts:
            pixels, _ = camera.project(corners_m)
            if np.isfinite(pixels).all() and geometry.sees(camera_id, corners_m).any():
                self._outlines[name] = np.round(pixels).astype(np.int32)

    def draw(self, view: InstantView) -> U8:
        """Return the camera's picture of this instant with everything drawn, or a grey one where there is none."""
        frame = view.frames.get(self._camera_id)
        if frame is None:
            return np.full((360, 640, 3), 40, np.uint8)
        canvas = frame.image.copy()
        for name in sorted(view.active_slots):
            if name in self._outlines:
                cv2.polylines(canvas, [self._outlines[name]], True, bgr(WARN), 2, cv2.LINE_AA)
        for tracks in view.instant.tracks:
            if tracks.detections.camera_id == self._camera_id:
                self._draw_people(canvas, tracks, view)
        paste(canvas, label(f" {self._camera_id} ", (210, 215, 222)), 8, 8)
        return canvas

    def _draw_people(self, canvas: U8, tracks: Tracks, view: InstantView) -> None:
        for row in range(len(tracks)):
            person = view.instant.person_of_track.get((self._camera_id, int(tracks.track_ids[row])))
            known = person is not None and person in view.colour_of_person
            colour = person_colour(view.colour_of_person[person]) if known and person is not None else MUTED
            _draw_person(canvas, tracks, row, colour, "?" if person is None else f"person {person}")


def _draw_person(canvas: U8, tracks: Tracks, row: int, colour: Rgb, name: str) -> None:
    left, top, right, bottom = (round(float(each)) for each in tracks.detections.boxes_xyxy_px[row])
    cv2.rectangle(canvas, (left, top), (right, bottom), bgr(colour), 2, cv2.LINE_AA)
    tag = label(name, colour)
    paste(canvas, tag, left - 1, max(0, top - tag.shape[0]))
    if tracks.detections.keypoints_px is not None:
        _draw_skeleton(canvas, tracks.detections.keypoints_px[row], colour)
    for x, y, confidence in tracks.detections.hands_px[row]:
        if confidence >= _SEEN:
            cv2.circle(canvas, (round(float(x)), round(float(y))), 6, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(canvas, (round(float(x)), round(float(y))), 5, bgr(colour), -1, cv2.LINE_AA)


def _draw_skeleton(canvas: U8, keypoints_px: np.ndarray[tuple[int, ...], np.dtype[np.float32]], colour: Rgb) -> None:
    for first, second in LIMBS:
        a, b = keypoints_px[first], keypoints_px[second]
        if min(a[2], b[2]) >= _SEEN:
            ends = [(round(float(p[0])), round(float(p[1]))) for p in (a, b)]
            cv2.line(canvas, ends[0], ends[1], bgr(colour), 2, cv2.LINE_AA)
