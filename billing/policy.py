"""The store's policy on money: what is held at the gate, and what may go back."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from store_layout.model import Strict


class BillingPolicy(Strict):
    """Settings of billing. Amounts are in minor units of the store's currency."""

    hold_minor: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        default=2_000,
        description="minor units; held on the card for each person when a visit opens, so that what most baskets cost is sure; 0 holds nothing",
    )
    refuse_debtors: bool = Field(
        default=True, description="whether a card with an unpaid receipt is refused at the gate until that is paid"
    )
    refund_window_days: Annotated[float, Field(ge=0, le=3_650)] = Field(
        default=30.0,
        description="days after a receipt within which it can be refunded; two weeks is the EU's least for distance sales, a month what shops give",
    )
    debt_retry_hours: tuple[Annotated[float, Field(gt=0, le=8_760)], ...] = Field(
        default=(24.0, 72.0, 168.0),
        max_length=10,
        description="hours after a decline at which the same card is asked again, each later than the one before; salaries and limits come by the day and the week, and card schemes allow few retries",
    )
    write_off_days: Annotated[float, Field(ge=1, le=3_650)] = Field(
        default=180.0,
        description="days after a decline when what is still owed is written off and no longer asked for; half a year, when shops write small debts off",
    )
    confirm_hours: Annotated[float, Field(gt=0, le=720)] = Field(
        default=72.0,
        description="hours that a payment waits for the shopper's confirmation (3-D Secure) before it is given up and becomes a debt; a long weekend",
    )
    correction_window_days: Annotated[float, Field(ge=0, le=365)] = Field(
        default=2.0,
        description="days after a receipt within which units that it lacks can be charged; short, because a shopper takes a receipt for the end of it",
    )
    trust_up_to_minor: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        default=0,
        description="minor units; a contested line or return that costs no more is upheld at once, without an operator; 0 trusts nobody",
    )
    trusted_per_month: Annotated[int, Field(ge=0, le=100)] = Field(
        default=2,
        description="disputes of one shopper that are upheld without an operator within 30 days; more go to an operator",
    )

    @field_validator("debt_retry_hours")
    @classmethod
    def _grow(cls, hours: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(hours)):
            raise ValueError("each must be later than the one before")
        return hours
