"""How a simulated person looks: which baked body, and what it wears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Rgb = tuple[float, float, float]
"""Red, green and blue as they are painted (sRGB), 0 to 1."""

Pattern = Literal["plain", "stripes", "plaid", "print", "dots", "denim"]
PATTERNS: tuple[Pattern, ...] = ("plain", "stripes", "plaid", "print", "dots", "denim")

SKIN_TONES: tuple[Rgb, ...] = (
    (0.93, 0.76, 0.65),
    (0.87, 0.68, 0.56),
    (0.78, 0.56, 0.43),
    (0.70, 0.50, 0.36),
    (0.55, 0.37, 0.26),
    (0.36, 0.23, 0.16),
)
HAIR_COLOURS: tuple[Rgb, ...] = (
    (0.06, 0.05, 0.04),
    (0.17, 0.10, 0.06),
    (0.32, 0.20, 0.10),
    (0.55, 0.40, 0.20),
    (0.35, 0.33, 0.32),
    (0.62, 0.60, 0.58),
)
CHILD_CHARACTERS = ("girl", "boy")
ADULT_CHARACTERS = (
    "woman-short",
    "woman-slim",
    "woman-middle",
    "woman-broad",
    "woman-tall",
    "woman-old",
    "man-short",
    "man-slim",
    "man-middle",
    "man-broad",
    "man-tall",
    "man-old",
)
CHARACTERS = ADULT_CHARACTERS + CHILD_CHARACTERS
"""Names of the baked bodies, in the order of ``simulator/assets/bodies.npz``."""


@dataclass(frozen=True, slots=True)
class BodyLook:
    """One person's looks. Colours are sRGB; ``scale`` grows or shrinks the whole baked body."""

    character: str
    scale: float = 1.0
    skin: Rgb = SKIN_TONES[1]
    hair: Rgb = HAIR_COLOURS[1]
    hair_style: Literal["short", "long", "bald"] = "short"
    sleeves: Literal["long", "short"] = "long"
    shirt: Rgb = (0.45, 0.50, 0.60)
    shirt_second: Rgb = (0.9, 0.9, 0.9)
    shirt_pattern: Pattern = "plain"
    legs: Literal["long", "short"] = "long"
    trousers: Rgb = (0.2, 0.22, 0.3)
    trousers_pattern: Pattern = "denim"
    shoes: Rgb = (0.25, 0.25, 0.27)

    def __post_init__(self) -> None:
        if self.character not in CHARACTERS:
            raise ValueError(f"no baked body is called {self.character!r}; there are {', '.join(CHARACTERS)}")
        if not 0.8 <= self.scale <= 1.25:
            raise ValueError(f"scale must lie in 0.8..1.25, not {self.scale}")


def _colour(rng: np.random.Generator, low: float, high: float) -> Rgb:
    """Draw a saturated colour or, four times in ten, a near grey."""
    if rng.random() < 0.6:
        red, green, blue = rng.uniform(low, high, 3)
    else:
        red, green, blue = np.clip(rng.uniform(low, high) + rng.normal(0.0, 0.04, 3), 0.03, 1.0)
    return (float(red), float(green), float(blue))


def draw_look(rng: np.random.Generator, children: float = 0.1) -> BodyLook:
    """Draw one person's looks; ``children`` is the chance of a child's body."""
    names = CHILD_CHARACTERS if rng.random() < children else ADULT_CHARACTERS
    character = names[rng.integers(len(names))]
    feminine = character.startswith(("woman", "girl"))
    styles: tuple[Literal["short", "long", "bald"], ...] = ("short", "long", "bald")
    chances = (0.3, 0.7, 0.0) if feminine else (0.8, 0.08, 0.12)
    old = character.endswith("-old")
    hair = HAIR_COLOURS[rng.integers(4, 6)] if old else HAIR_COLOURS[rng.integers(4)]
    return BodyLook(
        character=character,
        scale=float(rng.uniform(0.96, 1.04)),
        skin=SKIN_TONES[rng.integers(len(SKIN_TONES))],
        hair=hair,
        hair_style=styles[rng.choice(3, p=chances)],
        sleeves="long" if rng.random() < 0.5 else "short",
        shirt=_colour(rng, 0.08, 0.95),
        shirt_second=_colour(rng, 0.08, 0.95),
        shirt_pattern=PATTERNS[rng.choice(5, p=(0.45, 0.18, 0.14, 0.15, 0.08))],
        legs="short" if rng.random() < 0.15 else "long",
        trousers=_colour(rng, 0.06, 0.6),
        trousers_pattern="denim" if rng.random() < 0.5 else "plain",
        shoes=_colour(rng, 0.08, 0.9),
    )


def draw_looks(people: tuple[int, ...], rng: np.random.Generator, children: float = 0.0) -> dict[int, BodyLook]:
    """Draw looks for several people, in the order given."""
    return {person: draw_look(rng, children) for person in people}
