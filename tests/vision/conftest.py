"""A small drawn store that several tests of shelves look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Gondola, Product, Shelf, Slot, Store

DrawnStore = Callable[..., StoreGeometry]


@pytest.fixture(scope="session")
def drawn_store() -> DrawnStore:
    """Return a maker of stores: one shelf of ``slots``, a camera right in front of it, 400 px to the metre."""

    def made(
        slots: tuple[Slot, ...], width_m: float, fps: float, skus: Iterable[str], size_m: tuple[float, float, float]
    ) -> StoreGeometry:
        shelf = Shelf(id="s", height_m=1.0, clearance_m=0.3, slots=slots)
        middle_m = width_m / 2
        return StoreGeometry(
            Store(
                version=1,
                name="drawn",
                currency="EUR",
                tax_classes={"standard": {"rate_percent": 0}},
                floor_m=((-2, -3), (2, -3), (2, 1), (-2, 1)),
                cameras=(
                    Camera(id="c", resolution_px=(320, 240), fps=fps, position_m=(middle_m, -1.0, 1.15), look_at_m=(middle_m, 0, 1.15), focal_px=400),
                ),
                gondolas=(Gondola(id="g", front_left_m=(0, 0), facing_deg=270, width_m=width_m, depth_m=0.3, height_m=1.6, shelves=(shelf,)),),
                products=tuple(Product(sku=sku, name=sku, price_minor=100, size_m=size_m) for sku in skus),
            )
        )  # fmt: skip

    return made
