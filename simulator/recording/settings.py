"""How a recording is written."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.settings import RenderSettings
from store_layout.model import Strict


class RecordingSettings(Strict):
    """Settings of a recording. ``render`` says how its pictures are made."""

    crf: Annotated[
        int, Field(ge=0, le=51, description="x264's quality, lower is better; 23 keeps six samples under 22 MB")
    ] = 23
    preset: Annotated[str, Field(pattern="^(veryfast|faster|fast|medium|slow|slower)$")] = "slow"
    chunk_s: Annotated[float, Field(gt=0, le=60, description="length of what is rendered and kept as one piece")] = 4.0
    render: RenderSettings = RenderSettings()
