"""Amounts of money: integers of the smallest unit, never floats.

``round_minor`` is the only place that rounds, by the rule it is given. Two things are rounded: tax, once per class
and receipt, and what a percentage takes off, once per product. ``shares`` splits an amount without rounding: what it
gives sums to what it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from functools import cache
from typing import Self

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

from billing.errors import MoneyError

_ISO_DECIMALS = {
    **dict.fromkeys(("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"), 2),
    "IQD": 3,
}
"""Where ISO 4217 (list of 2026-01-01) and CLDR differ among legal tender. CLDR says 0 for all of these: it gives what
people write, since the coins are gone. Gateways and books count ISO's minor units, so ISO 4217 holds."""

_TENDER_SINCE = date(2025, 1, 1)
"""A code counts if it was legal tender anywhere on this day or later: no receipt of ours is older, and one that was
written stays readable after its currency is gone."""

_NO_BREAK = "\u00a0"


class Rounding(StrEnum):
    """What happens to exactly half a minor unit: away from zero, or to the even neighbour."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


@cache
def decimals(currency: str) -> int:
    """Return how many decimals ``currency`` has by ISO 4217.

    Raises MoneyError for a code that is no country's money: unknown, historical, a metal, a fund or a test code.
    """
    if currency not in _tender():
        raise MoneyError(f"currency {currency!r} is no legal tender: use an ISO 4217 code such as EUR")
    return _ISO_DECIMALS.get(currency, get_currency_precision(currency))


@cache
def _tender() -> frozenset[str]:
    """Return the codes that CLDR lists as legal tender of some territory since ``_TENDER_SINCE``."""
    return frozenset(
        code
        for rows in get_global("territory_currencies").values()
        for code, _start, end, is_tender in rows
        if is_tender and (end is None or date(*end) >= _TENDER_SINCE)
    )


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents, yen, fils) of one currency. Raises MoneyError for an unknown one."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        decimals(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return nothing of ``currency``."""
        return cls(0, currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def __mul__(self, count: int) -> Money:
        return Money(self.minor * count, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return format_money(self)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise MoneyError(f"{self.currency} and {other.currency} cannot be counted together")
        return other


def round_minor(exact: Fraction, rule: Rounding = Rounding.HALF_UP) -> int:
    """Round to whole minor units, halves by ``rule``: the only rounding of money there is."""
    if rule is Rounding.HALF_EVEN:
        return round(exact)
    doubled = 2 * abs(exact.numerator) + exact.denominator
    size = doubled // (2 * exact.denominator)
    return size if exact >= 0 else -size


def shares(total_minor: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split ``total_minor`` (not negative) in proportion to ``weights`` by largest remainder; the parts sum to it.

    Equal remainders go to the earlier weight. No part exceeds its weight where the total does not exceed their sum.

    Raises:
        MoneyError: there is something to split and no weight, or something is negative.
    """
    whole = sum(weights)
    if total_minor < 0 or any(weight < 0 for weight in weights) or (total_minor and not whole):
        raise MoneyError(f"{total_minor} cannot be split by the weights {list(weights)}")
    if not total_minor:
        return (0,) * len(weights)
    parts = [divmod(total_minor * weight, whole) for weight in weights]
    missing = total_minor - sum(share for share, _ in parts)
    favoured = set(sorted(range(len(parts)), key=lambda index: (-parts[index][1], index))[:missing])
    return tuple(share + (index in favoured) for index, (share, _) in enumerate(parts))


def format_money(amount: Money, locale: str = "en") -> str:
    """Write an amount as ``locale`` has it, with its currency's symbol and all of ISO's decimals.

    ``€1,234.50`` or ``KWD 1.500`` in English, ``1.234,50 €`` in German. Blanks in it do not break. Raises MoneyError
    for a locale that Babel does not know.
    """
    digits = decimals(amount.currency)
    pattern = _pattern(amount.currency, digits, locale)
    with localcontext(prec=len(str(amount.minor)) + digits + 1):  # however large, every digit is written
        major = Decimal(amount.minor).scaleb(-digits)
        return format_currency(major, amount.currency, pattern, locale=locale, currency_digits=False)


@cache
def _pattern(currency: str, digits: int, locale: str) -> str:
    """Return the locale's pattern for amounts; Babel's own has CLDR's decimals, and no blank between letters and digits."""
    try:
        pattern = str(Locale.parse(locale).currency_formats["standard"].pattern)
    except (UnknownLocaleError, ValueError) as wrong:
        raise MoneyError(f"locale {locale!r} is not known: use one such as en or de_CH") from wrong
    symbol = get_currency_symbol(currency, locale)
    if symbol[-1:].isalpha():
        pattern = pattern.replace("¤#", f"¤{_NO_BREAK}#")
    if symbol[:1].isalpha():
        pattern = pattern.replace("0¤", f"0{_NO_BREAK}¤")
    return pattern.replace("0.00", f"0.{'0' * digits}" if digits else "0")
