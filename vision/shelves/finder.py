"""Puts hands and changes together into interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from store_layout.geometry import SlotPlace, StoreGeometry
from vision.shelves.atlas import front_areas_px2, visible_slots
from vision.shelves.judge import Judge
from vision.shelves.reaches import Reach, Reaches
from vision.shelves.references import References
from vision.shelves.settings import ShelvesSettings
from vision.shelves.slow import SlowShelves
from vision.shelves.slow_judge import Verdict
from vision.shelves.slow_watch import RegionChange
from vision.shelves.units import unit_share
from vision.shelves.watch import SlotWatch, ViewChange
from vision.types import EvidenceFrame, Interaction, People, PersonCandidate, SkuCandidate, SlotViews

NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class _Deed:
    """Changes that one hand's doing may have made, told when the last was gathered."""

    changes: list[ViewChange]
    told: bool = False

    @property
    def begun_ns(self) -> int:
        return int(np.median([change.before_ns for change in self.changes]))

    @property
    def latest_begin_ns(self) -> int:
        """When the old look was last seen by any camera."""
        return max(change.before_ns for change in self.changes)

    @property
    def ended_ns(self) -> int:
        return min(change.after_ns for change in self.changes)

    @property
    def seen_ns(self) -> int:
        return min(change.seen_ns for change in self.changes)


