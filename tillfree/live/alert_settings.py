"""The store file's ``alerts``: who is told what is wrong, by which way, and how seldom."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from billing.policy import MailPolicy, mail_address
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.hooks import Webhook, WebhookEntry, variable_of, webhook_of


class Kind(StrEnum):
    """What people can be told of."""

    FAULTS = "faults"
    """What keeps the store from being open."""
    OPENING = "opening"
    """That somebody closed or opened it."""
    CAMERAS = "cameras"
    BILLING = "billing"
    EVIDENCE = "evidence"
    OVERLOAD = "overload"
    """Pictures are dropped for want of time."""
    DOORS = "doors"
    """Doors that were forced, or are held open."""
    REVIEWS = "reviews"
    """Questions that wait too long for an operator."""


class EmailEntry(MailPolicy):
    """People who are told by e-mail, and the mail server."""

    sender: str = Field(description="address that alerts come from, such as store@shop.example")
    to: Annotated[tuple[str, ...], Field(min_length=1, max_length=20, description="addresses that alerts go to")]
    password_env: Annotated[
        str | None, Field(description="the environment variable that holds the mail server's password")
    ] = None

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, to: tuple[str, ...]) -> tuple[str, ...]:
        for each in to:
            mail_address(each)
        return to


class AlertsEntry(Strict):
    """Who is told what is wrong in the store, and how seldom."""

    webhook: Annotated[WebhookEntry | None, Field(description="a program that is told")] = None
    email: Annotated[EmailEntry | None, Field(description="people who are told")] = None
    tell: Annotated[tuple[Kind, ...], Field(min_length=1, description="what is told; all if left out")] = tuple(Kind)
    cool_down_s: float = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="s in which the same problem is told once, however often it comes and goes; a quarter of an hour, in which somebody has looked",
    )
    after_s: float = Field(
        default=15.0,
        ge=0,
        le=3_600,
        description="s for which a problem must be there before it is told, and gone before it is over; a camera that is read anew is back within ten",
    )
    gather_s: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="s that a message waits for what else there is to tell; one broken switch takes all its cameras with it",
    )
    review_wait_s: float = Field(
        default=300.0,
        ge=10,
        le=86_400,
        description="s for which a review may wait for an operator; the shopper's receipt waits with it",
    )


@dataclass(frozen=True, slots=True)
class Email:
    """People who are told, and the mail server with its password."""

    policy: MailPolicy
    to: tuple[str, ...]
    password: str | None = dataclasses.field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Alerting:
    """The store file's ``alerts`` with what the environment adds."""

    entry: AlertsEntry = dataclasses.field(repr=False)
    webhook: Webhook | None = None
    email: Email | None = None


def alerting_of(file: Path, entry: AlertsEntry | None, environ: Mapping[str, str]) -> Alerting | None:
    """Return whom to tell, None where the file says nothing of it. Raises InputError, whose words hold no secret."""
    if entry is None:
        return None
    if entry.webhook is None and entry.email is None:
        mend = "add 'webhook' or 'email'"
        raise InputError("say nobody who is told", file=file, field="alerts", mend=mend)
    webhook = (
        None if entry.webhook is None else webhook_of(file, "alerts.webhook", entry.webhook, environ, "ALERTS_SECRET")
    )
    email = None if entry.email is None else _email(file, entry.email, environ)
    return Alerting(entry, webhook, email)


def _email(file: Path, entry: EmailEntry, environ: Mapping[str, str]) -> Email:
    if (entry.user is None) != (entry.password_env is None):
        lacking = "user" if entry.user is None else "password_env"
        raise InputError("is missing beside the other", file=file, field=f"alerts.email.{lacking}", mend="add it")
    password = None
    if entry.password_env is not None:
        password = variable_of(file, "alerts.email.password_env", entry.password_env, environ, "MAIL_PASSWORD")
    policy = MailPolicy(**entry.model_dump(include=set(MailPolicy.model_fields)))
    return Email(policy, entry.to, password)
