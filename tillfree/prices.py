"""Which prices a run charges: those of a price file, or those of the layout."""

from __future__ import annotations

from pathlib import Path

from billing.errors import PriceFileError
from billing.pricebook import PriceBook
from billing.pricefile import read_price_file
from store_layout.model import Store


def price_book(store: Store, file: Path | None) -> PriceBook:
    """Return the prices in ``file``, or without one those of the layout.

    Raises:
        PriceFileError: the file is wrong, is of another currency, or has no price for a product of the layout.
    """
    if file is None:
        return PriceBook.from_store(store)
    book = read_price_file(file)
    if book.currency != store.currency:
        mend = f"give prices in {store.currency}, or change the layout's currency"
        raise PriceFileError(f"prices are in {book.currency}, the layout's in {store.currency}", file=file, mend=mend)
    missing = [product.sku for product in store.products if product.sku not in book.prices]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise PriceFileError(f"has no price for {missing[0]}{more}", file=file, field="products", mend="add it")
    return book
