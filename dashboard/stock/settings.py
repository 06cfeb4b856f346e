"""Settings of the stock pages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from store_layout.model import Strict


class StockSettings(Strict):
    """What slots hold at first, and when to bring more."""

    opening: Literal["full", "empty"] = Field(
        default="full", description="what a slot holds until somebody counts it: facings × units_deep, or nothing"
    )
    lead_h: float = Field(
        default=4.0,
        gt=0,
        le=1_000,
        description="h the store is open between a proposal and the full slot: half a day for goods in the back room; chosen, not measured",
    )
    safety_z: float = Field(
        default=1.64,
        ge=0,
        le=5,
        description="standard deviations of what is sold in lead_h that are kept beside its mean: 1.64 lasts in 95 of 100 cases",
    )
    window_days: float = Field(
        default=14.0,
        gt=0,
        le=365,
        description="days back over which the rate of sale is taken: two weeks have each weekday twice",
    )
    prior_h: float = Field(
        default=10.0,
        ge=0,
        le=1_000,
        description="h that the mean rate of all slots weighs in each slot's own: about one day, so that one sale makes no trend",
    )
    unsure_below: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="0..1; what moved with a lower probability (change x product) is told as unsure until the slot is counted; chosen, not measured",
    )
