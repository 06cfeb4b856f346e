"""Reasons not to believe in a change: a neighbour's picture, nobody near, or another camera that saw otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from store_layout.geometry import StoreGeometry
from vision.shelves.atlas import front_areas_px2
from vision.shelves.covers import Covers
from vision.shelves.deeds import Deed, are_neighbours
from vision.shelves.reaches import Reaches
from vision.shelves.settings import ShelvesSettings
from vision.shelves.units import unit_share
from vision.shelves.watch import SlotWatch

LEAST_NEARNESS = 0.15
"""What a change counts that nobody was near, beside one with a hand in it (1.15)."""


class Doubts:
    """Judges deeds by the other deeds, by who was near, and by the cameras that should have seen them too."""

    def __init__(
        self,
        geometry: StoreGeometry,
        settings: ShelvesSettings,
        reaches: Reaches,
        covers: Covers,
        watches: Mapping[tuple[str, int], SlotWatch],
        watched: Mapping[str, Sequence[int]],
    ) -> None:
        """``watches`` are by camera and slot, and are followed as they grow; ``watched`` are the slots that each camera watches."""
        self._geometry, self._settings = geometry, settings.decision
        self._reaches, self._covers, self._watches = reaches, covers, watches
        self._shelf_of = {shelf.shelf_id: index for index, shelf in enumerate(geometry.shelves)}
        self._unit_share = [unit_share(geometry, index) for index in range(len(geometry.slots))]
        self._front_px2 = {camera: front_areas_px2(geometry, camera, slots) for camera, slots in watched.items()}
        self._last_told: dict[int, Deed] = {}

    def told(self, deed: Deed) -> None:
        """Remember what was told last of each slot."""
        self._last_told[deed.slot_index] = deed

    def is_doubtful(self, deed: Deed, others: Sequence[Deed]) -> bool:
        """Tell whether ``deed`` is not to be believed; ``others`` are all deeds of the last time."""
        return self._is_spill(deed, others) or self._is_handless(deed) or self._is_denied(deed, others)

    def weights(self, deed: Deed) -> dict[int, tuple[float, int, int]]:
        """Return for each person a weight for having done it, by hand and by what they hid, and when that can have been.

        Only a hand that was surely there narrows the time between the last old look and the first new one.
        """
        slot = self._geometry.slots[deed.slot_index]
        begin_ns, end_ns = sorted((deed.latest_begin_ns, deed.ended_ns))
        hands = self._reaches.weights(slot, self._shelf_of[slot.shelf_id], begin_ns, end_ns)
        sure = self._settings.narrowing_weight
        found = {person: each if each[0] >= sure else (each[0], begin_ns, end_ns) for person, each in hands.items()}
        for person, share in self._covers.shares(deed.slot_index, begin_ns, end_ns, self._settings.cover_floor).items():
            weight, came_ns, left_ns = found.get(person, (0.0, begin_ns, end_ns))
            found[person] = (round(weight + self._settings.cover_weight * share * share, 6), came_ns, left_ns)
        return found

    def suspects(self, deed: Deed) -> frozenset[int]:
        """Return whose hand or body explains a change."""
        least = self._settings.explained_weight
        return frozenset(person for person, (weight, _, _) in self.weights(deed).items() if weight >= least)

    def is_explained(self, deed: Deed) -> bool:
        """Tell whether a hand came near the slot while it changed, or somebody stood within reach of it."""
        return self._nearest(deed) >= self._settings.explained_weight

    def _nearest(self, deed: Deed) -> float:
        """Return how near, 0 to 1, anybody's hand or body came to the slot while it changed; 0 where nobody was."""
        return max((weight for weight, _, _ in self.weights(deed).values()), default=0.0)

    def _is_spill(self, deed: Deed, others: Sequence[Deed]) -> bool:
        """Tell whether a neighbour's change, far stronger and of the same time, reached into this slot's picture."""
        needed = self._settings.spill_ratio * self._strength(deed)
        return any(self._strength(other) >= needed for other in self._rivals(deed, others))

    def _rivals(self, deed: Deed, others: Sequence[Deed]) -> list[Deed]:
        """Return the changes of neighbour slots of the same time: one of them may be seen in the other's picture."""
        place = self._geometry.slots[deed.slot_index]
        return [
            other
            for other in others
            if other.slot_index != deed.slot_index
            and are_neighbours(place, self._geometry.slots[other.slot_index])
            and deed.begun_ns < other.ended_ns
            and other.begun_ns < deed.ended_ns
        ]

    def _is_handless(self, deed: Deed) -> bool:
        """Tell whether people were about, nobody within reach, and one camera alone believes in a change."""
        clear = self._unit_sum(deed) >= self._settings.handless_units
        return len(deed.cameras) == 1 and not clear and self._nearest(deed) > 0.0 and not self.is_explained(deed)

    def is_clear(self, deed: Deed) -> bool:
        """Tell whether so much changed that it need not wait for cameras which have not seen the slot since."""
        return self._unit_sum(deed) >= self._settings.clear_units

    def all_told(self, deed: Deed) -> bool:
        """Tell whether every camera that watches the slot has seen the change, or the slot unchanged since."""
        slot = deed.slot_index
        watching = {camera for camera, areas in self._front_px2.items() if slot in areas}
        return all(self._saw_it_unchanged(camera, deed) for camera in sorted(watching - deed.cameras))

    def _is_denied(self, deed: Deed, others: Sequence[Deed]) -> bool:
        """Tell whether the cameras that saw the slot unchanged after it show it larger than those that saw a change.

        A camera that saw a part of a unit change believes in it by the square of that part: a hand before the slot
        changes a little, too. What is clear in several cameras, with a hand there and no neighbour changing, is not denied by
        others: they may see the slot edge-on, or another thing in it.
        """
        is_handled = len(deed.cameras) > 1 and self._nearest(deed) >= self._settings.narrowing_weight
        if is_handled and self.is_clear(deed) and not self._rivals(deed, others):
            return False
        slot = deed.slot_index
        later = {
            change.camera_id
            for other in others
            if other is not deed and other.slot_index == slot
            for change in other.changes
            if change.before_ns >= deed.latest_end_ns  # it saw the old look until a later change began
        }
        for_it = sum(
            self._front_px2[camera][slot] * min(units, 1.0) ** 2 for camera, units in self._units(deed).items()
        )
        against = sum(
            areas[slot]
            for camera, areas in self._front_px2.items()
            if camera not in deed.cameras
            and slot in areas
            and (camera in later or self._saw_it_unchanged(camera, deed))
        )
        return against > self._settings.denial_ratio * for_it

    def _saw_it_unchanged(self, camera_id: str, deed: Deed) -> bool:
        watch, former = self._watches.get((camera_id, deed.slot_index)), self._last_told.get(deed.slot_index)
        if watch is None:
            return False
        begin_ns = deed.latest_begin_ns
        if former is not None:
            seen_ns = [change.seen_ns for change in former.changes if change.camera_id == camera_id]
            if not seen_ns:
                return False  # it missed what happened before, so what looks the same to it is not the same
            begin_ns = max(begin_ns, max(seen_ns) + 1)  # what it saw until then was the former change
        return watch.saw_unchanged_since(begin_ns, deed.latest_end_ns)

    def _strength(self, deed: Deed) -> float:
        """Return how many units' fronts changed, over the cameras, times how near a hand came."""
        return round(self._unit_sum(deed) * (LEAST_NEARNESS + self._nearest(deed)), 6)

    def _unit_sum(self, deed: Deed) -> float:
        """Return how many units' fronts changed, added up over the cameras, at most 1.5 in each."""
        return sum(min(units, 1.5) for units in self._units(deed).values())

    def _units(self, deed: Deed) -> dict[str, float]:
        """Return how many units' fronts each camera saw change."""
        share = max(self._unit_share[deed.slot_index], 1e-3)
        return {
            camera: sum(change.share for change in deed.changes if change.camera_id == camera) / share
            for camera in sorted(deed.cameras)
        }
