"""Hands in 3D: where two cameras' rays meet, else on the shelf that one camera's ray reaches.

Written out in plain floats: somebody has a few rays, and arrays of three cost ten times as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from store_layout.geometry import ShelfPlace, StoreGeometry
from store_layout.model import Point3
from vision.people.settings import HandSettings3D
from vision.types import F64


@dataclass(frozen=True, slots=True, eq=False)
class HandRay:
    """A line of sight to a hand: from ``origin_m`` in the unit ``direction``, and how sure the camera is.

    ``shoulder`` is the unit direction to the same arm's shoulder, where a skeleton shows it.
    """

    camera_id: str
    side: int
    origin_m: Point3
    direction: Point3
    confidence: float
    shoulder: Point3 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """A hand at ``point_m``. ``side`` is what most cameras called it."""

    point_m: Point3
    confidence: float
    side: int


def _less(a: Point3, b: Point3) -> Point3:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _dot(a: Point3, b: Point3) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _distance2(a: Point3, b: Point3) -> float:
    away = _less(a, b)
    return _dot(away, away)


def _on(ray: HandRay, reach_m: float, direction: Point3 | None = None) -> Point3:
    """Return the point that far along a ray, or along another direction from its camera."""
    (x, y, z), (dx, dy, dz) = ray.origin_m, ray.direction if direction is None else direction
    return x + reach_m * dx, y + reach_m * dy, z + reach_m * dz


def hands_of(
    rays: list[HandRay],
    floor_m: tuple[float, float],
    geometry: StoreGeometry,
    settings: HandSettings3D,
    shoulder_height_m: float | None = None,
) -> list[Hand]:
    """Return at most two hands of the person at ``floor_m`` from the rays of all cameras that see one.

    ``shoulder_height_m`` is this person's, the usual one if None. Which hand is left is not trusted
    across cameras: every pair of rays is tried, the narrowest miss wins, and each ray is used once.
    """
    pairs = _crossing_pairs(rays, floor_m, settings)
    hands: list[Hand] = []
    used: set[int] = set()
    for gap, i, j, point in pairs:
        if len(hands) == 2 or i in used or j in used or _near_one(hands, point):
            continue
        if gap > settings.ray_gap_m:
            used |= {i, j}
            hands.append(_doubtful(rays[i], rays[j], point, settings))
            continue
        used |= {i, j}
        also = [k for k in range(len(rays)) if k not in used and _joins(rays, k, (i, j), point, settings)]
        used |= set(also)
        hands.append(_met([rays[k] for k in (i, j, *also)], point))
    seen_twice = len({ray.camera_id for ray in rays}) > 1
    height_m = settings.shoulder_height_m if shoulder_height_m is None else shoulder_height_m
    alone = sorted((k for k in range(len(rays)) if k not in used), key=lambda k: (-rays[k].confidence, k))
    for k in alone:
        if len(hands) < 2 and not _passes_one(hands, rays[k], settings):
            shoulder = _shoulder(rays[k], floor_m, height_m, settings)
            hand = _alone(rays[k], shoulder, geometry, settings, seen_twice)
            hands += [hand] if hand is not None else []
    return hands


def _crossing_pairs(
    rays: list[HandRay], floor_m: tuple[float, float], settings: HandSettings3D
) -> list[tuple[float, int, int, Point3]]:
    """Return gap, two ray places and the point between them, for rays that can show one hand, narrowest first."""
    pairs = []
    for i in range(len(rays)):
        for j in range(i + 1, len(rays)):
            if rays[i].camera_id == rays[j].camera_id:
                continue
            met = nearest_point(rays[i], rays[j], settings.minimum_sine)
            same = rays[i].side == rays[j].side
            widest_m = settings.doubtful_gap_m if same else settings.ray_gap_m
            if met is None or met[0] > widest_m or not _in_reach(met[1], floor_m, settings):
                continue
            swapped = 0.0 if same else 0.3 * settings.ray_gap_m
            pairs.append((round(min(met[0] + swapped, widest_m), 6), i, j, met[1]))
    return sorted(pairs, key=lambda pair: pair[:3])


def _doubtful(a: HandRay, b: HandRay, point_m: Point3, settings: HandSettings3D) -> Hand:
    """Return the hand of two rays that miss each other by more than they should: on the surer camera's ray."""
    sure = a if (a.confidence, a.camera_id) >= (b.confidence, b.camera_id) else b
    along = _dot(_less(point_m, sure.origin_m), sure.direction)
    confidence = (a.confidence + b.confidence) / 2 * settings.doubtful_confidence
    return Hand(_on(sure, along), confidence, sure.side)


