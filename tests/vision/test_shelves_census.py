"""Slow cameras whose detector boxes things: what came and went, counted one by one on drawn pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from store_layout.geometry import StoreGeometry
from store_layout.model import Slot
from vision.coarse import Coarse
from vision.shelves import InteractionFinder, ShelfObserver, ShelvesSettings
from vision.shelves.looks import histogram, to_lab
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_boxes import BoxReader, UnitFront
from vision.shelves.slow_census import SlowCensus
from vision.shelves.slow_watch import RegionChange, SlowWatch
from vision.shelves.verdicts import Verdict
from vision.types import Detections, EvidenceFrame, Frame, Interaction, People

SECOND = 1_000_000_000
COLOURS = {"red": (30, 30, 190), "blue": (170, 60, 30), "bowl": (60, 150, 60)}
WIDE, HIGH, TOP = 24, 50, 30
SIZES = {"red": (WIDE, HIGH), "blue": (WIDE, HIGH), "bowl": (70, 70)}
Cans = dict[int, str]
Told = list[tuple[RegionChange, Verdict]]


def picture(cans: Cans, seed: int, arm: tuple[int, int] | None = None) -> np.ndarray:
    """Return a bin (96, 128, 3) BGR with cans at their left edges, and an arm between two columns."""
    rng = np.random.default_rng(seed)
    image = np.full((96, 128, 3), (150, 170, 150), np.float64)
    for left, colour in cans.items():
        image[TOP : TOP + HIGH, left : left + WIDE] = COLOURS[colour]
        image[TOP : TOP + 6, left : left + WIDE] = 205
    if arm is not None:
        image[:86, arm[0] : arm[1]] = (110, 140, 205)
        image[:86, arm[0] : arm[1]] += rng.normal(0, 25, (1, arm[1] - arm[0], 3)) + 30 * (seed % 3 - 1)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def boxes(cans: Cans, score: float = 0.3) -> np.ndarray:
    rows = [[left, TOP, left + WIDE, TOP + HIGH, score] for left in cans]
    return np.array(rows, np.float32).reshape(-1, 5)


def references() -> References:
    found = {}
    for sku in SIZES:
        crop = picture({20: sku}, 3)[TOP : TOP + HIGH, 20 : 20 + WIDE]
        found[sku] = histogram(to_lab(crop, 0), np.ones(crop.shape[:2], np.bool_))[None]
    return References(found)


def told(frames: list[tuple[np.ndarray, np.ndarray]]) -> Told:
    """Show a slot's watch and census pictures with their boxes, one a second."""
    settings = SlowSettings()
    fronts = {sku: UnitFront(wide * high / (96 * 128), wide / high) for sku, (wide, high) in SIZES.items()}
    census = SlowCensus(BoxReader(fronts, 128 / 96, references(), settings), settings)
    watcher = SlowWatch(settings, settings.census.cover_agreement)
    looks = []
    for second, (image, things) in enumerate(frames):
        frame = EvidenceFrame("bin", second, second * SECOND)
        looks += list(watcher.see(image, np.zeros((12, 12), np.bool_), things, frame))
    return [known for look in (*looks, *watcher.finish()) for known in census.judge(look)] + census.finish()


