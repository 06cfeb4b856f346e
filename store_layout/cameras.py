"""A pinhole camera with lens distortion, both ways: points to pixels and pixels to rays.

Everything is element-wise float64 without BLAS, so that results are the same on
every machine. Pixels count from the outer corner of the top-left pixel, x right,
y down: the middle of the first pixel is (0.5, 0.5). OpenCV counts from that
pixel's middle, so its principal point is ours less 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from store_layout.errors import LayoutError
from store_layout.model import Camera

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

_NEWTON_STEPS = 12
"""Newton's method doubles the right digits at each step; 12 also covers a lens at the edge of its model."""
_LAST_STEP = 1e-9
"""A step below this (in units of the focal length) leaves an error of its square: none in float64."""
_LENS_RESIDUAL = 1e-9
"""A pixel whose ray is not found to this accuracy (in units of the focal length) lies outside the lens model."""
_MAX_RADIUS2 = 16.0
"""Squared tangent of the widest angle that is searched for the lens model's end: 76 degrees off the axis."""


def axes_from_angles(yaw_deg: float, pitch_deg: float, roll_deg: float) -> F64:
    """Return the camera's axes right, down, forward as the rows of a (3, 3) array in world coordinates.

    They are rounded to 14 decimals, so that the last bit, in which the sine may differ from machine
    to machine, is gone.
    """
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    right = (math.sin(yaw), -math.cos(yaw), 0.0)
    forward = (math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch))
    down = _cross(forward, right)
    turn_cos, turn_sin = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    turned_right = [turn_cos * a + turn_sin * b for a, b in zip(right, down, strict=True)]
    turned_down = [turn_cos * b - turn_sin * a for a, b in zip(right, down, strict=True)]
    rounded = [[round(value, 14) + 0.0 for value in axis] for axis in (turned_right, turned_down, forward)]
    return np.array(rounded, np.float64)


