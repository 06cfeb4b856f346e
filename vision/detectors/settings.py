"""What the detectors can be told. Overlaps and scores are shares of 1."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from store_layout.model import Strict

NetworkSide = Annotated[int, Field(ge=64, le=4096, multiple_of=32)]


class HandSettings(Strict):
    """How hands are read from skeletons, and how hand boxes are given to people.

    Lengths are shares of the height of the person's box, so near and far people are alike.
    """

    beyond_wrist: float = Field(
        default=1 / 3,
        ge=0,
        le=1,
        description="how far the middle of the hand lies beyond the wrist, as a share of the forearm: a hand is 0.75 "
        "forearms long (Drillis and Contini 1964: 0.108 and 0.146 of the height), its palm less than half of that",
    )
    keypoint_confidence: float = Field(
        default=0.3, ge=0, le=1, description="wrists and elbows below this are taken as unseen; COCO models' noise ends"
    )
    box_score: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="hand boxes below this are dropped; on four rendered recordings 0.15 finds 69 % of the visible "
        "hands with 86 % of its boxes at a wrist, 0.25 finds 60 % with 88 %, and 0.1 gains nothing",
    )
    box_overlap: float = Field(
        default=0.5, gt=0, le=1, description="of two hand boxes that overlap more than this one is dropped"
    )
    reach: float = Field(
        default=0.30,
        ge=0,
        le=1,
        description="a hand may lie outside its person's box by this much: a box often ends at the trunk when an arm "
        "is behind a shelf's edge",
    )
    arm: float = Field(
        default=0.55,
        gt=0,
        le=2,
        description="length of arm and hand; 0.44 of the body height (Drillis and Contini 1964), more of a box that "
        "a camera above foreshortens",
    )
    size: float = Field(
        default=0.14,
        gt=0,
        le=1,
        description="side of a hand's box: 0.20 m of a body of 1.75 m, foreshortened as above",
    )
    outside_weight: float = Field(
        default=8.0, ge=0, le=100, description="cost of lying outside the box by its height, against an arm's length"
    )
    size_weight: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="cost of a hand twice or half as large as the box's height tells; with these four 96 % of the "
        "hands in crowded training pictures go to their owner, 75 % where boxes overlap",
    )


class AppearanceSettings(Strict):
    """The colour descriptor by which people are told apart between cameras."""

    enabled: bool = Field(
        default=True, description="off: nothing is kept of how people look, and they are joined by place alone"
    )
    hue_bins: int = Field(default=12, ge=4, le=36, description="bins of hue; 30 degrees hold one named colour")
    grey_bins: int = Field(default=4, ge=2, le=16, description="bins of brightness for pixels with little colour")
    width_share: float = Field(
        default=0.6, gt=0, le=1, description="middle part of the box that is looked at: the margins show the background"
    )


class ThingSettings(Strict):
    """Boxes of what is neither person nor hand, for models that know such. Shelves of slow cameras read them."""

    score: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="things below this are dropped; low, since what they are is judged by their looks, and COCO's models "
        "box products that they have no name for at low scores",
    )
    overlap: float = Field(
        default=0.7, gt=0, le=1, description="of two such boxes that overlap more than this the weaker is dropped"
    )
    max_count: int = Field(default=40, ge=0, le=300, description="most of them in one picture; keeps the work bounded")


class DetectorSettings(Strict):
    """Settings of all detectors."""

    width_px: NetworkSide = Field(
        default=640, description="width of the network's picture; weights of a fixed size keep their own"
    )
    height_px: NetworkSide = Field(
        default=384, description="its height; 384 is the multiple of 32 that 360 lines of a 16:9 camera fit into"
    )
    score: float = Field(
        default=0.1, ge=0, le=1, description="people below this are dropped; trackers use weak ones to go on with"
    )
    overlap: float = Field(
        default=0.65, gt=0, le=1, description="of two boxes that overlap more than this the weaker is dropped"
    )
    boxes_overlap: float = Field(
        default=0.45,
        gt=0,
        le=1,
        description="the same for models of people and hands: the bundled ones give large people a box for the upper and one for the "
        "lower body, which overlap by half",
    )
    max_people: int = Field(default=40, ge=1, le=300, description="most people in one picture; keeps the work bounded")
    max_candidates: int = Field(
        default=400, ge=10, le=5000, description="boxes compared with each other before the weaker are dropped"
    )
    performance: Literal["throughput", "latency"] = Field(
        default="throughput", description="whether several frames at once or one as soon as possible; the same result"
    )
    threads: int = Field(default=0, ge=0, le=256, description="threads of the network; 0 lets the runtime choose")
    onnx_provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        default="auto",
        description="what ONNX Runtime computes .onnx weights with; `auto`: CUDA where there is a card for it, else the "
        "processor. TensorRT builds an engine first, which takes long",
    )
    hands: HandSettings = HandSettings()
    things: ThingSettings = ThingSettings()
    appearance: AppearanceSettings = AppearanceSettings()
