"""Random moments in a store: people who walk, stand, reach into shelves, crouch and carry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from simulator.skeleton import SIDES, Skeleton, plan_reach
from simulator.state import BodyPose, HandTarget, ItemState, LightState, SceneState, Side
from store_layout.cameras import CameraModel
from store_layout.geometry import SlotPlace, StoreGeometry, gondola_footprint

F64 = NDArray[np.float64]

APART_M = 0.44
"""Least distance between two people's middles: shoulders touch."""
TRIES = 200
CROWD = (0.02, 0.22, 0.28, 0.23, 0.15, 0.10)
"""Chances of 0, 1, 2, ... people."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What scenes of one camera are drawn from."""

    geometry: StoreGeometry
    camera: CameraModel
    skeletons: Mapping[int, Skeleton]
    skus: Sequence[str]
    floor: shapely.Geometry


def free_floor(geometry: StoreGeometry) -> shapely.Geometry:
    """Return the floor where people's feet can be: clear of walls and gondolas."""
    taken = [shapely.Polygon(gondola_footprint(gondola)) for gondola in geometry.store.gondolas]
    return geometry.floor.buffer(-0.2).difference(shapely.union_all(taken).buffer(0.12))


def draw_scene(rng: np.random.Generator, place: Place, items: Sequence[ItemState], at_s: float) -> SceneState:
    """Draw people into a store whose shelves hold ``items``."""
    bodies: list[BodyPose] = []
    held: list[ItemState] = []
    wanted = int(rng.choice(len(CROWD), p=CROWD))
    for person in rng.permutation(list(place.skeletons))[:wanted]:
        pose = _draw_pose(rng, place, int(person), bodies)
        if pose is None:
            continue
        bodies.append(pose)
        held += _draw_held(rng, pose, place.skus, len(items) + len(held))
    light = LightState(
        gain=float(np.exp(rng.uniform(-0.4, 0.15))),
        ambient_gain=float(np.exp(rng.uniform(-0.3, 0.3))),
        colour=_tint(rng),
    )
    return SceneState(at_s, tuple(bodies), (*items, *held), light)


