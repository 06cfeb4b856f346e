"""What one change of a slot was: the things that came and went, told apart, moves left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vision.shelves.looks import touch
from vision.shelves.references import References
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_background import SlowBackground
from vision.shelves.slow_things import SlowThings, Thing
from vision.shelves.slow_watch import RegionChange, SlotLook
from vision.shelves.verdicts import Verdict, likeliest, probability_of


@dataclass(frozen=True, slots=True, eq=False)
class _Real:
    thing: Thing
    units: int
    logit: float


class SlowJudge:
    """Decides the changes of one slot, and learns from them what lies behind its things."""

    def __init__(
        self, planned_sku: str, unit_shares: Mapping[str, float], references: References, settings: SlowSettings
    ) -> None:
        """``unit_shares`` holds for each SKU the share of the slot's front that one unit covers, NaN where unknown."""
        self._settings = settings
        self._things = SlowThings(planned_sku, unit_shares, references, settings)
        self._background: SlowBackground | None = None

    def judge(self, look: SlotLook) -> list[tuple[RegionChange, Verdict]]:
        """Take the next look; return what came and went, a product at a time; nothing where things only moved."""
        change = look.change
        if change is None:
            return []
        if self._background is None:
            self._background = SlowBackground(change.region.shape, self._settings)
        found: list[Thing] = []
        for region, lean in self._background.parts(change):
            found += self._things.divide(change, self._things.describe(change, region, lean))
        real = self._real(change, self._unmoved(found))
        for each in real:
            self._learn(self._background, change, each.thing)
        return self._told(change, real)

    def finish(self) -> list[tuple[RegionChange, Verdict]]:
        """Return nothing: every look was judged when it came."""
        return []

    def _unmoved(self, things: list[Thing]) -> list[Thing]:
        """Leave out pairs that touch, one leaving and one coming, that one product explains: it was moved."""
        left = list(things)
        for taken in [each for each in things if each.taken]:
            for put in [each for each in left if not each.taken]:
                if touch(taken.region, put.region) and self._is_move(taken, put):
                    left = [each for each in left if each is not taken and each is not put]
                    break
        return left

    def _is_move(self, taken: Thing, put: Thing) -> bool:
        together = max(taken.evidence[sku] + put.evidence[sku] for sku in taken.evidence)
        return together > taken.chance + put.chance - self._settings.moved_logit

    def _real(self, change: RegionChange, things: list[Thing]) -> list[_Real]:
        """Return the things that are believed, largest first: a second one at the same time is rarer than a first."""
        settings, found = self._settings, list[_Real]()
        for thing in sorted(things, key=lambda each: (-each.pixels, each.sku)):
            fronts, logit = self._things.units_fronts(thing), self._things.reality(change, thing)
            least = settings.further_logit if found else settings.least_logit
            if fronts >= settings.least_units and logit >= least:
                units = 2 if fronts > settings.two_units else 1
                found.append(_Real(thing, -units if thing.taken else units, logit))
        return found

    def _learn(self, background: SlowBackground, change: RegionChange, thing: Thing) -> None:
        if thing.taken:
            background.bared(thing.region, change.after)
        else:
            background.covered(thing.region, change.before)

    def _told(self, change: RegionChange, real: list[_Real]) -> list[tuple[RegionChange, Verdict]]:
        told = []
        for sku in sorted({each.thing.sku for each in real}):
            same = [each for each in real if each.thing.sku == sku]
            units = sum(each.units for each in same)
            if units:
                region = np.logical_or.reduce([each.thing.region for each in same])
                verdict = Verdict(units, probability_of(same[0].logit), likeliest(same[0].thing.evidence))
                told.append((replace(change, region=region), verdict))
        return told
