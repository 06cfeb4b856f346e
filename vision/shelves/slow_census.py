"""The things of one slot of a slow camera, one by one: which are there, which came and which went.

A detector's boxes say where things are, pixels say whether they still are: detectors of other products
miss one now and then, and the pixels of a thing that nobody touched do not change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.shelves.looks import Mask, distance
from vision.shelves.settings import SlowSettings
from vision.shelves.slow_boxes import BoxReader, Corners, ThingBox, overlap, part_of, shrunk
from vision.shelves.slow_watch import FORMER, RegionChange, SlotLook, between, last_read
from vision.shelves.verdicts import Verdict, likeliest, probability_of
from vision.types import F32, EvidenceFrame

_ENOUGH = 0.25
"""Share of a box beside all known things from which on that part alone tells whether it is new: less is its edge."""
_SUREST = 6.0
"""Log odds beyond which no change is told to be surer: the evidence's terms are not independent."""


@dataclass(slots=True, eq=False)
class _Thing:
    """One thing: its box, the sum of what its ``sights`` said of its product, and its ``look`` (P, Q, 3) Lab at the last.

    ``came`` is the last look without it and the first with it, None for what was there from the start or
    came to light when another thing left. Of ``looks`` at its place, detected or not, ``missed`` are those since it
    was last there; ``went`` is the last look with it and the first without.
    """

    corners: Corners
    evidence: dict[str, float]
    look: F32
    last: EvidenceFrame
    came: tuple[EvidenceFrame, EvidenceFrame] | None
    sights: int = 1
    looks: int = 1
    missed: int = 0
    went: tuple[EvidenceFrame, EvidenceFrame] | None = None

    @property
    def sku(self) -> str:
        return max(sorted(self.evidence), key=lambda sku: self.evidence[sku])

    @property
    def logit(self) -> float:
        return max(self.evidence.values()) / self.sights

    @property
    def mean_evidence(self) -> dict[str, float]:
        return {sku: logit / self.sights for sku, logit in self.evidence.items()}

    def seen(self, box: ThingBox, look: F32, frame: EvidenceFrame) -> None:
        """Take another sight of it. The box follows slowly: a hand that cuts it off for a look does not move it."""
        left, top, right, bottom = (round((a + b) / 2, 4) for a, b in zip(self.corners, box.corners, strict=True))
        self.corners = (left, top, right, bottom)
        self.evidence = {sku: round(self.evidence[sku] + box.evidence[sku], 6) for sku in self.evidence}
        self.look, self.sights = look, self.sights + 1
        self.still_there(frame)

    def still_there(self, frame: EvidenceFrame) -> None:
        self.last, self.missed, self.went, self.looks = frame, 0, None, self.looks + 1


_Told = tuple[_Thing, int, tuple[EvidenceFrame, EvidenceFrame]]


