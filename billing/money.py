"""Amounts of money: integers of the smallest unit, never floats.

The one rounding rule: to the nearest minor unit, halves away from zero (commercial rounding,
as DIN 1333 and most tax offices have it). Only tax is ever rounded, once per rate and receipt,
and only by ``round_minor``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from billing.errors import MoneyError

_DECIMALS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(
        (
            *("AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP", "GEL"),
            *("HKD", "HUF", "IDR", "ILS", "INR", "KES", "KZT", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "PEN", "PHP"),
            *("PKR", "PLN", "QAR", "RON", "RSD", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "UYU", "ZAR"),
        ),
        2,
    ),
}
"""Minor units of a currency by ISO 4217."""


def decimals(currency: str) -> int:
    """Return how many decimals ``currency`` has. Raises MoneyError for a code that is not listed."""
    try:
        return _DECIMALS[currency]
    except KeyError:
        raise MoneyError(f"currency {currency!r} is not known: use an ISO 4217 code such as EUR") from None


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


def round_minor(exact: Fraction) -> int:
    """Round to whole minor units, halves away from zero: the only rounding of money there is."""
    doubled = 2 * abs(exact.numerator) + exact.denominator
    size = doubled // (2 * exact.denominator)
    return size if exact >= 0 else -size


def format_money(amount: Money) -> str:
    """Write an amount with all its decimals and its currency: ``1,234.50 EUR``, ``980 JPY``."""
    digits = decimals(amount.currency)
    whole, part = divmod(abs(amount.minor), 10**digits)
    sign = "−" if amount.minor < 0 else ""
    return f"{sign}{whole:,}{f'.{part:0{digits}d}' if digits else ''} {amount.currency}"
