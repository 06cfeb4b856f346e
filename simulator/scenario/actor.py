"""One shopper while a scenario is compiled: body, place, hands, and the small motions they make."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from simulator.packaging import PackagingSpec
from simulator.scenario.model import Shopper
from simulator.scenario.motion import TICK_S, Motion
from simulator.scenario.shelves import Cell
from simulator.skeleton import SIDES, plan_reach, pose_body
from simulator.state import BodyPose, Side
from store_layout.geometry import ShelfPlace
from store_layout.model import Point3

F64 = NDArray[np.float64]

REACHES_M = 0.025
"""A hand that comes this near to where it shall grip has reached it."""
BEFORE_SHELF_M = 0.13
"""Where a hand waits in front of the shelf before it goes in."""


@dataclass(slots=True)
class Taken:
    """One unit that this shopper has had: whose turn it was, and where it stood."""

    item_id: int
    sku: str
    home: Cell | None
    where: Side | None = None
    """The hand that holds it; None: in the bag, or given away."""
    owned: bool = True


@dataclass(slots=True)
class Actor:
    """A shopper on the way through their script."""

    shopper: Shopper
    motion: Motion
    speed_m_s: float
    rng: np.random.Generator
    taste: F64
    step: int = 0
    units_done: int = 0
    waited_s: float = 0.0
    stands_at: str | None = None
    """The slot before which the shopper stands, or None."""
    taken: list[Taken] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The shopper's name in the scenario."""
        return self.shopper.id

    @property
    def place_m(self) -> F64:
        """Where the shopper stands once all that is planned is done."""
        return np.array(self.motion.places_m[-1])

    @property
    def facing_deg(self) -> float:
        """The way faced there."""
        known = [facing for facing in self.motion.facings_deg[-400:] if not math.isnan(facing)]
        return known[-1] if known else 0.0

    def stay(self, for_s: float, facing_deg: float | None = None) -> None:
        """Stand where one is, for ``for_s`` rounded up to a tick."""
        ticks = max(0, math.ceil(for_s / TICK_S - 1e-9))
        facing = self.facing_deg if facing_deg is None else facing_deg
        self.motion.places_m += [self.motion.places_m[-1]] * ticks
        self.motion.facings_deg += [facing] * ticks

    def walk(self, places: F64, arrive_facing_deg: float | None = None) -> None:
        """Go through ``places`` (N, 2); the last half second already turns to ``arrive_facing_deg``."""
        count = len(places)
        turn = 0 if arrive_facing_deg is None else min(count, 8)
        self.motion.places_m += [(float(x), float(y)) for x, y in places]
        self.motion.facings_deg += [math.nan] * (count - turn)
        if arrive_facing_deg is not None:
            self.motion.facings_deg += [arrive_facing_deg] * turn

    def held_in(self, side: Side) -> Taken | None:
        """What one hand holds."""
        return next((unit for unit in self.taken if unit.where == side), None)

    def standing_pose(self, place_m: F64, facing_deg: float) -> BodyPose:
        """Standing upright with empty hands."""
        return BodyPose(self.motion.person, (float(place_m[0]), float(place_m[1])), facing_deg)

    def bend_for(self, place_m: F64, facing_deg: float, side: Side, target: Point3) -> tuple[float, float] | None:
        """Lean and crouch with which the hand reaches ``target`` from a place; None where it does not."""
        other: Side = "left" if side == "right" else "right"
        pose = self.standing_pose(place_m, facing_deg)
        if self.held_in(other) is not None:
            pose = replace(pose, carry_left=1.0) if other == "left" else replace(pose, carry_right=1.0)
        planned = plan_reach(self.motion.skeleton, pose, side, target, REACHES_M - 0.005)
        error = pose_body(self.motion.skeleton, planned).hand_errors_m[SIDES.index(side)]
        return (planned.lean, planned.crouch) if error <= REACHES_M else None

    def hip_m(self, side: Side) -> Point3:
        """Where a bag hangs or a pocket is, beside the hip."""
        ahead = math.radians(self.facing_deg)
        sign = 1.0 if side == "left" else -1.0
        x = self.place_m[0] + 0.10 * math.cos(ahead) - sign * 0.24 * math.sin(ahead)
        y = self.place_m[1] + 0.10 * math.sin(ahead) + sign * 0.24 * math.cos(ahead)
        return (float(x), float(y), 0.52 * self.motion.skeleton.height_m)

    def gaze(self, from_s: float, to_s: float, at_m: Point3) -> None:
        """Look at a point for a while."""
        keys = self.motion.gaze
        keys.add(from_s, *at_m, 0.0)
        keys.add(from_s + 0.3, *at_m, 1.0)
        keys.add(max(to_s, from_s + 0.3), *at_m, 1.0)
        keys.add(max(to_s, from_s + 0.3) + 0.3, *at_m, 0.0)

    def bend(self, from_s: float, at_s: float, until_s: float, end_s: float, lean: float, crouch: float) -> None:
        """Bend between ``from_s`` and ``at_s``, stay bent, and be upright at ``end_s``."""
        keys = self.motion.bends
        keys.add(from_s, 0.0, 0.0)
        keys.add(at_s, lean, crouch)
        keys.add(until_s, lean, crouch)
        keys.add(end_s, 0.0, 0.0)

    def carry(self, side: Side, at_s: float, holds: bool) -> None:
        """Raise (or lower) a forearm to carry, from ``at_s`` on."""
        keys = self.motion.carries[side]
        before = keys.values[-1][0] if keys.values else 0.0
        keys.add(at_s, before)
        keys.add(at_s + 0.45, 1.0 if holds else 0.0)


