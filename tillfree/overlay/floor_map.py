"""The store from above: floor, shelves, gates, cameras, people and the ways they came."""

from __future__ import annotations

from collections import defaultdict, deque

import cv2
import numpy as np
from numpy.typing import NDArray

from store_layout.geometry import StoreGeometry
from tillfree.overlay.cameras import bgr
from tillfree.overlay.style import CARD, LINE, MUTED, PANEL, U8, WARN, label, paste, person_colour
from tillfree.overlay.view import InstantView

_TRAIL_INSTANTS = 40
_MARGIN_PX = 16


class FloorMap:
    """Draws the floor into a picture of a given size; keeps each person's trail."""

    def __init__(self, geometry: StoreGeometry, width_px: int, height_px: int) -> None:
        corners = np.asarray(geometry.floor.exterior.coords, np.float64)
        self._low, high = corners.min(axis=0), corners.max(axis=0)
        span = high - self._low
        self._scale = float(min((width_px - 2 * _MARGIN_PX) / span[0], (height_px - 2 * _MARGIN_PX) / span[1]))
        self._shift = np.array([width_px - span[0] * self._scale, height_px - span[1] * self._scale]) / 2
        self._height_px = height_px
        self._base = self._draw_store(geometry, corners, width_px, height_px)
        self._trails: dict[int, deque[NDArray[np.float64]]] = defaultdict(lambda: deque(maxlen=_TRAIL_INSTANTS))

    def _to_px(self, points_m: NDArray[np.float64]) -> NDArray[np.int32]:
        pixels = (np.asarray(points_m, np.float64)[..., :2] - self._low) * self._scale + self._shift
        pixels[..., 1] = self._height_px - pixels[..., 1]
        rounded: NDArray[np.int32] = np.round(pixels).astype(np.int32)
        return rounded

    def _draw_store(self, geometry: StoreGeometry, corners: NDArray[np.float64], width_px: int, height_px: int) -> U8:
        canvas = np.full((height_px, width_px, 3), bgr(PANEL), np.uint8)
        cv2.fillPoly(canvas, [self._to_px(corners)], bgr(CARD), cv2.LINE_AA)
        cv2.polylines(canvas, [self._to_px(corners)], True, bgr(LINE), 1, cv2.LINE_AA)
        for shelf in geometry.shelves:
            cv2.fillPoly(canvas, [_outline(self._to_px(shelf.box_corners_m))], (92, 78, 66), cv2.LINE_AA)
        for shelf in geometry.shelves:
            front = self._to_px(shelf.front_corners_m)
            cv2.line(canvas, _point(front[2]), _point(front[3]), bgr(MUTED), 2, cv2.LINE_AA)
        for gate in geometry.gates:
            ends = self._to_px(gate.line_m)
            cv2.line(canvas, _point(ends[0]), _point(ends[1]), (120, 220, 140), 3, cv2.LINE_AA)
            tag = label(gate.gate_id, (120, 200, 150), 10)
            paste(canvas, tag, int(ends[:, 0].mean()) - tag.shape[1] // 2, int(ends[:, 1].max()) + 4)
        for camera_id, camera in geometry.cameras.items():
            self._draw_camera(canvas, camera_id, camera.position_m, camera.rotation[2])
        return canvas

    def _draw_camera(
        self, canvas: U8, name: str, position_m: NDArray[np.float64], forward: NDArray[np.float64]
    ) -> None:
        flat = forward[:2] / max(float(np.hypot(forward[0], forward[1])), 1e-9)
        tip = self._to_px(position_m[:2] + 0.45 * flat)
        at = _point(self._to_px(position_m[:2]))
        cv2.arrowedLine(canvas, at, _point(tip), bgr(MUTED), 1, cv2.LINE_AA, tipLength=0.35)
        cv2.circle(canvas, at, 4, bgr(MUTED), -1, cv2.LINE_AA)
        paste(canvas, label(name, MUTED, 9), at[0] + 6, at[1] - 6)

    def draw(self, view: InstantView) -> U8:
        """Return the map at this instant as BGR uint8."""
        canvas = self._base.copy()
        people = view.instant.people
        for row, person in enumerate(people.person_ids.tolist()):
            colour = (
                bgr(person_colour(view.colour_of_person[person])) if person in view.colour_of_person else bgr(MUTED)
            )
            self._trails[person].append(people.floor_m[row])
            trail = self._to_px(np.array(self._trails[person]))
            cv2.polylines(canvas, [trail], False, colour, 2, cv2.LINE_AA)
            at = _point(trail[-1])
            cv2.circle(canvas, at, 8, colour, -1, cv2.LINE_AA)
            ring = bgr(WARN) if people.uncertain[row] else (255, 255, 255)
            cv2.circle(canvas, at, 8, ring, 1, cv2.LINE_AA)
            for hand in people.hands_m[row]:
                if np.isfinite(hand).all():
                    cv2.line(canvas, at, _point(self._to_px(hand)), colour, 1, cv2.LINE_AA)
        return canvas


def _outline(points_px: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.asarray(cv2.convexHull(points_px), np.int32)


def _point(pixel: NDArray[np.int32]) -> tuple[int, int]:
    return int(pixel[0]), int(pixel[1])
