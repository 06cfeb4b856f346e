"""Invented packaging of the right shape and weight for the store's products, made up from their names.

Nothing here resembles a real brand: a product's family (the first word of its name) gives brand, motif and font, its barcode gives
flavour and colours, so that what stands side by side in the real store as one brand's flavours does so here.
"""

from __future__ import annotations

import colorsys
import re
import zlib
from dataclasses import dataclass
from typing import cast

import numpy as np

from benchmarks.nano_store.data import ProductData
from simulator.packaging import FontName, Kind, Motif, PackagingSpec
from store_layout.model import Point3

_CAN = re.compile(r"\b(can|pepsi|coke|dew|bubly|spindrift|red bull)\b", re.IGNORECASE)
_BOTTLE = re.compile(
    r"\b(water|wtr|tea|ice|alo|aloe|fiji|panna|arrwhd|soylent|vita|coco|az|mango juice|drink|juice|sparkling)\b",
    re.IGNORECASE,
)
_TUBE = re.compile(r"\b(pringles|cup|instant lunch)\b", re.IGNORECASE)
_BOX = re.compile(r"\b(ritz|box|carton)\b", re.IGNORECASE)
_SNACK = re.compile(r"\b(twinkies|zingers|donut|donettes|gems?|rkt|cookie|poppers)\b", re.IGNORECASE)
_SYLLABLES = ("ka", "lo", "ri", "mun", "ta", "ves", "po", "zel", "ni", "bra", "fen", "tou", "wi", "dar", "sol", "quin")
_FLAVOURS = (
    "SUNNY",
    "NORTH",
    "EMBER",
    "MEADOW",
    "HARBOUR",
    "VELVET",
    "GRANITE",
    "ORCHARD",
    "COMET",
    "LAGOON",
    "TUNDRA",
    "SAFFRON",
)
_MOTIFS: tuple[Motif, ...] = ("wave", "sun", "balls", "bolt", "chips", "stripes", "leaves", "drops")
_FONTS: tuple[FontName, ...] = ("sans", "serif", "slant", "mono")

SIDE_M = 0.008
"""Free width beside a pack."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a product is packed in, and its size as it stands."""

    kind: Kind
    size_m: Point3


def shape_of(product: ProductData) -> Shape:
    """Return packaging by the words of a product's name, and its size by weight. Widths and depths are those of common packs."""
    weight, name = product.weight_g, product.name
    if _TUBE.search(name):
        return Shape("can", (0.078, 0.078, 0.235 if weight > 120 else 0.11))
    if _CAN.search(name) and not (_BOTTLE.search(name) and weight > 420):
        return Shape("can", (0.066, 0.066, 0.122)) if weight > 320 else Shape("can", (0.053, 0.053, 0.135))
    if _BOTTLE.search(name) or (weight > 420 and not _BOX.search(name)):
        return _bottle(weight)
    if _BOX.search(name):
        return Shape("box", (0.14, 0.06, 0.19))
    if _SNACK.search(name):
        return Shape("bag", (0.15, 0.06, 0.095))
    return _bag(weight)


def _bottle(weight_g: float) -> Shape:
    for most_g, width_m, height_m in (
        (480, 0.062, 0.195),
        (650, 0.066, 0.212),
        (850, 0.074, 0.245),
        (1200, 0.086, 0.265),
    ):
        if weight_g <= most_g:
            return Shape("bottle", (width_m, width_m, height_m))
    return Shape("bottle", (0.092, 0.092, 0.31))


def _bag(weight_g: float) -> Shape:
    """Small bags of crisps are light and wide, sweets heavy and flat."""
    if weight_g <= 75:
        return Shape("bag", (0.15, 0.06, 0.2))
    if weight_g <= 160:
        return Shape("bag", (0.14, 0.05, 0.19))
    return Shape("bag", (0.155, 0.06, 0.205))


def lower(shape: Shape, most_m: float) -> Shape:
    """Return ``shape`` no higher than ``most_m``: on a low shelf stands a lower pack."""
    width, depth, height = shape.size_m
    return Shape(shape.kind, (width, depth, round(min(height, most_m), 4)))


def narrower(shape: Shape, most_m: float) -> Shape:
    """Return ``shape`` no wider than ``most_m``: what changed the weight of one plate alone stands on that plate."""
    width, depth, height = shape.size_m
    width = round(min(width, most_m), 4)
    return Shape(shape.kind, (width, width if shape.kind in ("can", "bottle") else depth, height))


def wrap(product: ProductData, shape: Shape) -> PackagingSpec:
    """Return what a product looks like, drawn from its name and barcode alone."""
    family = _rng("family", product.name.split()[0].lower().strip(",.'"))
    own = _rng("flavour", product.barcode)
    hue = (float(family.random()) + float(own.choice((0.0, 0.12, 0.3, 0.5, 0.68, 0.85)))) % 1.0
    light = bool(family.random() < 0.35)
    base = _colour(
        hue, float(own.uniform(0.45, 0.85)), float(own.uniform(0.78, 0.95) if light else own.uniform(0.3, 0.6))
    )
    accent = _colour((hue + float(own.uniform(0.3, 0.7))) % 1.0, 0.75, 0.9 if not light else 0.5)
    brand = "".join(str(part) for part in family.choice(_SYLLABLES, 2 + int(family.integers(2)), replace=False)).title()
    return PackagingSpec(
        kind=shape.kind,
        brand=brand,
        name=str(own.choice(_FLAVOURS)),
        size_text=f"{product.weight_g:.0f} g",
        base=base,
        accent=accent,
        text="#202020" if light else "#ffffff",
        motif=cast("Motif", str(family.choice(_MOTIFS))),
        font=cast("FontName", str(family.choice(_FONTS))),
        lid=_colour(hue, 0.2, 0.9),
        size_m=shape.size_m,
        weight_g=product.weight_g or None,
        price_minor=99 + 10 * int(own.integers(40)),
    )


def _rng(*names: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


def _colour(hue: float, saturation: float, value: float) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value)))
