"""Live frames that are found in are looked at together; what is seen in them is as one by one, and in their order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tests.tillfree.live.camera_rig import REPO
from vision.detectors import Detector
from vision.pipeline import PixelStage
from vision.settings import VisionSettings
from vision.types import U8, Detections, Frame, Observation

GEOMETRY = StoreGeometry(load_store(REPO / "sample_videos/store/layout.yaml"))
CAMERAS = [camera.id for camera in GEOMETRY.store.cameras]
FRAMES = [
    Frame(camera, index, index * 100_000_000, np.full((360, 640, 3), 40 + 3 * index, np.uint8))
    for index in range(12)
    for camera in CAMERAS
]


@dataclass
class Work:
    """A frame in work."""

    frame: Frame
    asked: list[Frame]
    is_ready: bool = False

    def ready(self) -> bool:
        return self.is_ready

    def result(self) -> Detections:
        self.asked.append(self.frame)
        frame = self.frame
        box = np.array([[100 + frame.index, 50, 200, 300]], np.float32)
        hands = np.full((1, 2, 3), 0.5, np.float32)
        return Detections(frame.camera_id, frame.index, frame.captured_at_ns, box, np.ones(1, np.float32), hands)


@dataclass
class SlowDetector(Detector):
    """A detector that is ready when a test says so."""

    works: list[Work] = field(default_factory=list)
    asked: list[Frame] = field(default_factory=list)
    name = "slow"
    fingerprint = "slow"
    input_size_px = (640, 384)

    def begin(self, frame: Frame) -> Work:
        self.works.append(Work(frame, self.asked))
        return self.works[-1]


def stage_of(detector: Detector, *, live: bool, gated: bool = False) -> PixelStage:
    settings = VisionSettings()
    motion = settings.motion.model_copy(update={"use": "always" if gated else "never"})
    return PixelStage(detector, GEOMETRY, settings.model_copy(update={"motion": motion}), live=live)


def told(observation: Observation) -> tuple[object, ...]:
    found, views = observation.detections, observation.slot_views
    looks = None if found.appearance is None else found.appearance.tobytes()
    return (
        observation.order,
        found.boxes_xyxy_px.tobytes(),
        looks,
        views.slot_indices.tobytes(),
        views.visible.tobytes(),
    )


def one_by_one() -> list[tuple[object, ...]]:
    return [told(observation) for _, observation in stage_of(SlowDetector(), live=False).run(FRAMES)]


@pytest.mark.parametrize("at_once", [1, 3, 8, 20])
def test_whatever_is_taken_together_is_seen_alike_and_in_order(at_once: int) -> None:
    detector = SlowDetector()
    stage = stage_of(detector, live=True)
    seen = []
    for count, frame in enumerate(FRAMES, start=1):
        stage.begin([frame])
        if count % at_once == 0:
            for work in detector.works[: -at_once // 2]:
                work.is_ready = True
            while stage.is_full or stage.ready():
                seen.append(stage.take())
    while len(stage):
        seen.append(stage.take())
    assert [frame for frame, _ in seen] == FRAMES
    assert [told(observation) for _, observation in seen] == one_by_one()


def test_what_is_too_much_is_awaited_at_once_and_no_more() -> None:
    detector = SlowDetector()
    stage = stage_of(detector, live=True)
    ahead = VisionSettings().pipeline.batch_frames
    for frame in FRAMES[: ahead + 5]:
        stage.begin([frame])
    assert stage.take()[0] is FRAMES[0]
    assert sorted(detector.asked, key=FRAMES.index) == FRAMES[:5]
    assert not stage.is_full
    assert stage.ready()
    assert len(stage) == ahead + 4


def test_a_recording_is_looked_at_frame_by_frame_whatever_is_ready() -> None:
    detector = SlowDetector()
    stage = stage_of(detector, live=False)
    for frame in FRAMES[:5]:
        stage.begin([frame])
    for work in detector.works:
        work.is_ready = True
    stage.take()
    assert detector.asked == FRAMES[:1]


def test_frames_that_the_detector_was_spared_are_taken_with_the_others() -> None:
    detector = SlowDetector()
    stage = stage_of(detector, live=True, gated=True)
    still = [replace(frame, picture=FRAMES[0].image, captured_at_ns=frame.captured_at_ns * 20) for frame in FRAMES]
    seen = []
    for frame in still:
        stage.begin([frame])
        for work in detector.works:
            work.is_ready = True
        while stage.ready():
            seen.append(stage.take()[0])
    assert seen == still


@dataclass
class Undeveloped:
    """A picture that tells whether anybody asked for its colours."""

    level: int
    asked: int = 0

    @property
    def bgr(self) -> U8:
        self.asked += 1
        return np.full((360, 640, 3), self.level, np.uint8)

    @property
    def luma(self) -> U8:
        return np.full((360, 640), self.level, np.uint8)


def test_nobody_asks_for_the_colours_of_a_frame_that_the_detector_was_spared() -> None:
    pictures = [Undeveloped(90), Undeveloped(90), Undeveloped(90), Undeveloped(140)]
    stage = stage_of(SlowDetector(), live=True, gated=True)
    stage.begin([Frame(CAMERAS[0], index, index * 4 * 10**9, each) for index, each in enumerate(pictures)])
    while len(stage):
        stage.take()
    assert stage.spared_count == 2
    assert [each.asked > 0 for each in pictures] == [True, False, False, True]


def test_whoever_goes_away_early_leaves_nothing_in_work() -> None:
    detector = SlowDetector()
    stage = stage_of(detector, live=True)
    for frame in FRAMES[:12]:
        stage.begin([frame])
    stage.take()
    stage.drop()
    assert len(stage) == 0
    assert sorted(detector.asked, key=FRAMES.index) == FRAMES[:12]
