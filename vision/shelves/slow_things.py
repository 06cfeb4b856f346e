"""One thing that came or went: which way, which product, and how much speaks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vision.shelves.looks import BINS, COLOUR_SPAN, Mask, blobs, histogram, likeness, outline_lost
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_watch import RegionChange
from vision.types import F32, F64, I64

_UNSEEN = 2e-3
"""Share of a histogram's cell that a product's pictures did not show but may have."""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """What came to or left ``region`` (P, Q): ``logit`` is the log odds of leaving, ``evidence`` the log chance of each SKU.

    ``lean`` is what the background said of the direction. Chances are not normalised.
    """

    region: Mask
    lean: float
    logit: float
    taken: bool
    evidence: Mapping[str, float]

    @property
    def sku(self) -> str:
        """Return the likeliest product, the first by name of equals."""
        return max(sorted(self.evidence), key=lambda sku: self.evidence[sku])

    @property
    def chance(self) -> float:
        """Return the log chance of the likeliest product."""
        return self.evidence[self.sku]

    @property
    def pixels(self) -> int:
        """Return the size of the region."""
        return int(self.region.sum())


class SlowThings:
    """Knows the products of one slot by colour and size."""

    def __init__(
        self, planned_sku: str, unit_shares: Mapping[str, float], references: References, settings: SlowSettings
    ) -> None:
        """``unit_shares`` holds for each SKU the share of the slot's front that one unit covers, NaN where unknown."""
        self._planned, self._unit_shares = planned_sku, unit_shares
        self._references, self._settings = references, settings
        self._cells = {sku: _cell_logs(pictures) for sku, pictures in sorted(references.histograms.items())}

    def describe(self, change: RegionChange, region: Mask, lean: float, taken: bool | None = None) -> Thing:
        """Return the thing that changed ``region``; ``taken`` is given where its direction is known."""
        settings = self._settings
        old, new = self.likenesses(change.before, region), self.likenesses(change.after, region)
        lost = {sku: 2 * old[sku] - new[sku] for sku in old}
        won = {sku: 2 * new[sku] - old[sku] for sku in old}
        lead = max(lost.values(), default=0.0) - max(won.values(), default=0.0)
        logit = settings.take_logit + settings.lead_logit * lead + settings.background_logit * lean
        logit = round(logit + settings.outline_logit * outline_lost(change.before, change.after, region), 6)
        leaves = logit >= 0 if taken is None else taken
        spoken = lost if leaves else won
        evidence = {
            sku: round(settings.likeness_logit * spoken.get(sku, 0.0) + self._prior(sku, region), 6)
            for sku in self._unit_shares
        }
        return Thing(region, lean, logit, leaves, evidence)

    def divide(self, change: RegionChange, thing: Thing) -> list[Thing]:
        """Return the things of different products that make up ``thing``, or itself where one explains it as well."""
        regions = self._by_colour(change.before if thing.taken else change.after, thing.region)
        parts = self._of_one_product([self.describe(change, region, thing.lean, thing.taken) for region in regions])
        things = [self.describe(change, region, thing.lean, thing.taken) for region in parts]
        if len({each.sku for each in things}) < 2:
            return [thing]
        whole = sum(each.pixels for each in things)
        mean = sum(each.chance * each.pixels for each in things) / whole
        cost = self._settings.division_logit * (len(things) - 1)
        return things if mean - cost > thing.chance else [thing]

    def reality(self, change: RegionChange, thing: Thing) -> float:
        """Return the log odds that ``thing`` is one, and no shadow, nudge or rest of another."""
        settings = self._settings
        shown, gone = (change.before, change.after) if thing.taken else (change.after, change.before)
        alike = self.likenesses(shown, thing.region).get(thing.sku, settings.unpictured_likeness)
        still = self.likenesses(gone, thing.region).get(thing.sku, 0.0)
        logit = settings.real_logit + settings.real_sure * min(abs(thing.logit), settings.sure_logit)
        logit += settings.real_thickness * self._thickness(thing)
        return round(logit + settings.real_likeness * alike + settings.real_loss * (alike - still), 6)

    def units_fronts(self, thing: Thing) -> float:
        """Return how many units' fronts the region is as large as; 1 where the product's size is not known."""
        share = self._unit_shares[thing.sku]
        return float(thing.region.mean()) / share if share > 0 else 1.0

    def likenesses(self, look: F32, region: Mask) -> dict[str, float]:
        """Return for each SKU with pictures how much more than the floor ``look`` under ``region`` is like it."""
        colours, floor = histogram(look, region), self._settings.likeness_floor
        return {
            sku: max(0.0, max(likeness(picture, colours) for picture in pictures) - floor)
            for sku, pictures in self._references.histograms.items()
        }

    def _prior(self, sku: str, region: Mask) -> float:
        """Return the log chance by plan and size: a log-normal of the area, as things hide each other in part."""
        planned = math.log(self._settings.planned_odds) if sku == self._planned else 0.0
        share = self._unit_shares[sku]
        if not share > 0:
            return planned
        apart = math.log(max(float(region.mean()), 1e-6) / share) / self._settings.area_log_std
        return planned - 0.5 * min(apart * apart, 12.0)

    def _thickness(self, thing: Thing) -> float:
        """Return the radius of the largest disc in the region, over the side of a square unit: low for crescents."""
        share = self._unit_shares[thing.sku]
        radius = float(cv2.distanceTransform(np.pad(thing.region.astype(np.uint8), 1), cv2.DIST_L2, 3).max())
        area = share * thing.region.size if share > 0 else float(thing.pixels)
        return radius / math.sqrt(max(area, 1.0))

    def _by_colour(self, look: F32, region: Mask) -> list[Mask]:
        """Return the parts of ``region`` that look like different products, every pixel in the nearest."""
        if len(self._cells) < 2:
            return [region]
        names = list(self._cells)
        cells = _cell_indices(look)
        best = np.argmax(np.stack([self._near_mean(self._cells[sku][cells], region) for sku in names]), axis=0)
        parts = []
        for k, sku in enumerate(names):
            share = self._unit_shares[sku]
            least = max(self._settings.smallest_share, self._settings.part_units * share if share > 0 else 0.0)
            parts += blobs(region & (best == k), least * region.size)
        return _shared_out(region, parts) if len(parts) > 1 else [region]

    def _near_mean(self, values: F32, region: Mask) -> F32:
        side = (self._settings.colour_px, self._settings.colour_px)
        inside = region.astype(np.float32)
        total = cv2.boxFilter(values * inside, -1, side, normalize=False)
        count = cv2.boxFilter(inside, -1, side, normalize=False)
        return np.asarray(total / np.maximum(count, 1.0), np.float32)

    def _of_one_product(self, things: Sequence[Thing]) -> list[Mask]:
        """Return one region for each product among ``things``."""
        names = sorted({each.sku for each in things})
        return [np.logical_or.reduce([each.region for each in things if each.sku == name]) for name in names]


def _shared_out(region: Mask, parts: Sequence[Mask]) -> list[Mask]:
    gaps = np.stack([cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 3) for part in parts])
    nearest = gaps.argmin(axis=0)
    return [region & (nearest == k) for k in range(len(parts))]


def _cell_logs(pictures: F64) -> F32:
    """Return the rounded log share (BINS product,) of each colour in ``pictures`` (K, BINS product)."""
    return np.asarray(np.round(np.log(pictures.mean(axis=0) + _UNSEEN), 3), np.float32)


def _cell_indices(look: F32) -> I64:
    """Return for each pixel (P, Q) of ``look`` (P, Q, 3) Lab the histogram cell that it is nearest to."""
    light = np.rint(np.clip(look[..., 0], 0.0, 255.0) / 255.0 * (BINS[0] - 1))
    colour = (np.clip(look[..., 1:] - 128.0, -COLOUR_SPAN, COLOUR_SPAN) + COLOUR_SPAN) / (2 * COLOUR_SPAN)
    places = np.rint(colour * (np.array(BINS[1:]) - 1))
    return np.asarray((light * BINS[1] + places[..., 0]) * BINS[2] + places[..., 1], np.int64)
