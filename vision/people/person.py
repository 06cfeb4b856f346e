"""One person as the fusion remembers them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vision.people.floor_filter import FloorState
from vision.people.sightings import Sighting
from vision.types import F64

LOOK_MEMORY = 0.9
"""Share of the old look that a clear sighting leaves: half of it is from the last seven sightings."""


@dataclass(slots=True, eq=False)
class Person:
    """Where a person is, what they look like and which camera's track they are.

    ``person_id`` is 0 until the person is confirmed. ``meeting`` maps the key of somebody met
    to this person's look before the meeting; ``uncertain`` stays until looks settle who is who.
    """

    key: int
    state: FloorState
    born_ns: int
    seen_ns: int
    person_id: int = 0
    sightings: int = 0
    look: F64 | None = None
    fresh_look: F64 | None = None
    links: dict[str, int] = field(default_factory=dict)
    cameras: tuple[str, ...] = ()
    now: list[Sighting] = field(default_factory=list)
    camera_seen_ns: dict[str, int] = field(default_factory=dict)
    uncertain: bool = False
    hands_m: F64 = field(default_factory=lambda: np.full((2, 3), np.nan))
    hands_confidence: F64 = field(default_factory=lambda: np.zeros(2))
    last_hands_m: F64 = field(default_factory=lambda: np.full((2, 3), np.nan))
    last_hands_ns: list[int] = field(default_factory=lambda: [0, 0])
    by_gate: bool = True
    height_m: float | None = None
    gate_sides: list[int] = field(default_factory=list)
    near_since_ns: dict[int, int] = field(default_factory=dict)

    @property
    def confirmed(self) -> bool:
        """Whether the person has an id."""
        return self.person_id > 0

    @property
    def place_m(self) -> tuple[float, float]:
        """Where the person is now, as far as is known."""
        return self.state.x, self.state.y

    def distance_m(self, other: Person) -> float:
        """Return the distance to somebody else."""
        dx, dy = self.state.x - other.state.x, self.state.y - other.state.y
        return math.sqrt(dx * dx + dy * dy)

    def take(self, sighting: Sighting, at_ns: int) -> None:
        """Note a sighting that belongs to this person now."""
        self.now.append(sighting)
        self.links[sighting.camera_id] = sighting.track_id
        self.camera_seen_ns[sighting.camera_id] = at_ns
        self.seen_ns = at_ns
        self.sightings += 1
        if sighting.height_m is not None:
            old = sighting.height_m if self.height_m is None else self.height_m
            self.height_m = LOOK_MEMORY * old + (1 - LOOK_MEMORY) * sighting.height_m

    def remember_look(self, looks: list[F64]) -> None:
        """Blend what was just clearly seen into the look, and into the look since the last meeting."""
        for look in looks:
            self.look = blended_look(self.look, look)
            self.fresh_look = blended_look(self.fresh_look, look)


def blended_look(old: F64 | None, new: F64) -> F64:
    """Return the unit row between an old look and a new one."""
    if old is None:
        return new
    mixed = LOOK_MEMORY * old + (1 - LOOK_MEMORY) * new
    norm = max(float(np.sqrt((mixed * mixed).sum())), 1e-12)
    result: F64 = np.round(mixed / norm, 9)
    return result


def cosine(a: F64 | None, b: F64 | None) -> float | None:
    """Return how alike two looks are, 1 for equal ones, or None where one is unknown."""
    if a is None or b is None or a.shape != b.shape:
        return None
    return round(float((a * b).sum()), 6)
