"""Bodies that were found in two parts: what is joined, and what is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tests.tillfree.live.camera_rig import REPO
from vision.people.parts import BodyParts, PartsSettings
from vision.types import F32, Detections

GEOMETRY = StoreGeometry(load_store(REPO / "sample_videos/store/layout.yaml"))
CAMERA = next(iter(GEOMETRY.cameras.values()))
PARTS = BodyParts(CAMERA, PartsSettings())
UNSEEN = (np.nan, np.nan, 0.0)


def body(x_m: float, y_m: float, low_m: float = 0.0, high_m: float = 1.72, width_m: float = 0.5) -> tuple[float, ...]:
    """The box of somebody at a place, from one height to another."""
    ends = np.array([(x_m, y_m, low_m), (x_m, y_m, high_m)])
    pixels, _ = CAMERA.project(ends)
    (x0, foot), (x1, head) = pixels.tolist()
    middle, half = (x0 + x1) / 2, width_m / 3.4 * abs(foot - head) * 1.72 / max(high_m - low_m, 0.1)
    return (middle - half, head, middle + half, foot)


def found(
    *boxes: tuple[float, ...], hands: list[tuple[tuple[float, ...], tuple[float, ...]]] | None = None
) -> Detections:
    count = len(boxes)
    scores = np.linspace(0.9, 0.5, count, dtype=np.float32)
    shown = np.array(hands if hands is not None else [(UNSEEN, UNSEEN)] * count, np.float32)
    return Detections("c", 3, 70, np.array(boxes, np.float32), scores, shown)


def middle_of_view() -> tuple[float, float]:
    """A place on the floor in the middle of the picture."""
    eye, rays = CAMERA.rays(np.array([(CAMERA.width_px / 2, CAMERA.height_px * 0.6)]))
    x_m, y_m = (eye + rays[0] * (-eye[2] / rays[0, 2]))[:2].tolist()
    return x_m, y_m


HERE = middle_of_view()


@given(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(0.55, 1.0), st.floats(1.6, 1.85))
def test_halves_of_a_body_are_one_wherever_it_stands(aside_m: float, on_m: float, cut_m: float, high_m: float) -> None:
    x_m, y_m = HERE[0] + aside_m, HERE[1] + on_m
    upper, lower = body(x_m, y_m, cut_m - 0.1, high_m), body(x_m, y_m, 0.0, cut_m + 0.2)
    whole = PARTS.join(found(upper, lower))
    assert len(whole) == 1
    np.testing.assert_allclose(whole.boxes_xyxy_px[0, [1, 3]], (upper[1], lower[3]), rtol=1e-5)
    assert whole.scores[0] == np.float32(0.9)
    assert (whole.camera_id, whole.frame_index, whole.captured_at_ns) == ("c", 3, 70)


def test_the_order_of_the_halves_does_not_matter() -> None:
    upper, lower = body(*HERE, 0.8), body(*HERE, 0.0, 0.9)
    whole = PARTS.join(found(lower, upper)).boxes_xyxy_px
    np.testing.assert_array_equal(whole, PARTS.join(found(upper, lower)).boxes_xyxy_px)


def farther(by_m: float) -> tuple[float, float]:
    """A place behind the middle of the view."""
    away = np.array(HERE) - CAMERA.position_m[:2]
    x_m, y_m = (np.array(HERE) + by_m * away / np.hypot(*away)).tolist()
    return x_m, y_m


@pytest.mark.parametrize("by_m", [0.3, 0.6, 1.0])
def test_somebody_before_somebody_else_stays_two(by_m: float) -> None:
    near, far = body(*HERE), body(*farther(by_m))
    hidden = (*far[:3], min(far[3], near[1] + 0.4 * (near[3] - near[1])))  # only the head and trunk of who is behind
    for boxes in ((near, far), (near, hidden)):
        assert len(PARTS.join(found(*boxes))) == 2


def test_people_side_by_side_stay_two() -> None:
    wide = body(*HERE, 0.8)
    aside = tuple(each + shift for each, shift in zip(body(*HERE, 0.0, 0.9), (90, 0, 90, 0), strict=True))
    assert len(PARTS.join(found(wide, aside))) == 2


def test_of_three_boxes_the_pair_that_is_a_body_is_joined() -> None:
    upper, lower, other = body(*HERE, 0.8), body(*HERE, 0.0, 0.9), body(HERE[0], HERE[1], 0.0, 1.72, 0.4)
    apart = tuple(each + shift for each, shift in zip(other, (-200, 0, -200, 0), strict=True))
    joined = PARTS.join(found(upper, apart, lower))
    assert len(joined) == 2
    assert (np.diff(joined.scores) <= 0).all()


def test_the_surest_hands_stay_and_one_seen_twice_is_one() -> None:
    upper, lower = body(*HERE, 0.8), body(*HERE, 0.0, 0.9)
    hand, again, other = (300.0, 200.0, 0.5), (302.0, 201.0, 0.8), (250.0, 220.0, 0.3)
    whole = PARTS.join(found(upper, lower, hands=[(hand, UNSEEN), (again, other)]))
    np.testing.assert_allclose(whole.hands_px[0], np.array([again, other], np.float32))
    alone = PARTS.join(found(upper, lower)).hands_px[0]
    assert np.isnan(alone[:, :2]).all()
    assert (alone[:, 2] == 0).all()


def skeletons(count: int) -> F32:
    return np.zeros((count, 17, 3), np.float32)


def test_skeletons_and_lone_boxes_are_left_alone() -> None:
    boxes = np.array([body(*HERE, 0.8), body(*HERE, 0.0, 0.9)], np.float32)
    hands = np.full((2, 2, 3), UNSEEN, np.float32)
    posed = Detections("c", 0, 0, boxes, np.ones(2, np.float32), hands, skeletons(2))
    assert PARTS.join(posed) is posed
    lone = found(body(*HERE))
    assert PARTS.join(lone) is lone
    off = BodyParts(CAMERA, PartsSettings(use=False))
    both = found(body(*HERE, 0.8), body(*HERE, 0.0, 0.9))
    assert off.join(both) is both
