from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from billing.errors import MoneyError, PriceError
from billing.money import Money, Rounding
from billing.pricebook import Deposit, Price, PriceBook
from billing.promotions import PercentOff
from billing.receipt import make_receipt
from billing.types import ItemCount, LineKind, Receipt, ReceiptInput

COLA = Price("cola", "Cola", Money(149, "EUR"), "standard", Decimal(19), True)
DAY_NS = 86_400 * 10**9


def between(minor: int, begin_ns: int | None, end_ns: int | None) -> Price:
    return replace(COLA, unit_price=Money(minor, "EUR"), valid_from_ns=begin_ns, valid_until_ns=end_ns)


def receipt_of(book: PriceBook, at_ns: int = 0, **items: int) -> Receipt:
    return make_receipt(ReceiptInput("v", "t", at_ns, tuple(ItemCount(s, n) for s, n in items.items())), book)


def test_the_price_is_that_of_the_time() -> None:
    book = PriceBook.of(
        "EUR", [between(159, DAY_NS, 2 * DAY_NS), between(149, None, DAY_NS), between(169, 2 * DAY_NS, None)]
    )
    asked = {0: 149, DAY_NS - 1: 149, DAY_NS: 159, 2 * DAY_NS - 1: 159, 2 * DAY_NS: 169, 10**20: 169, -1: 149}
    assert {at: book.price("cola", at).unit_price.minor for at in asked} == asked
    assert receipt_of(book, DAY_NS, cola=2).total == Money(318, "EUR")


def test_no_price_before_the_first_nor_after_the_last() -> None:
    book = PriceBook.of("EUR", [between(149, DAY_NS, 2 * DAY_NS)])
    for at_ns in (DAY_NS - 1, 2 * DAY_NS):
        with pytest.raises(
            PriceError, match=r"'cola' has no price at .*from 1970-01-02.*until 1970-01-03.*: add a price"
        ):
            book.price("cola", at_ns)


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (
            [between(1, None, 5), between(2, 6, None)],
            r"product cola: two prices leave a gap.*: give both the same time",
        ),
        ([between(1, None, 7), between(2, 6, None)], "product cola: two prices overlap"),
        ([between(1, None, None), between(2, 6, None)], "product cola: two prices overlap"),
        ([COLA, COLA], "product cola: two prices overlap"),
        ([between(1, 6, 6)], r"product cola: a price ends .*: let it end later"),
        ([replace(COLA, unit_price=Money(1, "USD"))], "product cola: is not priced in EUR"),
        ([replace(COLA, deposit=Deposit(Money(1, "USD")))], "product cola: is not priced in EUR"),
        ([replace(COLA, unit_price=Money(-1, "EUR"))], "product cola: has a price below zero: give 0 or more"),
        ([COLA, replace(COLA, sku="tea", rate_percent=Decimal(7))], "product tea: tax class 'standard' has two rates"),
        (
            [replace(COLA, deposit=Deposit(Money(25, "EUR"), "standard", Decimal(7)))],
            "product cola: tax class 'standard' has two rates",
        ),
    ],
)
def test_prices_that_cannot_be_are_refused(prices: list[Price], said: str) -> None:
    with pytest.raises(PriceError, match=said):
        PriceBook.of("EUR", prices)


def test_a_book_is_checked_however_it_is_made() -> None:
    with pytest.raises(PriceError, match="product tea: its price is of 'cola'"):
        PriceBook("EUR", {"tea": (COLA,)})
    with pytest.raises(PriceError, match="product tea: has no price"):
        PriceBook("EUR", {"tea": ()})
    with pytest.raises(MoneyError, match="XTS"):
        PriceBook("XTS", {})


def test_a_deposit_is_its_own_line_and_never_discounted() -> None:
    deposit = Deposit(Money(25, "EUR"), "reduced", Decimal(7))
    off = PercentOff(promotion_id="all", name="All off", skus=("cola",), percent=Decimal(100))
    book = PriceBook.of("EUR", [replace(COLA, deposit=deposit, age_restricted=True)], [off])
    receipt = receipt_of(book, cola=2)
    assert [
        (line.kind, line.name, line.amount.minor, line.discount.minor, line.tax_class) for line in receipt.lines
    ] == [
        (LineKind.PRODUCT, "Cola", 298, 298, "standard"),
        (LineKind.DEPOSIT, "Deposit Cola", 50, 0, "reduced"),
    ]
    assert [line.age_restricted for line in receipt.lines] == [True, False]
    assert [(tax.tax_class, tax.tax.minor, tax.gross.minor) for tax in receipt.taxes] == [
        ("reduced", 3, 50),
        ("standard", 0, 0),
    ]
    assert receipt.total == Money(50, "EUR")


def test_a_deposit_without_a_tax_class_bears_no_tax() -> None:
    receipt = receipt_of(PriceBook.of("EUR", [replace(COLA, deposit=Deposit(Money(25, "EUR")))]), cola=2)
    assert [tax.tax_class for tax in receipt.taxes] == ["standard"]
    assert (receipt.net.minor, receipt.tax.minor, receipt.total.minor) == (250 + 50, 48, 298 + 50)


def test_the_book_says_how_halves_are_rounded() -> None:
    price = Price("a", "A", Money(105, "JPY"), "t", Decimal(10), False)  # 10.5 yen of tax
    taxes = {rule: receipt_of(PriceBook.of("JPY", [price], rounding=rule), a=1).tax.minor for rule in Rounding}
    assert taxes == {Rounding.HALF_UP: 11, Rounding.HALF_EVEN: 10}