def angles_from_axes(axes: F64) -> tuple[float, float, float]:
    """Return yaw, pitch and roll in degrees of ``axes`` (3, 3); the inverse of :func:`axes_from_angles`.

    Looking straight up or down, yaw and roll turn about the same axis; yaw is then 0.
    """
    right, down, forward = axes.tolist()
    flat = math.hypot(forward[0], forward[1])
    pitch = math.atan2(forward[2], flat)
    yaw = math.atan2(forward[1], forward[0]) if flat > 1e-12 else 0.0
    level = (math.sin(yaw), -math.cos(yaw), 0.0)
    roll = math.atan2(-_dot(down, level), _dot(right, level))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def _dot(a: list[float] | tuple[float, ...], b: list[float] | tuple[float, ...]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _direction_angles(camera: Camera) -> tuple[float, float]:
    """Return the optical axis's yaw and pitch in degrees; LayoutError unless it is given exactly once."""
    field = f"cameras[{camera.id}]"
    by_angles = camera.yaw_deg is not None and camera.pitch_deg is not None
    some_angle = camera.yaw_deg is not None or camera.pitch_deg is not None
    if (camera.look_at_m is None) == (not by_angles) or (camera.look_at_m is not None and some_angle):
        raise LayoutError(
            "the camera's direction must be given exactly once",
            field=field,
            mend="give either look_at_m, or both yaw_deg and pitch_deg",
        )
    if camera.look_at_m is None:
        assert camera.yaw_deg is not None
        assert camera.pitch_deg is not None
        return camera.yaw_deg, camera.pitch_deg
    dx, dy, dz = (to - at for to, at in zip(camera.look_at_m, camera.position_m, strict=True))
    if math.hypot(dx, dy, dz) < 1e-6:
        raise LayoutError("look_at_m is the camera's own position", field=field, mend="name a point in front of it")
    flat = math.hypot(dx, dy)
    return (math.degrees(math.atan2(dy, dx)) if flat > 1e-9 else 0.0), math.degrees(math.atan2(dz, flat))


@dataclass(frozen=True, slots=True, eq=False)
class CameraModel:
    """A camera in the store.

    ``rotation`` (3, 3) turns world into camera coordinates (x right, y down, z forward:
    OpenCV's axes); ``position_m`` (3,); ``camera_matrix`` (3, 3) in pixels counted from the
    picture's corner; ``distortion`` (5,) is OpenCV's k1, k2, p1, p2, k3. ``radius2_limit`` is
    the squared tangent off the axis beyond which the distortion would fold the picture back
    on itself: such points have no pixel.
    """

    camera_id: str
    width_px: int
    height_px: int
    position_m: F64
    rotation: F64
    camera_matrix: F64
    distortion: F64
    radius2_limit: float

    @classmethod
    def from_layout(cls, camera: Camera) -> Self:
        """Make the model of a layout's camera. Raise LayoutError where its direction is not given exactly once."""
        width, height = camera.resolution_px
        focal = camera.focal_px
        fx, fy = focal if isinstance(focal, tuple) else (focal, focal)
        cx, cy = camera.principal_point_px or (width / 2, height / 2)
        if min(fx, fy) <= 0:
            raise LayoutError(
                "focal_px must be above 0", field=f"cameras[{camera.id}].focal_px", mend="see docs/layout.md"
            )
        yaw, pitch = _direction_angles(camera)
        distortion = np.array(camera.distortion, np.float64)
        return cls(
            camera_id=camera.id,
            width_px=width,
            height_px=height,
            position_m=np.array(camera.position_m, np.float64),
            rotation=axes_from_angles(yaw, pitch, camera.roll_deg),
            camera_matrix=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64),
            distortion=distortion,
            radius2_limit=lens_limit(distortion),
        )

    def project(self, points_m: F64) -> tuple[F64, F64]:
        """Return pixels (N, 2) and depth_m (N,) along the optical axis of ``points_m`` (N, 3).

        Pixels are NaN for points behind the camera or outside the lens model; they may lie outside the picture.
        """
        offset = np.asarray(points_m, np.float64).reshape(-1, 3) - self.position_m
        x, y, depth = _turn(self.rotation, offset[:, 0], offset[:, 1], offset[:, 2])
        ahead = depth > 0
        safe = np.where(ahead, depth, 1.0)
        a, b = x / safe, y / safe
        valid = ahead & (a * a + b * b <= self.radius2_limit)
        u, v = distort(a, b, self.distortion)
        (fx, _, cx), (_, fy, cy), _ = self.camera_matrix.tolist()
        pixels = np.stack([fx * u + cx, fy * v + cy], axis=1)
        return np.where(valid[:, None], pixels, np.nan), depth

    def rays(self, pixels: F64) -> tuple[F64, F64]:
        """Return the camera's place (3,) and unit directions (N, 3) in the world of ``pixels`` (N, 2).

        A direction is NaN where the lens model has no ray for the pixel.
        """
        pixels = np.asarray(pixels, np.float64).reshape(-1, 2)
        (fx, _, cx), (_, fy, cy), _ = self.camera_matrix.tolist()
        a, b = undistort((pixels[:, 0] - cx) / fx, (pixels[:, 1] - cy) / fy, self.distortion, self.radius2_limit)
        length = np.sqrt(a * a + b * b + 1.0)
        directions = np.empty((len(pixels), 3))
        for axis, values in enumerate(_turn(self.rotation.T, a / length, b / length, 1.0 / length)):
            directions[:, axis] = values
        return self.position_m.copy(), directions

    def to_plane(self, pixels: F64, point_m: F64, normal: F64) -> F64:
        """Return where the rays of ``pixels`` (N, 2) meet the plane through ``point_m`` (3,) with ``normal`` (3,).

        The result is (N, 3), NaN where a ray is parallel to the plane or meets it behind the camera.
        """
        origin, directions = self.rays(pixels)
        normal = np.asarray(normal, np.float64)
        slope = directions[:, 0] * normal[0] + directions[:, 1] * normal[1] + directions[:, 2] * normal[2]
        offset = np.asarray(point_m, np.float64) - origin
        height = float(offset[0] * normal[0] + offset[1] * normal[1] + offset[2] * normal[2])
        meets = np.abs(slope) > 1e-12
        distance = height / np.where(meets, slope, 1.0)
        meets &= distance > 0
        points = origin + directions * distance[:, None]
        return np.where(meets[:, None], points, np.nan)

    def to_floor(self, pixels: F64, height_m: float = 0.0) -> F64:
        """Return the place (N, 2) on the floor, or at ``height_m`` above it, that ``pixels`` (N, 2) show; NaN if none."""
        return self.to_plane(pixels, np.array([0.0, 0.0, height_m]), np.array([0.0, 0.0, 1.0]))[:, :2]

    def in_picture(self, pixels: F64, margin_px: float = 0.0) -> Bool:
        """Return (N,) whether ``pixels`` (N, 2) lie inside the picture, ``margin_px`` from its edge; NaN is outside."""
        x, y = pixels[:, 0], pixels[:, 1]
        wide = (x >= margin_px) & (x <= self.width_px - margin_px)
        return wide & (y >= margin_px) & (y <= self.height_px - margin_px)


