"""What the shelf part of vision can be told. Lengths in metres, times in seconds, shares of 1."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict


class ObserverSettings(Strict):
    """When a slot's picture is kept."""

    patch_width_px: int = Field(
        default=40,
        ge=8,
        le=128,
        description="width of a slot's rectified picture; a slot of 0.3 m at 130 px/m has 39 px",
    )
    patch_height_px: int = Field(
        default=40, ge=8, le=128, description="its height; shelves are about as far apart as slots are wide"
    )
    area_px_min: float = Field(
        default=250.0,
        ge=16,
        description="px²; a slot that fills less of the picture tells nothing: a can would be 8 px wide",
    )
    cosine_min: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="a slot seen more edge-on than this shows its neighbours' sides instead of its own front",
    )
    visible_min: float = Field(
        default=0.98,
        gt=0,
        le=1,
        description="share of the slot that no person hides; a hand hides little and matters much",
    )
    box_margin_px: float = Field(
        default=3.0,
        ge=0,
        le=50,
        description="px around each person's box: boxes are a few pixels too tight at fingers and bags",
    )
    settled_levels: float = Field(
        default=3.0,
        gt=0,
        le=64,
        description="grey levels; mean change between two frames above this means that something moves in front",
    )
    changed_levels: float = Field(
        default=3.0,
        gt=0,
        le=64,
        description="grey levels; mean change since the picture last kept that makes a new one worth keeping",
    )
    person_score_min: float = Field(default=0.2, ge=0, le=1, description="people below this score hide nothing")
    heartbeat_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="s; an unchanged slot is kept this often, so that 'unchanged' is known with a time",
    )


class ChangeSettings(Strict):
    """When two pictures of a slot differ by a product."""

    pixel_levels: float = Field(
        default=26.0,
        gt=0,
        le=255,
        description="grey levels by which a pixel must differ after smoothing; noise and compression stay below 15 in rendered and filmed shelves",
    )
    share_of_unit_min: float = Field(
        default=0.16,
        gt=0,
        le=2,
        description="changed area over one unit's front; where the unit behind looks the same only its edges change",
    )
    share_min: float = Field(
        default=0.012,
        ge=0,
        le=1,
        description="changed share of the slot below which nothing is believed, whatever the unit's size",
    )
    confirm_s: float = Field(
        default=0.15, ge=0, le=5, description="s that a change must last; shadows and passing arms are gone by then"
    )
    restored_ratio: float = Field(
        default=0.55,
        gt=0,
        lt=1,
        description="a slot that is this much closer to a former state than to the present one went back to it",
    )
    appeared_ratio: float = Field(
        default=1.25,
        gt=1,
        le=10,
        description="an area that gained this much structure got a product; one that lost it lost one",
    )
    history: int = Field(default=6, ge=1, le=50, description="former states remembered for each slot and camera")


class ReachSettings(Strict):
    """When a hand is at a shelf, and whose change it is."""

    margin_m: float = Field(
        default=0.12,
        ge=0,
        le=1,
        description="m in front of the shelf and beside it that still count: hands are known to about 0.1 m",
    )
    inside_m: float = Field(
        default=-0.02,
        ge=-1,
        le=1,
        description="m; how deep a hand must come to count as a reach where products cannot be seen",
    )
    confidence_min: float = Field(default=0.2, ge=0, le=1, description="hands below this are not believed")
    gap_s: float = Field(default=0.7, ge=0, le=10, description="s that a hand may be lost within one reach")
    dwell_s: float = Field(
        default=0.25, ge=0, le=10, description="s; shorter reaches change nothing: they are passing hands"
    )
    spread_m: float = Field(
        default=0.18,
        gt=0,
        le=2,
        description="m; how far a hand and the slot it took from may lie apart (one standard deviation)",
    )
    body_spread_m: float = Field(
        default=0.45, gt=0, le=5, description="m; the same for a body without a hand, beyond arm's length"
    )
    arm_m: float = Field(
        default=0.75, gt=0, le=2, description="m from the body's axis to what the hand can take, standing"
    )
    body_weight: float = Field(default=0.15, ge=0, le=1, description="what being near counts against a hand seen there")
    nobody: float = Field(default=0.03, ge=0, le=10, description="weight of 'nobody that is known'")
    slack_s: float = Field(
        default=0.8,
        ge=0,
        le=10,
        description="s by which a change may seem to come before or after the hand that made it",
    )


class ShelvesSettings(Strict):
    """All of it."""

    observer: ObserverSettings = ObserverSettings()
    change: ChangeSettings = ChangeSettings()
    reach: ReachSettings = ReachSettings()
