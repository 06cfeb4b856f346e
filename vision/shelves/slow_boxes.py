"""Which of the boxes that a detector gave in a slot are things, and of which product."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, histogram, likeness, to_lab
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_window import ClearLook
from vision.types import U8

_RIM = 0.08
"""Boxes are shrunk by this share a side before pixels are read: their corners show what is beside the thing."""

Corners = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of the patch."""


@dataclass(frozen=True, slots=True)
class UnitFront:
    """How large one unit stands in a slot: its share of the slot's front, and its width over its height."""

    share: float
    aspect: float


@dataclass(frozen=True, slots=True, eq=False)
class ThingBox:
    """A box that may be a thing: ``region`` (P, Q) are its pixels, ``evidence`` the log odds of each SKU."""

    corners: Corners
    region: Mask
    evidence: Mapping[str, float]

    @property
    def sku(self) -> str:
        """Return the likeliest product, the first by name of equals."""
        return max(sorted(self.evidence), key=lambda sku: self.evidence[sku])

    @property
    def logit(self) -> float:
        """Return the log odds of the likeliest product."""
        return max(self.evidence.values())


class BoxReader:
    """Knows the products of one slot by colour, size and shape."""

    def __init__(
        self,
        fronts: Mapping[str, UnitFront | None],
        slot_aspect: float,
        references: References,
        settings: SlowSettings,
    ) -> None:
        """``fronts`` holds None for products without a size; ``slot_aspect`` is the slot's width over its height."""
        self._fronts, self._slot_aspect = fronts, slot_aspect
        self._references, self._settings = references, settings

    def read(self, clear: ClearLook) -> list[ThingBox]:
        """Return the things of one look, likeliest first; of boxes of one thing the likeliest stays, and parts are joined."""
        ranked = []
        for left, top, right, bottom, score in clear.things.tolist():
            box = self._thing((left, top, right, bottom), clear)
            if box is not None:
                rank = box.logit + self._settings.census.score_logit * math.log(max(score, 1e-4))
                ranked.append((round(rank, 6), box))
        ranked.sort(key=lambda each: (-each[0], each[1].corners))
        kept: list[ThingBox] = []
        for _, box in ranked:
            if not any(self._is_same(box, other) for other in kept):
                kept.append(box)
        return self._whole(kept, clear)

    def joined(self, box: ThingBox, corners: Corners, logit: float, clear: ClearLook) -> ThingBox | None:
        """Return one thing in place of ``box`` and another of its product, if they are likelier to be its parts.

        The other has ``corners`` and ``logit``. A hand, or the detector, may cut a large thing in two.
        """
        if _shared(box.corners, corners) <= 0:
            return None
        low, high = np.minimum(box.corners, corners), np.maximum(box.corners, corners)
        whole = self._thing((float(low[0]), float(low[1]), float(high[2]), float(high[3])), clear)
        better = whole is not None and whole.sku == box.sku and whole.logit > max(box.logit, logit)
        return whole if better else None

    def _whole(self, boxes: list[ThingBox], clear: ClearLook) -> list[ThingBox]:
        """Return ``boxes`` with those joined that are parts of one thing."""
        for i, one in enumerate(boxes):
            for other in boxes[i + 1 :]:
                whole = self.joined(one, other.corners, other.logit, clear) if one.sku == other.sku else None
                if whole is not None:
                    rest = [each for each in boxes if each is not one and each is not other]
                    return self._whole([whole, *rest], clear)
        return boxes

    def _thing(self, corners: Corners, clear: ClearLook) -> ThingBox | None:
        census, shape = self._settings.census, clear.unread.shape
        region = shrunk(corners, shape)
        share = _area(corners) / clear.unread.size
        if region.sum() < census.smallest_share * region.size or share > census.largest_share:
            return None
        if clear.unread[region].mean() > census.unread_share:
            return None
        box = ThingBox(corners, region, self._evidence(corners, clear.patch))
        return box if box.logit >= census.least_logit else None

    def _evidence(self, corners: Corners, patch: U8) -> dict[str, float]:
        left, top, right, bottom = (math.floor(corners[0]), math.floor(corners[1]), *map(math.ceil, corners[2:]))
        cut = np.ascontiguousarray(patch[top : max(bottom, top + 2), left : max(right, left + 2)])
        colours = histogram(to_lab(cut, 0.0), np.ones(cut.shape[:2], np.bool_))
        return {sku: round(self._alike(sku, colours) + self._fit(sku, corners, patch), 6) for sku in self._fronts}

    def _alike(self, sku: str, colours: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        settings = self._settings
        pictures = self._references.histograms.get(sku)
        if pictures is None:
            return settings.likeness_logit * settings.unpictured_likeness
        alike = max(likeness(picture, colours) for picture in pictures)
        return settings.likeness_logit * max(0.0, alike - settings.likeness_floor)

    def _fit(self, sku: str, corners: Corners, patch: U8) -> float:
        """Return the log chance of the box's size and shape: log-normals, as things hide each other in part."""
        front, census = self._fronts[sku], self._settings.census
        if front is None:
            return 0.0
        rows, columns = patch.shape[:2]
        wide, high = (corners[2] - corners[0]) / columns, (corners[3] - corners[1]) / rows
        area = math.log(wide * high / front.share) / census.area_log_std
        aspect = math.log(wide / high * self._slot_aspect / front.aspect) / census.aspect_log_std
        return -min(0.5 * area * area, census.area_logit) - min(0.5 * aspect * aspect, census.aspect_logit)

    def _is_same(self, one: ThingBox, other: ThingBox) -> bool:
        """Tell whether two boxes are of one thing. One product may stand before another, wholly inside its box."""
        census = self._settings.census
        part = max(part_of(one.corners, other.corners), part_of(other.corners, one.corners))
        is_part = one.sku == other.sku and part >= census.contained
        return is_part or overlap(one.corners, other.corners) >= census.overlap


def shrunk(corners: Corners, shape: Sequence[int]) -> Mask:
    """Return the pixels (P, Q) of a box but for its rim."""
    left, top, right, bottom = corners
    inset = (_RIM * (right - left), _RIM * (bottom - top))
    region = np.zeros((shape[0], shape[1]), np.bool_)
    rows = slice(int(top + inset[1]), math.ceil(bottom - inset[1]))
    region[rows, int(left + inset[0]) : math.ceil(right - inset[0])] = True
    return region


def overlap(one: Corners, other: Corners) -> float:
    """Return the intersection over union of two boxes."""
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared)


def part_of(one: Corners, other: Corners) -> float:
    """Return the share of one box that lies in another."""
    return _shared(one, other) / _area(one)


def _shared(one: Corners, other: Corners) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)


def _area(corners: Corners) -> float:
    return (corners[2] - corners[0]) * (corners[3] - corners[1])
