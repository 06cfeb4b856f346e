"""The store's policy on money: what is held at the gate, and what may go back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from store_layout.model import Strict


class BillingPolicy(Strict):
    """Settings of billing. Amounts are in minor units of the store's currency."""

    hold_minor: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        default=2_000,
        description="minor units; held on the card when a visit opens, so that what most baskets cost is sure; 0 holds nothing",
    )
    refuse_debtors: bool = Field(
        default=True, description="whether a card with an unpaid receipt is refused at the gate until that is paid"
    )
    refund_window_days: Annotated[float, Field(ge=0, le=3_650)] = Field(
        default=30.0,
        description="days after a receipt within which it can be refunded; two weeks is the EU's least for distance sales, a month what shops give",
    )
