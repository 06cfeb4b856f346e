from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from babel.core import get_global
from hypothesis import given
from hypothesis import strategies as st

from billing.edge import ChargeModel, ReceiptModel
from billing.errors import BillingError, LedgerError, MoneyError, PriceError
from billing.ledger import Entry, Posting, sale_posting
from billing.money import Money, Rounding, decimals, format_money, round_minor, shares
from billing.pricebook import Price, PriceBook
from billing.receipt import digest_of, make_receipt
from billing.render import render_html, render_text
from billing.types import Charge, ChargeState, ItemCount, Receipt, ReceiptInput
from store_layout.model import Camera, Product, Store, TaxClass

RATES = st.decimals(min_value=0, max_value=100, places=2)


def book_of(*rows: tuple[str, int, str, str, bool], currency: str = "EUR") -> PriceBook:
    prices = (
        Price(sku, sku.title(), Money(minor, currency), tax, Decimal(rate), inclusive)
        for sku, minor, tax, rate, inclusive in rows
    )
    return PriceBook.of(currency, prices)


def receipt_of(book: PriceBook, **items: int) -> Receipt:
    return make_receipt(ReceiptInput("visit-1", "card", 5, tuple(ItemCount(s, n) for s, n in items.items())), book)


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (123450, "EUR", "€1,234.50"),
        (5, "EUR", "€0.05"),
        (-5, "EUR", "-€0.05"),
        (980, "JPY", "¥980"),
        (1234567, "KWD", "KWD\u00a01,234.567"),
        (0, "USD", "$0.00"),
        (5, "CAD", "CA$0.05"),
        (10**40 + 1, "EUR", f"€{10**38:,}.01"),
    ],
)
def test_amounts_are_written_with_their_decimals(minor: int, currency: str, shown: str) -> None:
    assert format_money(Money(minor, currency)) == shown


def test_amounts_are_written_as_a_locale_has_them() -> None:
    amount = Money(-123450, "EUR")
    assert format_money(amount, "de") == "-1.234,50\u00a0€"
    assert format_money(amount, "en_IN") == "-€1,234.50"
    assert format_money(Money(12345678, "INR"), "en_IN") == "₹1,23,456.78"
    with pytest.raises(MoneyError, match="xx_YY"):
        format_money(amount, "xx_YY")


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("EUR", 2), ("JPY", 0), ("ISK", 0), ("KWD", 3), ("CZK", 2), ("HUF", 2), ("IQD", 3), ("RSD", 2), ("LBP", 2)],
)
def test_decimals_are_those_of_iso_4217(currency: str, digits: int) -> None:
    """The last three are among those for which CLDR says 0; ISO 4217 holds."""
    assert decimals(currency) == digits


def test_no_other_currency_has_other_decimals_than_two() -> None:
    """By ISO 4217's list one of 2026-01-01, so that new CLDR data cannot move a decimal unseen."""
    named = {row[0] for rows in get_global("territory_currencies").values() for row in rows}
    found: dict[int, set[str]] = {}
    for code in named:
        with suppress(MoneyError):
            found.setdefault(decimals(code), set()).add(code)
    none = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
    three = "BHD IQD JOD KWD LYD OMR TND"
    assert (found[0], found[3]) == (set(none.split()), set(three.split()))
    assert found.keys() == {0, 2, 3}
    assert len(found[2]) > 100


@pytest.mark.parametrize("code", ["X" * 3, "XTS", "XAU", "XDR", "CHE", "CLF", "DEM", "EURO", "eur", ""])
def test_what_is_no_legal_tender_is_refused(code: str) -> None:
    with pytest.raises(MoneyError, match="ISO 4217"):
        Money(1, code)


def test_mixed_currencies_are_refused() -> None:
    with pytest.raises(MoneyError, match="EUR and USD"):
        Money(1, "EUR") + Money(1, "USD")


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4))
def test_rounding_is_commercial(value: Decimal) -> None:
    assert round_minor(Fraction(value)) == int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=1))
def test_rounding_to_even_is_as_decimal_has_it(value: Decimal) -> None:
    rounded = int(value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    assert round_minor(Fraction(value), Rounding.HALF_EVEN) == rounded


@given(st.fractions(min_value=-(10**6), max_value=10**6), st.sampled_from(Rounding))
def test_rounding_is_nearest_and_odd_symmetric(value: Fraction, rule: Rounding) -> None:
    assert abs(round_minor(value, rule) - value) <= Fraction(1, 2)
    assert round_minor(-value, rule) == -round_minor(value, rule)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.data())
