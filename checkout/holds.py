"""Receipts that wait for what shelves are about to tell. Nothing of it outlives a restart: visits under way are asked about then."""

from __future__ import annotations

from collections.abc import Container, Iterable


class Holds:
    """Which visits may have changed a shelf of which no interaction is told yet, and until when others had."""

    def __init__(self, hold_ns: int) -> None:
        """A receipt is held for ``hold_ns`` after the exit at most."""
        self._hold_ns = hold_ns
        self._waiting: frozenset[str] = frozenset()
        self._until_ns: dict[str, int] = {}

    def wait(self, visit_ids: Iterable[str], at_ns: int, live: Container[str]) -> None:
        """Hear that from now on those visits wait and no others; ``live`` are visits without a final receipt."""
        waiting = frozenset(visit_ids)
        self._until_ns = {visit: until_ns for visit, until_ns in self._until_ns.items() if visit in live}
        self._until_ns.update(dict.fromkeys(self._waiting - waiting, at_ns))
        self._waiting = waiting

    def due_ns(self, visit_id: str, closed_at_ns: int, due_ns: int) -> int:
        """Return when a receipt is final that was due at ``due_ns``."""
        latest_ns = max(due_ns, closed_at_ns + self._hold_ns)
        return latest_ns if visit_id in self._waiting else max(due_ns, min(self._until_ns.get(visit_id, 0), latest_ns))