def shown(*states: tuple[Cans, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return frames of each state as often as told, every can boxed."""
    cans = [state for state, count in states for _ in range(count)]
    return [(picture(each, k), boxes(each)) for k, each in enumerate(cans)]


def stacked(*states: tuple[list[tuple[str, int, int]], int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return frames of things at (product, left, top), the nearer ones last; each is boxed where it would be alone."""
    things = [state for state, count in states for _ in range(count)]
    frames = []
    for k, each in enumerate(things):
        image, rows = picture({}, k).astype(np.int64), []
        for sku, left, top in each:
            wide, high = SIZES[sku]
            image[top : top + high, left : left + wide] = COLOURS[sku]
            image[top : top + 6, left : left + wide] = 205
            rows.append([left, top, left + wide, top + high, 0.3])
        frames.append((image.astype(np.uint8), np.array(rows, np.float32).reshape(-1, 5)))
    return frames


def names(found: Told) -> list[tuple[int, str]]:
    return [(verdict.units, verdict.skus[0].sku) for _, verdict in found]


def test_takes_and_puts_are_told_with_their_frames_and_places() -> None:
    found = told(shown(({20: "red", 80: "blue"}, 6), ({20: "red"}, 5), ({20: "red", 50: "red"}, 6)))
    assert names(found) == [(-1, "blue"), (1, "red")]
    assert [(change.first.frame_index, change.last.frame_index) for change, _ in found] == [(5, 6), (10, 11)]
    columns = np.nonzero(found[0][0].region)[1]
    assert 80 <= columns.min() < columns.max() < 80 + WIDE
    assert all(0.5 < verdict.probability < 1 for _, verdict in found)


def test_two_units_at_once_are_two() -> None:
    assert names(told(shown(({20: "red", 60: "red", 95: "blue"}, 6), ({95: "blue"}, 6)))) == [(-1, "red"), (-1, "red")]


def test_a_can_that_a_detector_misses_is_still_there() -> None:
    frames = shown(({20: "red", 80: "blue"}, 12))
    for k in (3, 4, 5, 9):
        frames[k] = (frames[k][0], boxes({20: "red"}))
    assert told(frames) == []


def test_a_can_that_was_only_moved_is_not_told() -> None:
    assert told(shown(({20: "red"}, 6), ({60: "red"}, 6))) == []


def test_a_box_of_nothing_is_no_thing() -> None:
    frames = [(image, boxes({20: "red", 80: "blue"}, 0.9)) for image, _ in shown(({20: "red"}, 8))]
    assert told(frames) == []


def test_a_part_of_a_can_is_not_a_second_one() -> None:
    part = np.array([[20, TOP, 20 + WIDE, TOP + 30, 0.9]], np.float32)
    frames = shown(({20: "red"}, 12))
    for k in range(3, 12, 2):
        frames[k] = (frames[k][0], np.concatenate([frames[k][1], part]))
    assert told(frames) == []


def test_a_thing_that_is_boxed_in_two_parts_is_one() -> None:
    halves = np.array([[20, TOP, 20 + WIDE, TOP + 28, 0.5], [20, TOP + 24, 20 + WIDE, TOP + HIGH, 0.5]], np.float32)
    frames = shown(({20: "red"}, 6), ({}, 6))
    frames[:6] = [(image, halves) for image, _ in frames[:6]]
    assert names(told(frames)) == [(-1, "red")]


def test_a_can_before_a_large_thing_is_another() -> None:
    bowl, can = ("bowl", 20, 20), ("red", 50, 42)
    assert names(told(stacked(([bowl], 6), ([bowl, can], 6), ([bowl], 6)))) == [(1, "red"), (-1, "red")]


def test_a_can_hidden_by_one_before_it_is_still_there() -> None:
    back, front = ("red", 50, 18), ("red", 53, 34)
    frames = stacked(([back], 6), ([back, front], 6), ([back], 6))
    for k in range(6, 12):
        frames[k] = (frames[k][0], frames[k][1][1:])  # what is hidden for the most part gets no box
    assert names(told(frames)) == [(1, "red"), (-1, "red")]


def test_what_an_undetected_arm_hides_for_two_looks_is_not_told() -> None:
    frames = shown(({20: "red", 80: "blue"}, 14))
    for k in (6, 7):
        frames[k] = (picture({20: "red"}, k, arm=(78, 106)), boxes({20: "red"}))
    assert told(frames) == []


def test_behind_an_arm_a_change_is_timed_by_the_frames_that_the_arm_hid() -> None:
    full, one = {20: "red", 80: "blue"}, {20: "red"}
    frames = shown((full, 6), (one, 8))
    for k, left in ((6, 60), (7, 74), (8, 66)):
        frames[k] = (picture(one, k, arm=(left, left + 50)), boxes(one))
    ((change, verdict),) = told(frames)
    assert (verdict.units, verdict.skus[0].sku) == (-1, "blue")
    assert (change.first.frame_index, change.last.frame_index) == (5, 9)
    assert change.when_ns == (6 * SECOND, 8 * SECOND)


@pytest.fixture(scope="module")
def geometry(drawn_store: Callable[..., StoreGeometry]) -> StoreGeometry:
    """One slot of 0.4 m by 0.3 m that fills the middle of a slow camera's picture."""
    slots = (Slot(id="all", sku="red", from_m=0.0, to_m=0.4),)
    return drawn_store(slots, width_m=0.4, fps=1, skus=COLOURS, size_m=(0.075, 0.075, 0.15625))


def replayed(geometry: StoreGeometry, things: bool) -> list[Interaction]:
    """Show six frames with two cans and six with one through observer and finder, with or without boxes of things."""
    settings = ShelvesSettings()
    observer, finder = ShelfObserver(geometry, "c", settings), InteractionFinder(geometry, settings, references())
    found: list[Interaction] = []
    for index in range(12):
        cans: Cans = {20: "red", 80: "blue"} if index < 6 else {20: "red"}
        image = np.full((240, 320, 3), 120, np.uint8)
        image[60:180, 80:240] = np.kron(picture(cans, index), np.ones((2, 2, 1), np.uint8))[36:156, 48:208]
        nobody = Detections.empty("c", index, index * SECOND)
        boxed = boxes(cans) * (2, 2, 2, 2, 1) + np.array([32, 24, 32, 24, 0])
        given = Detections(
            "c", index, index * SECOND, nobody.boxes_xyxy_px, nobody.scores, nobody.hands_px,
            things_px=boxed.astype(np.float32) if things else None,
        )  # fmt: skip
        view = observer.observe(Frame("c", index, index * SECOND, image), Coarse(image), given)
        assert (view.things is not None) == things
        found += finder.update(people(index * SECOND), [view])
    return [*found, *finder.finish(12 * SECOND)]


def people(at_ns: int) -> People:
    return People(
        at_ns, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2, 3)), np.zeros((0, 2)), (),
        np.zeros(0, np.bool_),
    )  # fmt: skip


