"""Cross-checks of a layout: what one key alone cannot show to be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from store_layout.model import Gondola, Shelf, Store


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a layout: where, what, and how to mend it."""

    severity: Literal["error", "warning"]
    field: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}. Mend: {self.mend}"


def check_store(store: Store, base_dir: Path) -> tuple[Problem, ...]:
    """Return all problems of ``store``, whose reference pictures lie relative to ``base_dir``."""
    return (*store_problems(store), *_picture_problems(store, base_dir))


def store_problems(store: Store) -> Iterator[Problem]:
    """Yield what makes ``store`` inconsistent in itself; looks at no other file."""
    yield from _unique("cameras", (camera.id for camera in store.cameras))
    yield from _unique("gates", (gate.id for gate in store.gates))
    yield from _unique("gondolas", (gondola.id for gondola in store.gondolas))
    yield from _unique("products", (product.sku for product in store.products))
    for gondola in store.gondolas:
        yield from _gondola_problems(gondola, store)


def _picture_problems(store: Store, base_dir: Path) -> Iterator[Problem]:
    for product in store.products:
        for picture in product.reference_pictures:
            if not (base_dir / picture).is_file():
                field = f"products[{product.sku}].reference_pictures"
                yield Problem("error", field, f"there is no file {picture!r}", "paths are relative to the layout file")


def _unique(field: str, ids: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(ids).items():
        if count > 1:
            yield Problem("error", field, f"the id {name!r} is given {count} times", "give each its own id")


def _gondola_problems(gondola: Gondola, store: Store) -> Iterator[Problem]:
    field = f"gondolas[{gondola.id}].shelves"
    yield from _unique(field, (shelf.id for shelf in gondola.shelves))
    skus = {product.sku for product in store.products}
    for shelf in gondola.shelves:
        yield from _slot_problems(f"{field}[{shelf.id}].slots", shelf, skus)


def _slot_problems(field: str, shelf: Shelf, skus: set[str]) -> Iterator[Problem]:
    yield from _unique(field, (slot.id for slot in shelf.slots))
    for slot in shelf.slots:
        if slot.sku not in skus:
            yield Problem(
                "error", f"{field}[{slot.id}].sku", f"no product has the SKU {slot.sku!r}", "add it to products"
            )
