"""Which way a region changed, and which product it was: outlines, colours, and what lay there before."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import distance, histogram, likeness, rim_contrast
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_watch import RegionChange
from vision.types import F64, SkuCandidate

_FORMER = 12
"""Decided changes remembered of each slot."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """``units`` is signed; ``skus`` are sorted, likeliest first."""

    units: int
    probability: float
    skus: tuple[SkuCandidate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Decided:
    change: RegionChange
    units: int
    sku: str


class SlowJudge:
    """Decides the changes of one slot, and remembers them."""

    def __init__(
        self, planned_sku: str, unit_shares: Mapping[str, float], references: References, settings: SlowSettings
    ) -> None:
        """``unit_shares`` holds for each SKU the share of the slot's front that one unit covers, NaN where unknown."""
        self._planned, self._unit_shares = planned_sku, unit_shares
        self._references, self._settings = references, settings
        self._decided: deque[_Decided] = deque(maxlen=_FORMER)

    def judge(self, change: RegionChange) -> Verdict:
        """Return direction and product of ``change``."""
        taken, put = self._likeness(change)
        restored = self._restored(change)
        logit = self._take_logit(change, taken, put, restored)
        chances = self._chances(change, taken if logit >= 0 else put, logit >= 0, restored)
        candidates = self._candidates(chances)
        units = -1 if logit >= 0 else 1
        self._decided.append(_Decided(change, units, candidates[0].sku))
        return Verdict(units, round(1 / (1 + math.exp(-abs(logit))), 6), candidates)

    def _likeness(self, change: RegionChange) -> tuple[dict[str, float], dict[str, float]]:
        """Return for each SKU with pictures how the colours speak for its leaving and for its coming."""
        before, after = histogram(change.before, change.region), histogram(change.after, change.region)
        old = {sku: self._above(pictures, before) for sku, pictures in self._references.histograms.items()}
        new = {sku: self._above(pictures, after) for sku, pictures in self._references.histograms.items()}
        return {sku: 2 * old[sku] - new[sku] for sku in old}, {sku: 2 * new[sku] - old[sku] for sku in old}

    def _above(self, pictures: F64, look: F64) -> float:
        return max(0.0, max(likeness(picture, look) for picture in pictures) - self._settings.likeness_floor)

    def _restored(self, change: RegionChange) -> _Decided | None:
        """Return the latest decided change that this one undoes, or None."""
        return next((former for former in reversed(self._decided) if self._undoes(former.change, change)), None)

    def _undoes(self, former: RegionChange, change: RegionChange) -> bool:
        both = former.region & change.region
        if 2 * int(both.sum()) < min(int(former.region.sum()), int(change.region.sum())):
            return False
        back = float(np.median(distance(change.after, former.before)[both]))
        away = float(np.median(distance(change.after, former.after)[both]))
        return back < self._settings.tolerance_levels and back < 0.6 * away

    def _take_logit(
        self, change: RegionChange, taken: Mapping[str, float], put: Mapping[str, float], restored: _Decided | None
    ) -> float:
        settings = self._settings
        lead = max(taken.values(), default=0.0) - max(put.values(), default=0.0)
        logit = settings.take_logit + settings.lead_logit * lead + settings.outline_logit * outline_lost(change)
        if restored is not None:
            logit += math.copysign(settings.restored_logit, restored.units)
        elif not any(each.units < 0 for each in self._decided):
            logit += settings.full_logit
        return round(logit, 6)

    def _chances(
        self, change: RegionChange, spoken: Mapping[str, float], taken: bool, restored: _Decided | None
    ) -> dict[str, float]:
        """Return unnormalised chances of each SKU: what is planned or known to lie there, times likeness."""
        prior = {sku: self._fits(share, change) for sku, share in self._unit_shares.items()}
        prior[self._planned] *= self._settings.planned_odds
        known = restored.sku if restored is not None else self._stray(change) if taken else None
        if known is not None:
            prior[known] = self._settings.known_odds * max(prior.values())
        top = max(spoken.values(), default=0.0)
        weight = self._settings.likeness_logit
        return {sku: chance * math.exp(weight * (spoken.get(sku, 0.0) - top)) for sku, chance in prior.items()}

    def _fits(self, unit_share: float, change: RegionChange) -> float:
        """Return how well the changed area fits one unit: a log-normal, as things hide each other in part."""
        if not unit_share > 0:
            return 1.0
        apart = math.log(max(float(change.region.mean()), 1e-6) / unit_share) / self._settings.area_log_std
        return math.exp(-0.5 * min(apart * apart, 12.0))

    def _stray(self, change: RegionChange) -> str | None:
        """Return the product that was last put where this change is, if one was."""
        for former in reversed(self._decided):
            shared = int((former.change.region & change.region).sum())
            if former.units > 0 and shared > 0.3 * int(change.region.sum()):
                return former.sku
        return None

    def _candidates(self, chances: Mapping[str, float]) -> tuple[SkuCandidate, ...]:
        total = sum(chances.values())
        found = [SkuCandidate(sku, math.floor(1e6 * chance / total) / 1e6) for sku, chance in chances.items()]
        ordered = sorted(found, key=lambda each: (-each.probability, each.sku))
        return tuple(each for k, each in enumerate(ordered) if k == 0 or each.probability >= 0.01)


def outline_lost(change: RegionChange) -> float:
    """Return the log ratio of the contrast across the region's rim before and after: positive where a thing left."""
    before, after = rim_contrast(change.before, change.region), rim_contrast(change.after, change.region)
    return round(math.log((before + 2.0) / (after + 2.0)), 6)
