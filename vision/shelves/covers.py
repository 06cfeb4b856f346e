"""Who was before which slot, in every camera at once.

An arm that reaches into a slot hides it from every camera that sees the slot. Somebody who merely
walks past hides it from one. So a person's claim to a change is the share of the slot that their
silhouette hid, taken together over all cameras that watch the slot, at the best instant. This needs
no hand to be found: hands are small and are missed more often than bodies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from vision.types import F64, I64, SlotViews

_KEPT_NS = 120 * 1_000_000_000


class Covers:
    """Remembers the last two minutes of who hid which slot in which camera."""

    def __init__(self, watched: Mapping[str, Sequence[int]], slot_count: int) -> None:
        """``watched`` are the slots that each camera watches, in the order of ``SlotViews.hidden_by``."""
        columns = {camera: {slot: k for k, slot in enumerate(slots)} for camera, slots in sorted(watched.items())}
        self._columns_of = [
            {camera: slots[slot] for camera, slots in columns.items() if slot in slots} for slot in range(slot_count)
        ]
        self._instants: deque[tuple[int, dict[tuple[str, int], F64]]] = deque()

    def take(self, at_ns: int, views: Sequence[SlotViews], persons: Mapping[str, I64]) -> None:
        """Take one instant. ``persons`` holds for each camera the person id of each detection, 0 for nobody known."""
        found: dict[tuple[str, int], F64] = {}
        for view in views:
            known = persons.get(view.camera_id)
            if known is None or not len(known):
                continue
            for row in np.flatnonzero((known > 0) & view.hidden_by.any(axis=1)).tolist():
                found[view.camera_id, int(known[row])] = view.hidden_by[row].astype(np.float64)
        if found:
            self._instants.append((at_ns, found))
        while self._instants and self._instants[0][0] < at_ns - _KEPT_NS:
            self._instants.popleft()

    def shares(self, slot: int, begin_ns: int, end_ns: int, floor: float) -> dict[int, float]:
        """Return for each person the best share 0 to 1 of ``slot`` that they hid from all its cameras at once.

        Shares are the geometric mean over the cameras, none counted below ``floor``: a camera may miss somebody.
        """
        best: dict[int, float] = {}
        columns = self._columns_of[slot]
        for at_ns, found in reversed(self._instants):
            if at_ns < begin_ns:
                break
            if at_ns > end_ns:
                continue
            hid: dict[int, dict[str, float]] = {}
            for (camera, person), row in found.items():
                if camera in columns and row[columns[camera]] > floor:
                    hid.setdefault(person, {})[camera] = float(row[columns[camera]])
            for person in sorted(hid):
                shares = prod(hid[person].get(camera, floor) for camera in columns)
                best[person] = max(round(shares ** (1 / len(columns)), 6), best.get(person, 0.0))
        return best
