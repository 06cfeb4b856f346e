"""What each product costs at which time, how it is taxed, and the promotions of a store.

Times are Unix time in nanoseconds. A price is valid from ``valid_from_ns`` until just before ``valid_until_ns``; None
is for ever. Where a product has several prices, each begins when the one before it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from billing.errors import PriceError
from billing.money import Money, Rounding, decimals
from billing.promotions import Promotion, promotion_problem
from store_layout.model import Store

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Deposit:
    """What a container's deposit costs a unit: its own tax class, or None where it bears no tax. Never discounted."""

    unit_price: Money
    tax_class: str | None = None
    rate_percent: Decimal = Decimal(0)
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class Price:
    """One product's price and tax, from ``valid_from_ns`` until just before ``valid_until_ns``."""

    sku: str
    name: str
    unit_price: Money
    tax_class: str
    rate_percent: Decimal
    inclusive: bool
    valid_from_ns: int | None = None
    valid_until_ns: int | None = None
    age_restricted: bool = False
    deposit: Deposit | None = None

    def is_valid(self, at_ns: int) -> bool:
        """Say whether this is the price at ``at_ns``."""
        begun = self.valid_from_ns is None or self.valid_from_ns <= at_ns
        return begun and (self.valid_until_ns is None or at_ns < self.valid_until_ns)


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices of a store in one currency: by SKU, each product's in order of time.

    Raises:
        MoneyError: ``currency`` is no legal tender.
        PriceError: a product's prices overlap or leave a gap, a tax class has two rates, an amount is negative or in
            another currency, or a promotion cannot be; the message names product or promotion, and the mend.
    """

    currency: str
    prices: Mapping[str, tuple[Price, ...]]
    promotions: tuple[Promotion, ...] = ()
    rounding: Rounding = Rounding.HALF_UP

    def __post_init__(self) -> None:
        decimals(self.currency)
        for sku, prices in self.prices.items():
            _check_product(sku, prices, self.currency)
        _check_tax_classes(price for prices in self.prices.values() for price in prices)
        problem = promotion_problem(self.promotions, self.prices.keys(), self.currency)
        if problem is not None:
            raise problem

    @classmethod
    def of(
        cls,
        currency: str,
        prices: Iterable[Price],
        promotions: Iterable[Promotion] = (),
        rounding: Rounding = Rounding.HALF_UP,
    ) -> PriceBook:
        """Make a book of prices in any order. Raises what the class raises."""
        by_sku: dict[str, list[Price]] = {}
        for price in prices:
            by_sku.setdefault(price.sku, []).append(price)
        ordered = {sku: tuple(sorted(found, key=_begin)) for sku, found in by_sku.items()}
        return cls(currency, ordered, tuple(promotions), rounding)

    @classmethod
    def from_store(cls, store: Store) -> PriceBook:
        """Take prices from a layout, valid for ever, without deposits and promotions.

        Raises MoneyError for an unknown currency, PriceError for an unknown tax class or a product named twice.
        """
        decimals(store.currency)
        prices: dict[str, tuple[Price, ...]] = {}
        for product in store.products:
            tax = store.tax_classes.get(product.tax_class)
            if tax is None:
                raise PriceError(
                    f"product {product.sku}: tax_class {product.tax_class!r} is not in tax_classes", mend="add it"
                )
            if product.sku in prices:
                raise PriceError(f"product {product.sku} stands twice in products", mend="remove one")
            unit = Money(product.price_minor, store.currency)
            price = Price(product.sku, product.name, unit, product.tax_class, tax.rate_percent, tax.inclusive)
            prices[product.sku] = (price,)
        return cls(store.currency, prices)

    def price(self, sku: str, at_ns: int) -> Price:
        """Return a product's price at ``at_ns``. Raises PriceError where it has none."""
        known = self.prices.get(sku, ())
        if not known:
            raise PriceError(f"product {sku!r} has no price", mend="add it to the store's products")
        for price in known:
            if price.is_valid(at_ns):
                return price
        first, last = known[0], known[-1]
        raise PriceError(
            f"product {sku!r} has no price at {written(at_ns)}: its prices are from {written(first.valid_from_ns)} "
            f"until {written(last.valid_until_ns)}",
            mend="add a price for that time",
        )


def written(at_ns: int | None) -> str:
    """Write a Unix time in nanoseconds as ISO 8601 in UTC, cut to microseconds; None is ``ever``."""
    if at_ns is None:
        return "ever"
    return (_EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat()


def _begin(price: Price) -> tuple[bool, int]:
    return price.valid_from_ns is not None, price.valid_from_ns or 0


def _check_product(sku: str, prices: tuple[Price, ...], currency: str) -> None:
    field = f"products.{sku}"
    if not prices:
        raise PriceError(f"product {sku}: has no price", mend="add one", field=field)
    for price in prices:
        reason = _price_problem(sku, price, currency)
        if reason is not None:
            raise PriceError(f"product {sku}: {reason[0]}", mend=reason[1], field=field)
    for before, after in pairwise(prices):
        until, begin = before.valid_until_ns, after.valid_from_ns
        if until == begin and until is not None:
            continue
        overlap = until is None or begin is None or begin < until
        word = "overlap" if overlap else "leave a gap"
        raise PriceError(
            f"product {sku}: two prices {word}, one until {written(until)}, the next from {written(begin)}",
            mend="give both the same time",
            field=f"{field}.prices",
        )


def _price_problem(sku: str, price: Price, currency: str) -> tuple[str, str] | None:
    """Return what is wrong with one price by itself, and its mend."""
    amounts = [price.unit_price, *((price.deposit.unit_price,) if price.deposit else ())]
    if price.sku != sku:
        return f"its price is of {price.sku!r}", "file it under its own SKU"
    if any(amount.currency != currency for amount in amounts):
        return f"is not priced in {currency}", "give all prices in the book's currency"
    if any(amount.minor < 0 for amount in amounts):
        return "has a price below zero", "give 0 or more"
    begin, end = price.valid_from_ns, price.valid_until_ns
    if begin is not None and end is not None and begin >= end:
        return f"a price ends at {written(end)}, not after its begin", "let it end later"
    return None


def _check_tax_classes(prices: Iterable[Price]) -> None:
    known: dict[str, tuple[Decimal, bool]] = {}
    for sku, tax_class, rate, inclusive in _taxes(prices):
        if known.setdefault(tax_class, (rate, inclusive)) != (rate, inclusive):
            raise PriceError(
                f"product {sku}: tax class {tax_class!r} has two rates", mend="give the other rate its own class"
            )


def _taxes(prices: Iterable[Price]) -> Iterator[tuple[str, str, Decimal, bool]]:
    for price in prices:
        yield price.sku, price.tax_class, price.rate_percent, price.inclusive
        deposit = price.deposit
        if deposit is not None and deposit.tax_class is not None:
            yield price.sku, deposit.tax_class, deposit.rate_percent, deposit.inclusive
