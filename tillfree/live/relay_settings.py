"""What can be told to the relay between a running store and its billing."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict


class RelaySettings(Strict):
    """How orders wait for billing, and how often it is asked."""

    retry_first_s: float = Field(
        default=0.5, gt=0, le=60, description="s before billing is asked again; a busy database is free within this"
    )
    retry_factor: float = Field(default=2.0, ge=1, le=10, description="what each further wait is longer by")
    retry_max_s: float = Field(
        default=30.0,
        gt=0,
        le=3_600,
        description="longest wait (s): once billing is back, carts and receipts reach it within this",
    )
    retry_jitter: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of each wait that is drawn by lot, so that stores do not all ask at once when billing is back",
    )
    mistakes_max: int = Field(
        default=3,
        ge=1,
        le=100,
        description="tries of an order that ends in an error nobody foresaw; then an operator has to look, for the orders behind it wait",
    )
    orders_max: int = Field(
        default=10_000,
        ge=10,
        le=1_000_000,
        description="orders that wait at most before carts are dropped (openings and receipts never are): more visits than a busy store has in a day without billing, about 10 MB",
    )
    finish_s: float = Field(
        default=60.0,
        gt=0,
        le=3_600,
        description="s that the end of a run waits for billing; what is left is asked again at the next start",
    )
