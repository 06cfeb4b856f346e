"""Times in which no camera saw a shelf, told of the visits that were under way. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from checkout.types import ShelvesUnseen


class Coverage:
    """Call ``see`` about once a second with the cameras that are up."""

    def __init__(
        self,
        slots_of: Mapping[str, Collection[int]],
        min_ns: int,
        looked_ns: int | None = None,
        untold_ns: int = 0,
        settle_ns: int = 0,
    ) -> None:
        """``slots_of`` are the slots that each camera sees; ``looked_ns`` is when somebody last looked, before a start.

        Shorter times than ``min_ns`` are not told. A start is, however short: a deed of the ``untold_ns`` before may have
        been on its way, and who is who is found out in the ``settle_ns`` after the first look.
        """
        self._slots_of = {camera: frozenset(slots) for camera, slots in slots_of.items()}
        self._all = frozenset[int]().union(*self._slots_of.values())
        self._min_ns, self._since_ns = min_ns, looked_ns
        self._untold_ns, self._settle_ns = untold_ns, settle_ns
        self._settled_ns: int | None = None
        self._is_start = looked_ns is not None
        self._told: set[str] = set()

    def see(
        self, up: Iterable[str], now_ns: int, visits: Iterable[str], looked_ns: Mapping[str, int] | None = None
    ) -> ShelvesUnseen | None:
        """Return what nobody saw up to now, for those of ``visits`` that were not told of in this time before.

        ``looked_ns`` is when each camera was looked at last: a camera is found to be down only after a while.
        """
        seen = frozenset[int]().union(*(self._slots_of.get(camera, frozenset()) for camera in up))
        if self._since_ns is None and seen < self._all:
            latest = looked_ns or {}
            self._since_ns = min((self._last_ns(slot, latest, now_ns) for slot in self._all - seen), default=now_ns)
        if self._is_start and self._since_ns is not None:
            self._since_ns = min(self._since_ns, now_ns) - max(self._untold_ns, self._min_ns)
            self._settled_ns = now_ns + self._settle_ns
            self._is_start = False
        told = self._tell(now_ns, visits)
        if seen >= self._all and (self._settled_ns is None or now_ns >= self._settled_ns):
            self._since_ns = None
            self._told.clear()
        return told

    def _last_ns(self, slot: int, looked_ns: Mapping[str, int], now_ns: int) -> int:
        """Return when the last of a slot's cameras was looked at, ``now_ns`` where none ever was."""
        latest = [
            looked_ns[camera] for camera, slots in self._slots_of.items() if slot in slots and camera in looked_ns
        ]
        return min(max(latest, default=now_ns), now_ns)

    def _tell(self, now_ns: int, visits: Iterable[str]) -> ShelvesUnseen | None:
        if self._since_ns is None or now_ns - self._since_ns < self._min_ns:
            return None
        fresh = tuple(visit for visit in visits if visit not in self._told)
        self._told.update(fresh)
        return ShelvesUnseen(self._since_ns, now_ns, fresh) if fresh else None
