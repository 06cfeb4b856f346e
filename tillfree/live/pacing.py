"""Files as if they were live: nothing is given before its time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

_S = 1_000_000_000
_LOOK_NS = 50_000_000
"""A clock that is not the system's is looked at this often: it may run faster."""


def wait_until(at_ns: int, clock: Callable[[], int], stopped: Event) -> bool:
    """Wait until ``clock`` says ``at_ns``; return False as soon as ``stopped`` is set."""
    while (left_ns := at_ns - clock()) > 0:
        if stopped.wait(min(left_ns, _LOOK_NS) / _S):
            return False
    return not stopped.is_set()


class RateLimit:
    """Lets through at most ``fps`` pictures a second of capture time, evenly, and one early one after a gap."""

    def __init__(self, fps: float) -> None:
        self._period_ns = round(_S / fps)
        self._due_ns: int | None = None

    def passes(self, captured_ns: int) -> bool:
        """Tell whether a picture is wanted; times must rise. One that is up to half a period early is on time."""
        if self._due_ns is None:
            self._due_ns = captured_ns
        if captured_ns + self._period_ns // 2 < self._due_ns:
            return False
        self._due_ns = max(self._due_ns + self._period_ns, captured_ns - self._period_ns)
        return True
