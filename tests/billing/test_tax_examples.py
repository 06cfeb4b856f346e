"""Tax against figures that others published: no figure on the right of these tests is ours unless it says so."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from billing.money import Money, Rounding
from billing.pricebook import Price, PriceBook
from billing.receipt import make_receipt
from billing.types import ItemCount, Receipt, ReceiptInput


def receipt_of(currency: str, *rows: tuple[int, int, str, bool], rounding: Rounding = Rounding.HALF_UP) -> Receipt:
    """Return the receipt of rows of price in minor units, quantity, rate in percent and whether the price holds it."""
    prices = [
        Price(f"p{i}", f"P{i}", Money(minor, currency), f"{rate} {inclusive}", Decimal(rate), inclusive)
        for i, (minor, _quantity, rate, inclusive) in enumerate(rows)
    ]
    items = tuple(ItemCount(f"p{i}", row[1]) for i, row in enumerate(rows))
    return make_receipt(ReceiptInput("v", "t", 0, items), PriceBook.of(currency, prices, rounding=rounding))


def test_australian_gst_act_section_9_75_example() -> None:
    """A New Tax System (Goods and Services Tax) Act 1999 (Australia), s 9-75(1), example.

    A car sold for $22,000 has the value $22,000 x 10/11 = $20,000, and the GST on it is $2,000.
    """
    receipt = receipt_of("AUD", (2_200_000, 1, "10", True))
    assert (receipt.net.minor, receipt.tax.minor, receipt.total.minor) == (2_000_000, 200_000, 2_200_000)


def test_australian_gst_act_section_9_90_rounds_once_and_half_a_cent_up() -> None:
    """The same act, s 9-90(2)(a): add the GST of all supplies unrounded, then round, 0.5 cents upwards.

    The section has no figures; these are ours. 3 x $0.05 and 1 x $0.02 hold 17/11 = 1.54... cents: 2, where rounding
    each supply would give 4 x 0 = 0. $0.055 cannot be a price, but 0.5 cents come of a tax on top: 10 % of $0.05.
    """
    assert receipt_of("AUD", (5, 3, "10", True), (2, 1, "10", True)).tax.minor == 2
    assert receipt_of("AUD", (5, 1, "10", False)).tax.minor == 1


def test_european_e_invoice_example_2() -> None:
    """EN 16931's "Example 2: IT equipment", invoice TOSL108, as CEN/TC 434's eInvoicing-EN16931 has it (CII_example2.xml).

    NOK, tax on top, by class: 25 % of 1460.50 is 365.13 (exactly 365.125), 15 % of 1.00 is 0.15; tax total 365.28.
    Basis amounts are taken as they stand there. Its third class, a return of 25.00 without tax, is no sale: left out.
    """
    receipt = receipt_of("NOK", (146_050, 1, "25", False), (100, 1, "15", False))
    assert {str(tax.rate_percent): (tax.net.minor, tax.tax.minor) for tax in receipt.taxes} == {
        "25": (146_050, 36_513),
        "15": (100, 15),
    }
    assert receipt.tax.minor == 36_528
    # The published 365.13 is half-up; the other rule gives 365.12.
    assert receipt_of("NOK", (146_050, 1, "25", False), rounding=Rounding.HALF_EVEN).tax.minor == 36_512


@pytest.mark.parametrize(
    ("currency", "rate", "fraction"),
    [
        ("GBP", "20", Fraction(1, 6)),
        ("GBP", "5", Fraction(1, 21)),
        ("EUR", "19", Fraction(19, 119)),
        ("EUR", "7", Fraction(7, 107)),
        ("CHF", "8.1", Fraction(81, 1081)),
        ("CHF", "2.6", Fraction(26, 1026)),
    ],
)
def test_vat_fractions(currency: str, rate: str, fraction: Fraction) -> None:
    """What part of an inclusive price is tax: rate / (100 + rate).

    HMRC calls it the VAT fraction and gives 1/6 at 20 % and 1/21 at 5 %; the German and Swiss ones are the same identity
    at the rates of 2024. Amounts are ours, whole multiples so that nothing is rounded.
    """
    gross_minor = fraction.denominator * 100
    receipt = receipt_of(currency, (gross_minor, 1, rate, True))
    assert receipt.tax.minor == gross_minor * fraction
    assert receipt.total.minor == gross_minor
