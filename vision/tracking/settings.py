"""What the per-camera trackers can be told. Lengths are in box heights, times in seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from store_layout.model import Strict


class TrackingSettings(Strict):
    """Settings of the tracker that runs in each camera.

    Distances are measured in heights of the person's own box, so one set of values serves
    people near and far, and cameras of any resolution.
    """

    kind: Annotated[
        Literal["two_stage", "roboflow_bytetrack"],
        Field(description="which tracker; docs/tracking.md compares them"),
    ] = "two_stage"
    high_score: Annotated[
        float, Field(ge=0, le=1, description="detections from here on are matched first and may found a track")
    ] = 0.6
    low_score: Annotated[
        float, Field(ge=0, le=1, description="weaker detections only continue a track; below this they are ignored")
    ] = 0.1
    founding_score: Annotated[float, Field(ge=0, le=1, description="score that a detection needs to found a track")] = (
        0.6
    )
    founding_frames: Annotated[
        int, Field(ge=1, le=10, description="frames in a row that confirm a track: one alone is often a false alarm")
    ] = 2
    lost_s: Annotated[
        float,
        Field(gt=0, le=30, description="seconds for which an unseen track can be found again (s)"),
    ] = 2.0
    minimum_overlap: Annotated[
        float, Field(gt=0, le=1, description="overlap of predicted and found box, both widened, that a match needs")
    ] = 0.3
    minimum_low_overlap: Annotated[
        float, Field(gt=0, le=1, description="the same for weak detections, which are wrong more often")
    ] = 0.5
    margin_heights: Annotated[
        float,
        Field(ge=0, le=1, description="boxes are widened by this before overlap is measured: arms and strides move it"),
    ] = 0.3
    duplicate_overlap: Annotated[
        float,
        Field(gt=0, le=1, description="a detection that overlaps a tracked one by this founds no second track"),
    ] = 0.7
    relink_heights_per_s: Annotated[
        float,
        Field(ge=0, le=5, description="how far a lost track may stray from its prediction, each second (box heights)"),
    ] = 0.6
    measurement_heights: Annotated[
        float, Field(gt=0, le=1, description="standard deviation of a detected box's place (box heights)")
    ] = 0.05
    acceleration_heights_per_s2: Annotated[
        float,
        Field(gt=0, le=20, description="how hard people speed up and turn (box heights per s²): 1 m/s² is about 0.6"),
    ] = 0.5
    coast_s: Annotated[
        float, Field(gt=0, le=60, description="an unseen track's speed halves in about this time: people turn (s)")
    ] = 10.0
    appearance_weight: Annotated[
        float, Field(ge=0, le=1, description="share of appearance in the match where the detector gives one")
    ] = 0.2