def test_shares_are_exact_and_never_more_than_their_weight(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    parts = shares(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert part <= weight
        assert abs(part * sum(weights) - total * weight) < sum(weights) or not total


def test_shares_by_largest_remainder() -> None:
    assert shares(100, [1, 1, 1]) == (34, 33, 33)
    assert shares(10, [15, 35, 50]) == (2, 3, 5)  # 1.5, 3.5 and 5: equal remainders, the earlier is favoured
    assert shares(0, [0, 0]) == (0, 0)
    for total, weights in ((1, []), (1, [0]), (-1, [1]), (1, [2, -1])):
        with pytest.raises(MoneyError, match="cannot be split"):
            shares(total, weights)


def test_german_vat_worked_by_hand() -> None:
    # 3 x 1.49 + 0.99 = 5.46 at 19 % inclusive: 5.46 x 19/119 = 0.8717... -> 0.87
    # 2 x 2.89 = 5.78 at 7 % inclusive: 5.78 x 7/107 = 0.3781... -> 0.38
    book = book_of(
        ("cola", 149, "standard", "19", True),
        ("soap", 99, "standard", "19", True),
        ("bread", 289, "reduced", "7", True),
    )
    receipt = receipt_of(book, cola=3, soap=1, bread=2)
    assert [(tax.tax_class, tax.net.minor, tax.tax.minor, tax.gross.minor) for tax in receipt.taxes] == [
        ("reduced", 540, 38, 578),
        ("standard", 459, 87, 546),
    ]
    assert (receipt.net.minor, receipt.tax.minor, receipt.total.minor) == (999, 125, 1124)


def test_exclusive_sales_tax_worked_by_hand() -> None:
    # 2 x 3.99 = 7.98 at 8.875 % on top: 0.708225 -> 0.71; line by line it would be 2 x 0.35 = 0.70
    receipt = receipt_of(book_of(("nuts", 399, "city", "8.875", False), currency="USD"), nuts=2)
    assert (receipt.net.minor, receipt.tax.minor, receipt.total.minor) == (798, 71, 869)


def test_tax_exactly_half_goes_up_and_yen_has_no_decimals() -> None:
    assert receipt_of(book_of(("a", 105, "t", "10", False), currency="JPY"), a=1).tax == Money(11, "JPY")
    assert receipt_of(book_of(("a", 104, "t", "10", False), currency="JPY"), a=1).tax == Money(10, "JPY")


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 50), RATES, st.booleans()), max_size=6),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_receipts_add_up_and_postings_sum_to_zero(rows: list[tuple[int, int, Decimal, bool]], currency: str) -> None:
    book = book_of(
        *((f"p{i}", price, f"t{i}", str(rate), inc) for i, (price, _n, rate, inc) in enumerate(rows)), currency=currency
    )
    receipt = receipt_of(book, **{f"p{i}": row[1] for i, row in enumerate(rows)})
    assert receipt.net + receipt.tax == receipt.total
    for line, tax, (_price, _n, rate, inclusive) in zip(receipt.lines, receipt.taxes, rows, strict=True):
        assert (tax.gross if inclusive else tax.net) == line.amount
        assert abs(tax.tax.minor - tax.net.minor * Fraction(rate) / 100) <= 1
    if receipt.total.minor:
        posting = sale_posting(receipt)
        assert posting is not None
        assert sum(entry.amount.minor for entry in posting.entries) == 0


@given(st.lists(st.integers(-(10**9), 10**9), max_size=5))
def test_a_posting_balances_or_is_refused(amounts: list[int]) -> None:
    entries = tuple(Entry("account", Money(minor, "EUR")) for minor in amounts)
    if len(amounts) >= 2 and sum(amounts) == 0:
        assert Posting("p", "v", 0, entries).entries == entries
    else:
        with pytest.raises(LedgerError):
            Posting("p", "v", 0, entries)


def test_ledger_refuses_mixed_currencies() -> None:
    with pytest.raises(MoneyError):
        Posting("p", "v", 0, (Entry("a", Money(1, "EUR")), Entry("b", Money(-1, "USD"))))


