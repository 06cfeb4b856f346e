"""What the simulated store looks like at one instant: the only thing the renderer is told.

Metres and degrees as in the layout file: x and y on the floor, z up, angles
counter-clockwise seen from above with 0 along +x. Shares run from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from store_layout.model import Point2, Point3

Side = Literal["left", "right"]
"""A hand, as the body's owner names it."""

MAX_BODIES = 250
"""A person's row in ``SceneState.bodies`` plus one has to fit the picture's 8-bit id buffer."""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _require_share(name: str, value: float) -> None:
    _require(0.0 <= value <= 1.0, f"{name} must lie in 0..1, not {value}")


@dataclass(frozen=True, slots=True)
class HandTarget:
    """Where the middle of a palm is drawn to. ``blend`` 0 lets the arm swing, 1 puts the palm there if it can reach."""

    point_m: Point3
    blend: float = 1.0

    def __post_init__(self) -> None:
        _require_share("blend", self.blend)


@dataclass(frozen=True, slots=True)
class BodyPose:
    """One person at one instant.

    ``position_m`` is the floor point between the feet, ``heading_deg`` the way the hips
    face. ``gait_phase_rad`` grows by 2 pi with every two steps (see
    ``simulator.skeleton.STRIDE_M``), ``step_amplitude`` is 0 standing and 1 in full
    stride. ``crouch`` 1 is a deep knee bend, ``lean`` 1 a bend of the hips and back of
    ``simulator.skeleton.MAX_LEAN_DEG``. ``carry_left`` and ``carry_right`` raise a forearm
    to hold something before the belly.
    """

    person: int
    position_m: Point2
    heading_deg: float
    gait_phase_rad: float = 0.0
    step_amplitude: float = 0.0
    crouch: float = 0.0
    lean: float = 0.0
    look_at_m: Point3 | None = None
    left_hand: HandTarget | None = None
    right_hand: HandTarget | None = None
    carry_left: float = 0.0
    carry_right: float = 0.0

    def __post_init__(self) -> None:
        for name in ("step_amplitude", "crouch", "lean", "carry_left", "carry_right"):
            _require_share(name, getattr(self, name))
        _require(all(map(math.isfinite, (*self.position_m, self.heading_deg))), "a body's place must be finite")

    def hand(self, side: Side) -> HandTarget | None:
        """Return the target of one hand."""
        return self.left_hand if side == "left" else self.right_hand

    def carry(self, side: Side) -> float:
        """Return how far one forearm is raised to carry."""
        return self.carry_left if side == "left" else self.carry_right


@dataclass(frozen=True, slots=True)
class ItemState:
    """One unit of a product: standing, held, or (with neither) out of sight in a bag.

    ``position_m`` is the middle of its underside and ``yaw_deg`` the way its front looks.
    """

    item_id: int
    sku: str
    position_m: Point3 | None = None
    yaw_deg: float = 0.0
    held_by: tuple[int, Side] | None = None

    def __post_init__(self) -> None:
        _require(self.position_m is None or self.held_by is None, f"item {self.item_id} cannot stand and be held")


@dataclass(frozen=True, slots=True)
class LightState:
    """The lamps at one instant, relative to the store's own.

    ``gain`` scales lamps and ambient alike, ``ambient_gain`` the ambient part once more,
    ``colour`` is a linear RGB tint. ``lamp_gains`` scales single lamps in the order of
    ``simulator.world.lamps``; lamps beyond its end stay at 1.
    """

    gain: float = 1.0
    ambient_gain: float = 1.0
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lamp_gains: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        values = (self.gain, self.ambient_gain, *self.colour, *self.lamp_gains)
        _require(all(math.isfinite(value) and value >= 0 for value in values), "light must be finite and not negative")


@dataclass(frozen=True, slots=True)
class SceneState:
    """The whole store at ``at_s`` seconds. Every person appears once in ``bodies``, every item once in ``items``."""

    at_s: float
    bodies: tuple[BodyPose, ...] = ()
    items: tuple[ItemState, ...] = ()
    light: LightState = field(default_factory=LightState)

    def __post_init__(self) -> None:
        _require(len(self.bodies) <= MAX_BODIES, f"at most {MAX_BODIES} bodies in a scene")
        _require(len({body.person for body in self.bodies}) == len(self.bodies), "a person appears twice")
        _require(len({item.item_id for item in self.items}) == len(self.items), "an item appears twice")
