"""What billing says to shoppers, in their language: messages in English, and a gettext catalogue for each other language.

``locales/LOCALE/messages.po`` is read as it is; ``tools/texts.py`` brings it up to date with the sources. A message is
written ``_("… {name} …", name=value)`` with ``_ = texts(locale)``, in Python and in templates alike, so that it is found
there. What a catalogue lacks, or has marked fuzzy, is said in English.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel.dates import format_date, format_datetime, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from billing.errors import TextError
from billing.money import Money, format_money

LOCALES: tuple[str, ...] = ("en", "fr")
"""The languages that there are texts in. The first is that of the sources, and of whoever asks for none of these."""

CATALOGUES = Path(__file__).parent / "locales"

_SOURCE = LOCALES[0]

_RANGE = re.compile(
    r"\s*(?P<tag>\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.IGNORECASE | re.ASCII,
)
"""One language with its weight: RFC 9110, sections 12.4.2 and 12.5.4, with RFC 4647's basic language range."""


def best_locale(accept_language: str | None) -> str:
    """Return which of ``LOCALES`` suits a browser's Accept-Language best, English where none does.

    By RFC 9110, section 12.5.4, and the lookup of RFC 4647, section 3.4: ranges are tried by weight, each cut from its
    end until it is one of ours, so ``fr-CA`` gets ``fr``. Weight 0 refuses a language; ``*`` is any that no other range
    names. What is not written by these rules counts as not said.
    """
    asked = sorted(_ranges(accept_language or ""), key=lambda each: -each[1])
    refused = {tag for tag, weight in asked if not weight}
    named = {tag for tag, _ in asked}
    for tag, weight in asked:
        if not weight:
            continue
        candidates = (each for each in LOCALES if each not in named) if tag == "*" else _shortened(tag)
        for candidate in candidates:
            if candidate in LOCALES and candidate not in refused:
                return candidate
    return _SOURCE


def _ranges(header: str) -> Iterator[tuple[str, Decimal]]:
    """Yield the header's language ranges in small letters with their weights."""
    for member in header.split(","):
        found = _RANGE.fullmatch(member)
        if found:
            yield found["tag"].lower(), Decimal(found["weight"] or 1)


def _shortened(tag: str) -> Iterator[str]:
    """Yield a tag and what is left of it when its last part goes, again and again."""
    parts = tag.split("-")
    for count in range(len(parts), 0, -1):
        yield "-".join(parts[:count])


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """The words of one language, and how it writes numbers, money and times. Call it with an English message."""

    locale: str
    catalogue: Mapping[str, str] = field(repr=False)

    def __call__(self, message: str, /, **values: object) -> str:
        """Return ``message`` in this language with ``values`` in its ``{names}``.

        Raises TextError where a name has no value. A brace that is meant as one is doubled.
        """
        try:
            return self.catalogue.get(message, message).format(**values)
        except (KeyError, IndexError) as missing:
            raise TextError(f"message {message!r} got no value for {missing}: pass it by that name") from missing

    def number(self, value: Decimal) -> str:
        """Return a number with all its decimals and none that are zeros at its end."""
        return format_decimal(value.normalize(), locale=self.locale, decimal_quantization=False)

    def money(self, amount: Money) -> str:
        """Return an amount with its currency's symbol."""
        return format_money(amount, self.locale)

    def datetime(self, at_ns: int, zone: dt.tzinfo = dt.UTC) -> str:
        """Return day, time of day and zone of ``at_ns``, Unix time in nanoseconds."""
        at = dt.datetime.fromtimestamp(at_ns // 1_000_000_000, zone)
        return format_datetime(at, "long", tzinfo=zone, locale=self.locale)

    def moment(self, at_ns: int, zone: dt.tzinfo = dt.UTC) -> str:
        """Return day and time of day of ``at_ns``, short, for people who are in that zone."""
        at = dt.datetime.fromtimestamp(at_ns // 1_000_000_000, zone)
        return f"{self.day(at_ns, zone)}, {format_time(at, 'short', tzinfo=zone, locale=self.locale)}"

    def day(self, at_ns: int, zone: dt.tzinfo = dt.UTC) -> str:
        """Return the day of ``at_ns``, short."""
        at = dt.datetime.fromtimestamp(at_ns // 1_000_000_000, zone)
        return format_date(at.date(), "medium", locale=self.locale)


@cache
def texts(locale: str, catalogues: Path = CATALOGUES) -> Texts:
    """Return the texts of one of ``LOCALES``, billing's own or another package's; raises TextError for any other locale."""
    if locale not in LOCALES:
        raise TextError(f"locale {locale!r} has no texts: use one of {', '.join(LOCALES)}, as best_locale does")
    return Texts(locale, MappingProxyType({} if locale == _SOURCE else _read(locale, catalogues)))


def _read(locale: str, catalogues: Path) -> dict[str, str]:
    """Return a catalogue's messages, English to ``locale``, without those that nobody has looked through."""
    with (catalogues / locale / "messages.po").open("rb") as file:
        found = read_po(file, locale=locale, abort_invalid=True)
    return {
        message.id: message.string
        for message in found
        if isinstance(message.id, str) and isinstance(message.string, str) and message.id and message.string
        if not message.fuzzy
    }
