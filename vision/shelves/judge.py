"""Which way a change went and which product it was: pixels, the planogram, and what is known so far."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.looks import Mask, distance, histogram, likeness, outline_lost
from vision.shelves.references import References
from vision.shelves.settings import ShelvesSettings
from vision.shelves.verdicts import Verdict, candidates, probability_of
from vision.shelves.watch import ViewChange
from vision.types import F32, F64, PersonCandidate, SkuCandidate

_FORMER = 12
"""Decided changes remembered of each slot."""

_HOLDERS = 64
"""People whose things are remembered, those who touched something last: more than hold something at once in a store of cameras, under a MB."""


@dataclass(frozen=True, slots=True, eq=False)
class _Former:
    """What is kept of a view: ``before`` and ``after`` (N, 3) are of the N pixels of ``region`` alone, as whole patches are large."""

    camera_id: str
    region: Mask
    before: F32
    after: F32


@dataclass(frozen=True, slots=True, eq=False)
class _Decided:
    views: tuple[_Former, ...]
    units: int
    sku: str


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    sku: str
    looks: dict[str, F64]


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    """``taken`` and ``put`` hold a score for each SKU: how the pixels speak for its leaving or coming."""

    taken: dict[str, float]
    put: dict[str, float]

    @property
    def lead(self) -> float:
        """How much better the best take is than the best put; 0 where nothing can be compared."""
        return max(self.taken.values()) - max(self.put.values()) if self.taken else 0.0


class Judge:
    """Remembers what was decided, what lies where, what each person took, and how bare shelves look."""

    def __init__(self, geometry: StoreGeometry, settings: ShelvesSettings, references: References) -> None:
        self._geometry = geometry
        self._settings = settings.decision
        self._levels = settings.change.tolerance_levels
        self._references = references
        self._skus = sorted({product.sku for product in geometry.store.products})
        self._decided: dict[int, deque[_Decided]] = {}
        self._held: OrderedDict[int, list[_Held]] = OrderedDict()

    def judge(self, views: Sequence[ViewChange], units: int, persons: Sequence[PersonCandidate]) -> Verdict:
        """Decide a change that ``views`` (one slot, several cameras) saw; ``units`` is how many by size."""
        slot = views[0].slot_index
        scores = self._scores(views)
        restored = self._restored(slot, views)
        logit = self._direction_logit(slot, views, scores, restored, persons)
        taken = logit >= 0
        chances = self._product_chances(slot, views, scores, taken, persons, restored)
        skus = candidates(chances, self._settings.least_probability)
        self._learn(slot, tuple(views), taken, units, skus, persons)
        return Verdict(-units if taken else units, probability_of(abs(logit)), skus)

    def _scores(self, views: Sequence[ViewChange]) -> _Scores:
        taken, put = dict.fromkeys(self._references.histograms, 0.0), dict.fromkeys(self._references.histograms, 0.0)
        for view in views:
            before, after = histogram(view.before, view.region), histogram(view.after, view.region)
            for sku, pictures in self._references.histograms.items():
                old, new = self._above(pictures, before), self._above(pictures, after)
                taken[sku] += (2 * old - new) / len(views)
                put[sku] += (2 * new - old) / len(views)
        return _Scores(taken, put)

    def _above(self, pictures: F64, look: F64) -> float:
        best = max(likeness(picture, look) for picture in pictures)
        return max(0.0, best - self._settings.likeness_floor)

    def _restored(self, slot: int, views: Sequence[ViewChange]) -> _Decided | None:
        """Return the latest decided change that this one undoes, or None."""
        for former in reversed(self._decided.get(slot, ())):
            pairs = [(a, b) for a in former.views for b in views if a.camera_id == b.camera_id]
            if pairs and sum(self._undoes(a, b) for a, b in pairs) * 2 > len(pairs):
                return former
        return None

    def _undoes(self, former: _Former, view: ViewChange) -> bool:
        both = former.region & view.region
        if both.sum() < 0.5 * min(former.region.sum(), view.region.sum()):
            return False
        now, rows = view.after[both], both[former.region]
        back = float(np.median(distance(now, former.before[rows])))
        away = float(np.median(distance(now, former.after[rows])))
        return back < self._levels and back < 0.6 * away

    def _direction_logit(
        self,
        slot: int,
        views: Sequence[ViewChange],
        scores: _Scores,
        restored: _Decided | None,
        persons: Sequence[PersonCandidate],
    ) -> float:
        settings = self._settings
        logit = (
            settings.take_logit
            + settings.likeness_lead_logit * scores.lead
            + settings.outline_logit * _outline_lost(views)
        )
        if restored is not None:
            logit += math.copysign(settings.restored_logit, restored.units)
        elif not any(each.units < 0 for each in self._decided.get(slot, ())):
            logit += settings.full_logit
        if restored is None and persons:
            logit += settings.bring_logit * (settings.bring_gain - self._brought(persons, views))
        return round(logit, 6)

    def _brought(self, persons: Sequence[PersonCandidate], views: Sequence[ViewChange]) -> float:
        """Return how clearly the changed region now shows something that these persons hold.

        That is how much likelier to it the region became, and how much liker it is than to the slot as it was
        before: behind a thing that is taken there is the next of its kind. -1 where they hold nothing: nobody puts
        down what they do not have.
        """
        held = [
            look
            for person in persons
            if person.probability >= self._settings.holder_probability
            for each in self._held.get(person.person_id, [])
            for look in each.looks.values()
        ]
        return max((_shown(look, view) for view in views for look in held), default=-1.0)

    def _product_chances(
        self,
        slot: int,
        views: Sequence[ViewChange],
        scores: _Scores,
        taken: bool,
        persons: Sequence[PersonCandidate],
        restored: _Decided | None,
    ) -> dict[str, float]:
        """Return unnormalised chances of each SKU."""
        trust = self._settings.planned_trust
        prior = dict.fromkeys(self._skus, (1 - trust) / max(len(self._skus) - 1, 1))
        prior[self._geometry.slots[slot].sku] = trust
        stray = self._stray(slot, views) if taken else None
        held = [] if taken else self._likely_held(persons, views)
        if restored is not None:
            prior[restored.sku] = self._settings.known_odds * max(prior.values())
        elif stray is not None:
            prior[stray] = self._settings.known_odds * max(prior.values())
        for sku, likely in held:
            prior[sku] = prior[sku] * 10.0 + likely
        spoken = scores.taken if taken else scores.put
        weight = self._settings.likeness_logit
        top = max(spoken.values(), default=0.0)
        return {sku: chance * math.exp(weight * (spoken.get(sku, 0.0) - top)) for sku, chance in prior.items()}

    def _stray(self, slot: int, views: Sequence[ViewChange]) -> str | None:
        """Return the product that was last put where these views changed, if it was."""
        for former in reversed(self._decided.get(slot, ())):
            over = [
                float((a.region & b.region).sum()) / max(1, int(b.region.sum()))
                for a in former.views
                for b in views
                if a.camera_id == b.camera_id
            ]
            if former.units > 0 and over and max(over) > 0.3:
                return former.sku
        return None

    def _likely_held(self, persons: Sequence[PersonCandidate], views: Sequence[ViewChange]) -> list[tuple[str, float]]:
        """Return what the persons may have brought: SKU and a chance by person and by look."""
        found: dict[str, float] = {}
        for person in persons:
            for held in self._held.get(person.person_id, []):
                looks = [
                    likeness(held.looks[view.camera_id], histogram(view.after, view.region))
                    for view in views
                    if view.camera_id in held.looks
                ]
                alike = max(looks, default=0.6)
                found[held.sku] = found.get(held.sku, 0.0) + person.probability * 10.0 * math.exp(4 * (alike - 0.8))
        return sorted(found.items())

    def _learn(
        self,
        slot: int,
        views: tuple[ViewChange, ...],
        taken: bool,
        units: int,
        skus: tuple[SkuCandidate, ...],
        persons: Sequence[PersonCandidate],
    ) -> None:
        sku = skus[0].sku
        decided = _Decided(tuple(_kept(view) for view in views), -units if taken else units, sku)
        self._decided.setdefault(slot, deque(maxlen=_FORMER)).append(decided)
        if not persons:
            return
        held = self._things_of(persons[0].person_id)
        if taken:
            looks = {view.camera_id: histogram(view.before, view.region) for view in views}
            held += [_Held(sku, looks)] * units
        else:
            same = [index for index, each in enumerate(held) if each.sku == sku]
            for index in reversed(same[-units:]):
                held.pop(index)

    def _things_of(self, person_id: int) -> list[_Held]:
        """Return what somebody holds, to be changed, and forget whoever touched nothing for the longest: they are gone."""
        held = self._held.setdefault(person_id, [])
        self._held.move_to_end(person_id)
        if len(self._held) > _HOLDERS:
            self._held.popitem(last=False)
        return held


def _kept(view: ViewChange) -> _Former:
    return _Former(view.camera_id, view.region, view.before[view.region], view.after[view.region])


def _outline_lost(views: Sequence[ViewChange]) -> float:
    """Return how much contrast the outline of the changed region lost, the mean of all views."""
    return round(sum(outline_lost(view.before, view.after, view.region) for view in views) / len(views), 6)


def _shown(look: F64, view: ViewChange) -> float:
    """Return how much more ``view`` shows of ``look`` than before, and than of the slot itself, the lesser of both."""
    whole = np.ones(view.region.shape, np.bool_)
    after = histogram(view.after, view.region)
    alike = likeness(look, after)
    gain = alike - likeness(look, histogram(view.before, view.region))
    return round(min(gain, alike - likeness(after, histogram(view.before, whole))), 6)
