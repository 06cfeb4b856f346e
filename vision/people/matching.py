"""Which sighting of a camera is which person, one to one: place first, looks and the camera's own track second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from vision.people.person import Person, cosine
from vision.people.settings import PeopleSettings
from vision.people.sightings import Sighting
from vision.types import F64

NEVER = 1e6


def matched(
    people: Sequence[Person], sightings: Sequence[Sighting], settings: PeopleSettings
) -> list[tuple[Person, Sighting]]:
    """Return the pairs of least total cost among ``people`` and one camera's ``sightings``.

    As many pairs as can be are made; pairs outside the gate never. Costs are rounded, so that
    the last bit of a floating-point number decides nothing.
    """
    if not people or not sightings:
        return []
    holders = _holders(people)
    if len(people) == len(sightings) == 1:  # arrays and the library cost more than the one pair
        return [(people[0], sightings[0])] if _cost(people[0], sightings[0], holders, settings) < NEVER / 2 else []
    costs = np.full((len(people), len(sightings)), NEVER)
    for row, column in _near_pairs(people, sightings, 1.5 * settings.farthest_match_m):
        costs[row, column] = round(_cost(people[row], sightings[column], holders, settings), 6)
    rows, columns = linear_sum_assignment(costs)
    return [
        (people[row], sightings[column])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if costs[row, column] < NEVER / 2
    ]


def _near_pairs(
    people: Sequence[Person], sightings: Sequence[Sighting], farthest_m: float
) -> Iterator[tuple[int, int]]:
    """Yield the places of those people and sightings that are near enough to be worth a look."""
    here = np.array([person.place_m for person in people])
    seen = np.array([sighting.place_m for sighting in sightings])
    away = here[:, None] - seen
    rows, columns = np.nonzero((away * away).sum(axis=2) <= 1.000001 * farthest_m * farthest_m)
    return zip(rows.tolist(), columns.tolist(), strict=True)


def _holders(people: Sequence[Person]) -> dict[tuple[str, int], int]:
    return {(camera, track): person.key for person in people for camera, track in person.links.items()}


def _cost(person: Person, sighting: Sighting, holders: dict[tuple[str, int], int], settings: PeopleSettings) -> float:
    x, y = sighting.place_m
    away2 = (x - person.state.x) ** 2 + (y - person.state.y) ** 2
    linked = person.links.get(sighting.camera_id) == sighting.track_id
    farthest = settings.farthest_match_m * (1.5 if linked else 1.0)
    place = person.state.distance2(x, y, sighting.covariance_m2)
    if away2 > farthest * farthest or place > settings.gate_chi2 * (2.0 if linked else 1.0):
        return NEVER
    alike = cosine(person.look, sighting.look) if sighting.clear else None
    looks = 0.0 if alike is None else settings.appearance_weight * (1.0 - alike)
    held_by = holders.get((sighting.camera_id, sighting.track_id))
    link = -settings.link_bonus if linked else settings.link_bonus if held_by is not None else 0.0
    return place + looks + link


def same_newcomer(person: Person, sighting: Sighting, settings: PeopleSettings) -> bool:
    """Return whether a sighting that nobody explains can be a newcomer that another camera sees at this instant."""
    if any(other.camera_id == sighting.camera_id for other in person.now):
        return False
    x, y = sighting.place_m
    near = (x - person.state.x) ** 2 + (y - person.state.y) ** 2 <= settings.farthest_match_m**2
    return near and person.state.distance2(x, y, sighting.covariance_m2) <= settings.gate_chi2


def least_cost_swap(kept: F64, swapped: F64) -> bool:
    """Return whether exchanging two rows costs less than keeping them."""
    return round(float(swapped.sum()), 9) < round(float(kept.sum()), 9)
