"""Which cameras watch what in a store: its gates and its slots."""

from __future__ import annotations

from dataclasses import dataclass

from store_layout.geometry import StoreGeometry
from tillfree.live.view import gates_seen_by
from vision.shelves.atlas import visible_slots
from vision.shelves.settings import ObserverSettings


@dataclass(frozen=True, slots=True)
class Watched:
    """A gate or a slot, and the cameras that watch it. ``where`` says it in words: several slots of a shelf say the same."""

    place_id: str
    where: str
    cameras: tuple[str, ...]


def watched_places(geometry: StoreGeometry, settings: ObserverSettings) -> tuple[Watched, ...]:
    """Return the gates and slots that at least one camera watches, by the layout and the shelves' own rule."""
    gates = [Watched(gate, f"gate {gate}", cameras) for gate, cameras in gates_seen_by(geometry).items() if cameras]
    seen = {camera: set(visible_slots(geometry, camera, settings)) for camera in geometry.cameras}
    slots = [
        Watched(
            slot.slot_id, f"shelf {slot.shelf_id}", tuple(camera for camera, found in seen.items() if index in found)
        )
        for index, slot in enumerate(geometry.slots)
    ]
    return (*gates, *(slot for slot in slots if slot.cameras))
