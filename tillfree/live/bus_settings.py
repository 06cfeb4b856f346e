"""How much of what vision workers tell is kept while the other side is away."""

from __future__ import annotations

from pydantic import Field

from store_layout.model import Strict


class BusSettings(Strict):
    """What is kept while the other side is away."""

    keep_s: float = Field(
        default=300.0,
        ge=10,
        le=86_400,
        description="s that the broker keeps messages for a coordinator that is started anew",
    )
    most_mb: int = Field(
        default=512, ge=16, le=100_000, description="MB that it keeps at most; what a camera tells: docs/scaling.md"
    )
    waiting_most: int = Field(
        default=6_000,
        ge=100,
        le=1_000_000,
        description="messages that a worker keeps while the broker is away, five minutes of two cameras; then the oldest are dropped",
    )
    retry_s: float = Field(default=0.5, gt=0, le=60, description="s between attempts to reach the broker")
