"""Receipts: priced lines, tax by class, totals and a digest over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from billing.edge import ReceiptModel
from billing.errors import BillingError
from billing.money import Money, round_minor
from billing.pricebook import PriceBook
from billing.types import ItemCount, Receipt, ReceiptInput, ReceiptLine, TaxLine


def make_receipt(given: ReceiptInput, book: PriceBook) -> Receipt:
    """Price a final cart.

    Tax is worked out on the sum of each tax class, not line by line: one rounding per class and
    receipt. Raises PriceError for an unpriced product, BillingError for a quantity below one.
    """
    lines = tuple(_line(item, book) for item in _merged(given.items))
    taxes = tuple(_tax(name, lines, book) for name in sorted({line.tax_class for line in lines}))
    zero = Money.zero(book.currency)
    receipt = Receipt(
        visit_id=given.visit_id,
        issued_at_ns=given.final_at_ns,
        currency=book.currency,
        lines=lines,
        taxes=taxes,
        net=sum((tax.net for tax in taxes), zero),
        tax=sum((tax.tax for tax in taxes), zero),
        total=sum((tax.gross for tax in taxes), zero),
        digest="",
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


def _line(item: ItemCount, book: PriceBook) -> ReceiptLine:
    price = book.price(item.sku)
    amount = price.unit_price * item.quantity
    return ReceiptLine(item.sku, price.name, item.quantity, price.unit_price, amount, price.tax_class)


def _tax(tax_class: str, lines: Sequence[ReceiptLine], book: PriceBook) -> TaxLine:
    members = [line for line in lines if line.tax_class == tax_class]
    price = book.price(members[0].sku)
    amount = sum((line.amount for line in members), Money.zero(book.currency))
    return tax_line(tax_class, price.rate_percent, price.inclusive, amount)


def tax_line(tax_class: str, rate_percent: Decimal, inclusive: bool, amount: Money) -> TaxLine:
    """Work out the tax in (``inclusive``) or on ``amount``, the sum of a tax class: one rounding."""
    rate = Fraction(rate_percent) / 100
    if inclusive:
        tax = Money(round_minor(amount.minor * rate / (1 + rate)), amount.currency)
        return TaxLine(tax_class, rate_percent, True, amount - tax, tax, amount)
    tax = Money(round_minor(amount.minor * rate), amount.currency)
    return TaxLine(tax_class, rate_percent, False, amount, tax, amount + tax)
