"""What was decided of a change: how many units, how surely, and of which product."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from vision.types import SkuCandidate


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """``units`` is signed; ``skus`` are sorted, likeliest first."""

    units: int
    probability: float
    skus: tuple[SkuCandidate, ...]


def probability_of(logit: float) -> float:
    """Return the probability of what ``logit`` are the log odds of."""
    return round(1 / (1 + math.exp(-logit)), 6)


LEAST_PROBABILITY = 0.01
"""Products of slow cameras less likely than this are not named, but for the first."""


def likeliest(logits: Mapping[str, float]) -> tuple[SkuCandidate, ...]:
    """Return SKUs by their log chances, likeliest first; these need not be normalised."""
    top = max(logits.values())
    return candidates({sku: math.exp(logit - top) for sku, logit in logits.items()}, LEAST_PROBABILITY)


def candidates(chances: Mapping[str, float], least: float) -> tuple[SkuCandidate, ...]:
    """Return SKUs by chance, likeliest first; ``chances`` need not add up to 1. All below ``least`` but the first are left out.

    Probabilities are rounded down, so that they never add up to more than 1.
    """
    total = sum(chances[sku] for sku in sorted(chances))
    found = [SkuCandidate(sku, math.floor(1e6 * chance / total) / 1e6) for sku, chance in chances.items()]
    ordered = sorted(found, key=lambda each: (-each.probability, each.sku))
    return tuple(each for k, each in enumerate(ordered) if k == 0 or each.probability >= least)
