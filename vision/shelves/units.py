"""How large one unit is in its slot's picture."""

from __future__ import annotations

from store_layout.geometry import StoreGeometry


def unit_share(geometry: StoreGeometry, index: int) -> float:
    """Return which share of a slot's front one unit covers, from its product's size or from the facings."""
    slot = geometry.slots[index]
    product = next((each for each in geometry.store.products if each.sku == slot.sku), None)
    width_m = slot.to_m - slot.from_m
    height_m = float(slot.front_corners_m[0, 2] - slot.front_corners_m[3, 2])
    if product is None or product.size_m is None:
        return 0.6 / slot.facings
    return min(product.size_m[0] / width_m, 1.0) * min(product.size_m[2] / height_m, 1.0)
