"""Puts hands and changes together into interactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.atlas import visible_slots
from vision.shelves.covers import Covers
from vision.shelves.deeds import Deed
from vision.shelves.doubts import Doubts
from vision.shelves.judge import Judge
from vision.shelves.reaches import Reach, Reaches
from vision.shelves.references import References
from vision.shelves.settings import ShelvesSettings
from vision.shelves.slow import SlowShelves
from vision.shelves.slow_watch import RegionChange
from vision.shelves.units import unit_share
from vision.shelves.verdicts import Verdict
from vision.shelves.watch import SlotWatch, ViewChange
from vision.types import I64, EvidenceFrame, Interaction, People, PersonCandidate, SkuCandidate, SlotViews

NS_PER_S = 1_000_000_000


class InteractionFinder:
    """Takes people and slot views, instant by instant, and tells interactions when they are known."""

    def __init__(
        self, geometry: StoreGeometry, settings: ShelvesSettings, references: References | None = None, told: int = 0
    ) -> None:
        """``told`` interactions were told before, by another finder of the same store: numbers go on from there."""
        self._geometry, self._settings = geometry, settings
        self._unit_share = [unit_share(geometry, index) for index in range(len(geometry.slots))]
        self._seen = {camera: visible_slots(geometry, camera, settings.observer) for camera in geometry.cameras}
        self._watches: dict[tuple[str, int], SlotWatch] = {}
        self._deeds: list[Deed] = []
        self._reaches = Reaches(geometry, settings.reach)
        self._covers = Covers(self._seen, len(geometry.slots))
        self._doubts = Doubts(geometry, settings, self._reaches, self._covers, self._watches, self._seen)
        self._judge = Judge(geometry, settings, References() if references is None else references)
        self._slow = SlowShelves(geometry, settings.slow, References() if references is None else references)
        self._count = told

    def update(
        self, people: People, views: Sequence[SlotViews], persons: Mapping[str, I64] | None = None
    ) -> tuple[Interaction, ...]:
        """Take one instant; return what became known by it, in the order in which it happened.

        ``persons`` holds for each camera the person (N,) of each row of ``SlotViews.hidden_by``, 0 for nobody known.
        """
        ended = self._reaches.take(people)
        self._covers.take(people.captured_at_ns, views, persons or {})
        slow: list[Interaction] = []
        for view in sorted(views, key=lambda each: each.camera_id):
            if self._slow.watches(view.camera_id):
                slow += [self._tell_slow(*known) for known in self._slow.take(view)]
                continue
            frame = EvidenceFrame(view.camera_id, view.frame_index, view.captured_at_ns)
            for row, slot in enumerate(view.slot_indices.tolist()):
                for change in self._watch(view.camera_id, slot).see(view.patches[row], view.hidden[row], frame):
                    self._gather(change)
        found = [self._tell_unseen(reach) for reach in ended if self._is_blind(reach)]
        return (*slow, *found, *self._tell_due(people.captured_at_ns))

    def suspects(self) -> tuple[int, ...]:
        """Return who may have made the changes that wait for more cameras, by rising id."""
        found: set[int] = set()
        for deed in self._deeds:
            if deed.state == "waiting":
                if deed.suspects is None:
                    deed.suspects = self._doubts.suspects(deed)
                found |= deed.suspects
        return tuple(sorted(found))

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
        """Put a change to the deed that it belongs to, or begin another."""
        slack_ns = round(self._settings.decision.one_deed_s * NS_PER_S)
        deed = next((each for each in self._deeds if each.takes(change, slack_ns)), None)
        if deed is None:
            deed = Deed([change])
            self._deeds.append(deed)
        else:
            deed.add(change)
        deed.due_ns = deed.seen_ns + round(self._settings.decision.gather_s * NS_PER_S)

    def _tell_due(self, now_ns: int) -> list[Interaction]:
        told = []
        for deed in self._due(now_ns):
            deed.state = "dropped" if self._doubts.is_doubtful(deed, self._deeds) else "told"
            if deed.state == "told":
                told.append(self._tell(deed))
        oldest_ns = now_ns - round(self._settings.decision.wait_s * NS_PER_S)
        self._deeds = [deed for deed in self._deeds if deed.state == "waiting" or deed.seen_ns > oldest_ns]
        return told

    def _is_due(self, deed: Deed, now_ns: int) -> bool:
        settings = self._settings.decision
        if deed.last_seen_ns + round(settings.spread_s * NS_PER_S) <= now_ns and self._doubts.all_told(deed):
            return True
        if now_ns < deed.due_ns:
            return False
        waited_ns = now_ns - deed.due_ns + round(settings.gather_s * NS_PER_S)
        is_settled = self._doubts.is_clear(deed) or self._doubts.is_doubtful(deed, self._deeds)
        return is_settled or waited_ns >= round(settings.patience_s * NS_PER_S)

    def _due(self, now_ns: int) -> list[Deed]:
        """Return the deeds that are due, and those of the same slots that came before them, in the order of time."""
        waiting = sorted(
            (deed for deed in self._deeds if deed.state == "waiting"), key=lambda each: (each.ended_ns, each.begun_ns)
        )
        due: list[Deed] = []
        slots: set[int] = set()
        for deed in reversed(waiting):
            if deed.slot_index in slots or self._is_due(deed, now_ns):
                due.append(deed)
                slots.add(deed.slot_index)
        return due[::-1]

    def _tell(self, deed: Deed) -> Interaction:
        slot, weights = self._geometry.slots[deed.slot_index], self._doubts.weights(deed)
        persons = self._persons(weights)
        self._doubts.told(deed)
        opened, closed = self._when(deed, weights[persons[0].person_id] if persons else None)
        verdict = self._judge.judge(deed.changes, 1, persons)
        self._count += 1
        evidence = sorted(
            {frame for change in deed.changes for frame in change.evidence},
            key=lambda each: (each.captured_at_ns, each.camera_id, each.frame_index),
        )
        return Interaction(
            f"i-{self._count}",
            slot.shelf_id,
            slot.slot_id,
            opened,
            closed,
            verdict.units,
            verdict.probability,
            verdict.skus,
            persons,
            tuple(evidence),
        )

    def _when(self, deed: Deed, reach: tuple[float, int, int] | None) -> tuple[int, int]:
        """Return when the slot can have changed, narrowed to when the likeliest hand was there."""
        opened, closed = min(deed.latest_begin_ns, deed.ended_ns), deed.ended_ns
        if reach is not None and reach[1] < closed and reach[2] > opened:
            return max(opened, reach[1]), min(closed, reach[2])
        return opened, closed

    def _tell_slow(self, index: int, change: RegionChange, verdict: Verdict) -> Interaction:
        """Tell a change that a slow camera saw: its frames are too far apart to follow a hand, so nobody is named."""
        slot = self._geometry.slots[index]
        self._count += 1
        return Interaction(
            f"i-{self._count}", slot.shelf_id, slot.slot_id,
            *change.when_ns, verdict.units, verdict.probability, verdict.skus, (), (change.first, change.last),
        )  # fmt: skip

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