class SlowCensus:
    """Counts one slot's things. Keeps a few looks and a line for each thing."""

    def __init__(self, reader: BoxReader, settings: SlowSettings) -> None:
        self._reader, self._settings, self._census = reader, settings, settings.census
        self._there: list[_Thing] = []
        self._unsure: list[_Thing] = []
        self._seen: deque[tuple[EvidenceFrame, Mask]] = deque(maxlen=FORMER)
        self._last: SlotLook | None = None
        self._held: deque[list[_Told]] = deque()

    def judge(self, look: SlotLook) -> list[tuple[RegionChange, Verdict]]:
        """Take the next look; return what it proves to have come and gone, a thing at a time."""
        boxes = self._reader.read(look.clear)
        if self._last is None:
            found = [self._thing(box, look, None) for box in boxes]
            self._there = [each for each in found if each.logit >= self._census.sure_logit]
            self._unsure = [each for each in found if each.logit < self._census.sure_logit]
        else:
            self._held.append(self._compare(look, boxes))
        self._seen.append((look.clear.frame, look.clear.unread))
        self._last = look
        return self._verdicts(self._held.popleft(), look) if len(self._held) > self._census.held_looks else []

    def finish(self) -> list[tuple[RegionChange, Verdict]]:
        """Return what the last looks showed but once."""
        if self._last is None:
            return []
        self._held.append(
            [(each, -1, each.went) for each in self._there if each.went is not None and self._is_believed(each)]
        )
        return [known for told in self._held for known in self._verdicts(told, self._last)]

    def _compare(self, look: SlotLook, boxes: list[ThingBox]) -> list[_Told]:
        box_of = self._matched(look, boxes)
        for k, thing in enumerate((*self._there, *self._unsure)):
            if k in box_of:
                thing.seen(boxes[box_of[k]], look.after, look.clear.frame)
        seen = {id(thing) for k, thing in enumerate((*self._there, *self._unsure)) if k in box_of}
        whole = [boxes[k] for k in box_of.values()]
        self._there = [each for each in self._there if id(each) in seen or not self._is_part(each, whole)]
        told, gone = self._departed(look, boxes, [each for each in self._there if id(each) not in seen])
        told += self._confirmed(look, seen)
        fresh = [box for k, box in enumerate(boxes) if k not in set(box_of.values())]
        return told + self._arrived(look, fresh, gone)

    def _matched(self, look: SlotLook, boxes: Sequence[ThingBox]) -> dict[int, int]:
        """Return for each known thing that is seen its box, those that overlap most first."""
        known = [*self._there, *self._unsure]
        pairs = [
            (share, i, j)
            for i, thing in enumerate(known)
            for j, box in enumerate(boxes)
            if (share := round(overlap(thing.corners, box.corners), 6)) >= self._census.overlap
            and not self._is_another(thing, box, look)
        ]
        found: dict[int, int] = {}
        for _, i, j in sorted(pairs, key=lambda each: (-each[0], each[1], each[2])):
            if i not in found and j not in found.values():
                found[i] = j
        return found

    def _is_part(self, thing: _Thing, boxes: Sequence[ThingBox]) -> bool:
        """Tell whether ``thing``, seldom seen, was but a part of one of its product that is seen whole in ``boxes``.

        One that was seen often is behind it.
        """
        seldom = thing.sights < self._census.seen_share * (thing.looks + 1)
        least = self._census.contained
        return seldom and any(box.sku == thing.sku and part_of(thing.corners, box.corners) >= least for box in boxes)

    def _is_another(self, thing: _Thing, box: ThingBox, look: SlotLook) -> bool:
        """Tell whether ``box`` shows another product than the ``thing`` that was there, or one that came before it.

        That stands nearer, has changed pixels beyond the thing, and what it leaves free of the thing has not changed.
        """
        census, place = self._census, shrunk(thing.corners, look.novel.shape)
        lead = box.logit - box.evidence[thing.sku]
        if lead > census.swapped_logit and self._changed(thing, look, box.region) > census.new_share:
            return True
        if not self._is_nearer(box, thing, look):
            return False
        beyond, rest = box.region & ~place, place & ~box.region & ~look.clear.unread
        if min(beyond.sum() / box.region.sum(), rest.sum() / place.sum()) < census.free_share:
            return False
        is_new = self._changed(thing, look, beyond) > census.new_share
        return is_new and self._changed(thing, look, rest) < census.still_share

    def _departed(
        self, look: SlotLook, boxes: Sequence[ThingBox], unseen: Sequence[_Thing]
    ) -> tuple[list[_Told], Mask]:
        """Return the things that are known to have gone, and the pixels (P, Q) of all that may have."""
        told: list[_Told] = []
        gone = np.zeros(look.novel.shape, np.bool_)
        for thing in unseen:
            region = shrunk(thing.corners, look.novel.shape)
            free = region & ~look.clear.unread & ~self._before(thing, boxes, look)
            shows = float(free.sum()) >= self._census.free_share * float(region.sum())
            hidden = self._is_hidden(region, look)
            if self._is_still(thing, look, None if hidden else region, free if shows else None):
                thing.still_there(look.clear.frame)
            elif hidden:
                continue
            elif shows or any(overlap(thing.corners, box.corners) >= self._census.overlap for box in boxes):
                gone |= region
                told += self._missed(thing, look, region)
        return told, gone

    def _missed(self, thing: _Thing, look: SlotLook, region: Mask) -> list[_Told]:
        """Count a look without ``thing``; tell that it went when that is enough of them."""
        thing.missed += 1
        if thing.went is None:
            thing.went = (thing.last, look.clear.frame)
        wiped = self._changed(thing, look, region & ~look.clear.unread) >= self._census.wiped_share
        if thing.missed < (1 if wiped else self._census.sights):
            return []
        self._there = [each for each in self._there if each is not thing]
        return [(thing, -1, thing.went)] if self._is_believed(thing) else []

    def _confirmed(self, look: SlotLook, seen: set[int]) -> list[_Told]:
        """Take things that were not sure, and are now, for ones that are there; forget those that stay away."""
        told: list[_Told] = []
        for thing in list(self._unsure):
            if id(thing) in seen and thing.sights >= self._census.sights:
                self._there.append(thing)
                told += [] if thing.came is None else [(thing, 1, thing.came)]
            elif id(thing) in seen or self._is_hidden(shrunk(thing.corners, look.novel.shape), look):
                continue
            else:
                thing.missed += 1
                if thing.missed < self._census.sights:
                    continue
            self._unsure = [each for each in self._unsure if each is not thing]
        return told

    def _arrived(self, look: SlotLook, boxes: Sequence[ThingBox], gone: Mask) -> list[_Told]:
        """Take boxes of nothing known for new things; return those that are sure at once.

        Where their pixels did not change they were there before. What shows beside the places of things counts
        first: where one left the rest may only have come to light, and one of its kind before another looks like it.
        """
        told: list[_Told] = []
        known = np.logical_or.reduce([gone, *(shrunk(each.corners, gone.shape) for each in self._there)])
        for box in boxes:
            if self._is_back(box, look) or self._is_more(box, look):
                continue
            beside = box.region & ~known
            enough = float(beside.sum()) > _ENOUGH * float(box.region.sum())
            novel = float(look.novel[beside if enough else box.region].mean())
            is_new = novel > self._census.new_share
            thing = self._thing(box, look, (last_read(self._seen, box.region), look.clear.frame) if is_new else None)
            if not is_new and self._is_counted(box):
                continue
            if box.logit < self._census.sure_logit:
                self._unsure.append(thing)
                continue
            self._there.append(thing)
            told += [] if thing.came is None else [(thing, 1, thing.came)]
        return told

    def _is_counted(self, box: ThingBox) -> bool:
        """Tell whether a box of unchanged pixels shows a thing that is known by another box of it."""
        least = self._census.counted
        return any(each.sku == box.sku and part_of(box.corners, each.corners) >= least for each in self._there)

    def _is_more(self, box: ThingBox, look: SlotLook) -> bool:
        """Take ``box`` for another part of a thing of its product that is known, if the two are likelier to be one."""
        for thing in self._there:
            part = thing.sku == box.sku and self._changed(thing, look, box.region) < self._census.new_share
            whole = self._reader.joined(box, thing.corners, thing.logit, look.clear) if part else None
            if whole is not None:
                thing.corners = whole.corners
                thing.seen(whole, look.after, look.clear.frame)
                return True
        return False

    def _is_back(self, box: ThingBox, look: SlotLook) -> bool:
        """Take back that a thing went which shows again pixel by pixel: something was before it. Nobody puts back so well."""
        for told in self._held:
            for each in told:
                thing, sign, _ = each
                close = sign < 0 and overlap(thing.corners, box.corners) >= self._census.overlap
                if close and self._changed(thing, look, box.region) < self._census.still_share:
                    told.remove(each)
                    thing.seen(box, look.after, look.clear.frame)
                    self._there.append(thing)
                    return True
        return False

    def _thing(self, box: ThingBox, look: SlotLook, came: tuple[EvidenceFrame, EvidenceFrame] | None) -> _Thing:
        return _Thing(box.corners, dict(box.evidence), look.after, look.clear.frame, came)

    def _is_believed(self, thing: _Thing) -> bool:
        often = thing.sights >= self._census.seen_share * thing.looks
        return thing.logit >= self._census.sure_logit or (often and thing.sights >= self._census.sights)

    def _is_hidden(self, region: Mask, look: SlotLook) -> bool:
        return float(look.clear.unread[region].mean()) > self._census.hidden_share

    def _is_still(self, thing: _Thing, look: SlotLook, *regions: Mask | None) -> bool:
        """Tell whether any of the ``regions`` (P, Q) that can be judged looks as when ``thing`` was last seen."""
        judged = [each for each in regions if each is not None]
        return any(self._changed(thing, look, each) < self._census.still_share for each in judged)

    def _changed(self, thing: _Thing, look: SlotLook, region: Mask) -> float:
        """Return the share of ``region`` (P, Q) that looks unlike when ``thing`` was last seen."""
        apart = distance(look.after[region], thing.look[region]) > self._settings.tolerance_levels
        return float(apart.mean()) if apart.size else 0.0

    def _before(self, thing: _Thing, boxes: Sequence[ThingBox], look: SlotLook) -> Mask:
        """Return the pixels (P, Q) of boxes that stand nearer to the camera: their feet are lower in its picture."""
        nearer = [box.region for box in boxes if self._is_nearer(box, thing, look)]
        return np.logical_or.reduce(nearer) if nearer else np.zeros(look.novel.shape, np.bool_)

    def _is_nearer(self, box: ThingBox, thing: _Thing, look: SlotLook) -> bool:
        lower = self._census.lower_share * float(look.novel.shape[0])
        return box.corners[3] > thing.corners[3] + lower

    def _verdicts(self, told: list[_Told], look: SlotLook) -> list[tuple[RegionChange, Verdict]]:
        """Return what is told of ``told``: a thing that went and one of its product that came was moved."""
        found = []
        for sku in sorted({thing.sku for thing, _, _ in told}):
            same = [each for each in told if each[0].sku == sku]
            units = sum(sign for _, sign, _ in same)
            for thing, sign, (first, last) in [each for each in same if each[1] * units > 0][: abs(units)]:
                region = shrunk(thing.corners, look.novel.shape)
                hidden = between((frame for frame, _ in self._seen), first, last)
                change = RegionChange(region, look.before, look.after, first, last, hidden)
                logit = min(thing.logit - self._census.least_logit, _SUREST)
                found.append((change, Verdict(sign, probability_of(logit), likeliest(thing.mean_evidence))))
        return sorted(found, key=lambda each: (each[0].last.captured_at_ns, each[0].first.captured_at_ns))
