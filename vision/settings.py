"""All of vision's settings as one validated tree. Each part lives beside the code that it steers."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict
from vision.detectors.settings import DetectorSettings
from vision.motion import MotionSettings
from vision.people.parts import PartsSettings
from vision.people.settings import PeopleSettings
from vision.shelves.settings import ShelvesSettings
from vision.tracking.settings import TrackingSettings


class PipelineSettings(Strict):
    """How frames are grouped on their way."""

    batch_frames: int = Field(
        default=8,
        ge=1,
        le=64,
        description="frames that the detector works on ahead of the one that is looked at; two rounds of four cameras "
        "keep two cores busy",
    )
    read_every_s: float = Field(
        default=0.2,
        ge=0,
        le=2,
        description="shelves and people's looks are read in frames so far apart: hands stay in a shelf for longer, and a change "
        "must last 0.35 s; people and hands are detected in all frames between (s)",
    )
    instant_share_of_frame: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="share of the fastest camera's frame time within which frames of different cameras are one "
        "instant; below 1, so that no camera comes twice, and near 1, so that cameras with any phase meet",
    )


class VisionSettings(Strict):
    """What the pipeline from frames to interactions can be told."""

    pipeline: PipelineSettings = PipelineSettings()
    motion: MotionSettings = MotionSettings()
    detector: DetectorSettings = DetectorSettings()
    parts: PartsSettings = PartsSettings()
    tracking: TrackingSettings = TrackingSettings()
    people: PeopleSettings = PeopleSettings()
    shelves: ShelvesSettings = ShelvesSettings()
