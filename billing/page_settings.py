"""What an operator can tell the shopper's page."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from billing.passes import PassPolicy
from store_layout.model import Strict


class PageSettings(Strict):
    """Settings of the shopper's page, which `tillfree billing serve` serves."""

    store_name: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        default="Tillfree", description="what the page and its receipts call the store"
    )
    time_zone: str = Field(
        default="UTC",
        description="the store's time zone by its IANA name, such as Europe/Paris; times on the page, and the days of the receipt look-up, are in it",
    )
    session_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=30,
        description="days that a phone stays signed in; a month, so that who comes weekly need not type a password at the gate",
    )
    passes: PassPolicy = PassPolicy()

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no time zone: use an IANA name such as Europe/Paris") from error
        return name

    @property
    def zone(self) -> ZoneInfo:
        """Return the store's time zone."""
        return ZoneInfo(self.time_zone)
