"""Changes that several cameras saw, put together into what one hand did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from store_layout.geometry import SlotPlace
from vision.shelves.looks import touch
from vision.shelves.watch import ViewChange


@dataclass(slots=True)
class Deed:
    """Changes of one slot that one hand's doing may have made.

    ``waiting`` for more cameras until ``due_ns``, ``told`` as an interaction, or ``dropped`` as not believed. ``suspects`` may have done
    it, None where nobody has asked yet.
    """

    changes: list[ViewChange]
    state: Literal["waiting", "told", "dropped"] = "waiting"
    due_ns: int = 0
    suspects: frozenset[int] | None = None

    @property
    def slot_index(self) -> int:
        """The slot that changed."""
        return self.changes[0].slot_index

    @property
    def cameras(self) -> set[str]:
        """The cameras that saw it change."""
        return {change.camera_id for change in self.changes}

    @property
    def begun_ns(self) -> int:
        """About when it began: the middle of what the cameras say."""
        return int(np.median([change.before_ns for change in self.changes]))

    @property
    def latest_begin_ns(self) -> int:
        """When the old look was last seen by any camera."""
        return max(change.before_ns for change in self.changes)

    @property
    def ended_ns(self) -> int:
        """When the new look was first seen by any camera."""
        return min(change.after_ns for change in self.changes)

    @property
    def latest_end_ns(self) -> int:
        """When every camera that believes in it saw the new look."""
        return max(change.after_ns for change in self.changes)

    @property
    def seen_ns(self) -> int:
        """When it was first believed."""
        return min(change.seen_ns for change in self.changes)

    @property
    def last_seen_ns(self) -> int:
        """When the last of its changes was believed."""
        return max(change.seen_ns for change in self.changes)

    def takes(self, change: ViewChange, slack_ns: int) -> bool:
        """Tell whether ``change`` is of this deed: the same slot in the same time, or the rest of what a camera saw.

        Parts of one picture that lie side by side are one thing, of which somebody hid a part longer.
        """
        twice = [other for other in self.changes if other.camera_id == change.camera_id]
        at_once = all(
            abs(other.after_ns - change.after_ns) < slack_ns or touch(other.region, change.region) for other in twice
        )
        overlap = self.latest_begin_ns < change.after_ns and change.before_ns < self.ended_ns
        return self.slot_index == change.slot_index and overlap and at_once

    def add(self, change: ViewChange) -> None:
        """Take ``change`` in. What was dropped is thought over again when another camera saw it too."""
        if self.state == "dropped" and change.camera_id not in self.cameras:
            self.state = "waiting"
        self.changes.append(change)
        self.suspects = None


def are_neighbours(a: SlotPlace, b: SlotPlace) -> bool:
    """Tell whether two slots lie side by side on one shelf: a camera from the side sees one's products in the other."""
    gap = max(a.from_m, b.from_m) - min(a.to_m, b.to_m)
    return a.shelf_id == b.shelf_id and gap < 0.05
