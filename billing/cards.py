"""Registering a card: shoppers type it into the gateway's own form, and only a token comes back.

``CardDesk`` is the port; ``sandbox_cards`` and ``stripe_cards`` carry it out, each for the gateway of its name. A card's
number and security code reach nothing else of this project. See docs/adr/0017.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from billing.errors import CardError, GatewayRefused

_EXPIRES = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_LAST4 = re.compile(r"[0-9]{4}")


@dataclass(frozen=True, slots=True)
class CardOnFile:
    """A card that the gateway keeps. ``token`` is what holds and charges name; ``expires`` is its last month, YYYY-MM.

    ``brand`` is the gateway's word in small letters: ``visa``, ``mastercard``. Raises CardError for what is no card.
    """

    token: str
    brand: str
    last4: str
    expires: str

    def __post_init__(self) -> None:
        if not self.token or self.token.isdigit():
            raise CardError("token: is empty or a number, never a card's own: pass the gateway's token")
        if not self.brand or self.brand != self.brand.lower():
            raise CardError(f"brand: {self.brand!r} is not a word in small letters, such as 'visa'")
        if not _LAST4.fullmatch(self.last4):
            raise CardError("last4: is not four digits")
        if not _EXPIRES.fullmatch(self.expires):
            raise CardError(f"expires: {self.expires!r} is not a month, such as '2030-01'")


@dataclass(frozen=True, slots=True)
class CardForm:
    """A form that waits for the shopper. Their browser is sent to ``url``; ``finish`` takes ``reference``.

    Keep the reference with the shopper who began, and never take it from a browser: whoever has it is given the card.
    """

    reference: str
    url: str


class CardDesk(Protocol):
    """Where cards are registered. The contract suite in tests/billing holds every adapter to it."""

    def begin(self, shopper_id: str, return_url: str, key: str) -> CardForm:
        """Open a form, once per ``key``: the same again gives the same form.

        The browser comes back to ``return_url``, an absolute http(s) URL, when the shopper is done or goes back.
        Whoever calls must have made that URL or checked it against their own: the desk sends browsers wherever it says
        (an open redirect). Raises KeyConflict for a known key with another shopper or URL, GatewayRefused for what is
        not such a URL, GatewayTimeout where no answer came.
        """
        ...

    def finish(self, reference: str) -> CardOnFile | None:
        """Return the card, None while the form is not filled in. May be asked again.

        That the browser came back tells nothing. Raises CardDeclined where the card was refused, GatewayRefused for a
        form that is not known or has lapsed and for a card that was forgotten, GatewayTimeout where no answer came.
        """
        ...

    def forget(self, token: str) -> None:
        """Let the gateway drop a card: it can be held and charged no more. May be asked again.

        What was taken from it can still be refunded. Raises GatewayRefused for a token that the gateway never gave,
        GatewayTimeout where no answer came.
        """
        ...


def check_return_url(url: str) -> None:
    """Raise GatewayRefused unless ``url`` is absolute, http or https, without a name or password before its host."""
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_fit = False
    if not is_fit or any(character.isspace() or not character.isprintable() for character in url):
        raise GatewayRefused("return_url: is no absolute URL: write https://your.shop/path")
