"""Slow cameras: changes told from hands by neighbouring frames, on drawn pictures."""

from __future__ import annotations

import numpy as np

from vision.shelves.looks import histogram, to_lab
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_judge import SlowJudge
from vision.shelves.slow_watch import RegionChange, SlowWatch
from vision.types import EvidenceFrame

SECOND = 1_000_000_000
CANS = {"red": (30, 30, 190), "blue": (170, 60, 30)}


def bin_picture(cans: dict[int, str], seed: int, light: int = 0, arm: int | None = None) -> np.ndarray:
    """Return a bin (96, 128, 3) BGR with cans at their left edges, and an arm reaching down to row ``arm``."""
    rng = np.random.default_rng(seed)
    picture = np.full((96, 128, 3), (150, 170, 150), np.float64)
    for left, colour in cans.items():
        picture[30:80, left : left + 24] = CANS[colour]
        picture[30:36, left : left + 24] = (205, 205, 205)
    if arm is not None:
        slant = 40 + seed % 7 * 9
        picture[:arm, slant : slant + 30] = (110, 140, 205)
        picture[:arm, slant : slant + 30] += rng.normal(0, 25, (1, 30, 3))
    return np.clip(picture + light + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def watch(pictures: list[np.ndarray]) -> list[RegionChange]:
    """Show a watch the pictures, one a second."""
    watcher = SlowWatch(SlowSettings())
    found = []
    for second, picture in enumerate(pictures):
        found += list(watcher.see(picture, EvidenceFrame("bin", second, second * SECOND)))
    return found + list(watcher.finish())


def test_light_and_noise_change_nothing() -> None:
    assert watch([bin_picture({20: "red"}, seed, light=seed * 2) for seed in range(9)]) == []


def test_an_arm_that_takes_nothing_changes_nothing() -> None:
    pictures = [bin_picture({20: "red"}, seed, arm=90 if seed in (5, 6) else None) for seed in range(14)]
    assert watch(pictures) == []


def test_a_taken_can_is_one_change_between_its_frames() -> None:
    full, one = {20: "red", 80: "blue"}, {20: "red"}
    pictures = [bin_picture(full if k < 6 else one, k, arm=80 if k in (5, 6) else None) for k in range(14)]
    (change,) = watch(pictures)
    assert (change.first.frame_index, change.last.frame_index) == (4, 7)
    rows, columns = np.nonzero(change.region)
    assert columns.min() >= 76
    assert columns.max() <= 108
    assert 0.7 < change.region.sum() / (50 * 24) < 1.3
    assert rows.min() >= 25


def judge() -> SlowJudge:
    looks = {}
    for sku in CANS:
        crop = bin_picture({20: sku}, 3)[30:80, 20:44]
        looks[sku] = histogram(to_lab(crop, 0), np.ones(crop.shape[:2], np.bool_))[None]
    return SlowJudge("red", dict.fromkeys(CANS, 50 * 24 / (96 * 128)), References(looks), SlowSettings())


def test_the_judge_names_product_and_direction_against_the_planogram() -> None:
    full, one = {20: "red", 80: "blue"}, {20: "red"}
    pictures = [bin_picture(full if k < 6 or k > 12 else one, k) for k in range(20)]
    decide = judge()
    verdicts = [decide.judge(change) for change in watch(pictures)]
    assert [(each.units, each.skus[0].sku) for each in verdicts] == [(-1, "blue"), (1, "blue")]
    assert all(each.probability > 0.9 for each in verdicts)