class InteractionFinder:
    """Takes people and slot views, instant by instant, and tells interactions when they are known."""

    def __init__(
        self, geometry: StoreGeometry, settings: ShelvesSettings, references: References | None = None
    ) -> None:
        self._geometry, self._settings = geometry, settings
        self._shelf_of = {shelf.shelf_id: index for index, shelf in enumerate(geometry.shelves)}
        self._unit_share = [unit_share(geometry, index) for index in range(len(geometry.slots))]
        self._seen = {camera: visible_slots(geometry, camera, settings.observer) for camera in geometry.cameras}
        self._front_px2 = {camera: front_areas_px2(geometry, camera, seen) for camera, seen in self._seen.items()}
        self._watches: dict[tuple[str, int], SlotWatch] = {}
        self._deeds: list[_Deed] = []
        self._last_told: dict[int, _Deed] = {}
        self._reaches = Reaches(geometry, settings.reach)
        self._judge = Judge(geometry, settings, References() if references is None else references)
        self._slow = SlowShelves(geometry, settings.slow, References() if references is None else references)
        self._count = 0

    def update(self, people: People, views: Sequence[SlotViews]) -> tuple[Interaction, ...]:
        """Take one instant; return what became known by it, in the order in which it happened."""
        ended = self._reaches.take(people)
        slow: list[Interaction] = []
        for view in sorted(views, key=lambda each: each.camera_id):
            if self._slow.watches(view.camera_id):
                slow += [self._tell_slow(*known) for known in self._slow.take(view)]
                continue
            for row, slot in enumerate(view.slot_indices.tolist()):
                frame = EvidenceFrame(view.camera_id, view.frame_index, view.captured_at_ns)
                for change in self._watch(view.camera_id, slot).see(view.patches[row], view.hidden[row], frame):
                    self._gather(change)
        found = [self._tell_unseen(reach) for reach in ended if self._is_blind(reach)]
        return (*slow, *found, *self._tell_due(people.captured_at_ns))

    def finish(self, at_ns: int) -> tuple[Interaction, ...]:
        """End the input: hands that are still at shelves have left, and nothing more is waited for."""
        del at_ns
        slow = [self._tell_slow(*known) for known in self._slow.finish()]
        found = [self._tell_unseen(reach) for reach in self._reaches.finish() if self._is_blind(reach)]
        return (*slow, *found, *self._tell_due(2**62))

    def _watch(self, camera_id: str, slot: int) -> SlotWatch:
        key = (camera_id, slot)
        if key not in self._watches:
            share = self._settings.change.unit_share * self._unit_share[slot]
            self._watches[key] = SlotWatch(slot, camera_id, share, self._settings.change)
        return self._watches[key]

    def _gather(self, change: ViewChange) -> None:
        """Put a change to the deed that it belongs to: same shelf, same time, another camera or a neighbour slot."""
        for deed in self._deeds:
            if self._belongs(change, deed):
                deed.changes.append(change)
                return
        self._deeds.append(_Deed([change]))

    def _belongs(self, change: ViewChange, deed: _Deed) -> bool:
        """Tell whether another camera saw the same slot change in the same time."""
        slack = round(self._settings.decision.one_deed_s * NS_PER_S)
        twice = [other for other in deed.changes if other.camera_id == change.camera_id]
        at_once = all(abs(other.after_ns - change.after_ns) < slack for other in twice)
        same_slot = deed.changes[0].slot_index == change.slot_index
        overlap = deed.latest_begin_ns < change.after_ns and change.before_ns < deed.ended_ns
        return same_slot and overlap and at_once

    def _tell_due(self, now_ns: int) -> list[Interaction]:
        due = [deed for deed in self._deeds if not deed.told and deed.seen_ns + self._patience_ns(deed) <= now_ns]
        told = []
        for deed in sorted(due, key=lambda each: (each.ended_ns, each.begun_ns)):
            deed.told = True
            if not self._is_spill(deed) and not self._is_handless(deed) and not self._is_denied(deed):
                told.append(self._tell(deed))
        oldest_ns = now_ns - round(self._settings.decision.wait_s * NS_PER_S)
        self._deeds = [deed for deed in self._deeds if not deed.told or deed.seen_ns > oldest_ns]
        return told

    def _tell(self, deed: _Deed) -> Interaction:
        index, changes = deed.changes[0].slot_index, deed.changes
        slot = self._geometry.slots[index]
        weights = self._reaches.weights(slot, self._shelf_of[slot.shelf_id], deed.latest_begin_ns, deed.ended_ns)
        persons = self._persons(weights)
        self._last_told[index] = deed
        opened, closed = min(deed.latest_begin_ns, deed.ended_ns), deed.ended_ns
        if persons and weights[persons[0].person_id][0] > self._settings.reach.body_weight:
            _, came_ns, left_ns = weights[persons[0].person_id]
            if came_ns < closed and left_ns > opened:
                opened, closed = max(opened, came_ns), min(closed, left_ns)
        verdict = self._judge.judge(changes, 1, persons)
        self._count += 1
        evidence = sorted(
            {frame for change in changes for frame in change.evidence},
            key=lambda each: (each.captured_at_ns, each.camera_id, each.frame_index),
        )
        return Interaction(
            f"i-{self._count}",
            slot.shelf_id,
            slot.slot_id,
            min(opened, closed),
            max(opened, closed),
            verdict.units,
            verdict.probability,
            verdict.skus,
            persons,
            tuple(evidence),
        )

    def _tell_slow(self, index: int, change: RegionChange, verdict: Verdict) -> Interaction:
        """Tell a change that a slow camera saw: its frames are too far apart to follow a hand, so nobody is named."""
        slot = self._geometry.slots[index]
        self._count += 1
        return Interaction(
            f"i-{self._count}", slot.shelf_id, slot.slot_id,
            change.first.captured_at_ns, change.last.captured_at_ns,
            verdict.units, verdict.probability, verdict.skus, (), (change.first, change.last),
        )  # fmt: skip

    def _patience_ns(self, deed: _Deed) -> int:
        """Return how long more is waited for: longer where nobody explains the change, as another slot's may."""
        decision = self._settings.decision
        return round((decision.gather_s if self._is_explained(deed) else decision.handless_s) * NS_PER_S)

    def _is_explained(self, deed: _Deed) -> bool:
        """Tell whether a hand came near the slot while it changed, or somebody stood within reach of it."""
        return self._nearest(deed) >= self._settings.decision.explained_weight

    def _nearest(self, deed: _Deed) -> float:
        """Return how near, 0 to 1, anybody's hand or body came to the slot while it changed; 0 where nobody was."""
        slot = self._geometry.slots[deed.changes[0].slot_index]
        weights = self._reaches.weights(slot, self._shelf_of[slot.shelf_id], deed.latest_begin_ns, deed.ended_ns)
        return max((weight for weight, _, _ in weights.values()), default=0.0)

    def _is_spill(self, deed: _Deed) -> bool:
        """Tell whether a neighbour's change, far stronger and of the same time, reached into this slot's picture."""
        place = self._geometry.slots[deed.changes[0].slot_index]
        own = self._strength(deed)
        for other in self._deeds:
            index = other.changes[0].slot_index
            together = deed.begun_ns < other.ended_ns and other.begun_ns < deed.ended_ns
            if (
                index == deed.changes[0].slot_index
                or not together
                or not _are_neighbours(place, self._geometry.slots[index])
            ):
                continue
            if self._strength(other) >= self._settings.decision.spill_ratio * own:
                return True
        return False

    def _is_handless(self, deed: _Deed) -> bool:
        """Tell whether people were about, nobody within reach, and one camera alone believes in a change."""
        alone = len({change.camera_id for change in deed.changes}) == 1
        clear = self._units(deed) >= self._settings.decision.handless_units
        return alone and not clear and self._nearest(deed) > 0.0 and not self._is_explained(deed)

    def _is_denied(self, deed: _Deed) -> bool:
        """Tell whether the cameras that saw the slot unchanged since show it larger than those that saw a change."""
        slot = deed.changes[0].slot_index
        believing = {change.camera_id for change in deed.changes}
        for_it = sum(self._front_px2[camera][slot] for camera in sorted(believing))
        against = sum(
            areas[slot]
            for camera, areas in self._front_px2.items()
            if camera not in believing and slot in areas and self._saw_it_unchanged(camera, slot, deed)
        )
        return against > self._settings.decision.denial_ratio * for_it

    def _saw_it_unchanged(self, camera_id: str, slot: int, deed: _Deed) -> bool:
        watch, former = self._watches.get((camera_id, slot)), self._last_told.get(slot)
        if former is not None and camera_id not in {change.camera_id for change in former.changes}:
            return False  # it missed what happened before, so what looks the same to it is not the same
        return watch is not None and watch.saw_unchanged_since(max(change.after_ns for change in deed.changes))

    def _strength(self, deed: _Deed) -> float:
        """Return how many units' fronts changed, over the cameras, times how near a hand came."""
        return round(self._units(deed) * (0.15 + self._nearest(deed)), 6)

    def _units(self, deed: _Deed) -> float:
        """Return how many units' fronts changed, added up over the cameras, at most 1.5 in each."""
        share = max(self._unit_share[deed.changes[0].slot_index], 1e-3)
        return sum(min(change.share / share, 1.5) for change in deed.changes)

    def _persons(self, weights: dict[int, tuple[float, int, int]]) -> tuple[PersonCandidate, ...]:
        # Squares favour the clearly nearer hand: two hands at one slot at once are rare.
        squares = {person: weight**2 for person, (weight, _, _) in sorted(weights.items())}
        whole = sum(squares.values()) + self._settings.reach.nobody**2
        found = [
            PersonCandidate(person, round(square / whole, 6) - 1e-6)
            for person, square in squares.items()
            if square / whole >= self._settings.decision.least_probability
        ]
        return tuple(sorted(found, key=lambda each: (-each.probability, each.person_id)))

    def _is_blind(self, reach: Reach) -> bool:
        """Tell whether no camera sees the products that the hand reached, so that the hand alone must speak."""
        shelf = self._geometry.shelves[reach.shelf]
        slots = [index for index, slot in enumerate(self._geometry.slots) if slot.shelf_id == shelf.shelf_id]
        seen = any(slot in seen_slots for slot in slots for seen_slots in self._seen.values())
        deep = reach.deepest_m >= self._settings.reach.inside_m
        return not seen and deep and self._reaches.is_likeliest(reach)

    def _tell_unseen(self, reach: Reach) -> Interaction:
        shelf = self._geometry.shelves[reach.shelf]
        along = float(np.median([point[1] for point in reach.points]))
        near = [
            slot
            for slot in self._geometry.slots
            if slot.shelf_id == shelf.shelf_id and slot.from_m <= along <= slot.to_m
        ]
        self._count += 1
        skus = (SkuCandidate(near[0].sku, 0.5),) if near else ()
        return Interaction(
            f"i-{self._count}", shelf.shelf_id, near[0].slot_id if near else None, reach.opened_ns, reach.closed_ns,
            None, 0.6, skus, (PersonCandidate(reach.person_id, 0.9),),
        )  # fmt: skip


def _are_neighbours(a: SlotPlace, b: SlotPlace) -> bool:
    """Tell whether two slots lie side by side on one shelf: a camera from the side sees one's products in the other."""
    gap = max(a.from_m, b.from_m) - min(a.to_m, b.to_m)
    return a.shelf_id == b.shelf_id and gap < 0.05
