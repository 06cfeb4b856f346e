"""Receipts: priced lines, deposits, promotions, tax by class, totals and a digest over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from billing.edge import ReceiptModel
from billing.errors import BillingError
from billing.money import Money, Rounding, round_minor
from billing.pricebook import Price, PriceBook
from billing.promotions import Goods, Use, available, discounts, is_for_members
from billing.types import (
    AppliedPromotion,
    ItemCount,
    LineKind,
    Receipt,
    ReceiptInput,
    ReceiptLine,
    TaxLine,
)


def make_receipt(given: ReceiptInput, book: PriceBook) -> Receipt:
    """Price a final cart at its time: prices, deposits, promotions, tax.

    Tax is worked out on the sum of what is paid in each tax class, not line by line: one rounding per class and
    receipt. Raises PriceError for an unpriced product, BillingError for a quantity below one.
    """
    wanted = [(item.quantity, book.price(item.sku, given.final_at_ns)) for item in _merged(given.items)]
    uses = _uses(wanted, given, book)
    lines = tuple(line for quantity, price in wanted for line in _lines(quantity, price, uses))
    rates = _rates(price for _, price in wanted)
    classes = sorted({line.tax_class for line in lines if line.tax_class is not None})
    taxes = tuple(_tax(name, lines, rates[name], book) for name in classes)
    zero = Money.zero(book.currency)
    untaxed = sum((line.paid for line in lines if line.tax_class is None), zero)
    receipt = Receipt(
        visit_id=given.visit_id,
        issued_at_ns=given.final_at_ns,
        currency=book.currency,
        lines=lines,
        taxes=taxes,
        net=sum((tax.net for tax in taxes), untaxed),
        tax=sum((tax.tax for tax in taxes), zero),
        total=sum((tax.gross for tax in taxes), untaxed),
        digest="",
        promotions=_applied(uses, book.currency),
    )
    return replace(receipt, digest=digest_of(receipt))


def digest_of(receipt: Receipt) -> str:
    """Return the SHA-256 of a receipt's canonical JSON: sorted keys, no spaces, UTF-8, without the digest."""
    body = ReceiptModel.of(receipt).model_dump(mode="json", exclude={"digest"})
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _merged(items: Sequence[ItemCount]) -> list[ItemCount]:
    totals: dict[str, int] = {}
    for item in items:
        if item.quantity < 1:
            raise BillingError(f"product {item.sku!r} has quantity {item.quantity}: a receipt's lines start at 1")
        totals[item.sku] = totals.get(item.sku, 0) + item.quantity
    return [ItemCount(sku, totals[sku]) for sku in sorted(totals)]


def _uses(wanted: Sequence[tuple[int, Price]], given: ReceiptInput, book: PriceBook) -> tuple[Use, ...]:
    """Return what promotions take off; deposits are no part of it."""
    promotions = available(book.promotions, given.final_at_ns, given.is_member)
    if not promotions:
        return ()
    cart = [Goods(price.sku, price.unit_price.minor, quantity, _weight(price)) for quantity, price in wanted]
    return discounts(cart, promotions, book.rounding)


def _weight(price: Price) -> Fraction:
    """Return what one minor unit off a product's price saves the shopper."""
    return Fraction(1) if price.inclusive else 1 + Fraction(price.rate_percent) / 100


def _lines(quantity: int, price: Price, uses: Sequence[Use]) -> Iterator[ReceiptLine]:
    """Yield a product's line, and its deposit's after it."""
    unit, deposit = price.unit_price, price.deposit
    discount = Money(sum(use.discounts_minor.get(price.sku, 0) for use in uses), unit.currency)
    yield ReceiptLine(
        price.sku,
        price.name,
        quantity,
        unit,
        unit * quantity,
        price.tax_class,
        discount,
        age_restricted=price.age_restricted,
    )
    if deposit is not None:
        each, nothing = deposit.unit_price, Money.zero(unit.currency)
        name, amount = f"Deposit {price.name}", each * quantity
        yield ReceiptLine(price.sku, name, quantity, each, amount, deposit.tax_class, nothing, LineKind.DEPOSIT)


def _applied(uses: Sequence[Use], currency: str) -> tuple[AppliedPromotion, ...]:
    """Sum up each promotion, by priority, then id, as ``uses`` are."""
    off_minor: dict[str, int] = {}
    for use in uses:
        name = use.promotion.promotion_id
        off_minor[name] = off_minor.get(name, 0) + sum(use.discounts_minor.values())
    known = {use.promotion.promotion_id: use.promotion for use in uses}
    return tuple(
        AppliedPromotion(name, known[name].name, Money(minor, currency), is_for_members(known[name]))
        for name, minor in off_minor.items()
    )


def _rates(prices: Iterable[Price]) -> dict[str, tuple[Decimal, bool]]:
    """Return rate in percent and whether prices contain it, by tax class."""
    rates: dict[str, tuple[Decimal, bool]] = {}
    for price in prices:
        rates[price.tax_class] = price.rate_percent, price.inclusive
        if price.deposit is not None and price.deposit.tax_class is not None:
            rates[price.deposit.tax_class] = price.deposit.rate_percent, price.deposit.inclusive
    return rates


def _tax(tax_class: str, lines: Sequence[ReceiptLine], taxed: tuple[Decimal, bool], book: PriceBook) -> TaxLine:
    paid = sum((line.paid for line in lines if line.tax_class == tax_class), Money.zero(book.currency))
    return tax_line(tax_class, *taxed, paid, book.rounding)


def tax_line(tax_class: str, rate_percent: Decimal, inclusive: bool, paid: Money, rule: Rounding) -> TaxLine:
    """Work out the tax in (``inclusive``) or on what is ``paid`` for a tax class: one rounding."""
    rate = Fraction(rate_percent) / 100
    exact_minor = paid.minor * rate / (1 + rate) if inclusive else paid.minor * rate
    tax = Money(round_minor(exact_minor, rule), paid.currency)
    net = paid - tax if inclusive else paid
    return TaxLine(tax_class, rate_percent, inclusive, net, tax, net + tax)
