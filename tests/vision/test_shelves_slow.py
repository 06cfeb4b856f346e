"""Slow cameras: changes told from hands by neighbouring frames, on drawn pictures."""

from __future__ import annotations

import numpy as np

from vision.shelves.looks import histogram, to_lab
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_judge import SlowJudge, Verdict
from vision.shelves.slow_light import relight
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


def told(pictures: list[np.ndarray], hidden: dict[int, int] | None = None) -> list[tuple[RegionChange, Verdict]]:
    """Show a slot's watch and judge the pictures, one a second; ``hidden`` rows from the top in some of them."""
    settings, decide = SlowSettings(), judge()
    watcher = SlowWatch(settings, settings.cover_agreement)
    looks = []
    for second, picture in enumerate(pictures):
        frame = EvidenceFrame("bin", second, second * SECOND)
        looks += list(watcher.see(picture, np.zeros((12, 12), np.bool_), np.zeros((0, 5), np.float32), frame))
    return [each for look in (*looks, *watcher.finish()) for each in decide.judge(look)]


def judge() -> SlowJudge:
    looks = {}
    for sku in CANS:
        crop = bin_picture({20: sku}, 3)[30:80, 20:44]
        looks[sku] = histogram(to_lab(crop, 0), np.ones(crop.shape[:2], np.bool_))[None]
    return SlowJudge("red", dict.fromkeys(CANS, 50 * 24 / (96 * 128)), References(looks), SlowSettings())


def frames(change: RegionChange) -> tuple[int, int]:
    return change.first.frame_index, change.last.frame_index


def names(verdicts: list[tuple[RegionChange, Verdict]]) -> list[tuple[int, str]]:
    return [(verdict.units, verdict.skus[0].sku) for _, verdict in verdicts]


def test_light_and_noise_change_nothing() -> None:
    assert told([bin_picture({20: "red"}, seed, light=seed * 2) for seed in range(9)]) == []


def test_an_arm_that_takes_nothing_changes_nothing() -> None:
    assert told([bin_picture({20: "red"}, seed, arm=90 if seed in (5, 6) else None) for seed in range(14)]) == []


def test_a_taken_can_is_told_with_its_frames_and_its_place() -> None:
    full, one = {20: "red", 80: "blue"}, {20: "red"}
    ((change, verdict),) = told([bin_picture(full if k < 6 else one, k) for k in range(14)])
    assert frames(change) == (5, 6)
    assert (verdict.units, verdict.skus[0].sku) == (-1, "blue")
    rows, columns = np.nonzero(change.region)
    assert columns.min() >= 76
    assert columns.max() <= 108
    assert 0.7 < change.region.sum() / (50 * 24) < 1.3
    assert rows.min() >= 25


def test_product_and_direction_against_the_planogram() -> None:
    full, one = {20: "red", 80: "blue"}, {20: "red"}
    verdicts = told([bin_picture(full if k < 6 or k > 12 else one, k) for k in range(20)])
    assert names(verdicts) == [(-1, "blue"), (1, "blue")]
    assert all(verdict.probability > 0.8 for _, verdict in verdicts)


def test_what_a_hand_leaves_free_is_read_and_the_rest_later() -> None:
    full, one = {20: "red", 80: "blue"}, {20: "red"}
    pictures = [bin_picture(full if k < 6 else one, k, arm=30 if 4 <= k <= 7 else None) for k in range(14)]
    ((change, verdict),) = told(pictures, dict.fromkeys(range(4, 8), 4))
    assert frames(change) == (5, 6)
    assert (verdict.units, verdict.skus[0].sku) == (-1, "blue")


def test_two_products_between_two_frames_are_told_apart() -> None:
    side_by_side = {40: "red", 64: "blue"}
    verdicts = told([bin_picture(side_by_side if k < 6 else {}, k) for k in range(14)])
    assert sorted(names(verdicts)) == [(-1, "blue"), (-1, "red")]
    assert {frames(change) for change, _ in verdicts} == {(5, 6)}


def test_a_can_that_only_moved_is_not_told() -> None:
    empty: dict[int, str] = {}
    here, there = {40: "red"}, {52: "red"}
    pictures = [bin_picture(here if k < 6 else empty if k < 10 else here if k < 14 else there, k) for k in range(20)]
    assert names(told(pictures)) == [(-1, "red"), (1, "red")]


def test_light_is_found_though_most_of_the_picture_changed() -> None:
    rng = np.random.default_rng(5)
    before = rng.uniform(40, 200, (96, 128, 3)).astype(np.float32)
    after = before * np.array([0.8, 0.9, 1.1], np.float32)
    after[:, 40:] = rng.uniform(30, 220, (96, 88, 3))
    lit = relight(after, before)
    assert np.abs(lit[:, :36] - before[:, :36]).max() < 4
