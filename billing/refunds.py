"""How much goes back for units of a receipt: exact, so that all refunds of a receipt are the receipt.

A unit goes back with its deposit. What is refunded is the receipt less earlier refunds and
less what the units still kept cost, worked out as the receipt was: one rounding a tax class. So all refunds of a receipt
sum to it, whatever rule the store has come to round by since.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from billing.errors import RefundError
from billing.money import Money, Rounding, round_minor
from billing.receipt import tax_line
from billing.types import (
    ItemCount,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    Refund,
    RefundRequest,
    TaxLine,
)


def refund_digest(request: RefundRequest) -> str:
    """Return the SHA-256 of what is asked: visit, reason and items, not the time, which a retry has its own of."""
    items = sorted((item.sku, item.quantity) for item in request.items)
    body = json.dumps([request.visit_id, request.reason.value, items], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(body.encode()).hexdigest()


def refunded_items(request: RefundRequest, receipt: Receipt, earlier: Iterable[Refund]) -> tuple[ItemCount, ...]:
    """Return what ``request`` gives back. Raises RefundError for units that the receipt does not hold (any more)."""
    left = _left(receipt, earlier)
    asked = Counter[str]()
    for item in request.items:
        if item.quantity < 1:
            raise RefundError(
                f"{request.refund_id}: product {item.sku!r} has quantity {item.quantity}: ask for 1 or more"
            )
        asked[item.sku] += item.quantity
    wanted = asked or left
    for sku, quantity in wanted.items():
        if quantity > left[sku]:
            raise RefundError(f"{request.refund_id}: {quantity} of {sku!r} asked for, {left[sku]} left to refund")
    found = tuple(ItemCount(sku, wanted[sku]) for sku in sorted(wanted) if wanted[sku])
    if not found:
        raise RefundError(f"{request.refund_id}: nothing of {receipt.visit_id} is left to refund")
    return found


def refund_taxes(
    receipt: Receipt, earlier: Iterable[Refund], items: Iterable[ItemCount], rule: Rounding
) -> tuple[tuple[TaxLine, ...], Money]:
    """Return what the ``items`` cost after the ``earlier`` refunds: by tax class, and in deposits without one.

    Never less than nothing in a class: where a correction has made units cheaper that went back at their price before,
    the next refunds give that much less.
    """
    earlier = list(earlier)
    zero = Money.zero(receipt.currency)
    after = _left(receipt, earlier) - Counter({item.sku: item.quantity for item in items})
    lines = []
    for paid, kept in zip(receipt.taxes, _taxes(receipt, after, rule), strict=True):
        back = [tax for refund in earlier for tax in refund.taxes if tax.tax_class == paid.tax_class]
        net = paid.net - kept.net - sum((tax.net for tax in back), zero)
        tax = paid.tax - kept.tax - sum((tax.tax for tax in back), zero)
        if (net + tax).minor >= 0:
            lines.append(TaxLine(paid.tax_class, paid.rate_percent, paid.inclusive, net, tax, net + tax))
    untaxed = _paid(receipt, None, Counter({line.sku: line.quantity for line in receipt.lines}), rule)
    untaxed -= _paid(receipt, None, after, rule) + sum((each.untaxed for each in earlier), zero)
    return tuple(line for line in lines if (line.net.minor, line.tax.minor) != (0, 0)), max(
        untaxed, zero, key=lambda each: each.minor
    )


def refund_parts(payments: Sequence[Payment], owed: Money) -> list[tuple[Payment, Money]]:
    """Return which payments to give back, and how much of each, so that no more than ``owed`` stays paid; latest first."""
    left = paid_back_left(payments)
    over = sum((amount for _, amount in left), Money.zero(owed.currency)) - owed
    parts = []
    for payment, amount in reversed(left):
        part = min(amount, over, key=lambda each: each.minor)
        if part.minor > 0:
            parts.append((payment, part))
            over -= part
    return parts


def paid_back_left(payments: Sequence[Payment]) -> list[tuple[Payment, Money]]:
    """Return each payment that took money with what of it was not given back, nor is about to be."""
    found = []
    for payment in payments:
        if (
            payment.action not in (PaymentAction.CAPTURE, PaymentAction.CHARGE)
            or payment.state is not PaymentState.DONE
        ):
            continue
        back = [
            each.amount
            for each in payments
            if each.action is PaymentAction.REFUND
            and each.of == payment.key
            and each.state is not PaymentState.DECLINED
        ]
        found.append((payment, payment.amount - sum(back, Money.zero(payment.amount.currency))))
    return found


def _left(receipt: Receipt, earlier: Iterable[Refund]) -> Counter[str]:
    left = Counter({line.sku: line.quantity for line in receipt.lines})
    for refund in earlier:
        left.subtract({item.sku: item.quantity for item in refund.items})
    return left


def _taxes(receipt: Receipt, kept: Mapping[str, int], rule: Rounding) -> list[TaxLine]:
    """Return the receipt's tax lines as they were if only ``kept`` had been bought, at what the receipt asked for them."""
    return [
        tax_line(each.tax_class, each.rate_percent, each.inclusive, _paid(receipt, each.tax_class, kept, rule), rule)
        for each in receipt.taxes
    ]


def _paid(receipt: Receipt, tax_class: str | None, kept: Mapping[str, int], rule: Rounding) -> Money:
    """Return what was paid for the units ``kept`` of a tax class, each line's discount spread evenly over its units."""
    paid_minor = [
        round_minor(Fraction(line.paid.minor * kept[line.sku], line.quantity), rule)
        for line in receipt.lines
        if line.tax_class == tax_class
    ]
    return Money(sum(paid_minor), receipt.currency)
