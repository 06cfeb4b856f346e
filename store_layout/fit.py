"""Solving where a camera hangs, and its lens, from points marked in a still.

Every start that OpenCV's pose solvers give is refined by a robust least-squares fit over
the pose and, where asked, the focal length and the first distortion coefficient.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.optimize import least_squares

from store_layout.cameras import CameraModel, angles_from_axes, distort, lens_limit, undistort
from store_layout.errors import InputError, LayoutError
from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Point2, Point3, Strict
from store_layout.settings import FitSettings

F64 = NDArray[np.float64]

CORNERS = ("top_left", "top_right", "bottom_right", "bottom_left")
"""Names of a slot's or shelf's front corners, in the order of ``front_corners_m``."""
_FOCAL_STARTS = 10
"""Focal lengths tried, evenly in ratio: neighbours are within a third of each other, near enough for the fit to close."""
_STARTS_REFINED = 6
"""How many of the best starts are refined: two poses mirror each other on a plane, and focal lengths trade with distance."""
_FAR_PX = 1e4
"""Stands for the error of a point behind the camera: far outside any picture, yet finite."""
_MAX_BEND = 1.5
"""Greatest first distortion coefficient of either sign that is tried: fisheye-like lenses reach about 0.6."""


class MarkedPoint(Strict):
    """A pixel in the still and what it shows: ``world_m``, or a front corner of a slot or shelf.

    ``corner`` is written ``gondola/shelf/slot top_left`` or ``gondola/shelf bottom_right``.
    """

    pixel: Point2
    world_m: Point3 | None = None
    corner: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> MarkedPoint:
        if (self.world_m is None) == (self.corner is None):
            raise ValueError("a point needs either world_m or corner")
        return self


class MarkedPoints(Strict):
    """The points file. ``layout`` is relative to it."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    layout: str = "layout.yaml"
    points: Annotated[tuple[MarkedPoint, ...], Field(min_length=4)]


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """A solved camera. ``error_px`` and ``error_cm`` (N,) belong to the marked points.

    The error in centimetres is how far the pixel's ray passes from the marked place.
    ``position_sigma_m`` (3,) is the standard deviation of the position that these errors imply.
    """

    camera: Camera
    model: CameraModel
    pixels: F64
    world_m: F64
    error_px: F64
    error_cm: F64
    position_sigma_m: F64


def world_points(points: MarkedPoints, geometry: StoreGeometry) -> tuple[F64, F64]:
    """Return the marked pixels (N, 2) and their places (N, 3); LayoutError where a corner names nothing."""
    places = [
        np.array(point.world_m, np.float64) if point.corner is None else _corner(point.corner, index, geometry)
        for index, point in enumerate(points.points)
    ]
    return np.array([point.pixel for point in points.points], np.float64), np.array(places)


def _corner(text: str, index: int, geometry: StoreGeometry) -> F64:
    name, _, corner = text.partition(" ")
    corners = {place.slot_id: place.front_corners_m for place in geometry.slots}
    corners |= {place.shelf_id: place.front_corners_m for place in geometry.shelves}
    if name not in corners or corner not in CORNERS:
        mend = f"write 'gondola/shelf/slot top_left' with one of {', '.join(CORNERS)}"
        raise LayoutError(f"{text!r} names no corner of a slot or shelf", field=f"points[{index}].corner", mend=mend)
    place: F64 = corners[name][CORNERS.index(corner)]
    return place


def fit_camera(
    camera: Camera,
    pixels: F64,
    world_m: F64,
    *,
    solve_focal: bool = False,
    solve_lens: bool = False,
    settings: FitSettings | None = None,
) -> FitResult:
    """Return ``camera`` with the pose that puts ``world_m`` (N, 3) at ``pixels`` (N, 2).

    The camera's own pose is not used; its focal length, principal point and distortion are, but for
    what ``solve_focal`` and ``solve_lens`` (k1, with k2 to k3 held at 0) ask for. Needs 4 points, and one more
    for each of these. Raise InputError where there are too few, or where no pose fits.
    """
    settings = settings or FitSettings()
    need = 4 + solve_focal + solve_lens
    if len(pixels) < need:
        raise InputError(f"{len(pixels)} points are marked, {need} are needed", field="points", mend="mark more points")
    lens = _Lens.of(camera, solve_focal, solve_lens)
    starts = sorted(
        _starts(lens, pixels, world_m, settings), key=lambda start: _cost(lens, start, pixels, world_m, settings)
    )
    if not starts:
        mend = "spread the points over the picture, not along one line, and check their places"
        raise InputError("no pose fits the marked points", field="points", mend=mend)
    fits = [_refine(lens, start, pixels, world_m, settings) for start in starts[:_STARTS_REFINED]]
    _, best, sigma = min(fits, key=lambda fit: fit[0])
    return _result(camera, lens, best, sigma, pixels, world_m)


