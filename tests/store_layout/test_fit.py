"""Fitting a camera to marked points finds the camera that made them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from store_layout.errors import InputError, LayoutError
from store_layout.files import load_store
from store_layout.fit import MarkedPoint, MarkedPoints, camera_yaml, fit_camera, world_points
from store_layout.geometry import CameraModel, StoreGeometry
from store_layout.model import Camera
from tillfree.main import main


@pytest.fixture(scope="module")
def geometry(repo_dir: Path) -> StoreGeometry:
    return StoreGeometry(load_store(repo_dir / "tests/data/small_store.yaml"))


def marks(geometry: StoreGeometry, camera_id: str, noise_px: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    corners = np.concatenate([place.front_corners_m for place in geometry.slots])
    floor = np.array([[x, y, 0.0] for x in (1.0, 2.0, 3.0, 4.0) for y in (2.0, 3.0, 4.0, 5.0)])
    world = np.concatenate([corners, floor])
    world = world[geometry.sees(camera_id, world)]
    pixels, _ = geometry.cameras[camera_id].project(world)
    return pixels + np.random.default_rng(3).normal(0, noise_px, pixels.shape), world


def unknown_pose(geometry: StoreGeometry, camera_id: str, **changed: object) -> Camera:
    camera = next(camera for camera in geometry.store.cameras if camera.id == camera_id)
    lost = {
        "position_m": (0.0, 0.0, 1.0),
        "look_at_m": (1.0, 0.0, 1.0),
        "yaw_deg": None,
        "pitch_deg": None,
        "roll_deg": 0.0,
    }
    return camera.model_copy(update=lost | changed)


@pytest.mark.parametrize("camera_id", ["north", "west", "south"])
def test_exact_marks_give_the_camera_back(geometry: StoreGeometry, camera_id: str) -> None:
    pixels, world = marks(geometry, camera_id)
    found = fit_camera(unknown_pose(geometry, camera_id), pixels, world)
    np.testing.assert_allclose(found.model.position_m, geometry.cameras[camera_id].position_m, atol=1e-3)
    np.testing.assert_allclose(found.model.rotation, geometry.cameras[camera_id].rotation, atol=1e-4)
    assert found.error_px.max() < 0.05


def test_the_focal_length_is_found_from_a_wrong_one(geometry: StoreGeometry) -> None:
    pixels, world = marks(geometry, "west", noise_px=0.5)
    found = fit_camera(unknown_pose(geometry, "west", focal_px=900.0), pixels, world, solve_focal=True)
    assert found.camera.focal_px == pytest.approx(400, rel=0.02)
    assert np.linalg.norm(found.model.position_m - geometry.cameras["west"].position_m) < 0.06
    assert found.position_sigma_m.max() < 0.06


def test_the_distortion_is_found(geometry: StoreGeometry) -> None:
    bent = unknown_pose(geometry, "south", distortion=(-0.3, 0, 0, 0, 0))
    truth = next(camera for camera in geometry.store.cameras if camera.id == "south")
    model = CameraModel.from_layout(truth.model_copy(update={"distortion": (-0.3, 0.0, 0.0, 0.0, 0.0)}))
    _, world = marks(geometry, "south")
    pixels, _ = model.project(world)
    found = fit_camera(
        bent.model_copy(update={"distortion": (0.0,) * 5}), pixels, world, solve_focal=True, solve_lens=True
    )
    assert found.camera.distortion[0] == pytest.approx(-0.3, abs=0.01)
    assert found.error_px.max() < 0.1


def test_one_badly_marked_point_pulls_little(geometry: StoreGeometry) -> None:
    pixels, world = marks(geometry, "north", noise_px=0.5)
    pixels[2] += [60, -40]
    found = fit_camera(unknown_pose(geometry, "north"), pixels, world)
    assert np.linalg.norm(found.model.position_m - geometry.cameras["north"].position_m) < 0.05
    assert int(found.error_px.argmax()) == 2
    assert found.error_px[2] > 60


def test_too_few_points_are_refused(geometry: StoreGeometry) -> None:
    pixels, world = marks(geometry, "north")
    with pytest.raises(InputError, match="4 points are marked, 5 are needed"):
        fit_camera(unknown_pose(geometry, "north"), pixels[:4], world[:4], solve_focal=True)


def test_corners_are_named_as_the_shopper_sees_them(geometry: StoreGeometry) -> None:
    points = MarkedPoints(
        points=(
            MarkedPoint(pixel=(1, 2), corner="back/top/a top_left"),
            MarkedPoint(pixel=(1, 2), corner="back/top bottom_right"),
        )
        + (MarkedPoint(pixel=(3, 4), world_m=(1, 2, 3)),) * 2
    )
    _, world = world_points(points, geometry)
    np.testing.assert_allclose(world, [[1.7, 5.55, 1.35], [3.2, 5.55, 0.85], [1, 2, 3], [1, 2, 3]], atol=1e-12)
    wrong = points.model_copy(update={"points": (MarkedPoint(pixel=(1, 2), corner="back/top/z top_left"),)})
    with pytest.raises(LayoutError, match=r"points\[0\].corner"):
        world_points(wrong, geometry)


def test_the_printed_block_is_the_camera(geometry: StoreGeometry) -> None:
    pixels, world = marks(geometry, "north")
    found = fit_camera(unknown_pose(geometry, "north"), pixels, world)
    (pasted,) = yaml.safe_load("cameras:\n" + camera_yaml(found.camera))["cameras"]
    assert Camera.model_validate(pasted) == found.camera


def test_the_command_solves_draws_and_prints(
    geometry: StoreGeometry, repo_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels, world = marks(geometry, "south")
    points = [{"pixel": p, "world_m": w} for p, w in zip(pixels.tolist(), world.tolist(), strict=True)]
    layout = str(repo_dir / "tests/data/small_store.yaml")
    (tmp_path / "points.yaml").write_text(yaml.safe_dump({"layout": layout, "points": points}))
    cv2.imwrite(str(tmp_path / "still.png"), np.full((360, 640, 3), 90, np.uint8))
    command = [
        "layout",
        "fit",
        "south",
        "--points",
        str(tmp_path / "points.yaml"),
        "--still",
        str(tmp_path / "still.png"),
    ]
    assert main([*command, "-o", str(tmp_path / "fit.png")]) == 0
    out = capsys.readouterr().out
    assert "error: 0.0" in out
    assert "position_m: [4.7, 2.6, 2.7]" in out
    drawn = cv2.imread(str(tmp_path / "fit.png"))
    assert (drawn != 90).any(axis=2).mean() > 0.02
    cv2.imwrite(str(tmp_path / "still.png"), np.zeros((100, 100, 3), np.uint8))
    assert main(command) == 2
    assert "is 100 x 100 pixels" in capsys.readouterr().err
