"""The leaves of the detectors: letterbox, decoding, hands, colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.detectors.appearance import describe
from vision.detectors.decode import Limits, Wanted, decode_classes, decode_others, suppress
from vision.detectors.hands import hands_from_boxes, hands_from_skeletons
from vision.detectors.letterbox import Letterbox
from vision.detectors.settings import AppearanceSettings, HandSettings

SIDES = st.integers(40, 2000)


@given(SIDES, SIDES, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5))
def test_letterbox_finds_the_way_back(width: int, height: int, shares: list[tuple[float, float]]) -> None:
    box = Letterbox.fit((width, height), (640, 384))
    points = np.array(shares, np.float32) * np.array([width, height], np.float32)
    inside = points * np.float32(box.scale) + np.array([box.left_px, box.top_px], np.float32)
    assert np.allclose(box.back(inside.astype(np.float32)), points, atol=0.02 + width * 1e-5)


@given(SIDES, SIDES)
def test_letterbox_fills_one_side_and_centres_the_other(width: int, height: int) -> None:
    box = Letterbox.fit((width, height), (640, 384))
    assert box.inner_px[0] == 640 or box.inner_px[1] == 384
    right = 640 - box.inner_px[0] - box.left_px
    bottom = 384 - box.inner_px[1] - box.top_px
    assert 0 <= right - box.left_px <= 1
    assert 0 <= bottom - box.top_px <= 1


def test_letterbox_of_a_camera_picture_only_adds_margins() -> None:
    image = np.random.default_rng(0).integers(0, 255, (360, 640, 3)).astype(np.uint8)
    canvas = Letterbox.fit((640, 360), (640, 384)).apply(image)
    assert canvas.shape == (384, 640, 3)
    assert np.array_equal(canvas[12:372], image)
    assert (canvas[:12] == 114).all()
    assert (canvas[372:] == 114).all()


BOXES = st.lists(
    st.tuples(st.floats(0, 90), st.floats(0, 90), st.floats(1, 60), st.floats(1, 60)), min_size=0, max_size=12
).map(lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4))


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the (N, M) intersection over union of (N, 4) and (M, 4) boxes."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    sizes = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (first, second)]
    return shared / (sizes[0][:, None] + sizes[1] - shared)


@given(BOXES, st.floats(0.1, 0.9))
def test_what_is_kept_does_not_overlap_and_what_is_dropped_does(boxes: np.ndarray, limit: float) -> None:
    kept = suppress(boxes, limit)
    table = overlaps(boxes, boxes)
    among = table[np.ix_(kept, kept)] - np.eye(len(kept))
    assert (among <= limit + 1e-6).all()
    for row in set(range(len(boxes))) - set(kept.tolist()):
        assert (table[row, kept[kept < row]] > limit).any()


def test_of_known_boxes_those_that_overlap_by_more_are_dropped() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)  # the first two share a third
    assert suppress(boxes, 0.3).tolist() == [0, 2]
    assert suppress(boxes, 0.4).tolist() == [0, 1, 2]


def test_decoding_reads_one_class_best_first_with_what_follows_the_classes() -> None:
    raw = np.zeros((4 + 2 + 1, 4), np.float32)
    raw[:4] = np.array([[50, 50, 20, 40], [51, 50, 20, 40], [200, 100, 30, 30], [300, 100, 30, 30]]).T
    raw[4] = [0.6, 0.9, 0.2, 0.05]
    raw[5] = [0.0, 0.0, 0.95, 0.0]
    raw[6] = [1, 2, 3, 4]
    people = decode_classes(raw, [Wanted(0, 0.1, 0.5)], 2, Limits(100, 10))[0]
    assert people.scores.tolist() == pytest.approx([0.9, 0.2])
    assert people.xyxy_px.tolist() == [[41, 30, 61, 70], [185, 85, 215, 115]]
    assert people.extra.tolist() == [[2], [3]]
    assert len(decode_classes(raw, [Wanted(1, 0.1, 0.5)], 2, Limits(100, 10))[0]) == 1
    assert len(decode_classes(raw, [Wanted(0, 0.01, 0.5)], 2, Limits(100, 1))[0]) == 1


def test_things_are_what_is_likelier_than_people_whatever_they_are() -> None:
    raw = np.zeros((4 + 3, 4), np.float32)
    raw[:4] = np.array([[50, 50, 20, 40], [51, 50, 20, 40], [200, 100, 30, 30], [300, 100, 30, 30]]).T
    raw[4] = [0.1, 0.1, 0.9, 0.0]  # people
    raw[5] = [0.3, 0.0, 0.6, 0.0]
    raw[6] = [0.0, 0.5, 0.0, 0.05]
    things = decode_others(raw, [0], 3, 0.04, 0.5, Limits(100, 10))
    assert things.scores.tolist() == pytest.approx([0.5, 0.05])
    assert things.xyxy_px.tolist() == [[41, 30, 61, 70], [285, 85, 315, 115]]


def skeleton(elbow: tuple[float, float, float], wrist: tuple[float, float, float]) -> np.ndarray:
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, 7], keypoints[0, 9] = elbow, wrist
    return keypoints


def test_a_hand_lies_a_third_of_the_forearm_beyond_the_wrist() -> None:
    hands = hands_from_skeletons(skeleton((100, 100, 0.9), (130, 100, 0.8)), HandSettings())
    assert hands[0, 0].tolist() == pytest.approx([140, 100, 0.8])
    assert np.isnan(hands[0, 1, :2]).all()
    assert hands[0, 1, 2] == 0


def test_without_an_elbow_the_hand_is_at_the_wrist() -> None:
    hands = hands_from_skeletons(skeleton((0, 0, 0.1), (130, 100, 0.8)), HandSettings())
    assert hands[0, 0].tolist() == pytest.approx([130, 100, 0.8])


def hand_at(x: float, y: float, side: float = 16) -> list[float]:
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def test_hands_go_to_their_people_jointly() -> None:
    people = np.array([[100, 100, 160, 280], [170, 100, 230, 280]], np.float32)
    # the hand between both is nearer to the second's shoulder, but the second has two better ones
    hands = np.array([hand_at(100, 190), hand_at(166, 150), hand_at(180, 190), hand_at(225, 190)], np.float32)
    given_out = hands_from_boxes(people, hands, np.array([0.9, 0.8, 0.7, 0.6], np.float32), HandSettings())
    assert given_out[0, :, 0].tolist() == [100, 166]
    assert given_out[1, :, 0].tolist() == [180, 225]
    assert given_out[0, :, 2].tolist() == pytest.approx([0.9, 0.8])


def test_a_hand_far_from_everyone_is_nobodys_and_people_may_have_none() -> None:
    people = np.array([[100, 100, 160, 280]], np.float32)
    hands = np.array([hand_at(400, 190)], np.float32)
    given_out = hands_from_boxes(people, hands, np.array([0.9], np.float32), HandSettings())
    assert (given_out[:, :, 2] == 0).all()
    assert hands_from_boxes(people[:0], hands, np.array([0.9], np.float32), HandSettings()).shape == (0, 2, 3)


@given(BOXES, BOXES)
def test_no_hand_is_given_twice(people: np.ndarray, hands: np.ndarray) -> None:
    scores = np.linspace(0.3, 0.9, len(hands)).astype(np.float32)
    given_out = hands_from_boxes(people, hands, scores, HandSettings())
    used = given_out[:, :, 2][given_out[:, :, 2] > 0]
    assert len(np.unique(used)) == len(used)
    assert len(used) <= min(len(hands), 2 * len(people))


def person_in(shirt: tuple[int, int, int], trousers: tuple[int, int, int], gain: float = 1.0) -> np.ndarray:
    image = np.full((200, 100, 3), 128, np.float64)
    image[20:110, 20:80] = shirt
    image[110:200, 20:80] = trousers
    noise = np.random.default_rng(1).normal(0, 4, image.shape)
    return np.clip(image * gain + noise, 0, 255).astype(np.uint8)


BOX = np.array([[20, 0, 80, 200]], np.float32)


def test_colours_tell_people_apart_and_survive_another_exposure() -> None:
    settings = AppearanceSettings()
    red, dim_red = person_in((40, 40, 200), (120, 60, 30)), person_in((40, 40, 200), (120, 60, 30), 0.7)
    swapped = person_in((120, 60, 30), (40, 40, 200))
    base = describe(red, BOX, settings)[0]
    again, other = describe(dim_red, BOX, settings)[0], describe(swapped, BOX, settings)[0]
    assert base @ again > 0.75
    assert base @ again > base @ other + 0.3
    assert base.dtype == np.float32


def test_somebody_nearer_does_not_colour_who_is_behind() -> None:
    settings = AppearanceSettings()
    alone = person_in((40, 40, 200), (120, 60, 30))
    covered = alone.copy()
    covered[60:, 55:] = (60, 220, 60)
    boxes = np.array([[20, 0, 80, 199], [55, 60, 100, 200]], np.float32)
    base = describe(alone, BOX, settings)[0]
    assert base @ describe(covered, boxes, settings)[0] > 0.95
    assert base @ describe(covered, boxes[:1], settings)[0] < 0.95


@given(BOXES)
def test_descriptors_are_unit_rows_even_of_boxes_outside_the_picture(boxes: np.ndarray) -> None:
    image = np.random.default_rng(2).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    rows = describe(image, boxes, AppearanceSettings())
    assert rows.shape == (len(boxes), 32)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