def test_boxes_reach_the_shelf_they_lie_on(geometry: StoreGeometry) -> None:
    ((told_one),) = replayed(geometry, things=True)
    assert (told_one.slot_id, told_one.change, told_one.sku_candidates[0].sku) == ("g/s/all", -1, "blue")
    assert (told_one.opened_at_ns, told_one.closed_at_ns) == (5 * SECOND, 6 * SECOND)


def test_things_beside_the_shelf_are_left_out(geometry: StoreGeometry) -> None:
    observer = ShelfObserver(geometry, "c", ShelvesSettings())
    nobody = Detections.empty("c", 0, 0)
    things = np.array([[80, 60, 120, 100, 0.5], [10, 10, 60, 50, 0.9], [60, 100, 100, 140, 0.4]], np.float32)
    given = Detections("c", 0, 0, nobody.boxes_xyxy_px, nobody.scores, nobody.hands_px, things_px=things)
    image = np.full((240, 320, 3), 120, np.uint8)
    view = observer.observe(Frame("c", 0, 0, image), Coarse(image), given)
    assert view.things is not None
    rows, columns = view.patches.shape[1:3]
    scale = columns / 160
    assert rows == pytest.approx(120 * scale, abs=2)
    assert view.things[:, 5].tolist() == pytest.approx([0.5])
    # Patches are cut a little behind the shelf's edge, so the scales differ by some percent.
    assert view.things[0, 1:5].tolist() == pytest.approx([0, 0, 40 * scale, 40 * scale], abs=0.05 * 40 * scale)
