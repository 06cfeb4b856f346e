"""What was sold, by product and hour of the day."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_S = 1_000_000_000
SHADES = 5


@dataclass(frozen=True, slots=True)
class ProductSales:
    """A product: ``units`` for each of the table's hours."""

    sku: str
    name: str
    units: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many of it were sold."""
        return sum(self.units)


@dataclass(frozen=True, slots=True)
class Sales:
    """What was sold from ``from_ns`` to ``until_ns``. ``hours`` are those of the day from the first to the last with a sale, local time."""

    from_ns: int
    until_ns: int
    hours: tuple[int, ...]
    products: tuple[ProductSales, ...]

    @property
    def totals(self) -> tuple[int, ...]:
        """How many things were sold in each hour."""
        return tuple(sum(each.units[column] for each in self.products) for column in range(len(self.hours)))

    @property
    def total(self) -> int:
        """How many things were sold."""
        return sum(self.totals)

    @property
    def most(self) -> int:
        """The most that was sold of one product in one hour."""
        return max((units for each in self.products for units in each.units), default=0)

    def shade(self, units: int) -> int:
        """Return how dark a field of the table is: 0 for nothing, ``SHADES`` for the most."""
        return -(-units * SHADES // self.most) if units > 0 else 0


def sales_of(
    sold: Iterable[tuple[int, str, int]], names: Mapping[str, str], zone: dt.tzinfo, from_ns: int, until_ns: int
) -> Sales:
    """Return the table: products by how many of them were sold. ``sold`` is time, product and units."""
    cells: Counter[tuple[str, int]] = Counter()
    for at_ns, sku, units in sold:
        cells[sku, dt.datetime.fromtimestamp(at_ns // _S, zone).hour] += units
    found = [hour for _sku, hour in cells]
    hours = tuple(range(min(found), max(found) + 1)) if found else ()
    rows = [
        ProductSales(sku, names.get(sku, sku), tuple(cells[sku, hour] for hour in hours))
        for sku in sorted({sku for sku, _hour in cells})
    ]
    return Sales(from_ns, until_ns, hours, tuple(sorted(rows, key=lambda row: (-row.total, row.name))))


def midnight_ns(at_ns: int, zone: dt.tzinfo, days_before: int = 0) -> int:
    """Return when the day of ``at_ns`` began in that zone, or one so many days before."""
    day = dt.datetime.fromtimestamp(at_ns // _S, zone).date() - dt.timedelta(days=days_before)
    return round(dt.datetime.combine(day, dt.time(), zone).timestamp()) * _S
