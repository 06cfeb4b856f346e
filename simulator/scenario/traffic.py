"""Walks that keep people apart: each is planned against all that the others have already settled on.

Whoever is first in time plans first; everybody else is taken to stand where their plan ends.
So staying where one is never leads into anybody, and a walk that finds no way waits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simulator.scenario.motion import TICK_S, Motion
from simulator.scenario.paths import FloorMap

F64 = NDArray[np.float64]

APART_M = 0.56
"""Least distance between the middles of two bodies: shoulders are about 0.45 m wide."""
KEEP_M = 0.50
DELAYS_S = (0.0, 0.3, 0.6, 1.0, 1.5, 2.1, 2.8)
ACCELERATE_S = 0.35


def along_line(line: F64, speed_m_s: float) -> F64:
    """Places (N, 2) at ticks of somebody walking a polyline, speeding up and slowing down at its ends."""
    lengths = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(line, axis=0) ** 2).sum(axis=1)))])
    total = float(lengths[-1])
    ramp = min(ACCELERATE_S, total / speed_m_s)
    time = total / speed_m_s + ramp
    ticks = max(1, math.ceil(time / TICK_S))
    at = np.minimum(np.arange(1, ticks + 1) * TICK_S, time)
    rising = speed_m_s * at**2 / (2 * ramp) if ramp > 0 else at
    falling = total - speed_m_s * (time - at) ** 2 / (2 * ramp) if ramp > 0 else at
    gone = np.where(at < ramp, rising, np.where(at > time - ramp, falling, speed_m_s * (at - ramp / 2)))
    gone = np.clip(gone, 0.0, total)
    return np.stack([np.interp(gone, lengths, line[:, axis]) for axis in (0, 1)], axis=1)


def apart_m(places: F64, first_tick: int, stays: bool, others: Iterable[Motion]) -> float:
    """Least distance of somebody at ``places`` (N, 2) from ``first_tick`` to the others' settled places.

    With ``stays`` they stand at the last place for as long as anybody has settled plans.
    """
    least = math.inf
    for other in others:
        if not other.places_m:
            continue
        track = np.array(other.places_m, np.float64)
        last = first_tick + len(places)
        end = max(last, other.end_tick) if stays else last
        ticks = np.arange(max(first_tick, other.first_tick), end)
        if not len(ticks) or (other.first_tick >= end):
            continue
        if other.gone:
            ticks = ticks[ticks < other.end_tick]
        mine = places[np.clip(ticks - first_tick, 0, len(places) - 1)]
        theirs = track[np.clip(ticks - other.first_tick, 0, len(track) - 1)]
        if len(ticks):
            least = min(least, float(np.sqrt(((mine - theirs) ** 2).sum(axis=1)).min()))
    return least


def plan_walk(
    floor: FloorMap,
    motion: Motion,
    goal_m: F64,
    speed_m_s: float,
    taste: F64,
    others: list[Motion],
    stays: bool = True,
) -> F64 | None:
    """Places (N, 2) at ticks of a walk to ``goal_m`` that meets nobody, after a short wait if need be; or None."""
    start = np.array(motion.places_m[-1])
    standing = _standing(others, motion.end_tick)
    near = [body for body in standing if math.dist(body, start.tolist()) > KEEP_M]
    routes = [floor.route(start, goal_m, taste, np.array(near), KEEP_M)]
    if near:
        routes.append(floor.route(start, goal_m, taste, np.zeros((0, 2)), KEEP_M))
    for delay in DELAYS_S:
        for route in routes:
            if route is None:
                continue
            waiting = np.repeat(start[None], round(delay / TICK_S), axis=0)
            places = np.concatenate([waiting, along_line(route, speed_m_s)])
            if apart_m(places, motion.end_tick, stays, others) >= APART_M:
                return places
    return None


def _standing(others: list[Motion], tick: int) -> list[list[float]]:
    """Where the others stand who have no plans beyond ``tick``, or stand still around it."""
    found = []
    for other in others:
        if not other.places_m or other.first_tick > tick or (other.gone and tick >= other.end_tick):
            continue
        index = min(max(tick - other.first_tick, 0), len(other.places_m) - 1)
        later = min(index + 40, len(other.places_m) - 1)
        if math.dist(other.places_m[index], other.places_m[later]) < 0.05:
            found.append(list(other.places_m[index]))
    return found
