"""What a store can tell its gates: how many fit in, whom to believe, and what to do without billing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from store_layout.model import Strict

Shown = Literal["pass", "card", "cash", "staff"]
"""What can be shown at a gate: an entry pass, or a bare token of a card, of cash or of staff."""


class GateSettings(Strict):
    """Settings of what the store's machine answers to its gates."""

    capacity: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=50,
        description="people in the store at most, those who were admitted and have not entered counted; the fire officer's number where it is lower. Chosen, not measured",
    )
    party_max: Annotated[int, Field(ge=1, le=50)] = Field(
        default=6,
        description="people who come in on one scan at most; each is held money for, and more at a gate cannot be told apart",
    )
    accepts: tuple[Shown, ...] = Field(
        default=("pass", "card"),
        description="what opens gates; cash and staff are plain words that anybody can print as a code, so only stores whose readers make tokens themselves should add them",
    )
    offline: Literal["admit", "call_staff"] = Field(
        default="call_staff",
        description="what to do with a good pass while billing does not answer: admit whoever is not on the kept list of refused shoppers, or call staff. Debts of today may be missing on the list. Bare tokens always call staff then",
    )
    standing_ms: Annotated[int, Field(ge=10, le=250)] = Field(
        default=150,
        description="ms that billing has to say whether somebody would be served; half of the 300 ms within which a gate answers, the rest is for two writes to the disk",
    )
    view_age_max_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0,
        description="s by which the engine may be behind the clock before gates call staff: a crossing within checkout's settle_s of 2 s is still seen, longer silence is a fault",
    )
    entry_wait_s: Annotated[float, Field(ge=1, le=600)] = Field(
        default=30.0,
        description="s for which somebody who was admitted and has not entered counts as inside; as long as checkout keeps their seats (gates.crossing_after_scan_max_s)",
    )
    scan_age_max_s: Annotated[float, Field(ge=0, le=60)] = Field(
        default=10.0,
        description="s that a scan may take from the reader to here; whoever waited longer has walked off or shown the pass again",
    )
    clock_tolerance_s: Annotated[float, Field(ge=0, le=10)] = Field(
        default=1.0,
        description="s by which a reader's clock may be ahead; NTP keeps well within one, and cameras' times are as good",
    )
    keys_refresh_s: Annotated[float, Field(ge=10, le=86_400)] = Field(
        default=600.0,
        description="s between fetches of passes' keys and of the list of refused shoppers from billing elsewhere; new debts are on the list after this",
    )
    keys_age_max_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = Field(
        default=7 * 86_400,
        description="s after which keys that could not be fetched anew open nothing: a key that was withdrawn ends within a week at a gate that hears of nothing",
    )
    repeat_s: Annotated[int, Field(ge=5, le=3_600)] = Field(
        default=120,
        description="s for which a scan that is sent again by its id gets the decision of before; later the id means a new scan. Readers repeat within seconds; some count their ids from 1 after each start, and must not open a gate by a scan of yesterday without a visit",
    )
