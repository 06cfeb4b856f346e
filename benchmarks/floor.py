"""What follows the pixels, measured: processor time a frame of floor stage, checkout, log and billing.

    python benchmarks/floor.py --json FILE

People walk and reach in a made-up store (benchmarks/floor_scene.py). The run gets observations and gate scans as a live
store would; making them up is not counted. Times are those of the one thread that works, so that others who use the
machine hardly show; each is the median of several windows after everybody has come in.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

from benchmarks.floor_scene import FPS, Scene
from checkout.checkout import Checkout
from tillfree.bootstrap import open_billing
from tillfree.eventlog import EventLogWriter
from tillfree.prices import price_book
from tillfree.run import StoreRun
from tillfree.settings import RunSettings
from tillfree.sources.video import one_thread_a_picture
from vision.pipeline import FloorStage, Instant
from vision.types import Observation

CASES = ((4, 1), (4, 5), (4, 10), (4, 20), (4, 40), (8, 10), (16, 10), (16, 40))
"""Cameras and people: the curve over people with four cameras, that over cameras with ten people, and both together."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One case. Times are ms of processor time a frame; ``seen`` are people, ``patches`` slots that a frame tells of."""

    cameras: int
    people: int
    seen: float
    patches: float
    interactions: int
    floor_ms: float
    rest_ms: float
    total_ms: float


class TimedFloor(FloorStage):
    """A floor stage that knows how long it has worked."""

    seconds = 0.0

    def take(self, observation: Observation) -> Instant | None:
        """Take an observation, and count the time."""
        begin = time.thread_time()
        instant = super().take(observation)
        self.seconds += time.thread_time() - begin
        return instant


def main() -> None:
    """Measure all cases, print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="windows that are measured of each case")
    parser.add_argument("--window", type=float, default=4.0, help="length of a window (s of the store's time)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the table here")
    options = parser.parse_args()
    with one_thread_a_picture():
        found = [measured(*case, options.rounds, options.window, options.seed) for case in CASES]
    document = {"cases": [asdict(each) for each in found], "growth": growth(found)}
    print(table(document))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def measured(cameras: int, people: int, rounds: int, window_s: float, seed: int) -> Measured:
    """Run one case and return what it took."""
    probe = Scene(cameras, people, 1.0, seed)
    scene = Scene(cameras, people, probe.everybody_in_s + rounds * window_s, seed)
    settings = RunSettings()
    with open_billing(price_book(scene.store, None), None, None, settings.billing) as billing:
        floor = TimedFloor(scene.geometry, settings.vision)
        checkout = Checkout(settings.checkout, scene.store)
        run = StoreRun(floor, checkout, billing, EventLogWriter(StringIO()), scene.scans(), keep_paths=False)
        windows = _windows(scene, run, floor, round(window_s * FPS))
    floor_ms, total_ms = (statistics.median(each[k] for each in windows) for k in range(2))
    seen, patches = (statistics.mean(each[k] for each in windows) for k in (2, 3))
    rest_ms = statistics.median(each[1] - each[0] for each in windows)
    counts = (len(run.fold.interactions), round(floor_ms, 3), round(rest_ms, 3), round(total_ms, 3))
    return Measured(cameras, people, round(seen, 2), round(patches, 2), *counts)


def _windows(scene: Scene, run: StoreRun, floor: TimedFloor, instants: int) -> list[tuple[float, float, float, float]]:
    """Drive the run; return floor and whole ms a frame, and people and patches a frame, of each window."""
    warm = round(scene.everybody_in_s * FPS)
    windows = []
    seconds, before, frames, people, patches = 0.0, 0.0, 0, 0, 0
    for number, observations in enumerate(scene.instants()):
        begin = time.thread_time()
        for each in observations:
            run.take(each)
        seconds += time.thread_time() - begin
        frames += len(observations)
        people += sum(len(each.detections) for each in observations)
        patches += sum(len(each.slot_views) for each in observations)
        if number + 1 >= warm and (number + 1 - warm) % instants == 0:
            if number + 1 > warm:
                floor_ms = (floor.seconds - before) / frames * 1e3
                windows.append((floor_ms, seconds / frames * 1e3, people / frames, patches / frames))
            seconds, before, frames, people, patches = 0.0, floor.seconds, 0, 0, 0
    return windows


def growth(found: Sequence[Measured]) -> dict[str, float]:
    """Return how the cost grows, 1.0 or less being no faster than in proportion.

    The ratios are of cost a frame: with 40 people by 10 per person, and with 16 cameras by 4. The exponent is that of
    cost a frame over the people that a frame shows, from ten people up (least squares of the logarithms).
    """
    ms = {(each.cameras, each.people): each.total_ms for each in found}
    many = [(math.log(each.seen), math.log(each.total_ms)) for each in found if each.cameras == 4 and each.people >= 10]
    mean_x, mean_y = (statistics.mean(pair[k] for pair in many) for k in range(2))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in many) / sum((x - mean_x) ** 2 for x, _ in many)
    return {
        "40 people by 10, cost a person": round(ms[4, 40] / ms[4, 10] / 4, 3),
        "16 cameras by 4, cost a frame": round(ms[16, 10] / ms[4, 10], 3),
        "40 people at 16 cameras by 10 at 4, cost a frame": round(ms[16, 40] / ms[4, 10], 3),
        "exponent over people seen": round(slope, 3),
    }


def table(document: dict[str, object]) -> str:
    """Return the tables in markdown."""
    cases, figures = document["cases"], document["growth"]
    assert isinstance(cases, list)
    assert isinstance(figures, dict)
    names = (
        "cameras",
        "people",
        "seen a frame",
        "slots a frame",
        "floor stage, ms",
        "checkout, log, billing, ms",
        "ms a frame",
    )
    keys = ("cameras", "people", "seen", "patches", "floor_ms", "rest_ms", "total_ms")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join(str(case[key]) for key in keys)} |" for case in cases]
    lines += ["", "| growth | ratio |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