class CameraRig:
    """Several cameras asked at once: what arrays cost at every call is paid once for all of them."""

    def __init__(self, cameras: Sequence[CameraModel]) -> None:
        self.positions_m: F64 = np.array([camera.position_m for camera in cameras], np.float64).reshape(-1, 3)
        matrices = np.array([camera.camera_matrix for camera in cameras], np.float64).reshape(-1, 3, 3)
        self._focal, self._middle = matrices[:, [0, 1], [0, 1]], matrices[:, :2, 2]
        self._distortion = np.array([camera.distortion for camera in cameras], np.float64).reshape(-1, 5)
        self._limit = np.array([camera.radius2_limit for camera in cameras], np.float64)
        self._rotation = np.array([camera.rotation for camera in cameras], np.float64).reshape(-1, 3, 3)

    def rays(self, which: I64, pixels: F64) -> F64:
        """Return the unit directions (N, 3) in the world of ``pixels`` (N, 2) of the cameras at places ``which`` (N,).

        They are those of :meth:`CameraModel.rays`.
        """
        u, v = ((pixels - self._middle[which]) / self._focal[which]).T
        a, b = undistort(u, v, self._distortion[which], self._limit[which])
        ahead = np.stack([a, b, np.ones_like(a)], axis=1) / np.sqrt(a * a + b * b + 1.0)[:, None]
        directions: F64 = (self._rotation[which] * ahead[:, :, None]).sum(axis=1)
        return directions


def _turn(matrix: F64, x: F64, y: F64, z: F64) -> tuple[F64, F64, F64]:
    """Return the three coordinates (N,) of ``matrix`` (3, 3) times points with coordinates ``x``, ``y``, ``z`` (N,)."""
    first, second, third = (a * x + b * y + c * z for a, b, c in matrix.tolist())
    return first, second, third


def distort(a: F64, b: F64, distortion: F64) -> tuple[F64, F64]:
    """Return where the lens puts the ray (a, b, 1), each (N,), in units of the focal length.

    ``distortion`` is one lens's (5,) or each ray's (N, 5).
    Source: OpenCV, "Camera Calibration and 3D Reconstruction", the five-coefficient model.
    """
    k1, k2, p1, p2, k3 = distortion.T
    r2 = a * a + b * b
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    u = a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a)
    v = b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b
    return u, v


def undistort(u: F64, v: F64, distortion: F64, radius2_limit: float | F64) -> tuple[F64, F64]:
    """Return the rays (a, b, 1) that :func:`distort` puts at u, v, each (N,); NaN where there is none.

    ``distortion`` and ``radius2_limit`` are one lens's, (5,) and a number, or each ray's, (N, 5) and (N,).
    Newton's method from (u, v). The steps are held inside the lens model's limit, so the
    folded-back second solution is never found.
    """
    if not distortion.any() or u.size == 0:
        return u.copy(), v.copy()
    if not distortion[..., 2:4].any():
        return _undistort_radially(u, v, distortion, radius2_limit)
    a, b = _clip_radius(u, v, radius2_limit)
    for _ in range(_NEWTON_STEPS):
        a_step, b_step = _newton_step(a, b, u, v, distortion)
        a, b = _clip_radius(a + a_step, b + b_step, radius2_limit)
        if max(np.abs(a_step).max(), np.abs(b_step).max()) < _LAST_STEP:
            break
    got_u, got_v = distort(a, b, distortion)
    good = (np.abs(got_u - u) < _LENS_RESIDUAL) & (np.abs(got_v - v) < _LENS_RESIDUAL)
    return np.where(good, a, np.nan), np.where(good, b, np.nan)


