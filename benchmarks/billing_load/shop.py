"""A shop to bill: 200 products with the tax in their prices, carts of one to six of them, and a file of the prices."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

PRODUCTS = 200
CURRENCY = "EUR"
PRICES_MINOR = {f"product-{number:03d}": 49 + 53 * number % 551 for number in range(PRODUCTS)}
"""0.49 to 5.99: one cart in eight costs more than the hold of 20.00, so the rest is charged."""


def write_prices(file: Path) -> Path:
    """Write the price file that `tillfree billing serve` reads, and return its path."""
    lines = ["version: 1", f"currency: {CURRENCY}", "tax_classes:"]
    lines += ["  standard: {rate_percent: 19}", "  reduced: {rate_percent: 7}", "products:"]
    for number, (sku, minor) in enumerate(PRICES_MINOR.items()):
        tax = "reduced" if number % 3 == 0 else "standard"
        lines.append(f"  {sku}: {{name: Product {number}, tax_class: {tax}, prices: [{{price_minor: {minor}}}]}}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def cart(rng: random.Random) -> dict[str, int]:
    """Return how many of which products somebody takes: one to six products, mostly one of each."""
    skus = rng.sample(sorted(PRICES_MINOR), rng.randint(1, 6))
    return {sku: rng.choice((1, 1, 1, 2)) for sku in skus}


def items_of(taken: Mapping[str, int]) -> list[dict[str, object]]:
    """Return a cart as HTTP carries it."""
    return [{"sku": sku, "quantity": quantity} for sku, quantity in taken.items()]


def total_minor(taken: Mapping[str, int]) -> int:
    """Return what a cart costs, by arithmetic of our own: prices hold their tax."""
    return sum(PRICES_MINOR[sku] * quantity for sku, quantity in taken.items())