def nearest_point(a: HandRay, b: HandRay, minimum_sine: float) -> tuple[float, Point3] | None:
    """Return the gap between two rays and the middle of it; None if they run side by side or apart."""
    dot = _dot(a.direction, b.direction)
    sine2 = 1.0 - dot * dot
    if sine2 < minimum_sine * minimum_sine:
        return None
    offset = _less(b.origin_m, a.origin_m)
    along_a, along_b = _dot(offset, a.direction), _dot(offset, b.direction)
    reach_a = (along_a - dot * along_b) / sine2
    reach_b = (dot * along_a - along_b) / sine2
    if reach_a <= 0 or reach_b <= 0:
        return None
    (ax, ay, az), (bx, by, bz) = _on(a, reach_a), _on(b, reach_b)
    gap2 = _distance2((ax, ay, az), (bx, by, bz))
    return math.sqrt(gap2), ((ax + bx) / 2, (ay + by) / 2, (az + bz) / 2)


def _in_reach(point_m: Point3, floor_m: tuple[float, float], settings: HandSettings3D) -> bool:
    dx, dy = point_m[0] - floor_m[0], point_m[1] - floor_m[1]
    flat2 = dx * dx + dy * dy
    return flat2 <= settings.arm_reach_m**2 and 0.0 <= point_m[2] <= 2.4


def _near_one(hands: list[Hand], point_m: Point3) -> bool:
    """Return whether a hand was already found within 6 cm: the same seen twice."""
    return any(_distance2(hand.point_m, point_m) < 0.06**2 for hand in hands)


def _joins(rays: list[HandRay], k: int, pair: tuple[int, int], point_m: Point3, settings: HandSettings3D) -> bool:
    others = {rays[i].camera_id for i in pair}
    return rays[k].camera_id not in others and _miss_m(rays[k], point_m) <= settings.ray_gap_m


def _miss_m(ray: HandRay, point_m: Point3) -> float:
    foot = _on(ray, _dot(_less(point_m, ray.origin_m), ray.direction))
    return math.sqrt(_distance2(point_m, foot))


def _passes_one(hands: list[Hand], ray: HandRay, settings: HandSettings3D) -> bool:
    return any(_miss_m(ray, hand.point_m) <= settings.ray_gap_m for hand in hands)


def _met(rays: list[HandRay], start_m: Point3) -> Hand:
    """Return the hand nearest to all of ``rays``: a few steps of averaging their feet of perpendicular."""
    point = start_m
    for _ in range(8 if len(rays) > 2 else 0):
        feet = [_on(ray, _dot(_less(point, ray.origin_m), ray.direction)) for ray in rays]
        x, y, z = (sum(values) / len(feet) for values in zip(*feet, strict=True))
        point = (x, y, z)
    strongest = max(rays, key=lambda ray: ray.confidence)
    mean = sum(ray.confidence for ray in rays) / len(rays)
    return Hand(point, mean, strongest.side)


def _shoulder(ray: HandRay, floor_m: tuple[float, float], height_m: float, settings: HandSettings3D) -> Point3:
    """Return where the ray's shoulder is: on its own line of sight, about as high and as near the feet as shoulders are.

    Without that line of sight it is above the feet. The point of least squares has a closed form.
    """
    above = (floor_m[0], floor_m[1], height_m)
    if ray.shoulder is None:
        return above
    x, y, z = ray.shoulder
    aside, upright = 1.0 / settings.shoulder_aside_m**2, 1.0 / settings.shoulder_height_std_m**2
    weighed = (aside * x, aside * y, upright * z)
    reach = _dot(weighed, _less(above, ray.origin_m)) / _dot(weighed, ray.shoulder)
    return _on(ray, max(reach, 0.0), ray.shoulder)


