"""Drawn surfaces of a room: floor tiles, walls, posters and price tags, as 512 px cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from simulator.packaging import CELL_PX, fitted_text
from store_layout.model import Product

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

SURFACES = ("white", "tile", "wall", "metal", "wood", "poster-sun", "poster-stripes", "cloth")
"""Cells that every store has, in this order; price tags follow."""
TAG_PX = (128, 64)
TAGS_IN_CELL = (CELL_PX // TAG_PX[0]) * (CELL_PX // TAG_PX[1])
_FONT = "DejaVuSans-Bold.ttf"


def _noise(rng: np.random.Generator, scales: Sequence[int], strength: float) -> F64:
    """(512, 512, 1) smooth noise summed over grids of the given sizes."""
    total = np.zeros((CELL_PX, CELL_PX))
    for cells in scales:
        grid = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
        total += np.asarray(grid.resize((CELL_PX, CELL_PX), Image.Resampling.BICUBIC))
    return total[..., None] * strength


def _bytes(levels: F64) -> U8:
    return np.clip(np.broadcast_to(levels, (CELL_PX, CELL_PX, 3)), 0, 255).astype(np.uint8)


def _tile(rng: np.random.Generator) -> U8:
    levels = np.full((CELL_PX, CELL_PX, 3), 232.0) + _noise(rng, (6, 16, 64), 3.5)
    levels[:4] = levels[-4:] = levels[:, :4] = levels[:, -4:] = 182
    return _bytes(levels)


def _wood(rng: np.random.Generator) -> U8:
    grain = np.repeat(_noise(rng, (64, 128), 6.0)[:1], CELL_PX, axis=0)
    return _bytes(np.array([206.0, 172.0, 132.0]) + _noise(rng, (2, 4), 8) + grain)


def _poster_sun() -> U8:
    picture = Image.new("RGB", (CELL_PX, CELL_PX), (24, 118, 84))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([90, 210, 420, 540], fill=(246, 200, 66))
    fitted_text(draw, "FRESH", _FONT, (40, 40, 430, 120), (255, 255, 255))
    return np.asarray(picture)


def _poster_stripes() -> U8:
    picture = Image.new("RGB", (CELL_PX, CELL_PX), (236, 232, 224))
    draw = ImageDraw.Draw(picture)
    for band in range(6):
        draw.rectangle([0, 180 + band * 56, CELL_PX, 206 + band * 56], fill=(196, 64 + 20 * band, 60))
    fitted_text(draw, "THIS WEEK", _FONT, (40, 50, 430, 90), (60, 60, 70))
    return np.asarray(picture)


def draw_surfaces() -> U8:
    """(8, 512, 512, 3) uint8 RGB in the order of ``SURFACES``; the same on every call."""
    rng = np.random.default_rng(5)
    cells = {
        "white": _bytes(np.full(3, 250.0) + _noise(rng, (8, 64), 1.5)),
        "tile": _tile(rng),
        "wall": _bytes(np.full(3, 240.0) + _noise(rng, (4, 16, 128), 2.0)),
        "metal": _bytes(np.full(3, 228.0) + _noise(rng, (3, 256), 2.5)),
        "wood": _wood(rng),
        "poster-sun": _poster_sun(),
        "poster-stripes": _poster_stripes(),
        "cloth": _bytes(np.full(3, 226.0) + _noise(rng, (10, 40), 9) + _noise(rng, (256,), 7)),
    }
    return np.stack([cells[name] for name in SURFACES])


def draw_tags(products: Sequence[Product]) -> U8:
    """(K, 512, 512, 3) uint8 RGB: price tags of all products, 32 to a cell, row by row."""
    count = max(1, -(-len(products) // TAGS_IN_CELL))
    cells = [Image.new("RGB", (CELL_PX, CELL_PX), (252, 252, 248)) for _ in range(count)]
    columns = CELL_PX // TAG_PX[0]
    for index, product in enumerate(products):
        draw = ImageDraw.Draw(cells[index // TAGS_IN_CELL])
        row, column = divmod(index % TAGS_IN_CELL, columns)
        left, top = column * TAG_PX[0], row * TAG_PX[1]
        draw.rectangle([left + 2, top + 24, left + TAG_PX[0] - 3, top + TAG_PX[1] - 3], fill=(250, 222, 70))
        fitted_text(draw, product.name[:18], _FONT, (left + 6, top + 3, TAG_PX[0] - 12, 18), (30, 30, 30))
        price = f"{product.price_minor // 100}.{product.price_minor % 100:02d}"
        fitted_text(draw, price, _FONT, (left + 30, top + 28, TAG_PX[0] - 60, 30), (15, 15, 15))
    return np.stack([np.asarray(cell) for cell in cells])


def tag_rect(index: int) -> tuple[int, tuple[float, float, float, float]]:
    """Return the tag cell and the (left, top, right, bottom) of tag ``index`` in 0..1 of it."""
    columns = CELL_PX // TAG_PX[0]
    row, column = divmod(index % TAGS_IN_CELL, columns)
    left, top = column * TAG_PX[0] / CELL_PX, row * TAG_PX[1] / CELL_PX
    return index // TAGS_IN_CELL, (left, top, left + TAG_PX[0] / CELL_PX, top + TAG_PX[1] / CELL_PX)
