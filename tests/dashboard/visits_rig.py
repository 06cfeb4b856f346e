"""A projection, a log in memory, and billing with a sandbox, for tests of the visits' pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dashboard.visits.projection import Projection
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tests.dashboard.desk_rig import LAYOUT, S
from tillfree.live.tokens import token_name

NOW = 1_800_000_000 * S
GEOMETRY = StoreGeometry(load_store(LAYOUT))


class MemoryLog:
    """An event log in memory; lines before ``begin`` were deleted."""

    def __init__(self, events: Iterable[object] = ()) -> None:
        self.events = list(events)
        self.begin = 0
        self.reads = 0

    def first(self) -> int:
        return self.begin

    def after(self, position: int) -> Iterator[tuple[int, object]]:
        self.reads += 1
        at = max(position, self.begin)
        while at < len(self.events):
            yield at, self.events[at]
            at += 1


def projection_of(folder: Path, events: Iterable[object] = (), name: str = "dashboard.sqlite") -> Projection:
    found = Projection(folder / name, token_name)
    found.take(list(enumerate(events)))
    return found
