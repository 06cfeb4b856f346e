"""The plan: what browsers draw of a layout."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dashboard.live.plan import plan_of, tile_size
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tests.dashboard.desk_rig import LAYOUT


@pytest.fixture(scope="module")
def geometry() -> StoreGeometry:
    return StoreGeometry(load_store(LAYOUT))


def test_slots_are_where_cameras_see_them(geometry: StoreGeometry) -> None:
    plan = json.loads(json.dumps(plan_of(geometry)))
    slots = {slot.slot_id: slot for slot in geometry.slots}
    for told in plan["cameras"]:
        camera = geometry.cameras[told["id"]]
        assert told["slots"], "each of these cameras sees shelves"
        for each in told["slots"]:
            wanted, _ = camera.project(slots[each["id"]].front_corners_m)
            found = np.array(each["area"]) * told["size"]
            np.testing.assert_allclose(found, wanted, atol=0.1)


def turn(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0])


def test_a_camera_looks_along_its_view(geometry: StoreGeometry) -> None:
    for told in plan_of(geometry)["cameras"]:
        tip, left, right = (np.array(each) for each in told["view"])
        camera = geometry.cameras[told["id"]]
        middle = camera.to_floor(np.array([[camera.width_px / 2, camera.height_px * 0.9]]))[0]
        assert turn(left - tip, middle[:2] - tip) * turn(middle[:2] - tip, right - tip) > 0, (
            "what the middle of the picture shows lies between the view's two sides"
        )


@pytest.mark.parametrize(
    ("size", "tile"), [((1920, 1080), (640, 360)), ((320, 240), (320, 240)), ((704, 576), (640, 524))]
)
def test_tiles_are_no_larger_than_pictures(size: tuple[int, int], tile: tuple[int, int]) -> None:
    assert tile_size(size) == tile
