"""Bars as numbers for an SVG picture; the template draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDE, NARROW, HEIGHT = 960, 330, 200
_LEFT, _TOP, _BOTTOM = 36, 18, 24
_WORD = 22
"""Room that a number below or above a bar needs."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar; ``middle`` is where its words stand. Where bars are narrow only some have ``label_shown``."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    value: int
    label_shown: bool
    value_shown: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture: bars above a ground line, and lines to read them by."""

    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, int], ...]
    width: int
    left: int = _LEFT
    ground: int = HEIGHT - _BOTTOM
    height: int = HEIGHT


def bars_of(labels: Sequence[str], values: Sequence[int], width: int = WIDE) -> Bars:
    """Return a picture of ``values``, none below zero."""
    step = _step(max(values, default=0))
    top = max(step, -(-max(values, default=0) // step) * step)
    ground, room = HEIGHT - _BOTTOM, HEIGHT - _BOTTOM - _TOP
    each = (width - _LEFT) / max(1, len(values))
    every = math.ceil(_WORD / each)
    bars = tuple(
        Bar(
            round(_LEFT + each * (index + 0.14), 1), round(ground - room * value / top, 1), round(each * 0.72, 1),
            round(room * value / top, 1), round(_LEFT + each * (index + 0.5), 1), label, value, index % every == 0,
            every == 1 and value > 0,
        )
        for index, (label, value) in enumerate(zip(labels, values, strict=True))
    )  # fmt: skip
    return Bars(bars, tuple((round(ground - room * at / top, 1), at) for at in range(0, top + 1, step)), width)


def _step(most: int) -> int:
    """Return a round step that gives four lines at most."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if step * 4 >= most:
                return step
        size *= 10
