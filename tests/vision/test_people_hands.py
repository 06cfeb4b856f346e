"""Hands in 3D from rays, and places on the floor from boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from store_layout.model import Gondola, Shelf
from vision.people.floor_filter import FloorState, inverse
from vision.people.hands import Hand, HandRay, hands_of, in_rows, nearest_point
from vision.people.settings import HandSettings3D, SightingSettings
from vision.people.sightings import FloorView, sightings_of
from vision.types import Detections, Tracks

REPO = Path(__file__).resolve().parent.parent.parent
SETTINGS = HandSettings3D()
STORE = StoreGeometry(load_store(REPO / "tests/data/small_store.yaml"))
near_floor = st.tuples(st.floats(1.2, 3.8), st.floats(1.5, 4.5))


@pytest.fixture(scope="module")
def geometry() -> StoreGeometry:
    return STORE


def as_point(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z


def ray_to(geometry: StoreGeometry, camera: str, point: tuple[float, float, float], side: int) -> HandRay:
    origin = geometry.cameras[camera].position_m
    away = np.array(point) - origin
    return HandRay(camera, side, as_point(origin), as_point(away / np.linalg.norm(away)), 0.9)


def test_two_hands_are_found_though_cameras_call_them_by_other_sides(geometry: StoreGeometry) -> None:
    one, two = (2.2, 3.2, 1.2), (2.8, 3.0, 0.9)
    rays = [
        ray_to(geometry, "north", one, 0),
        ray_to(geometry, "north", two, 1),
        ray_to(geometry, "west", one, 1),
        ray_to(geometry, "west", two, 0),
    ]
    hands = hands_of(rays, (2.5, 3.2), geometry, SETTINGS)
    assert len(hands) == 2
    for want in (one, two):
        assert min(np.linalg.norm(np.array(hand.point_m) - np.array(want)) for hand in hands) < 1e-6


def test_rays_that_miss_each_other_make_no_hand_between_them(geometry: StoreGeometry) -> None:
    rays = [ray_to(geometry, "north", (2.2, 3.2, 1.7), 0), ray_to(geometry, "west", (2.2, 3.2, 0.7), 0)]
    assert all(
        hand.confidence <= 0.9 * SETTINGS.shelf_confidence for hand in hands_of(rays, (2.5, 3.2), geometry, SETTINGS)
    )


def test_parallel_rays_give_no_depth() -> None:
    ahead = (0.0, 1.0, 0.0)
    a = HandRay("a", 0, (0.0, 0.0, 0.0), ahead, 1.0)
    b = HandRay("b", 0, (0.1, 0.0, 0.0), ahead, 1.0)
    assert nearest_point(a, b, SETTINGS.minimum_sine) is None


def test_one_camera_puts_a_reaching_hand_on_the_shelf(geometry: StoreGeometry) -> None:
    shelf = next(place for place in geometry.shelves if place.shelf_id == "left/middle")
    target = shelf.to_world(np.array([[0.9, SETTINGS.shelf_depth_m, 0.2]]))[0]
    body = (float(target[0]) + 0.5, float(target[1]))
    (hand,) = hands_of([ray_to(geometry, "south", tuple(target), 1)], body, geometry, SETTINGS)
    assert shelf.contains(np.array([hand.point_m]), 0.02)[0]
    assert np.linalg.norm(np.array(hand.point_m) - target) < 0.12


def test_a_hand_farther_away_than_an_arm_is_nobodys(geometry: StoreGeometry) -> None:
    rays = [ray_to(geometry, camera, (4.0, 4.5, 1.2), 0) for camera in ("north", "west")]
    assert hands_of(rays, (1.5, 2.0), geometry, SETTINGS) == []


def test_hands_stay_in_their_rows_when_cameras_change_their_minds() -> None:
    left, right = np.array([1.0, 1.0, 1.0]), np.array([2.0, 1.0, 1.0])
    points, confidence = in_rows(
        [Hand(as_point(right), 0.8, 0), Hand(as_point(left), 0.9, 1)], np.stack([left, right]), (True, True)
    )
    np.testing.assert_allclose(points, np.stack([left, right]))
    assert confidence.tolist() == [0.9, 0.8]


def test_an_unseen_hand_is_nan_with_no_confidence() -> None:
    points, confidence = in_rows([Hand((1.0, 1.0, 1.0), 0.8, 1)], np.full((2, 3), np.nan), (False, False))
    assert np.isnan(points[0]).all()
    assert confidence.tolist() == [0.0, 0.8]


@hypothesis_settings(max_examples=40, deadline=None)
@given(near_floor, st.floats(0.3, 1.9), st.sampled_from([("north", "west"), ("north", "south"), ("south", "west")]))
def test_exact_rays_meet_at_the_hand(place: tuple[float, float], height: float, pair: tuple[str, str]) -> None:
    point = (*place, height)
    met = nearest_point(ray_to(STORE, pair[0], point, 0), ray_to(STORE, pair[1], point, 0), 1e-3)
    if met is not None:
        np.testing.assert_allclose(met[1], point, atol=1e-5)


def _one_box(camera_id: str, box: np.ndarray) -> Tracks:
    hands = np.full((1, 2, 3), np.nan, np.float32)
    hands[:, :, 2] = 0
    found = Detections(camera_id, 0, 0, box[None].astype(np.float32), np.ones(1, np.float32), hands)
    return Tracks(found, np.ones(1, np.int64), np.zeros(1, np.int64))


def _upright_box(geometry: StoreGeometry, camera_id: str, x: float, y: float, low_m: float = 0.0) -> np.ndarray:
    camera = geometry.cameras[camera_id]
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([x + 0.12 * np.cos(angles), y + 0.12 * np.sin(angles)], axis=1)
    pixels, _ = camera.project(np.concatenate([np.c_[ring, np.full(12, z)] for z in (low_m, 1.72)]))
    box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
    return np.clip(box, 0, [camera.width_px, camera.height_px] * 2)


def test_feet_below_the_picture_are_replaced_by_the_head(geometry: StoreGeometry) -> None:
    view = FloorView(geometry, "north")
    box = _upright_box(geometry, "north", 2.2, 3.2)
    whole = sightings_of(_one_box("north", box), view, SightingSettings())[0]
    np.testing.assert_allclose(whole.place_m, (2.2, 3.2), atol=0.12)
    cut = box.copy()
    cut[3] = geometry.cameras["north"].height_px
    by_head = sightings_of(_one_box("north", cut), view, SightingSettings())[0]
    np.testing.assert_allclose(by_head.place_m, (2.2, 3.2), atol=0.25)
    assert by_head.covariance_m2[0] + by_head.covariance_m2[2] > whole.covariance_m2[0] + whole.covariance_m2[2]


def test_feet_behind_a_shelf_are_replaced_by_the_head() -> None:
    shelf = Shelf(id="s", height_m=0.2, clearance_m=0.8, slots=())
    island = Gondola(
        id="island", front_left_m=(1.6, 3.0), facing_deg=270, width_m=1.6, depth_m=0.4, height_m=1.1, shelves=(shelf,)
    )
    store = StoreGeometry(STORE.store.model_copy(update={"gondolas": (*STORE.store.gondolas, island)}))
    view = FloorView(store, "west")
    for x in (1.9, 2.2, 2.5):
        place = (x, 3.8)
        assert view.hides_shins_at(place)
        box = _upright_box(store, "west", *place, low_m=0.8)
        (found,) = sightings_of(_one_box("west", box), view, SightingSettings())
        np.testing.assert_allclose(found.place_m, place, atol=0.3)
        in_the_open = sightings_of(_one_box("west", box), FloorView(STORE, "west"), SightingSettings())[0]
        assert np.hypot(in_the_open.place_m[0] - x, in_the_open.place_m[1] - 3.8) > 0.5, "nothing else tells"


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.01, 0.5), st.floats(-0.9, 0.9)), max_size=20))
def test_the_filter_agrees_with_the_textbook_in_matrices(seen: list[tuple[float, float, float, float]]) -> None:
    state = FloorState.start(0.0, 0.0, (0.1, 0.02, 0.2))
    x, p = np.zeros(4), np.diag([0.1, 0.2, 1.0, 1.0])
    p[0, 1] = p[1, 0] = 0.02
    step, noise = 0.1, 1.2
    f = np.eye(4)
    f[0, 2] = f[1, 3] = step
    q = noise**2 * np.kron(np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]]), np.eye(2))
    h = np.eye(2, 4)
    for mx, my, variance, correlation in seen:
        r = np.array([[variance, correlation * variance], [correlation * variance, variance]])
        state = state.predicted(step, noise)
        x, p = f @ x, f @ p @ f.T + q
        state = state.corrected(mx, my, (r[0, 0], r[0, 1], r[1, 1]))
        gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + r)
        x, p = x + gain @ (np.array([mx, my]) - h @ x), (np.eye(4) - gain @ h) @ p
    np.testing.assert_allclose([state.x, state.y, state.vx, state.vy], x, atol=1e-6)
    np.testing.assert_allclose([state.place[0], state.place[2], state.speed[0], state.speed[2]], np.diag(p), atol=1e-6)


@hypothesis_settings(deadline=None)
@given(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(-0.99, 0.99))
def test_the_inverse_is_the_inverse(xx: float, yy: float, correlation: float) -> None:
    xy = correlation * float(np.sqrt(xx * yy))
    i = inverse((xx, xy, yy))
    product = np.array([[xx, xy], [xy, yy]]) @ np.array([[i[0], i[1]], [i[1], i[2]]])
    np.testing.assert_allclose(product, np.eye(2), atol=1e-6)


def stretched(geometry: StoreGeometry, shoulder: tuple[float, float, float]) -> tuple[HandRay, np.ndarray]:
    """Return the ray to a hand that is stretched out across the line of sight from ``shoulder``, and where it is."""
    to_shoulder = ray_to(geometry, "west", shoulder, 0).direction
    across = np.array([-to_shoulder[1], to_shoulder[0], 0.0]) / np.hypot(to_shoulder[0], to_shoulder[1])
    hand = np.array(shoulder) + 0.4 * across - np.array([0.0, 0.0, 0.15])
    return replace(ray_to(geometry, "west", tuple(hand), 0), shoulder=to_shoulder), hand


def test_a_lone_hand_is_as_far_away_as_its_shoulder(geometry: StoreGeometry) -> None:
    ray, hand = stretched(geometry, (2.75, 3.05, SETTINGS.shoulder_height_m))
    (known,) = hands_of([ray], (2.45, 3.05), geometry, SETTINGS)
    (above_feet,) = hands_of([replace(ray, shoulder=None)], (2.45, 3.05), geometry, SETTINGS)
    errors = [float(np.linalg.norm(np.array(each.point_m) - hand)) for each in (known, above_feet)]
    assert errors[0] < 0.7 * errors[1], "feet and shoulder are half believed each, seen from this far"


def test_taller_people_have_their_shoulders_higher(geometry: StoreGeometry) -> None:
    shoulder = (2.7, 3.05, SETTINGS.shoulder_height_m + 0.15)
    ray, hand = stretched(geometry, shoulder)
    (known,) = hands_of([ray], shoulder[:2], geometry, SETTINGS, shoulder[2])
    (usual,) = hands_of([ray], shoulder[:2], geometry, SETTINGS)
    assert np.linalg.norm(np.array(known.point_m) - hand) < 0.08
    assert np.linalg.norm(np.array(usual.point_m) - hand) > 0.12


def test_a_front_seen_edge_on_takes_no_hand() -> None:
    shelf = next(place for place in STORE.shelves if place.shelf_id == "left/middle")
    before = shelf.to_world(np.array([[0.5, -0.02, 0.2]]))[0]
    body = tuple((before + 0.5 * shelf.normal)[:2].tolist())

    def hand_of(slope: float) -> Hand:
        away = shelf.along - shelf.normal * slope
        direction = away / np.linalg.norm(away)
        (hand,) = hands_of(
            [HandRay("c", 0, as_point(before - 2.0 * direction), as_point(direction), 0.9)], body, STORE, SETTINGS
        )
        return hand

    assert shelf.contains(np.array([hand_of(0.3).point_m]), 0.01)[0]
    grazing = hand_of(0.14)
    assert grazing.confidence == pytest.approx(0.9 * SETTINGS.body_confidence)
    np.testing.assert_allclose(grazing.point_m, before, atol=0.1)


def test_height_is_told_by_ankles_and_head_alone(geometry: StoreGeometry) -> None:
    camera = geometry.cameras["north"]
    box = _upright_box(geometry, "north", 2.2, 3.2)
    keypoints = np.zeros((1, 17, 3), np.float32)
    ankle, _ = camera.project(np.array([[2.2, 3.2, SightingSettings().ankle_height_m]]))
    keypoints[0, 15:] = (*ankle[0], 0.9)
    tracks = _one_box("north", box)
    view = FloorView(geometry, "north")
    (boxed,) = sightings_of(tracks, view, SightingSettings())
    (whole,) = sightings_of(
        replace(tracks, detections=replace(tracks.detections, keypoints_px=keypoints)), view, SightingSettings()
    )
    assert boxed.height_m is None
    assert whole.height_m == pytest.approx(1.72, abs=0.12)
