"""Hands in 3D: where two cameras' rays meet, else on the shelf that one camera's ray reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from store_layout.geometry import ShelfPlace, StoreGeometry
from vision.people.settings import HandSettings3D
from vision.types import F64


@dataclass(frozen=True, slots=True, eq=False)
class HandRay:
    """A line of sight to a hand: ``origin_m`` (3,), unit ``direction`` (3,), and how sure the camera is.

    ``shoulder`` (3,) is the unit direction to the same arm's shoulder, where a skeleton shows it.
    """

    camera_id: str
    side: int
    origin_m: F64
    direction: F64
    confidence: float
    shoulder: F64 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """A hand at ``point_m`` (3,). ``side`` is what most cameras called it."""

    point_m: F64
    confidence: float
    side: int


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
) -> list[tuple[float, int, int, F64]]:
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


def _doubtful(a: HandRay, b: HandRay, point_m: F64, settings: HandSettings3D) -> Hand:
    """Return the hand of two rays that miss each other by more than they should: on the surer camera's ray."""
    sure = a if (a.confidence, a.camera_id) >= (b.confidence, b.camera_id) else b
    along = float(((point_m - sure.origin_m) * sure.direction).sum())
    confidence = (a.confidence + b.confidence) / 2 * settings.doubtful_confidence
    return Hand(sure.origin_m + along * sure.direction, confidence, sure.side)


def nearest_point(a: HandRay, b: HandRay, minimum_sine: float) -> tuple[float, F64] | None:
    """Return the gap between two rays and the middle of it; None if they run side by side or apart."""
    dot = float((a.direction * b.direction).sum())
    sine2 = 1.0 - dot * dot
    if sine2 < minimum_sine * minimum_sine:
        return None
    offset = b.origin_m - a.origin_m
    along_a, along_b = float((offset * a.direction).sum()), float((offset * b.direction).sum())
    reach_a = (along_a - dot * along_b) / sine2
    reach_b = (dot * along_a - along_b) / sine2
    if reach_a <= 0 or reach_b <= 0:
        return None
    point_a, point_b = a.origin_m + reach_a * a.direction, b.origin_m + reach_b * b.direction
    gap = point_a - point_b
    return float(np.sqrt((gap * gap).sum())), (point_a + point_b) / 2


def _in_reach(point_m: F64, floor_m: tuple[float, float], settings: HandSettings3D) -> bool:
    dx, dy = float(point_m[0]) - floor_m[0], float(point_m[1]) - floor_m[1]
    flat2 = dx * dx + dy * dy
    return flat2 <= settings.arm_reach_m**2 and 0.0 <= float(point_m[2]) <= 2.4


def _near_one(hands: list[Hand], point_m: F64) -> bool:
    """Return whether a hand was already found within 6 cm: the same seen twice."""
    return any(float(((hand.point_m - point_m) ** 2).sum()) < 0.06**2 for hand in hands)


def _joins(rays: list[HandRay], k: int, pair: tuple[int, int], point_m: F64, settings: HandSettings3D) -> bool:
    others = {rays[i].camera_id for i in pair}
    return rays[k].camera_id not in others and _miss_m(rays[k], point_m) <= settings.ray_gap_m


def _miss_m(ray: HandRay, point_m: F64) -> float:
    offset = point_m - ray.origin_m
    along = float((offset * ray.direction).sum())
    side = offset - along * ray.direction
    return float(np.sqrt((side * side).sum()))


def _passes_one(hands: list[Hand], ray: HandRay, settings: HandSettings3D) -> bool:
    return any(_miss_m(ray, hand.point_m) <= settings.ray_gap_m for hand in hands)


def _met(rays: list[HandRay], start_m: F64) -> Hand:
    """Return the hand nearest to all of ``rays``: a few steps of averaging their feet of perpendicular."""
    point = start_m
    for _ in range(8 if len(rays) > 2 else 0):
        feet = [ray.origin_m + float(((point - ray.origin_m) * ray.direction).sum()) * ray.direction for ray in rays]
        point = sum(feet[1:], feet[0]) / len(feet)
    strongest = max(rays, key=lambda ray: ray.confidence)
    mean = sum(ray.confidence for ray in rays) / len(rays)
    return Hand(point, mean, strongest.side)


