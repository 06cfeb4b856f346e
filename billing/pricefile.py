"""Price files: a store's prices, tax classes and promotions as YAML.

``read_price_file`` gives the ``PriceBook`` that a file describes. Times are ISO 8601 with a zone, amounts minor units of
the file's currency, and what a key means is said in docs/billing.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypedDict

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from billing.errors import MoneyError, PriceError, PriceFileError
from billing.money import Money, Rounding
from billing.pricebook import Deposit, Price, PriceBook
from billing.promotions import AmountOff, Bundle, MemberPrice, NForM, PercentOff, Promotion
from store_layout.files import read_model
from store_layout.model import Identifier, Strict, TaxClass

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(given: object) -> datetime:
    """Take a time as YAML or JSON has it; a number or a time without a zone could be anybody's."""
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise PydanticCustomError("no_moment", "is no time with a zone")
    return moment


def _whole(given: object) -> object:
    """Refuse what pydantic would bend into a whole number: true, "149", 149.0."""
    if isinstance(given, bool | str | float):
        raise PydanticCustomError("no_minor_units", "is no whole number of minor units")
    return given


Moment = Annotated[datetime, PlainValidator(_moment)]
Minor = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
Count = Annotated[int, Field(ge=1, strict=True)]
Skus = Annotated[tuple[Identifier, ...], Field(min_length=1)]


class PeriodPrice(Strict):
    """What a product costs from ``valid_from`` until just before ``valid_until``; without them, always."""

    price_minor: Minor
    valid_from: Moment | None = None
    valid_until: Moment | None = None


class DepositTerms(Strict):
    """A deposit on each unit, in its own tax class or in none."""

    amount_minor: Minor
    tax_class: str | None = None


class ProductPrices(Strict):
    """One product: its name on receipts, its tax class and its prices, each beginning when the last one ends."""

    name: str
    tax_class: str = "standard"
    age_restricted: bool = False
    deposit: DepositTerms | None = None
    prices: Annotated[tuple[PeriodPrice, ...], Field(min_length=1)]


class PromotionTerms(Strict):
    """What every promotion has. Lower ``priority`` comes first."""

    id: Identifier
    name: str
    skus: Skus
    priority: Annotated[int, Field(strict=True)] = 0
    valid_from: Moment | None = None
    valid_until: Moment | None = None


class NForMTerms(PromotionTerms):
    """Of ``take`` units ``pay`` are paid, the cheapest are free."""

    take: Count
    pay: Count


class PercentOffTerms(PromotionTerms):
    """Each unit is ``percent`` cheaper."""

    percent: Annotated[Decimal, Field(gt=0, le=100)]


class AmountOffTerms(PromotionTerms):
    """Each unit is ``off_minor`` cheaper."""

    off_minor: Minor


class BundleTerms(PromotionTerms):
    """One unit of each of ``skus`` together for ``price_minor``; a SKU that stands twice counts twice."""

    price_minor: Minor


class MemberPriceTerms(PromotionTerms):
    """Each unit costs members ``price_minor``."""

    price_minor: Minor


class Promotions(Strict):
    """All promotions, by kind."""

    n_for_m: tuple[NForMTerms, ...] = ()
    percent_off: tuple[PercentOffTerms, ...] = ()
    amount_off: tuple[AmountOffTerms, ...] = ()
    bundle: tuple[BundleTerms, ...] = ()
    member_price: tuple[MemberPriceTerms, ...] = ()


class PriceFile(Strict):
    """A whole price file."""

    version: Literal[1]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    rounding: Rounding = Rounding.HALF_UP
    tax_classes: dict[str, TaxClass]
    products: dict[Identifier, ProductPrices]
    promotions: Promotions = Promotions()

    def book(self) -> PriceBook:
        """Return the price book. Raises MoneyError and PriceError for what cannot be, as ``PriceBook`` does."""
        prices = [price for sku, product in self.products.items() for price in _prices(sku, product, self)]
        return PriceBook.of(self.currency, prices, _promotions(self.promotions, self.currency), self.rounding)


def read_price_file(path: str | Path) -> PriceBook:
    """Return the price book in the YAML file ``path``.

    Raises PriceFileError with the file, the key, what is wrong and how to mend it: a missing or unreadable file, an
    unknown or wrong key, prices that overlap or leave a gap, an unknown tax class, currency or product.
    """
    file = read_model(path, PriceFile, PriceFileError)
    try:
        return file.book()
    except PriceError as wrong:
        raise PriceFileError(wrong.reason, file=path, field=wrong.field, mend=wrong.mend) from wrong
    except MoneyError as wrong:
        raise PriceFileError(str(wrong), file=path, field="currency", mend="name the currency of the prices") from wrong


def unix_ns(moment: datetime) -> int:
    """Return a time with a zone as Unix time in nanoseconds, exact to the microsecond that it has."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else unix_ns(moment)


def _prices(sku: str, product: ProductPrices, file: PriceFile) -> Iterator[Price]:
    tax = _tax_class(sku, product.tax_class, file)
    for period in product.prices:
        yield Price(
            sku=sku,
            name=product.name,
            unit_price=Money(period.price_minor, file.currency),
            tax_class=product.tax_class,
            rate_percent=tax.rate_percent,
            inclusive=tax.inclusive,
            valid_from_ns=_ns(period.valid_from),
            valid_until_ns=_ns(period.valid_until),
            age_restricted=product.age_restricted,
            deposit=_deposit(sku, product.deposit, file),
        )


def _deposit(sku: str, deposit: DepositTerms | None, file: PriceFile) -> Deposit | None:
    if deposit is None:
        return None
    amount = Money(deposit.amount_minor, file.currency)
    if deposit.tax_class is None:
        return Deposit(amount)
    tax = _tax_class(sku, deposit.tax_class, file, inside=".deposit")
    return Deposit(amount, deposit.tax_class, tax.rate_percent, tax.inclusive)


def _tax_class(sku: str, name: str, file: PriceFile, inside: str = "") -> TaxClass:
    tax = file.tax_classes.get(name)
    if tax is None:
        known = ", ".join(file.tax_classes) or "none"
        raise PriceError(
            f"product {sku}: tax class {name!r} is not in tax_classes",
            mend=f"add it, or name a known one ({known})",
            field=f"products.{sku}{inside}.tax_class",
        )
    return tax


def _promotions(given: Promotions, currency: str) -> Iterator[Promotion]:
    for n_for_m in given.n_for_m:
        yield NForM(**_common(n_for_m), take=n_for_m.take, pay=n_for_m.pay)
    for percent_off in given.percent_off:
        yield PercentOff(**_common(percent_off), percent=percent_off.percent)
    for amount_off in given.amount_off:
        yield AmountOff(**_common(amount_off), off=Money(amount_off.off_minor, currency))
    for bundle in given.bundle:
        yield Bundle(**_common(bundle), price=Money(bundle.price_minor, currency))
    for member_price in given.member_price:
        yield MemberPrice(**_common(member_price), price=Money(member_price.price_minor, currency))


class _Common(TypedDict):
    promotion_id: str
    name: str
    skus: tuple[str, ...]
    priority: int
    valid_from_ns: int | None
    valid_until_ns: int | None


def _common(terms: PromotionTerms) -> _Common:
    return _Common(
        promotion_id=terms.id,
        name=terms.name,
        skus=terms.skus,
        priority=terms.priority,
        valid_from_ns=_ns(terms.valid_from),
        valid_until_ns=_ns(terms.valid_until),
    )
