"""What a store does when there is more than the machine can do, and when a receipt may have suffered."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict


class OverloadSettings(Strict):
    """The budget of time, the ladder that is gone down when it does not do, and what is asked about."""

    rate_min_fps: float = Field(
        default=4.0,
        gt=0,
        le=60,
        description="pictures a second of a camera that are looked at if at all possible: twice the even rate down to which receipts of rendered recordings stay right (docs/live.md), for hands that are quicker. Cameras that send fewer have no less than they send",
    )
    busy_max: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="share of the time that the engine is given work for, once it was short of time; the rest is for what comes unevenly",
    )
    calm_s: float = Field(
        default=10.0,
        ge=0,
        le=3_600,
        description="s for which a better step must have been possible before it is taken, and after which a fifth more is tried, twice as long after each time that it was too much: shoppers who come and go do not change the rate each time",
    )
    heartbeat_factor: float = Field(
        default=3.0,
        ge=1,
        le=20,
        description="what a still camera's heartbeat (vision.motion.heartbeat_s) is longer by from the first step on; what moves wakes it all the same",
    )
    awake_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="a camera is awake of whose pictures at least this share went to the detector lately: a still one's heartbeat is one in a hundred",
    )
    short_share: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="a second was short of time if at least this share of its pictures was dropped, and so was the one before; one picture dropped in a burst is none",
    )
    short_busy: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="and the engine was at work for at least this share of it: a camera that begins with a burst of old pictures has some dropped by an idle machine",
    )
    medians: int = Field(
        default=7,
        ge=1,
        le=100,
        description="seconds that were short, whose median is what the machine can do: a stall of the disk or a neighbour's burst is not its pace",
    )
    window_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="s within which enough pictures must have been looked at: a hand is at a shelf for a second or two (checkout.reviews.unseen_min_s); for cameras of few pictures as long as three of them take",
    )
    lost_share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="share of a camera's pictures that may be dropped or come too late in lost_window_s: what is left lies unevenly, and wrong receipts come at higher rates than with even ones (docs/live.md)",
    )
    lost_window_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="s over which that share is taken: a hitch of a second, or the two before the rate is lowered, are a fifth of it",
    )
    looks_share: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="share of rate_min_fps in the window that is enough: a window of 2 s may begin just after a picture, and one picture may be late",
    )
