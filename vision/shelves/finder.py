"""Puts hands and changes together into interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from store_layout.geometry import StoreGeometry
from vision.shelves.changes import SeenChange, SlotMemory
from vision.shelves.identity import Identity
from vision.shelves.observer import visible_slots
from vision.shelves.reaches import Reach, Reaches
from vision.shelves.settings import ShelvesSettings
from vision.types import Interaction, People, PersonCandidate, SkuCandidate, SlotViews

NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class _Event:
    """A change of one slot that was told; ``seen_by`` are the cameras that have reported it."""

    slot: int
    before_ns: int
    after_ns: int
    direction: int
    seen_by: set[str] = field(default_factory=set)


class InteractionFinder:
    """Takes people and slot views, instant by instant, and tells interactions when they are known."""

    def __init__(self, geometry: StoreGeometry, settings: ShelvesSettings, references: object = None) -> None:
        del references
        self._geometry, self._settings = geometry, settings
        self._shelf_of = {shelf.shelf_id: index for index, shelf in enumerate(geometry.shelves)}
        self._unit_share = [unit_share(geometry, index) for index in range(len(geometry.slots))]
        self._seen = {camera: set(visible_slots(geometry, camera, settings.observer)) for camera in geometry.cameras}
        self._memories: dict[tuple[str, int], SlotMemory] = {}
        self._events: list[_Event] = []
        self._reaches = Reaches(geometry, settings.reach)
        self._identity = Identity(geometry, settings)
        self._count = 0

    def update(self, people: People, views: Sequence[SlotViews]) -> tuple[Interaction, ...]:
        """Take one instant."""
        ended = self._reaches.take(people)
        found = []
        for view in sorted(views, key=lambda each: each.camera_id):
            for row, slot in enumerate(view.slot_indices.tolist()):
                change = self._memory(view.camera_id, slot).take(view.patches[row], view.captured_at_ns)
                if change is not None and self._is_news(change):
                    found.append(self._tell(change))
        found += [self._tell_unseen(reach) for reach in ended if self._is_blind(reach)]
        return tuple(found)

    def finish(self, at_ns: int) -> tuple[Interaction, ...]:
        """End the input: hands that are still at shelves have left."""
        del at_ns
        return tuple(self._tell_unseen(reach) for reach in self._reaches.finish() if self._is_blind(reach))

    def _memory(self, camera_id: str, slot: int) -> SlotMemory:
        key = (camera_id, slot)
        if key not in self._memories:
            self._memories[key] = SlotMemory(slot, camera_id, self._unit_share[slot], self._settings.change)
        return self._memories[key]

    def _is_news(self, change: SeenChange) -> bool:
        """Tell a new change from one that another camera reported already."""
        absorbed = False
        for event in self._events:
            overlaps = event.before_ns <= change.after_ns and change.before_ns <= event.after_ns
            if event.slot == change.slot and overlaps and change.camera_id not in event.seen_by:
                event.seen_by.add(change.camera_id)
                absorbed = True
        return not absorbed

    def _tell(self, change: SeenChange) -> Interaction:
        slot = self._geometry.slots[change.slot]
        weights = self._reaches.weights(slot, self._shelf_of[slot.shelf_id], change.before_ns, change.after_ns)
        persons = self._persons(weights)
        opened, closed = change.before_ns, change.after_ns
        if persons:
            _, opened, closed = weights[persons[0].person_id]
        direction, certainty, skus = self._identity.judge(change, persons)
        self._events.append(_Event(change.slot, change.before_ns, change.after_ns, direction, {change.camera_id}))
        self._count += 1
        return Interaction(
            f"i-{self._count}",
            slot.shelf_id,
            slot.slot_id,
            min(opened, closed),
            max(opened, closed),
            direction,
            certainty,
            skus,
            persons,
        )

    def _persons(self, weights: dict[int, tuple[float, int, int]]) -> tuple[PersonCandidate, ...]:
        total = sum(weight for weight, _, _ in weights.values()) + self._settings.reach.nobody
        # squares favour the clearly nearer hand: two hands at one slot at once are rare
        squares = {person: weight**2 for person, (weight, _, _) in sorted(weights.items())}
        whole = sum(squares.values()) + self._settings.reach.nobody**2
        found = [
            PersonCandidate(person, round(square / whole, 6))
            for person, square in squares.items()
            if square / whole >= 0.01
        ]
        del total
        return tuple(sorted(found, key=lambda each: (-each.probability, each.person_id)))

    def _is_blind(self, reach: Reach) -> bool:
        """Tell whether no camera sees the products that the hand reached, so that the hand alone must speak."""
        shelf = self._geometry.shelves[reach.shelf]
        slots = [index for index, slot in enumerate(self._geometry.slots) if slot.shelf_id == shelf.shelf_id]
        seen = any(slot in seen_slots for slot in slots for seen_slots in self._seen.values())
        return not seen and reach.deepest_m >= self._settings.reach.inside_m

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


def unit_share(geometry: StoreGeometry, index: int) -> float:
    """Return which share of a slot's front one unit covers, from its product's size or from the facings."""
    slot = geometry.slots[index]
    product = next((each for each in geometry.store.products if each.sku == slot.sku), None)
    width_m = slot.to_m - slot.from_m
    height_m = float(slot.front_corners_m[0, 2] - slot.front_corners_m[3, 2])
    if product is None or product.size_m is None:
        return 0.6 / slot.facings
    return min(product.size_m[0] / width_m, 1.0) * min(product.size_m[2] / height_m, 1.0)
