"""Settings of the layout's checks and of the camera fit: each with its unit and its reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from store_layout.model import Strict


class ViewSettings(Strict):
    """When a camera sees a shelf well enough to judge what its slots hold."""

    min_px_per_m: Annotated[
        float,
        Field(
            ge=10,
            le=5000,
            description="pixels per metre at the shelf's front, the geometric mean of along and up: "
            "at 60 a pack 10 cm wide and 20 cm high covers 6 x 12 pixels, the least in which a missing one still shows",
        ),
    ] = 60.0
    min_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="share of the shelf's front that the cameras together must see at that scale: "
            "one end of a board may be hidden without a slot being lost",
        ),
    ] = 0.8


class FitSettings(Strict):
    """How a camera's pose is fitted to marked points."""

    outlier_px: Annotated[
        float,
        Field(
            gt=0,
            le=100,
            description="scale of the robust loss in pixels: a careful mark is good to 1 or 2, "
            "and beyond this a point counts as badly marked and pulls less",
        ),
    ] = 3.0
    min_focal_share: Annotated[
        float,
        Field(gt=0, le=10, description="least focal length tried, in picture widths: 0.35 sees 110 degrees"),
    ] = 0.35
    max_focal_share: Annotated[
        float,
        Field(gt=0, le=20, description="greatest focal length tried, in picture widths: 4 sees 14 degrees"),
    ] = 4.0
