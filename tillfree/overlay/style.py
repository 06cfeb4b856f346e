"""Colours and lettering shared by the annotated video and the report."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

U8 = NDArray[np.uint8]
Rgb = tuple[int, int, int]

INK: Rgb = (236, 240, 245)
MUTED: Rgb = (146, 156, 170)
PANEL: Rgb = (18, 22, 30)
CARD: Rgb = (30, 36, 47)
LINE: Rgb = (58, 67, 82)
GOOD: Rgb = (102, 204, 153)
WARN: Rgb = (245, 190, 80)

# Okabe and Ito's colours for colour-blind readers (2008), lightened to stand out on video,
# in an order that keeps neighbours apart.
PEOPLE: tuple[Rgb, ...] = (
    (86, 180, 233),
    (240, 160, 20),
    (60, 200, 150),
    (235, 130, 190),
    (240, 228, 66),
    (235, 100, 50),
    (150, 150, 250),
    (200, 200, 200),
)


def person_colour(number: int) -> Rgb:
    """Return the colour of the ``number``-th person or visit; after eight they come again."""
    return PEOPLE[number % len(PEOPLE)]


@lru_cache(maxsize=64)
def font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib, so that every machine draws the same letters."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size_px)


@lru_cache(maxsize=512)
def label(text: str, colour: Rgb, size_px: int = 12) -> U8:
    """Return a small tag as BGR uint8 (H, W, 3): dark letters on ``colour``."""
    face = font(size_px, bold=True)
    left, top, right, bottom = face.getbbox(text)
    picture = Image.new("RGB", (int(right - left) + 8, int(bottom - top) + 6), colour)
    ImageDraw.Draw(picture).text((4 - left, 3 - top), text, font=face, fill=(15, 18, 24))
    return np.asarray(picture)[:, :, ::-1].copy()


def paste(canvas: U8, patch: U8, left_px: int, top_px: int) -> None:
    """Copy ``patch`` into ``canvas`` in place, cut at the canvas's edges."""
    height, width = canvas.shape[:2]
    x0, y0 = max(left_px, 0), max(top_px, 0)
    x1, y1 = min(left_px + patch.shape[1], width), min(top_px + patch.shape[0], height)
    if x0 < x1 and y0 < y1:
        canvas[y0:y1, x0:x1] = patch[y0 - top_px : y1 - top_px, x0 - left_px : x1 - left_px]


def fit(text: str, face: ImageFont.FreeTypeFont, width_px: int) -> str:
    """Return ``text``, shortened with an ellipsis so that it is at most ``width_px`` wide."""
    if face.getlength(text) <= width_px:
        return text
    while text and face.getlength(text + "…") > width_px:
        text = text[:-1]
    return text.rstrip() + "…"
