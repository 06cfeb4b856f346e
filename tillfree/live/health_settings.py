"""What the health of a store that runs is judged by."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict
from vision.picture_health import PictureHealthSettings


class HealthSettings(Strict):
    """When a store has a fault that keeps it from being open."""

    look_every_s: float = Field(
        default=1.0,
        ge=0.1,
        le=60,
        description="s between looks at whether a camera's picture is sound; a look costs 0.3 ms, and faults of a picture last for minutes",
    )
    down_after_s: float = Field(
        default=10.0,
        ge=0,
        le=3_600,
        description="s for which nobody may watch a gate or slot before the store is not open; a camera that is read anew is back within it",
    )
    good_again_s: float = Field(
        default=30.0,
        ge=0,
        le=3_600,
        description="s for which all must be well before a fault is over, so that a camera that comes and goes is one fault and not many",
    )
    no_inference_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="s in which cameras send and nothing is looked at before the store is not open; a look takes tenths of a second",
    )
    picture: PictureHealthSettings = PictureHealthSettings()
