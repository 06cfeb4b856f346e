"""What each product costs and how it is taxed, from the layout's catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from billing.errors import PriceError
from billing.money import Money, decimals
from store_layout.model import Store


@dataclass(frozen=True, slots=True)
class Price:
    """One product's price and tax."""

    sku: str
    name: str
    unit_price: Money
    tax_class: str
    rate_percent: Decimal
    inclusive: bool


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices of a store in one currency."""

    currency: str
    prices: Mapping[str, Price]

    @classmethod
    def from_store(cls, store: Store) -> PriceBook:
        """Take prices from a layout. Raises PriceError for an unknown tax class or a product named twice."""
        decimals(store.currency)
        prices: dict[str, Price] = {}
        for product in store.products:
            tax = store.tax_classes.get(product.tax_class)
            if tax is None:
                raise PriceError(
                    f"product {product.sku}: tax_class {product.tax_class!r} is not in tax_classes: add it"
                )
            if product.sku in prices:
                raise PriceError(f"product {product.sku} stands twice in products: remove one")
            unit = Money(product.price_minor, store.currency)
            prices[product.sku] = Price(
                product.sku, product.name, unit, product.tax_class, tax.rate_percent, tax.inclusive
            )
        return cls(store.currency, prices)

    def price(self, sku: str) -> Price:
        """Return a product's price. Raises PriceError where it has none."""
        try:
            return self.prices[sku]
        except KeyError:
            raise PriceError(f"product {sku!r} has no price: add it to the layout's products") from None
