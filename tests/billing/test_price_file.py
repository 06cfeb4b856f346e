from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from billing.errors import PriceFileError
from billing.money import Money, Rounding
from billing.pricebook import Deposit
from billing.pricefile import read_price_file, unix_ns
from billing.promotions import AmountOff, Bundle, MemberPrice, NForM, PercentOff
from store_layout.errors import InputError

TEXT = """\
version: 1
currency: EUR
rounding: half_even
tax_classes:
  standard: {rate_percent: 19}
  reduced: {rate_percent: 7.0}
products:
  cola:
    name: Cola
    deposit: {amount_minor: 25, tax_class: standard}
    prices:
      - {price_minor: 149, valid_until: 2026-12-01T00:00:00+01:00}
      - {price_minor: 159, valid_from: "2026-11-30T23:00:00Z"}
  beer:
    name: Beer
    tax_class: standard
    age_restricted: true
    deposit: {amount_minor: 8}
    prices: [{price_minor: 119}]
  bread:
    name: Bread
    tax_class: reduced
    prices: [{price_minor: 289}]
promotions:
  n_for_m:
    - {id: crate, name: 3 for 2, skus: [cola, beer], take: 3, pay: 2, priority: 5}
  percent_off:
    - {id: eve, name: Evening, skus: [bread], percent: 12.5, valid_from: 2026-11-22T18:00:00+01:00}
  amount_off:
    - {id: coupon, name: Coupon, skus: [bread], off_minor: 20}
  bundle:
    - {id: snack, name: Snack, skus: [cola, bread], price_minor: 399}
  member_price:
    - {id: club, name: Club, skus: [beer], price_minor: 99}
"""


def file_of(folder: Path, text: str) -> Path:
    path = folder / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_price_file_is_a_price_book(tmp_path: Path) -> None:
    book = read_price_file(file_of(tmp_path, TEXT))
    change_ns = unix_ns(datetime(2026, 11, 30, 23, tzinfo=UTC))
    assert (book.currency, book.rounding) == ("EUR", Rounding.HALF_EVEN)
    assert [book.price("cola", at).unit_price.minor for at in (change_ns - 1, change_ns)] == [149, 159]
    assert book.price("cola", 0).deposit == Deposit(Money(25, "EUR"), "standard", Decimal(19), True)
    beer = book.price("beer", 0)
    assert (beer.age_restricted, beer.deposit) == (True, Deposit(Money(8, "EUR")))
    evening_ns = unix_ns(datetime(2026, 11, 22, 17, tzinfo=UTC))
    assert book.promotions == (
        NForM(promotion_id="crate", name="3 for 2", skus=("cola", "beer"), take=3, pay=2, priority=5),
        PercentOff(
            promotion_id="eve", name="Evening", skus=("bread",), percent=Decimal("12.5"), valid_from_ns=evening_ns
        ),
        AmountOff(promotion_id="coupon", name="Coupon", skus=("bread",), off=Money(20, "EUR")),
        Bundle(promotion_id="snack", name="Snack", skus=("cola", "bread"), price=Money(399, "EUR")),
        MemberPrice(promotion_id="club", name="Club", skus=("beer",), price=Money(99, "EUR")),
    )


def test_times_are_exact_to_the_microsecond() -> None:
    assert unix_ns(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert unix_ns(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1_000
    assert unix_ns(datetime(2100, 1, 1, 0, 0, 0, 1, tzinfo=UTC)) == 4_102_444_800_000_001_000


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("00+01:00}", "00}", r":12: products.cola.prices\[0\].valid_until: is no time with a zone. Mend: write one"),
        ('"2026-11-30T23:00:00Z"', "1796079600", r":13: products.cola.prices\[1\].valid_from: is no time with a zone"),
        ('"2026-11-30T23:00:00Z"', "tomorrow", r":13: .*valid_from: is no time with a zone, not 'tomorrow'"),
        ("2026-11-30T23:00:00Z", "2026-11-30T23:30:00Z", r"products.cola.prices: product cola: two prices leave a gap"),
        ("2026-11-30T23:00:00Z", "2026-11-30T22:30:00Z", r"products.cola.prices: product cola: two prices overlap"),
        ("price_minor: 149", "price_minor: 1.49", r":12: .*price_minor: is no whole number of minor units, not 1.49"),
        ("price_minor: 149", 'price_minor: "149"', r"price_minor: is no whole number of minor units. not '149'"),
        ("price_minor: 149", "price_minor: true", r"price_minor: is no whole number of minor units"),
        ("price_minor: 149", "price_minor: -1", r"price_minor: should be greater than or equal to 0"),
        ("take: 3", "take: 0", r":26: promotions.n_for_m\[0\].take"),
        ("pay: 2", "pay: 2, free: 1", r"promotions.n_for_m\[0\].free: unknown key. Mend: take it out; known are id"),
        ("pay: 2", "pay: 3", r"promotions: promotion crate: gives nothing. Mend: let pay"),
        ("percent: 12.5", "percent: 0", r"promotions.percent_off\[0\].percent"),
        ("off_minor: 20", "off_minor: 0", r"promotion coupon: takes off €0.00. Mend: give an amount above 0"),
        ("skus: [beer]", "skus: [tea]", r"promotion club: names 'tea', which has no price. Mend: name products"),
        ("id: club", "id: snack", r"promotion snack: stands twice. Mend: give each promotion its own id"),
        (
            "tax_class: reduced",
            "tax_class: food",
            r"products.bread.tax_class: .*'food' is not in tax_classes. Mend: add it",
        ),
        ("25, tax_class: standard", "25, tax_class: lux", r"products.cola.deposit.tax_class: .*'lux' is not in"),
        ("currency: EUR", "currency: XTS", r"currency: currency 'XTS' is no legal tender"),
        ("half_even", "half_odd", r":3: rounding: should be 'half_up' or 'half_even'.*Mend: use one of the words"),
        ("name: Beer\n", "nam: Beer\n", r"products.beer.name: is missing"),
        ("  beer:\n", "  cola:\n", r":14: the key 'cola' is given twice"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_mend(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in TEXT
    path = file_of(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(PriceFileError, match=said) as caught:
        read_price_file(path)
    assert str(caught.value).startswith(str(path))
    assert "Mend: " in str(caught.value)
    assert isinstance(caught.value, InputError)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="there is no such file"):
        read_price_file(tmp_path / "prices.yaml")


def test_the_documented_file_is_a_price_file(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "billing.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    book = read_price_file(file_of(tmp_path, text))
    assert sorted(book.prices) == ["bread", "cola", "wine"]
    assert len(book.promotions) == 5