def _tint(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = np.clip(1 + rng.normal(0, 0.06, 3), 0.7, 1.3)
    return float(red), float(green), float(blue)


def _draw_pose(rng: np.random.Generator, place: Place, person: int, others: Sequence[BodyPose]) -> BodyPose | None:
    """Draw one person where nobody stands yet, nine times in ten within the picture."""
    everywhere = rng.random() < 0.1
    for _ in range(TRIES):
        slot = _slot(rng, place.geometry.slots) if rng.random() < 0.45 else None
        spot = _before(rng, slot) if slot is not None else _anywhere(rng, place.geometry)
        if not shapely.contains_xy(place.floor, *spot):
            continue
        if any(math.dist(spot, other.position_m) < APART_M for other in others):
            continue
        if everywhere or _in_picture(place.camera, spot):
            return _reaching(rng, place, person, spot, slot) if slot is not None else _moving(rng, person, spot)
    return None


def _slot(rng: np.random.Generator, slots: Sequence[SlotPlace]) -> SlotPlace | None:
    return slots[int(rng.integers(len(slots)))] if slots else None


def _anywhere(rng: np.random.Generator, geometry: StoreGeometry) -> tuple[float, float]:
    left, low, right, high = geometry.floor.bounds
    return float(rng.uniform(left, right)), float(rng.uniform(low, high))


def _before(rng: np.random.Generator, slot: SlotPlace) -> tuple[float, float]:
    """Return a spot in front of a slot, at arm's length and a little to a side."""
    front = slot.front_corners_m.mean(axis=0)
    along = slot.front_corners_m[2] - slot.front_corners_m[3]
    along = along / max(float(np.linalg.norm(along)), 1e-9)
    spot = front + slot.normal * rng.uniform(0.3, 0.6) + along * rng.uniform(-0.3, 0.3)
    return float(spot[0]), float(spot[1])


def _in_picture(camera: CameraModel, spot: tuple[float, float]) -> bool:
    pixels, depth_m = camera.project(np.array([[*spot, 1.1]]))
    if not depth_m[0] > 0.5:
        return False
    x, y = pixels[0]
    return bool(-60 < x < camera.width_px + 60 and -80 < y < camera.height_px + 120)


def _reaching(
    rng: np.random.Generator, place: Place, person: int, spot: tuple[float, float], slot: SlotPlace
) -> BodyPose:
    """Return somebody whose hand is on its way to, in or from a slot."""
    inside = slot.centre_m + slot.normal * rng.uniform(-0.05, 0.3) + rng.normal(0, 0.03, 3)
    target = (float(inside[0]), float(inside[1]), float(max(inside[2], 0.05)))
    heading = math.degrees(math.atan2(-slot.normal[1], -slot.normal[0])) + float(rng.normal(0, 15))
    side: Side = "right" if rng.random() < 0.65 else "left"
    pose = BodyPose(person, spot, heading, gait_phase_rad=float(rng.uniform(0, math.tau)))
    pose = plan_reach(place.skeletons[person], pose, side, target)
    blend = float(rng.uniform(0.4, 1.0))
    hand = HandTarget(target, blend)
    pose = replace(pose, left_hand=hand) if side == "left" else replace(pose, right_hand=hand)
    if rng.random() < 0.7:
        pose = replace(pose, look_at_m=target)
    other = HandTarget(_gesture(rng, spot, heading, 1.0 if side == "right" else -1.0), float(rng.uniform(0.3, 1)))
    if rng.random() < 0.3:
        pose = replace(pose, right_hand=other) if side == "left" else replace(pose, left_hand=other)
    return pose


def _moving(rng: np.random.Generator, person: int, spot: tuple[float, float]) -> BodyPose:
    """Return somebody who walks or stands, perhaps stooping, crouching, carrying or gesturing."""
    heading = float(rng.uniform(-180, 180))
    walks = rng.random() < 0.6
    crouch = float(rng.uniform(0.3, 1.0)) if not walks and rng.random() < 0.15 else 0.0
    carries = [float(rng.uniform(0.4, 1)) if rng.random() < 0.25 else 0.0 for _ in range(2)]
    hands = [
        HandTarget(_gesture(rng, spot, heading, sign), float(rng.uniform(0.4, 1))) if rng.random() < 0.25 else None
        for sign in (1.0, -1.0)
    ]
    return BodyPose(
        person,
        spot,
        heading,
        gait_phase_rad=float(rng.uniform(0, math.tau)),
        step_amplitude=float(rng.uniform(0.4, 1.0)) if walks else 0.0,
        crouch=crouch,
        lean=float(rng.uniform(0, 0.12) if rng.random() < 0.85 else rng.uniform(0.2, 0.7)),
        look_at_m=_gesture(rng, spot, heading, 0.0, 1.5) if rng.random() < 0.4 else None,
        left_hand=hands[0],
        right_hand=hands[1],
        carry_left=carries[0],
        carry_right=carries[1],
    )


def _gesture(
    rng: np.random.Generator, spot: tuple[float, float], heading_deg: float, left: float, reach: float = 1.0
) -> tuple[float, float, float]:
    """Return a point before the chest, on the ``left`` (1) or the right (-1): a phone, a pointing hand, a basket."""
    heading = math.radians(heading_deg)
    ahead, aside = float(rng.uniform(0.1, 0.6)) * reach, left * float(rng.uniform(-0.1, 0.45)) * reach
    x = spot[0] + math.cos(heading) * ahead - math.sin(heading) * aside
    y = spot[1] + math.sin(heading) * ahead + math.cos(heading) * aside
    return x, y, float(rng.uniform(0.75, 1.65))


def _draw_held(rng: np.random.Generator, pose: BodyPose, skus: Sequence[str], first_id: int) -> list[ItemState]:
    """Put a product into a hand now and then, more often into one that carries or reaches."""
    held: list[ItemState] = []
    for side in SIDES:
        busy = pose.carry(side) > 0 or pose.hand(side) is not None
        if rng.random() < (0.45 if busy else 0.12):
            sku = skus[int(rng.integers(len(skus)))]
            held.append(ItemState(first_id + len(held), sku, held_by=(pose.person, side)))
    return held