def _undistort_radially(u: F64, v: F64, distortion: F64, radius2_limit: float | F64) -> tuple[F64, F64]:
    """Return what :func:`undistort` does of a lens without tangential distortion, which moves rays along their radius alone.

    Newton's method begins at the first terms of the inverted series.
    """
    k1, k2, _, _, k3 = distortion.T
    far, widest = np.sqrt(u * u + v * v), np.sqrt(radius2_limit)
    far2 = far * far
    radius = np.minimum(np.maximum(far * (1.0 - far2 * (k1 + far2 * (k2 - 3 * k1 * k1))), 0.0), widest)
    k1_slope, k2_slope, k3_slope = 3 * k1, 5 * k2, 7 * k3
    for _ in range(_NEWTON_STEPS):
        r2 = radius * radius
        slope = 1.0 + r2 * (k1_slope + r2 * (k2_slope + r2 * k3_slope))
        step = (far - radius * (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3)))) / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        radius = np.minimum(np.maximum(radius + step, 0.0), widest)
        if np.abs(step).max() < _LAST_STEP:
            break
    r2 = radius * radius
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    good = np.abs(radius * radial - far) < _LENS_RESIDUAL
    shrink = np.where(good, radial, np.nan)
    return u / shrink, v / shrink


def _newton_step(a: F64, b: F64, u: F64, v: F64, distortion: F64) -> tuple[F64, F64]:
    """Return how far, each (N,), to go from the rays (a, b, 1) so that :func:`distort` comes nearer to u, v."""
    k1, k2, p1, p2, k3 = distortion.T
    a2, b2, ab = a * a, b * b, a * b
    r2 = a2 + b2
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bend = 2.0 * k1 + r2 * (4.0 * k2 + r2 * (6.0 * k3))
    du_a = radial + a2 * bend + (2 * p1) * b + (6 * p2) * a
    du_b = ab * bend + (2 * p1) * a + (2 * p2) * b  # and dv/da
    dv_b = radial + b2 * bend + (6 * p1) * b + (2 * p2) * a
    missing_u = u - (a * radial + (2 * p1) * ab + p2 * (r2 + 2 * a2))
    missing_v = v - (b * radial + p1 * (r2 + 2 * b2) + (2 * p2) * ab)
    det = du_a * dv_b - du_b * du_b
    det = np.where(np.abs(det) < 1e-9, 1e-9, det)
    return (missing_u * dv_b - missing_v * du_b) / det, (missing_v * du_a - missing_u * du_b) / det


def _clip_radius(a: F64, b: F64, radius2_limit: float | F64) -> tuple[F64, F64]:
    r2 = a * a + b * b
    if (r2 <= radius2_limit).all():
        return a, b
    shrink = np.sqrt(np.where(r2 > radius2_limit, radius2_limit / np.where(r2 > 0, r2, 1.0), 1.0))
    return a * shrink, b * shrink


def lens_limit(distortion: F64) -> float:
    """Return the squared tangent up to which the lens model of ``distortion`` (5,) grows outwards.

    That is the first root of the slope 1 + 3 k1 t + 5 k2 t² + 7 k3 t³, found by halving on a
    fixed grid; without a root, the limit is that of the search.
    """
    k1, k2, _, _, k3 = (float(value) for value in distortion)

    def slope(t: float) -> float:
        return 1.0 + t * (3 * k1 + t * (5 * k2 + t * 7 * k3))

    if not distortion.any():
        return math.inf
    steps = 1024
    first = next((i for i in range(1, steps + 1) if slope(_MAX_RADIUS2 * i / steps) <= 0), None)
    if first is None:
        return _MAX_RADIUS2
    low, high = _MAX_RADIUS2 * (first - 1) / steps, _MAX_RADIUS2 * first / steps
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return low
