"""A small made-up store, for benchmarks, tests and first tries of the renderer."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.packaging import PackagingSpec
from store_layout.model import Camera, Gate, Gondola, Product, Shelf, Slot, Store, TaxClass, Wall

_BOARDS = ((0.15, 0.30), (0.50, 0.28), (0.83, 0.28), (1.16, 0.26), (1.47, 0.25))
_FACINGS = 2
_WIDTH_M = 1.2


def _shelf(index: int, specs: Mapping[str, PackagingSpec], skus: list[str]) -> Shelf:
    """Fill one board with slots of two facings, taking products that fit off the front of ``skus``."""
    height, clearance = _BOARDS[index]
    slots: list[Slot] = []
    left = 0.02
    for sku in [sku for sku in skus if specs[sku].size_m[2] < clearance]:
        width = specs[sku].size_m[0] * _FACINGS + 0.03
        if left + width > _WIDTH_M - 0.02:
            break
        slots.append(Slot(id=f"s{len(slots)}", sku=sku, from_m=left, to_m=left + width, facings=_FACINGS, units_deep=3))
        skus.remove(sku)
        left += width + 0.01
    return Shelf(id=f"b{index}", height_m=height, clearance_m=clearance, slots=tuple(slots))


def showroom(specs: Mapping[str, PackagingSpec], resolution_px: tuple[int, int] = (640, 360)) -> Store:
    """Return a store of 6 x 5 m with four gondolas, a gate and a wide and a shelf camera."""
    stands = (
        ("A1", (1.6, 4.55), -90.0),
        ("A2", (2.85, 4.55), -90.0),
        ("B1", (0.45, 2.0), 0.0),
        ("C1", (2.5, 2.1), 90.0),
    )
    skus: list[str] = []
    gondolas = []
    for name, corner, facing in stands:
        shelves = []
        for index in range(len(_BOARDS)):
            skus = skus if len(skus) > 8 else skus + [sku for sku in specs if sku not in skus]
            shelves.append(_shelf(index, specs, skus))
        gondolas.append(
            Gondola(
                id=name,
                front_left_m=corner,
                facing_deg=facing,
                width_m=_WIDTH_M,
                depth_m=0.42,
                height_m=1.85,
                shelves=tuple(shelves),
            )
        )
    focal = 350.0 * resolution_px[0] / 640
    eyes = (("wide", (5.8, 0.25, 2.7), (2.3, 3.2, 0.8)), ("shelf", (3.45, 3.2, 2.5), (1.75, 4.7, 0.85)))
    return Store(
        version=1,
        name="showroom",
        currency="EUR",
        tax_classes={"standard": TaxClass(rate_percent=20)},
        floor_m=((0, 0), (6, 0), (6, 5), (0, 5)),
        walls=(Wall(path_m=((4.4, 0), (0, 0), (0, 5), (6, 5), (6, 0)), height_m=2.9),),
        gates=(Gate(id="door", line_m=((4.6, 0.05), (5.8, 0.05))),),
        cameras=tuple(
            Camera(id=name, resolution_px=resolution_px, fps=10, position_m=eye, look_at_m=at, focal_px=focal)
            for name, eye, at in eyes
        ),
        gondolas=tuple(gondolas),
        products=tuple(
            Product(sku=sku, name=f"{spec.brand} {spec.name}", size_m=spec.size_m, price_minor=spec.price_minor or 100)
            for sku, spec in specs.items()
        ),
    )
