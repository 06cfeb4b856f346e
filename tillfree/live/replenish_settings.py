"""The store file's ``replenishment``: which program is told what to bring, and at what times of the day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from tillfree.live.hooks import Webhook, WebhookEntry, webhook_of

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MOST_TIMES = 96


class ReplenishmentEntry(WebhookEntry):
    """A program that is told over HTTP what to bring to which slot."""

    at: Annotated[
        tuple[str, ...],
        Field(
            max_length=_MOST_TIMES,
            description='times of the day in the store\'s time zone, such as "06:30"; only when a manager sends it if left out',
        ),
    ] = ()

    @field_validator("at", mode="before")
    @classmethod
    def _are_times(cls, at: object) -> object:
        """Refuse what is no time; YAML takes 14:00 without quotes for a number."""
        for each in at if isinstance(at, (list, tuple)) else ():
            if not isinstance(each, str) or not _TIME.fullmatch(each):
                raise ValueError('write times from "00:00" to "23:59", in quotes')
        return at


@dataclass(frozen=True, slots=True)
class Replenish:
    """The store file's ``replenishment`` with what the environment adds; ``times`` in order, each once."""

    hook: Webhook = field(repr=False)
    times: tuple[str, ...] = ()


def replenish_of(file: Path, entry: ReplenishmentEntry | None, environ: Mapping[str, str]) -> Replenish | None:
    """Return whom to tell, None where the file says nothing of it. Raises InputError, whose words hold no secret."""
    if entry is None:
        return None
    hook = webhook_of(file, "replenishment", entry, environ, "STOCK_SECRET")
    return Replenish(hook, tuple(sorted(set(entry.at))))