def _shoulder(ray: HandRay, floor_m: tuple[float, float], height_m: float, settings: HandSettings3D) -> F64:
    """Return where the ray's shoulder is: on its own line of sight, about as high and as near the feet as shoulders are.

    Without that line of sight it is above the feet. The point of least squares has a closed form.
    """
    above = np.array([floor_m[0], floor_m[1], height_m])
    if ray.shoulder is None:
        return above
    std = np.array([settings.shoulder_aside_m, settings.shoulder_aside_m, settings.shoulder_height_std_m])
    weights = 1.0 / (std * std)
    reach = float((weights * ray.shoulder * (above - ray.origin_m)).sum()) / float(
        (weights * ray.shoulder * ray.shoulder).sum()
    )
    point: F64 = ray.origin_m + max(reach, 0.0) * ray.shoulder
    return point


def _alone(
    ray: HandRay, shoulder: F64, geometry: StoreGeometry, settings: HandSettings3D, seen_twice: bool
) -> Hand | None:
    """Return the hand on the nearest shelf front that the ray meets within an arm's length, else as far as its shoulder.

    Where a second camera sees the person's hands and does not bear this ray out (``seen_twice``),
    it is not put on a shelf that merely stands behind the body.
    """
    beside = _beside_body(ray, shoulder)
    if beside is not None and float(((beside - shoulder) ** 2).sum()) > settings.arm_length_m**2:
        beside = None
    if beside is not None and any(shelf.holds(beside) for shelf in geometry.shelves):
        return Hand(beside, ray.confidence * settings.shelf_confidence, ray.side)
    fronts = [
        point
        for shelf in (() if seen_twice else geometry.shelves)
        if (point := _on_front(ray, shelf, settings)) is not None
        and float(((point - shoulder) ** 2).sum()) <= settings.arm_length_m**2
    ]
    if fronts:
        nearest = min(fronts, key=lambda point: (round(float(((point - shoulder) ** 2).sum()), 9), float(point[2])))
        return Hand(nearest, ray.confidence * settings.shelf_confidence, ray.side)
    return None if beside is None else Hand(beside, ray.confidence * settings.body_confidence, ray.side)


def _on_front(ray: HandRay, shelf: ShelfPlace, settings: HandSettings3D) -> F64 | None:
    """Return the point just behind the shelf's front where the ray enters it, or None where it misses or grazes it."""
    slope = float((ray.direction * shelf.normal).sum())
    if abs(slope) < settings.minimum_sine:
        return None  # the front is edge-on: a hair's breadth in the picture would be a metre along the shelf
    front = shelf.front_corners_m[3] - shelf.normal * settings.shelf_depth_m
    reach = float(((front - ray.origin_m) * shelf.normal).sum()) / slope
    if reach <= 0:
        return None
    point = ray.origin_m + reach * ray.direction
    return point if shelf.holds(point) else None


def _beside_body(ray: HandRay, shoulder_m: F64) -> F64 | None:
    """Return the point of the ray that is nearest to the upright axis through the shoulder."""
    flat2 = float(ray.direction[0] ** 2 + ray.direction[1] ** 2)
    if flat2 < 1e-9:
        return None
    offset = shoulder_m - ray.origin_m
    reach = float(offset[0] * ray.direction[0] + offset[1] * ray.direction[1]) / flat2
    return ray.origin_m + reach * ray.direction if reach > 0 else None


def in_rows(hands: list[Hand], last_m: F64, recent: tuple[bool, bool]) -> tuple[F64, F64]:
    """Put hands into rows left and right, (2, 3) and (2,), next to where they last were.

    ``last_m`` (2, 3) counts where ``recent`` says so; without it, cameras' sides decide.
    """
    points, confidence = np.full((2, 3), np.nan), np.zeros(2)
    if not hands:
        return points, confidence
    orders = ((0, 1), (1, 0))
    best = min(orders, key=lambda order: (round(_row_cost(hands, order, last_m, recent), 6), order))
    for hand, row in zip(hands, best, strict=False):
        points[row], confidence[row] = np.round(hand.point_m, 6), round(hand.confidence, 6)
    return points, confidence


def _row_cost(hands: list[Hand], order: tuple[int, int], last_m: F64, recent: tuple[bool, bool]) -> float:
    cost = 0.0
    for hand, row in zip(hands, order, strict=False):
        if recent[row]:
            cost += min(float(np.sqrt(((hand.point_m - last_m[row]) ** 2).sum())), 0.8)
        else:
            cost += 0.4
        cost += 0.0 if hand.side == row else 0.1
    return cost
