"""The store's plan for browsers: the floor from above, and where slots are in each camera's picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from store_layout.cameras import CameraModel
from store_layout.geometry import StoreGeometry, gondola_footprint

TILE_WIDTH_PX = 640
"""Tiles are so wide at most: enough to see what a hand does, and a quarter of the bytes of 1280."""

_CONE_M = 3.0
"""How far a camera's view is drawn on the floor."""


def plan_of(geometry: StoreGeometry) -> dict[str, Any]:
    """Return the plan as JSON's values: metres on the floor, and slots as polygons in shares of each picture's size."""
    store = geometry.store
    return {
        "name": store.name,
        "time_zone": store.time_zone,
        "floor": _points(np.asarray(store.floor_m, np.float64)),
        "walls": [[list(each) for each in wall.path_m] for wall in store.walls],
        "zones": [
            {"id": zone.id, "kind": zone.kind, "area": [list(each) for each in zone.area_m]} for zone in store.zones
        ],
        "gates": [{"id": gate.gate_id, "line": _points(gate.line_m)} for gate in geometry.gates],
        "gondolas": [{"id": gondola.id, "area": _points(gondola_footprint(gondola))} for gondola in store.gondolas],
        "cameras": [_camera(name, camera, geometry) for name, camera in geometry.cameras.items()],
    }


def tile_size(size_px: tuple[int, int]) -> tuple[int, int]:
    """Return how large tiles of pictures of ``size_px`` (width, height) are; never larger than those."""
    width, height = size_px
    share = min(1.0, TILE_WIDTH_PX / width)
    return max(1, round(width * share)), max(1, round(height * share))


def _camera(name: str, camera: CameraModel, geometry: StoreGeometry) -> dict[str, Any]:
    return {
        "id": name,
        "size": [camera.width_px, camera.height_px],
        "at": [round(float(each), 3) for each in camera.position_m[:2]],
        "view": _view(camera),
        "slots": _slots(name, camera, geometry),
    }


def _view(camera: CameraModel) -> list[list[float]]:
    """Return the wedge of the floor that a camera looks along, its tip at the camera."""
    width, height = camera.width_px, camera.height_px
    ends = np.array([[0.0, height / 2], [width, height / 2]])
    rays = camera.rays(ends)[1][:, :2]
    lengths = np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9)
    return _points(np.vstack([camera.position_m[:2], camera.position_m[:2] + _CONE_M * rays / lengths]))


def _slots(name: str, camera: CameraModel, geometry: StoreGeometry) -> list[dict[str, Any]]:
    """Return the fronts of the slots that the camera sees the middle of."""
    found = []
    size = np.array([camera.width_px, camera.height_px], np.float64)
    for slot in geometry.slots:
        corners = np.asarray(slot.front_corners_m, np.float64)
        if not geometry.sees(name, corners.mean(axis=0, keepdims=True))[0]:
            continue
        pixels, _ = camera.project(corners)
        if np.isfinite(pixels).all():
            found.append({"id": slot.slot_id, "area": _points(pixels / size, 4)})
    return found


def _points(points: np.ndarray[Any, Any], digits: int = 3) -> list[list[float]]:
    return [[round(float(each), digits) for each in point] for point in np.asarray(points)]