def test_digest_is_of_canonical_json_and_sees_every_field() -> None:
    book = book_of(("cola", 149, "standard", "19", True))
    receipt = receipt_of(book, cola=1)
    body = ReceiptModel.of(receipt).model_dump(mode="json")
    del body["digest"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert receipt.digest == hashlib.sha256(text.encode()).hexdigest() == digest_of(receipt)
    others = {
        receipt_of(book, cola=2).digest,
        receipt_of(book_of(("cola", 150, "standard", "19", True)), cola=1).digest,
    }
    assert len(others | {receipt.digest}) == 3


def test_order_and_splitting_of_items_change_nothing() -> None:
    book = book_of(("a", 1, "t", "19", True), ("b", 2, "t", "19", True))
    split = ReceiptInput("visit-1", "card", 5, (ItemCount("b", 1), ItemCount("a", 1), ItemCount("b", 1)))
    assert make_receipt(split, book) == receipt_of(book, a=1, b=2)


def test_a_receipt_of_version_1_can_still_be_read() -> None:
    receipt = receipt_of(book_of(("cola", 149, "standard", "19", True)), cola=2)
    body = ReceiptModel.of(receipt).model_dump(mode="json") | {"version": 1}
    del body["promotions"]
    for line in body["lines"]:
        del line["discount_minor"], line["kind"], line["age_restricted"]
    assert ReceiptModel.model_validate(body).receipt() == receipt


def test_no_discount_exceeds_its_line() -> None:
    line = receipt_of(book_of(("cola", 149, "standard", "19", True)), cola=2).lines[0]
    assert replace(line, discount=Money(298, "EUR")).paid == Money(0, "EUR")
    for minor in (-1, 299):
        with pytest.raises(MoneyError, match="cola: a discount"):
            replace(line, discount=Money(minor, "EUR"))


def test_receipt_survives_json() -> None:
    receipt = receipt_of(book_of(("cola", 149, "standard", "19.60", True)), cola=2)
    again = ReceiptModel.model_validate_json(ReceiptModel.of(receipt).model_dump_json()).receipt()
    assert again == receipt
    assert digest_of(again) == receipt.digest


def test_charge_json_keeps_the_token_inside() -> None:
    charge = Charge(
        "v:1", "v", 1, "d", "secret-card", Money(5, "EUR"), Money(5, "EUR"), ChargeState.CAPTURED, 0, 1, "ref"
    )
    text = ChargeModel.of(charge).model_dump_json()
    assert "secret-card" not in text
    assert json.loads(text)["state"] == "captured"


def test_no_line_below_one() -> None:
    with pytest.raises(BillingError, match="quantity 0"):
        receipt_of(book_of(("a", 1, "t", "19", True)), a=0)


def layout(**product: object) -> Store:
    camera = Camera(id="c", resolution_px=(64, 48), fps=10, position_m=(0, 0, 2), look_at_m=(2, 2, 0), focal_px=50)
    fields = {"sku": "cola", "name": "Cola", "price_minor": 149, **product}
    return Store(
        version=1,
        name="corner",
        currency="EUR",
        tax_classes={"standard": TaxClass(rate_percent=Decimal(19))},
        floor_m=((0, 0), (1, 0), (1, 1)),
        cameras=(camera,),
        products=(Product(**fields),),  # type: ignore[arg-type]
    )


def test_price_book_from_a_layout() -> None:
    price = PriceBook.from_store(layout()).price("cola", 0)
    assert (price.unit_price, price.rate_percent, price.inclusive) == (Money(149, "EUR"), Decimal(19), True)


def test_price_book_names_what_is_missing() -> None:
    with pytest.raises(PriceError, match="cola: tax_class 'luxury'"):
        PriceBook.from_store(layout(tax_class="luxury"))
    with pytest.raises(PriceError, match="'tea' has no price"):
        PriceBook.from_store(layout()).price("tea", 0)
    twice = layout().model_copy(update={"products": layout().products * 2})
    with pytest.raises(PriceError, match="twice"):
        PriceBook.from_store(twice)


def test_text_receipt() -> None:
    book = book_of(("cola", 149, "standard", "19", True), ("bread", 289, "reduced", "7", True))
    receipt = receipt_of(book, cola=2, bread=1)
    charge = Charge(
        "visit-1:1",
        "visit-1",
        1,
        receipt.digest,
        "t",
        receipt.total,
        receipt.total,
        ChargeState.CAPTURED,
        0,
        1,
        "sandbox-1",
    )
    rows = render_text(receipt, charge, "Corner shop").splitlines()
    assert rows[0].strip() == "Corner shop"
    assert rows[4:8] == [
        "Bread                                  €2.89",
        "Cola                                   €2.98",
        "  2 × €1.49",
        "─" * 44,
    ]
    assert rows[8].split() == ["Total", "€5.87"]
    assert rows[9].split()[:3] == ["incl.", "7", "%"]
    assert rows[-2].split() == ["paid", "sandbox-1"]
    assert max(map(len, rows)) <= 44


def test_html_receipt_escapes_names() -> None:
    book = PriceBook.of("EUR", [Price("x", "<b>Salt & 'Vinegar'</b>", Money(99, "EUR"), "t", Decimal(7), True)])
    page = render_html(receipt_of(book, x=1))
    assert "&lt;b&gt;Salt &amp;" in page
    assert "<b>" not in page
    assert "not charged" in page


def test_empty_receipt_says_so() -> None:
    receipt = receipt_of(book_of())
    assert receipt.total == Money(0, "EUR")
    assert "nothing taken" in render_text(receipt)
    assert "nothing taken" in render_html(receipt)