@dataclass(frozen=True, slots=True)
class ReachTimes:
    """The moments of one reach: start, before the shelf, at the product, off again, before the shelf, at rest."""

    start_s: float
    before_s: float
    grip_s: float
    release_s: float
    out_s: float
    end_s: float


def draw_reach(start_s: float, rng: np.random.Generator) -> ReachTimes:
    """Draw how long a reach takes: 0.65 to 1 s to the product, 0.25 to 0.45 s there, 0.6 to 0.85 s back."""
    reach, hold, back = float(rng.uniform(0.65, 1.0)), float(rng.uniform(0.25, 0.45)), float(rng.uniform(0.6, 0.85))
    grip = start_s + reach
    return ReachTimes(start_s, start_s + 0.62 * reach, grip, grip + hold, grip + hold + 0.45 * back, grip + hold + back)


def move_hand(actor: Actor, side: Side, times: ReachTimes, target: Point3, outwards: F64) -> None:
    """Key a hand's way into a shelf and out again, straight through its front."""
    point = np.array(target)
    before = point + np.asarray(outwards) * BEFORE_SHELF_M + np.array([0.0, 0.0, 0.03])
    lifted = point + np.array([0.0, 0.0, 0.02])
    keys = actor.motion.hands[side]
    keys.add(times.start_s, *before.tolist(), 0.0)
    keys.add(times.before_s, *before.tolist(), 1.0)
    keys.add(times.grip_s, *point.tolist(), 1.0)
    keys.add(times.release_s, *lifted.tolist(), 1.0)
    keys.add(times.out_s, *before.tolist(), 1.0)
    keys.add(times.end_s, *before.tolist(), 0.0)


def grip_point(base_m: Point3, spec: PackagingSpec, shelf: ShelfPlace, side: Side) -> Point3:
    """Where the palm goes to grip a standing unit: beside what is narrow, before what is wide."""
    width, depth, height = spec.size_m
    sign = 1.0 if side == "right" else -1.0
    if width <= 0.10:
        offset = shelf.along * sign * (width / 2 + 0.004) + shelf.normal * 0.01
    else:
        offset = shelf.normal * (depth / 2 + 0.004)
    at = np.array(base_m) + offset
    return (float(at[0]), float(at[1]), float(at[2]) + 0.45 * height)
