"""Every tracker behind the port keeps the same promises."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from vision.tracking.base import Tracker, make_tracker
from vision.tracking.settings import TrackingSettings
from vision.types import Detections

FPS = 10.0
KINDS = ("two_stage", "roboflow_bytetrack")


def detections_at(index: int, middles_px: list[tuple[float, float]], scores: list[float] | None = None) -> Detections:
    """People of 40 x 100 px, each with a hand and an appearance that tell which it is."""
    n = len(middles_px)
    middles = np.array(middles_px, np.float32).reshape(n, 2)
    half = np.array([20, 50], np.float32)
    hands = np.full((n, 2, 3), np.nan, np.float32)
    hands[:, :, 2] = 0
    hands[:, 0] = np.concatenate([middles, np.ones((n, 1), np.float32)], axis=1)
    return Detections(
        "cam",
        index,
        round(index * 1e9 / FPS),
        np.concatenate([middles - half, middles + half], axis=1),
        np.full(n, 0.9, np.float32) if scores is None else np.array(scores, np.float32),
        hands,
        appearance=np.eye(max(n, 1), 8, dtype=np.float32)[:n],
    )


@pytest.fixture(params=KINDS)
def tracker(request: pytest.FixtureRequest) -> Tracker:
    return make_tracker(TrackingSettings(kind=request.param), FPS)


def test_two_people_keep_their_ids_and_everything_travels_with_the_box(tracker: Tracker) -> None:
    for index in range(20):
        given_rows = detections_at(index, [(100 + 5 * index, 200), (400 - 5 * index, 350)])
        tracks = tracker.update(given_rows)
        if index < 3:
            continue
        assert tracks.track_ids.tolist() == [1, 2]
        boxes = tracks.detections.boxes_xyxy_px
        np.testing.assert_allclose(tracks.detections.hands_px[:, 0, :2], (boxes[:, :2] + boxes[:, 2:]) / 2)
        assert tracks.detections.appearance is not None
        assert given_rows.appearance is not None
        np.testing.assert_array_equal(tracks.detections.appearance, given_rows.appearance)


def test_an_id_comes_back_after_a_second_unseen(tracker: Tracker) -> None:
    seen: list[list[int]] = []
    for index in range(30):
        hidden = 10 <= index < 20
        tracks = tracker.update(detections_at(index, [] if hidden else [(100 + 3 * index, 200)]))
        seen.append(tracks.track_ids.tolist())
    assert all(ids == [] for ids in seen[10:20])
    assert all(ids == [1] for ids in seen[22:])


def test_an_id_is_never_used_again(tracker: Tracker) -> None:
    for index in range(8):
        tracker.update(detections_at(index, [(100, 200)]))
    for index in range(8, 60):
        tracker.update(detections_at(index, []))
    for index in range(60, 68):
        tracks = tracker.update(detections_at(index, [(500, 200)]))
    assert tracks.track_ids.tolist() == [2]


def test_instances_do_not_share_ids() -> None:
    for kind in KINDS:
        for _ in range(2):
            fresh = make_tracker(TrackingSettings(kind=kind), FPS)
            for index in range(5):
                tracks = fresh.update(detections_at(index, [(100, 200)]))
            assert tracks.track_ids.tolist() == [1]


def test_a_weak_detection_founds_no_track_but_continues_one(tracker: Tracker) -> None:
    for index in range(6):
        assert len(tracker.update(detections_at(index, [(100, 200)], [0.2]))) == 0
    for index in range(6, 12):
        tracker.update(detections_at(index, [(100, 200)], [0.9]))
    assert tracker.update(detections_at(12, [(100, 200)], [0.2])).track_ids.tolist() == [1]


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 640), st.floats(0, 360), st.floats(0, 1)), max_size=6),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(KINDS),
)
def test_any_input_gives_unique_ids_in_row_order_and_repeats_exactly(
    frames: list[list[tuple[float, float, float]]], kind: str
) -> None:
    def run() -> list[tuple[list[int], bytes]]:
        tracker = make_tracker(TrackingSettings.model_validate({"kind": kind}), FPS)
        out = []
        for index, people in enumerate(frames):
            tracks = tracker.update(detections_at(index, [(x, y) for x, y, _ in people], [s for *_, s in people]))
            out.append((tracks.track_ids.tolist(), tracks.detections.boxes_xyxy_px.tobytes()))
        return out

    first = run()
    assert first == run()
    assert all(min(ids, default=1) >= 1 and len(set(ids)) == len(ids) for ids, _ in first)


def test_the_port_and_the_default_tracker_import_no_vendor() -> None:
    program = (
        "import sys; from vision.tracking.base import make_tracker; from vision.tracking.settings import "
        "TrackingSettings; make_tracker(TrackingSettings(), 10.0); "
        "sys.exit(str(sorted({'trackers', 'supervision', 'torch', 'cv2', 'ultralytics'} & set(sys.modules)) or ''))"
    )
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert result.stderr.strip() == ""
