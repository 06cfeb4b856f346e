"""The motion gate: what keeps a camera awake, and what does not."""

from __future__ import annotations

import numpy as np

from vision.coarse import Coarse
from vision.motion import MotionGate, MotionSettings
from vision.types import Detections

S = 1_000_000_000


def picture(seed: int, thing_px: tuple[int, int] | None = None, side_px: int = 12, light: int = 0) -> Coarse:
    """A flickering picture, with a dark thing at a place."""
    rng = np.random.default_rng(seed)
    image = np.clip(120 + light + rng.normal(0, 2, (96, 160, 3)), 0, 255).astype(np.uint8)
    if thing_px is not None:
        x, y = thing_px
        image[y : y + side_px, x : x + side_px] = 40
    return Coarse(image)


def someone(at_ns: int, score: float) -> Detections:
    hands = np.full((1, 2, 3), (np.nan, np.nan, 0), np.float32)
    box = np.array([[10, 10, 40, 80]], np.float32)
    return Detections("c", 0, at_ns, box, np.array([score], np.float32), hands)


def opened(gate: MotionGate, begin_s: float, end_s: float, **what: object) -> int:
    """Count the frames, ten a second, that a gate lets through."""
    return sum(
        gate.opens(picture(index, **what), index * S // 10)  # type: ignore[arg-type]
        for index in range(round(begin_s * 10), round(end_s * 10))
    )


def test_a_still_camera_sleeps_but_for_its_heartbeat() -> None:
    gate = MotionGate(MotionSettings(), live=True)
    assert opened(gate, 0, 2.1) == 21
    assert opened(gate, 2.1, 22.1) == 2


def test_a_small_thing_wakes_it_at_once_and_for_as_long_as_shelves_need() -> None:
    gate = MotionGate(MotionSettings(), live=True)
    opened(gate, 0, 4)
    assert gate.opens(picture(99, (100, 60)), 4 * S)
    assert opened(gate, 4.1, 6, thing_px=(100, 60)) == 19
    assert opened(gate, 6.1, 10, thing_px=(100, 60)) <= 1


def test_changes_too_slow_to_be_seen_from_frame_to_frame_add_up() -> None:
    gate = MotionGate(MotionSettings(heartbeat_s=60), live=True)
    opened(gate, 0, 4)
    woke = [step for step in range(20) if gate.opens(picture(step, light=step), (4 * 10 + step) * S // 10)]
    assert woke
    assert 8 <= woke[0] <= 14


def test_people_who_stand_still_keep_it_awake_and_faint_ones_do_not() -> None:
    sure, faint = MotionGate(MotionSettings(), live=True), MotionGate(MotionSettings(), live=True)
    for gate, score in ((sure, 0.9), (faint, 0.1)):
        opened(gate, 0, 3)
        gate.saw(someone(3 * S, score))
    assert opened(sure, 3, 5) == 20
    assert opened(faint, 3, 5) <= 1


def test_recordings_are_detected_in_frame_by_frame_unless_told_otherwise() -> None:
    assert opened(MotionGate(MotionSettings(), live=False), 0, 4) == 40
    assert opened(MotionGate(MotionSettings(use="never"), live=True), 0, 4) == 40
    assert opened(MotionGate(MotionSettings(use="always"), live=False), 0, 4) < 40
