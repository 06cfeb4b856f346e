"""Projection both ways, against itself and against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from store_layout.cameras import CameraModel, angles_from_axes, axes_from_angles
from store_layout.model import Camera


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def cameras(draw: st.DrawFn) -> CameraModel:
    width, height = draw(st.sampled_from([(640, 360), (1280, 720), (768, 576)]))
    focal = width * draw(number(0.5, 2.0))
    return CameraModel.from_layout(
        Camera(
            id="cam",
            resolution_px=(width, height),
            fps=10,
            position_m=(draw(number(-3, 3)), draw(number(-3, 3)), draw(number(1.5, 4))),
            yaw_deg=draw(number(-180, 180)),
            pitch_deg=draw(number(-89, -5)),
            roll_deg=draw(number(-30, 30)),
            focal_px=(focal, focal * draw(number(0.95, 1.05))),
            principal_point_px=(width * draw(number(0.45, 0.55)), height * draw(number(0.45, 0.55))),
            distortion=(
                draw(number(-0.45, 0.2)),
                draw(number(-0.05, 0.2)),
                draw(number(-0.002, 0.002)),
                draw(number(-0.002, 0.002)),
                draw(number(-0.02, 0.05)),
            ),
        )
    )


@given(cameras(), number(0.02, 0.98), number(0.02, 0.98))
@settings(max_examples=60, deadline=None)
def test_a_pixel_goes_to_the_floor_and_back(camera: CameraModel, across: float, down: float) -> None:
    pixel = np.array([[across * camera.width_px, down * camera.height_px]])
    floor = camera.to_floor(pixel)
    assume(np.isfinite(floor).all() and np.abs(floor).max() < 50)
    back, depth = camera.project(np.column_stack([floor, [0.0]]))
    assert depth[0] > 0
    np.testing.assert_allclose(back, pixel, atol=1e-5)


@given(cameras(), number(-1, 1), number(-1, 1), number(0.5, 8))
@settings(max_examples=60, deadline=None)
def test_a_point_in_the_picture_lies_on_its_pixels_ray(
    camera: CameraModel, right: float, down: float, far: float
) -> None:
    local = np.array([right * 0.4, down * 0.3, 1.0]) * far
    point = camera.position_m + local @ camera.rotation
    pixels, depth = camera.project(point[None])
    np.testing.assert_allclose(depth, far, rtol=1e-9)
    assume(np.isfinite(pixels).all())
    origin, directions = camera.rays(pixels)
    distance = np.linalg.norm(point - origin)
    np.testing.assert_allclose(origin + directions[0] * distance, point, atol=1e-6)


@given(cameras(), number(0.05, 0.95), number(0.05, 0.95), number(0, 360))
@settings(max_examples=60, deadline=None)
def test_a_ray_meets_a_shelfs_front_plane_where_it_projects(
    camera: CameraModel, x: float, y: float, facing: float
) -> None:
    angle = np.radians(facing)
    normal = np.array([np.cos(angle), np.sin(angle), 0.0])
    point = np.array([5.0, 1.0, 0.5])
    pixel = np.array([[x * camera.width_px, y * camera.height_px]])
    met = camera.to_plane(pixel, point, normal)
    assume(np.isfinite(met).all() and np.abs(met).max() < 100)
    assert abs((met[0] - point) @ normal) < 1e-7
    np.testing.assert_allclose(camera.project(met)[0], pixel, atol=1e-4)


@given(cameras())
@settings(max_examples=30, deadline=None)
def test_projection_is_opencvs(camera: CameraModel) -> None:
    local = np.stack(np.meshgrid([-0.3, 0.0, 0.3], [-0.2, 0.0, 0.2], [1.0, 4.0]), axis=-1).reshape(-1, 3)
    points = camera.position_m + (local * [[1, 1, 1]]) @ camera.rotation
    rotation, _ = cv2.Rodrigues(camera.rotation)
    shift = -camera.rotation @ camera.position_m
    theirs = cv2.projectPoints(points, rotation, shift, camera.camera_matrix, camera.distortion)[0][:, 0]
    ours, _ = camera.project(points)
    valid = np.isfinite(ours).all(axis=1)
    assert valid.mean() > 0.5
    np.testing.assert_allclose(ours[valid], theirs[valid], atol=1e-6)


@given(number(-179, 179), number(-85, 85), number(-170, 170))
def test_angles_survive_the_rotation(yaw: float, pitch: float, roll: float) -> None:
    axes = axes_from_angles(yaw, pitch, roll)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) > 0
    np.testing.assert_allclose(angles_from_axes(axes), (yaw, pitch, roll), atol=1e-8)


def camera_at(**changed: object) -> CameraModel:
    given = {"id": "c", "resolution_px": (640, 360), "fps": 10, "position_m": (0, 0, 2), "focal_px": 500}
    return CameraModel.from_layout(Camera.model_validate(given | changed))


def test_a_camera_that_looks_along_x_sees_left_things_left_and_high_things_high() -> None:
    camera = camera_at(yaw_deg=0, pitch_deg=0)
    pixels, _ = camera.project(np.array([[5.0, 1.0, 3.0]]))
    np.testing.assert_allclose(pixels, [[320 - 100, 180 - 100]])


def test_a_camera_that_leans_to_its_right_turns_the_picture_to_the_left() -> None:
    camera = camera_at(yaw_deg=0, pitch_deg=0, roll_deg=90)
    pixels, _ = camera.project(np.array([[5.0, 0.0, 3.0]]))
    np.testing.assert_allclose(pixels, [[320 - 100, 180]], atol=1e-9)


def test_look_at_is_in_the_middle_even_straight_below() -> None:
    for target in ((3.0, -2.0, 0.5), (0.0, 0.0, 0.0)):
        pixels, _ = camera_at(look_at_m=target).project(np.array([target]))
        np.testing.assert_allclose(pixels, [[320, 180]], atol=1e-9)


def test_what_is_behind_or_outside_the_lens_model_has_no_pixel() -> None:
    camera = camera_at(yaw_deg=0, pitch_deg=0, distortion=(-0.48, 0.07, 0, 0, 0))
    pixels, depth = camera.project(np.array([[-1.0, 0.0, 2.0], [1.0, 2.0, 2.0], [1.0, 0.0, 2.0]]))
    assert np.isnan(pixels[:2]).all()
    assert np.isfinite(pixels[2]).all()
    assert depth[0] < 0 < depth[1]


def test_the_horizon_and_the_sky_meet_no_floor() -> None:
    camera = camera_at(yaw_deg=0, pitch_deg=0)
    assert np.isnan(camera.to_floor(np.array([[320.0, 180.0], [320.0, 100.0]]))).all()
