from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from billing.money import Money
from billing.pricebook import Price, PriceBook
from billing.store import BillingStore


@pytest.fixture(scope="session")
def book() -> PriceBook:
    rows = [
        ("cola", 149, "standard", "19", True),
        ("bread", 289, "reduced", "7", True),
        ("leaflet", 0, "standard", "19", True),
        ("sweet", 3, "standard", "19", True),
        ("paper", 333, "exclusive", "8.875", False),
    ]
    return PriceBook(
        "EUR",
        {
            sku: Price(sku, sku.title(), Money(minor, "EUR"), tax, Decimal(rate), inclusive)
            for sku, minor, tax, rate, inclusive in rows
        },
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BillingStore]:
    store = BillingStore(tmp_path / "billing.sqlite")
    yield store
    store.close()
