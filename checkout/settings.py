"""The store's policy: when to believe, when to ask, how long to wait."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from store_layout.model import Strict

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Probability = Annotated[float, Field(ge=0, le=1)]


class GatePolicy(Strict):
    """How gate scans and people who cross the gate are put together."""

    crossing_after_scan_max_s: Seconds = Field(
        default=30.0, description="s; a scan's seats stay open this long for people who linger at the gate"
    )
    crossing_before_scan_max_s: Seconds = Field(
        default=3.0,
        description="s; a person may be past the line when the reader beeps: at 1.3 m/s 3 s are 4 m, more is tailgating",
    )
    scan_to_crossing_typical_s: Seconds = Field(
        default=5.0, description="s; within this time after a scan no crossing is likelier than another: first come"
    )
    settle_s: Annotated[float, Field(ge=0, le=30)] = Field(
        default=2.0, description="s; how long a binding waits for a scan or crossing that fits better"
    )
    no_person_timeout_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=120.0, description="s; a scan without a person closes empty after this: longer than a walk to a shelf"
    )
    adopt_after_s: Seconds = Field(
        default=3.0,
        description="s; a person who never crossed a gate may belong to a scan older than this: younger ones still cross",
    )
    adopt_probability_min: Probability = Field(
        default=0.5, description="0..1; an unknown person must be the likely one of an interaction to be given a visit"
    )
    exit_vanish_max_m: Annotated[float, Field(ge=0, le=20)] = Field(
        default=1.0,
        description="m; who vanishes this close to an exit's line has left: about two steps, unseen outside",
    )


class ReviewPolicy(Strict):
    """When an operator is asked, and what happens when nobody answers."""

    accept_probability_min: Probability = Field(
        default=0.6,
        description="0..1; person x product x change; at 0.5 a coin would do, so a little above; chosen, not measured",
    )
    ignore_probability_max: Probability = Field(
        default=0.05, description="0..1; one chance in twenty is not worth an operator's time; chosen, not measured"
    )
    candidate_probability_min: Probability = Field(
        default=0.1, description="0..1; a visit at least this likely waits for the answer with its receipt"
    )
    unknown_change: Literal["review", "ignore"] = Field(
        default="review", description="what to do where pixels did not tell whether anything was taken"
    )
    unknown_change_probability_min: Probability = Field(
        default=0.3, description="0..1; an unknown change less likely than this to be one at all is ignored"
    )
    timeout_outcome: Literal["most_likely", "nothing"] = Field(
        default="most_likely", description="what an unanswered review comes to"
    )
    due_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=30.0, description="s; an operator looks at a clip of 5 s and answers; the shopper waits for the receipt"
    )
    unseen_min_s: Seconds = Field(
        default=2.0,
        description="s; a shorter time in which no camera saw a shelf is not asked about: a hand is at a shelf for a second or two, and what it changed is seen afterwards",
    )
    unseen_due_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=120.0,
        description="s; an operator compares shelves before and after, and has no clip of the deed; unanswered nothing happened",
    )


class CheckoutPolicy(Strict):
    """All of checkout's settings."""

    gates: GatePolicy = GatePolicy()
    reviews: ReviewPolicy = ReviewPolicy()
    hand_over: Literal["first_taker", "last_holder", "ask"] = Field(
        default="first_taker", description="who pays for what one visit took and another one put back or kept"
    )
    return_evidence_min: Probability = Field(
        default=0.2,
        description="0..1; a returned product must look at least this much like one that the visit holds",
    )
    final_delay_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=2.5,
        description="s of stream time from exit to final receipt, so that interactions told late still join, which at a crowded "
        "shelf takes seconds; as long as the aim of a receipt within 3 s allows. What comes later still is asked about",
    )
    hold_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=6.0,
        description="s of stream time from exit to final receipt at most, while a change of a shelf is seen and not told that somebody "
        "of the visit may have made: other cameras are waited for after it, and others may be at the same shelf",
    )
    vanished_delay_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=15.0,
        description="s from a vanishing near the exit to final receipt: nobody saw them go, they may come back",
    )
    lost_timeout_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=120.0,
        description="s; a visit whose people are all lost inside closes after this if none is found again",
    )
    visit_max_s: Annotated[float, Field(ge=1, le=604_800)] = Field(
        default=14_400.0, description="s; nobody shops for 4 h: the visit is closed and its receipt made"
    )


def to_ns(seconds: float) -> int:
    """Turn a setting in seconds into nanoseconds."""
    return round(seconds * 1_000_000_000)