@dataclass(frozen=True, slots=True, eq=False)
class _Lens:
    """What is known of the lens, and which of its values are solved for.

    A parameter vector is the rotation vector (3), the translation (3), then the
    logarithm of a factor on the focal length and k1, where these are solved.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width_px: int
    distortion: F64
    solve_focal: bool
    solve_lens: bool

    @classmethod
    def of(cls, camera: Camera, solve_focal: bool, solve_lens: bool) -> _Lens:
        width, height = camera.resolution_px
        focal = camera.focal_px
        fx, fy = focal if isinstance(focal, tuple) else (focal, focal)
        cx, cy = camera.principal_point_px or (width / 2, height / 2)
        distortion = np.zeros(5) if solve_lens else np.array(camera.distortion, np.float64)
        return cls(fx, fy, cx, cy, width, distortion, solve_focal, solve_lens)

    def values(self, parameters: F64) -> tuple[float, float, F64]:
        """Return fx, fy and the distortion (5,) that ``parameters`` stand for."""
        factor = float(np.exp(parameters[6])) if self.solve_focal else 1.0
        distortion = self.distortion.copy()
        if self.solve_lens:
            distortion[0] = parameters[-1]
        return self.fx * factor, self.fy * factor, distortion

    def residuals(self, parameters: F64, pixels: F64, world_m: F64) -> F64:
        """Return the errors (2 N,) in pixels."""
        fx, fy, distortion = self.values(parameters)
        local = world_m @ cv2.Rodrigues(parameters[:3])[0].T + parameters[3:6]
        ahead = local[:, 2] > 1e-3
        depth = np.where(ahead, local[:, 2], 1.0)
        u, v = distort(local[:, 0] / depth, local[:, 1] / depth, distortion)
        error = np.stack([fx * u + self.cx, fy * v + self.cy], axis=1) - pixels
        flat: F64 = np.clip(np.where(ahead[:, None], error, _FAR_PX), -_FAR_PX, _FAR_PX).ravel()
        return flat


def _starts(lens: _Lens, pixels: F64, world_m: F64, settings: FitSettings) -> Iterator[F64]:
    """Yield parameter vectors near which the answer may lie."""
    factors = np.ones(1)
    if lens.solve_focal:
        least, most = (
            share * lens.width_px / lens.fx for share in (settings.min_focal_share, settings.max_focal_share)
        )
        factors = np.geomspace(least, most, _FOCAL_STARTS)
    bends = (0.0, -0.3) if lens.solve_lens else (0.0,)
    for factor, bend in itertools.product(factors, bends):
        extra = [float(np.log(factor))] * lens.solve_focal + [bend] * lens.solve_lens
        fx, fy, distortion = lens.values(np.array([0.0] * 6 + extra))
        a, b = (pixels[:, 0] - lens.cx) / fx, (pixels[:, 1] - lens.cy) / fy
        a, b = undistort(a, b, distortion, lens_limit(distortion))
        inside = ~np.isnan(a)
        if inside.sum() < 4:
            continue
        for rotation, shift in _poses(np.stack([a, b], axis=1)[inside], world_m[inside]):
            yield np.array([*rotation.ravel(), *shift.ravel(), *extra])


def _poses(rays: F64, world_m: F64) -> Iterator[tuple[F64, F64]]:
    """Yield the poses that OpenCV's direct solvers find for ``rays`` (N, 2) at depth 1 and ``world_m`` (N, 3)."""
    for method in (cv2.SOLVEPNP_SQPNP, cv2.SOLVEPNP_EPNP, cv2.SOLVEPNP_IPPE):
        try:
            found, rotations, shifts, _ = cv2.solvePnPGeneric(
                world_m[:, None], rays[:, None], np.eye(3), None, flags=method
            )
        except cv2.error:
            continue  # this solver does not take these points: IPPE wants a plane
        if found:
            for rotation, shift in zip(rotations, shifts, strict=True):
                if np.isfinite(rotation).all() and np.isfinite(shift).all():
                    yield np.asarray(rotation, np.float64), np.asarray(shift, np.float64)


