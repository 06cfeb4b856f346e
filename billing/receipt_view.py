"""A receipt in words: what stands on it, in one language, before it is laid out as text, HTML or PDF."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from billing.money import Money
from billing.texts import Texts, texts
from billing.types import AppliedPromotion, Charge, ChargeState, LineKind, Receipt, ReceiptLine, TaxLine


@dataclass(frozen=True, slots=True)
class Row:
    """A name and an amount. ``kind`` is product, deposit, promotion, total, tax or saved.

    ``notes`` stand in small below it. ``part`` marks an amount that the row above holds already.
    """

    kind: str
    name: str
    amount: str
    notes: tuple[str, ...] = ()
    part: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """All that is written on a receipt. ``empty`` stands where there are no ``items``.

    ``state`` is None where there is no charge, and ``charged`` says so in words.
    """

    locale: str
    title: str
    visit_id: str
    issued: str
    issued_at: dt.datetime
    items: tuple[Row, ...]
    empty: str
    total: Row
    taxes: tuple[Row, ...]
    savings: tuple[Row, ...]
    state: ChargeState | None
    charged: str
    reference: str | None
    digest: str


def view_of(
    receipt: Receipt,
    charge: Charge | None = None,
    title: str | None = None,
    locale: str = "en",
    zone: dt.tzinfo = dt.UTC,
) -> ReceiptView:
    """Put a receipt into words; ``zone`` is that of the time at which it was issued.

    Raises TextError for a locale without texts.
    """
    _ = texts(locale)
    return ReceiptView(
        locale=locale,
        title=_("Receipt") if title is None else title,
        visit_id=receipt.visit_id,
        issued=_.datetime(receipt.issued_at_ns, zone),
        issued_at=dt.datetime.fromtimestamp(receipt.issued_at_ns // 1_000_000_000, zone),
        items=(*_lines(receipt, _), *(_promotion(each, _) for each in receipt.promotions)),
        empty=_("nothing taken"),
        total=Row("total", _("Total"), _.money(receipt.total)),
        taxes=tuple(_tax(tax, _) for tax in receipt.taxes),
        savings=tuple(_savings(receipt, _)),
        state=None if charge is None else charge.state,
        charged=_charged(charge, _),
        reference=None if charge is None else charge.gateway_reference,
        digest=receipt.digest,
    )


def _lines(receipt: Receipt, _: Texts) -> Iterator[Row]:
    """Yield the lines; a deposit is named after its product, since the receipt has its name in English."""
    products = {line.sku: line.name for line in receipt.lines if line.kind is LineKind.PRODUCT}
    for line in receipt.lines:
        is_deposit = line.kind is LineKind.DEPOSIT and line.sku in products
        name = _("Deposit {product}", product=products[line.sku]) if is_deposit else line.name
        yield Row(line.kind.value, name, _.money(line.amount), tuple(_notes(line, _)))


def _notes(line: ReceiptLine, _: Texts) -> Iterator[str]:
    if line.quantity != 1:
        yield f"{line.quantity} × {_.money(line.unit_price)}"
    if line.age_restricted:
        yield _("age-restricted")


def _promotion(applied: AppliedPromotion, _: Texts) -> Row:
    name = _("{promotion} (members)", promotion=applied.name) if applied.members_only else applied.name
    return Row("promotion", name, _.money(-applied.discount))


def _tax(tax: TaxLine, _: Texts) -> Row:
    rate, net = _.number(tax.rate_percent), _.money(tax.net)
    if tax.inclusive:
        name = _("incl. {rate} % tax on {net}", rate=rate, net=net)
    else:
        name = _("plus {rate} % tax on {net}", rate=rate, net=net)
    return Row("tax", name, _.money(tax.tax))


def _savings(receipt: Receipt, _: Texts) -> Iterator[Row]:
    """Yield what promotions took off altogether, and how much of it the shopper got as a member."""
    zero = Money.zero(receipt.currency)
    saved = sum((each.discount for each in receipt.promotions), zero)
    as_member = sum((each.discount for each in receipt.promotions if each.members_only), zero)
    if saved.minor:
        yield Row("saved", _("You saved"), _.money(saved))
    if as_member.minor:
        yield Row("saved", _("as a member"), _.money(as_member), part=True)


def _charged(charge: Charge | None, _: Texts) -> str:
    if charge is None:
        return _("not charged")
    if charge.waits_at_till:
        return _("to be paid at the till")
    words = {
        ChargeState.UNKNOWN: _("payment pending"),
        ChargeState.CAPTURED: _("paid"),
        ChargeState.DECLINED: _("payment declined"),
        ChargeState.NEEDS_SHOPPER: _("payment waits for your confirmation"),
        ChargeState.VOID: _("nothing to pay"),
        ChargeState.WAIVED: _("too little to charge: nothing to pay"),
    }
    return words[charge.state]