def _alone(
    ray: HandRay, shoulder: Point3, geometry: StoreGeometry, settings: HandSettings3D, seen_twice: bool
) -> Hand | None:
    """Return the hand on the nearest shelf front that the ray meets within an arm's length, else as far as its shoulder.

    Where a second camera sees the person's hands and does not bear this ray out (``seen_twice``),
    it is not put on a shelf that merely stands behind the body.
    """
    arm2 = settings.arm_length_m**2
    beside = _beside_body(ray, shoulder)
    if beside is not None and _distance2(beside, shoulder) > arm2:
        beside = None
    if beside is not None and any(shelf.holds(beside) for shelf in geometry.shelves):
        return Hand(beside, ray.confidence * settings.shelf_confidence, ray.side)
    fronts = [
        (round(away2, 9), point[2], point)
        for shelf in (() if seen_twice else geometry.shelves)
        if (point := _on_front(ray, shelf, settings)) is not None
        and (away2 := _distance2(point, shoulder)) <= arm2
        and shelf.holds(point)
    ]
    if fronts:
        return Hand(min(fronts)[2], ray.confidence * settings.shelf_confidence, ray.side)
    return None if beside is None else Hand(beside, ray.confidence * settings.body_confidence, ray.side)


def _on_front(ray: HandRay, shelf: ShelfPlace, settings: HandSettings3D) -> Point3 | None:
    """Return the point just behind the plane of the shelf's front where the ray meets it, or None where it grazes it."""
    x0, y0, _, _, _, nx, ny = shelf.frame
    slope = ray.direction[0] * nx + ray.direction[1] * ny
    if abs(slope) < settings.minimum_sine:
        return None  # the front is edge-on: a hair's breadth in the picture would be a metre along the shelf
    behind_x, behind_y = x0 - nx * settings.shelf_depth_m, y0 - ny * settings.shelf_depth_m
    reach = ((behind_x - ray.origin_m[0]) * nx + (behind_y - ray.origin_m[1]) * ny) / slope
    return _on(ray, reach) if reach > 0 else None


def _beside_body(ray: HandRay, shoulder_m: Point3) -> Point3 | None:
    """Return the point of the ray that is nearest to the upright axis through the shoulder."""
    dx, dy, _ = ray.direction
    flat2 = dx**2 + dy**2
    if flat2 < 1e-9:
        return None
    reach = ((shoulder_m[0] - ray.origin_m[0]) * dx + (shoulder_m[1] - ray.origin_m[1]) * dy) / flat2
    return _on(ray, reach) if reach > 0 else None


def in_rows(hands: list[Hand], last_m: F64, recent: tuple[bool, bool]) -> tuple[F64, F64]:
    """Put hands into rows left and right, (2, 3) and (2,), next to where they last were.

    ``last_m`` (2, 3) counts where ``recent`` says so; without it, cameras' sides decide.
    """
    points, confidence = np.full((2, 3), np.nan), np.zeros(2)
    if not hands:
        return points, confidence
    before = [tuple(row) if known else None for row, known in zip(last_m.tolist(), recent, strict=True)]
    orders = ((0, 1), (1, 0))
    best = min(orders, key=lambda order: (round(_row_cost(hands, order, before), 6), order))
    for hand, row in zip(hands, best, strict=False):
        points[row], confidence[row] = [round(value, 6) for value in hand.point_m], round(hand.confidence, 6)
    return points, confidence


def _row_cost(hands: list[Hand], order: tuple[int, int], before: list[Point3 | None]) -> float:
    """Return what it costs to call the hands by the sides ``order``, of which some were somewhere ``before``."""
    cost = 0.0
    for hand, row in zip(hands, order, strict=False):
        last = before[row]
        cost += 0.4 if last is None else min(math.sqrt(_distance2(hand.point_m, last)), 0.8)
        cost += 0.0 if hand.side == row else 0.1
    return cost
