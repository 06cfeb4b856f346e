from __future__ import annotations

from pathlib import Path

import pytest

from billing.errors import PriceFileError
from store_layout.files import load_store
from tillfree.prices import price_book

BOOK = """
version: 1
currency: {currency}
tax_classes:
  standard: {{rate_percent: 13}}
products:
  cocacola: {{name: Cola, prices: [{{price_minor: 250}}]}}
{more}
"""
NOODLES = "  noodles: {name: Noodles, prices: [{price_minor: 400}]}"


def prices(tmp_path: Path, currency: str = "CNY", more: str = NOODLES) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(BOOK.format(currency=currency, more=more), encoding="utf-8")
    return file


def test_prices_come_from_the_file_or_from_the_layout(repo_dir: Path, tmp_path: Path) -> None:
    store = load_store(repo_dir / "tests/data/shelf_bin/layout.yaml")
    assert price_book(store, prices(tmp_path)).price("cocacola", 0).unit_price.minor == 250
    assert price_book(store, None).price("cocacola", 0).unit_price.minor == 300


@pytest.mark.parametrize(
    ("currency", "more", "message"),
    [("EUR", NOODLES, "prices are in EUR, the layout's in CNY"), ("CNY", "", "has no price for noodles")],
)
def test_prices_that_do_not_fit_the_layout(
    repo_dir: Path, tmp_path: Path, currency: str, more: str, message: str
) -> None:
    store = load_store(repo_dir / "tests/data/shelf_bin/layout.yaml")
    with pytest.raises(PriceFileError, match=message):
        price_book(store, prices(tmp_path, currency, more))
