"""The store's policy: what is held at the gate and what may go back, how others are told, and how mail goes out."""

from __future__ import annotations

import ipaddress
from email.errors import MessageError
from email.headerregistry import Address
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

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


class OutboxPolicy(Strict):
    """Settings of how events are delivered to endpoints."""

    waits_s: tuple[Annotated[float, Field(ge=1, le=604_800)], ...] = Field(
        default=(5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0),
        max_length=20,
        description="seconds from a failed try to the next; after one more than these, 8 in a day and a half, a delivery has failed. The schedule of the Standard Webhooks specification without its last two",
    )
    jitter: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.1,
        description="share of a wait that is added at most, by the delivery's id, so that what failed together does not come back together",
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        default=15.0, description="seconds that an endpoint has to answer; the specification asks for 15 to 30"
    )
    batch: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=8, description="deliveries to one endpoint in a round; the first that fails ends its round"
    )
    lease_s: Annotated[float, Field(gt=0, le=240)] = Field(
        default=180.0,
        description="seconds from the start of a round after which what it was sending may be sent by another; below the 5 minutes that receivers allow a signature",
    )
    round_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=1.0,
        description="seconds that a round waits for its endpoints; those that are slower go on while the next round serves others, who then get one batch in this time",
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        default=16, description="endpoints that are served at the same time; as many may hang before others wait"
    )
    keep_days: Annotated[float, Field(ge=1, le=3_650)] = Field(
        default=90.0,
        description="days after which events are forgotten that nobody waits for any more; a quarter, within which somebody asks for a replay",
    )

    @model_validator(mode="after")
    def _lease_covers_a_round(self) -> Self:
        if self.batch * self.timeout_s >= self.lease_s:
            raise ValueError(
                f"lease_s must exceed batch * timeout_s ({self.batch * self.timeout_s:g} s), or what is slow is sent twice"
            )
        return self


class MailPolicy(Strict):
    """Settings of the mail server that receipts go out by. The password is no setting: it is passed in beside them."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = Field(description="name of the mail server")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(
        default=587, description="587 for submission with STARTTLS, 465 for TLS from the start (RFC 8314)"
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="none sends in clear, which only a server on this machine may get"
    )
    user: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="whom to sign in as; without, nobody signs in"
    )
    sender: str = Field(description="address that receipts come from, such as receipts@shop.example")
    sender_name: Annotated[str, Field(max_length=100)] = Field(default="", description="the store's name beside it")

    @field_validator("sender")
    @classmethod
    def _is_address(cls, text: str) -> str:
        mail_address(text)
        return text

    @field_validator("sender_name")
    @classmethod
    def _is_one_line(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("must be one line of printable letters")
        return text

    @model_validator(mode="after")
    def _clear_text_stays_here(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError(f"security none sends mail in clear to {self.host}: use starttls or tls")
        return self


def mail_address(text: str, name: str = "") -> Address:
    """Return an e-mail address taken apart, with a name to show.

    Raises ValueError for anything but one address in ASCII: what has other letters needs SMTPUTF8, which many lack.
    """
    try:
        address = Address(name, addr_spec=text)
    except (ValueError, IndexError, MessageError) as fault:  # IndexError: the parser met the end of the text
        raise ValueError(f"{text!r} is no address such as receipts@shop.example") from fault
    if not text.isascii():
        raise ValueError(f"{text!r} has letters beyond ASCII; write an international domain as xn--")
    return address


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address is this machine's own."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
