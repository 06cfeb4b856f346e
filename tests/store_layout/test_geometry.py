"""Places of shelves, slots and gates, and what hides what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from store_layout.errors import LayoutError
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry


@pytest.fixture(scope="module")
def geometry(repo_dir: Path) -> StoreGeometry:
    return StoreGeometry(load_store(repo_dir / "tests/data/small_store.yaml"))


def test_slots_come_in_file_order(geometry: StoreGeometry) -> None:
    assert [place.slot_id for place in geometry.slots][:3] == ["left/low/a", "left/low/b", "left/low/c"]
    assert len(geometry.slots) == 11
    assert geometry.slot_index("back/top/a") == 10
    with pytest.raises(LayoutError, match="no slot"):
        geometry.slot_index("back/top/z")


def test_front_corners_run_clockwise_as_the_shopper_sees_them(geometry: StoreGeometry) -> None:
    place = geometry.slots[geometry.slot_index("back/top/a")]
    # the unit looks to -y, so the shopper's right is +x
    want = [[1.7, 5.55, 1.35], [3.1, 5.55, 1.35], [3.1, 5.55, 0.85], [1.7, 5.55, 0.85]]
    np.testing.assert_allclose(place.front_corners_m, want, atol=1e-12)
    np.testing.assert_allclose(place.normal, [0, -1, 0])
    np.testing.assert_allclose(place.box_corners_m[4:], place.front_corners_m + np.array([0, 0.4, 0]), atol=1e-12)
    np.testing.assert_allclose(place.centre_m, [2.4, 5.75, 1.1], atol=1e-12)


def test_a_shallow_shelf_keeps_to_the_back(geometry: StoreGeometry) -> None:
    shelf = geometry.shelves[geometry.shelf_index("left/top")]
    np.testing.assert_allclose(shelf.front_corners_m[3], [0.35, 2.0, 1.1], atol=1e-12)
    np.testing.assert_allclose(shelf.front_corners_m[2], [0.35, 3.8, 1.1], atol=1e-12)


def test_shelf_coordinates_go_both_ways(geometry: StoreGeometry) -> None:
    for shelf in geometry.shelves:
        local = np.array([[0.3, 0.1, 0.2], [0.5, -0.2, 0.1]])
        np.testing.assert_allclose(shelf.to_shelf(shelf.to_world(local)), local, atol=1e-12)
        inside = shelf.contains(shelf.to_world(local))
        assert inside.tolist() == [True, False]
        assert shelf.contains(shelf.to_world(local), margin_m=0.25).all()
        near = shelf.centre_m + np.random.default_rng(7).uniform(-0.7, 0.7, (200, 3))
        for points in (near, shelf.box_corners_m, shelf.to_world(local)):
            assert [shelf.holds((x, y, z)) for x, y, z in points.tolist()] == shelf.contains(points).tolist()


def test_the_shop_is_to_the_left_of_the_gate(geometry: StoreGeometry) -> None:
    gate = geometry.gates[0]
    np.testing.assert_allclose(gate.side(np.array([[4.0, 1.3], [4.0, 0.3]])), [0.5, -0.5])
    assert gate.area.bounds == pytest.approx((3.4, -0.1, 4.7, 1.7))


def test_a_camera_sees_a_front_but_not_what_is_behind_it(geometry: StoreGeometry) -> None:
    front = geometry.slots[geometry.slot_index("left/middle/b")].front_corners_m
    assert geometry.sees("south", front).all()
    behind_the_wall = np.array([[-0.5, 2.9, 0.5]])
    inside_under_the_board = np.array([[0.1, 2.9, 0.05]])
    assert not geometry.sees("south", behind_the_wall).any()
    assert not geometry.sees("south", inside_under_the_board).any()
    assert not geometry.sees("south", np.array([[4.9, 0.2, 1.0]])).any()
    with pytest.raises(LayoutError, match="no camera"):
        geometry.sees("nowhere", front)


def test_a_back_panel_hides_a_shelf_from_behind(geometry: StoreGeometry) -> None:
    front = geometry.slots[geometry.slot_index("left/middle/b")].front_corners_m
    assert geometry.hidden(np.array([-2.0, 2.9, 1.2]), front).all()
    assert not geometry.hidden(np.array([2.0, 2.9, 1.2]), front).any()