def _cost(lens: _Lens, start: F64, pixels: F64, world_m: F64, settings: FitSettings) -> float:
    """Return the robust cost of ``start``: the sum of scipy's soft_l1 loss."""
    scaled = (lens.residuals(start, pixels, world_m) / settings.outlier_px) ** 2
    return float((2 * (np.sqrt(1 + scaled) - 1)).sum())


def _refine(lens: _Lens, start: F64, pixels: F64, world_m: F64, settings: FitSettings) -> tuple[float, F64, F64]:
    """Return the cost, the parameters and the position's standard deviation (3,) of the fit from ``start``."""
    low, high = np.full(len(start), -np.inf), np.full(len(start), np.inf)
    if lens.solve_lens:
        low[-1], high[-1] = -_MAX_BEND, _MAX_BEND
    fit = least_squares(
        lens.residuals,
        start,
        bounds=(low, high),
        loss="soft_l1",
        f_scale=settings.outlier_px,
        x_scale="jac",
        max_nfev=200,
        args=(pixels, world_m),
    )
    spare = max(1, 2 * len(pixels) - len(start))
    variance = 2 * float(fit.cost) / spare
    jacobian = np.asarray(fit.jac, np.float64)
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * variance
    slopes = np.stack(
        [(_place(fit.x + step) - _place(fit.x - step)) / 2e-6 for step in 1e-6 * np.eye(len(start))], axis=1
    )
    sigma: F64 = np.sqrt(np.diag(slopes @ covariance @ slopes.T))
    return float(fit.cost), fit.x, sigma


def _place(parameters: F64) -> F64:
    """Return the camera's position (3,) of a parameter vector."""
    place: F64 = -cv2.Rodrigues(parameters[:3])[0].T @ parameters[3:6]
    return place


def _result(camera: Camera, lens: _Lens, best: F64, sigma: F64, pixels: F64, world_m: F64) -> FitResult:
    fx, fy, distortion = lens.values(best)
    yaw, pitch, roll = angles_from_axes(np.asarray(cv2.Rodrigues(best[:3])[0], np.float64))
    focal = round(fx, 3) if fx == fy else (round(fx, 3), round(fy, 3))
    x, y, z = (round(float(value), 4) for value in _place(best))
    k1, k2, p1, p2, k3 = (round(float(value), 6) for value in distortion)
    solved = camera.model_copy(
        update={
            "position_m": (x, y, z),
            "look_at_m": None,
            "yaw_deg": round(yaw, 4),
            "pitch_deg": round(pitch, 4),
            "roll_deg": round(roll, 4),
            "focal_px": focal,
            "distortion": (k1, k2, p1, p2, k3),
        }
    )
    model = CameraModel.from_layout(solved)
    shown, _ = model.project(world_m)
    origin, rays = model.rays(pixels)
    aside = np.cross(rays, world_m - origin)
    error_px = np.hypot(shown[:, 0] - pixels[:, 0], shown[:, 1] - pixels[:, 1])
    return FitResult(solved, model, pixels, world_m, error_px, 100 * np.sqrt((aside**2).sum(axis=1)), sigma)


def camera_yaml(camera: Camera) -> str:
    """Return ``camera`` as the block to paste below ``cameras:`` in a layout file."""
    import yaml

    given = camera.model_dump(exclude_defaults=True, exclude_none=True, mode="json")
    lines = [
        f"{key}: {_flow(yaml.safe_dump(value, default_flow_style=True, width=200))}" for key, value in given.items()
    ]
    return "  - " + "\n    ".join(lines)


def _flow(dumped: str) -> str:
    """Return a dumped value without the end mark that PyYAML puts after a lone scalar."""
    return dumped.strip().removesuffix("...").strip()
