"""The one door through which events come to be: applied to the state, kept for the caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checkout.state import State
from checkout.types import CheckoutEvent


class CheckoutError(ValueError):
    """An input that contradicts the ones before it, such as the same scan twice."""


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """Something that happens at ``at_ns`` by itself; ``rank`` and ``key`` order what falls due together."""

    at_ns: int
    rank: int
    key: str


Timer = tuple[Due, Callable[[int], None]]
"""When, and what to do then (given the time)."""


class Log:
    """Holds the state and what has been emitted since ``take`` was last called."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.version = 0
        """Rises with each event: what follows from the state alone, such as what falls due next, stays till then."""
        self._fresh: list[CheckoutEvent] = []

    def emit(self, event: CheckoutEvent) -> None:
        """Apply ``event`` and keep it for the caller."""
        self.state.apply(event)
        self.version += 1
        self._fresh.append(event)

    def forget(self, before_ns: int) -> None:
        """Forget what was over before then; see ``State.forget``."""
        self.state.forget(before_ns)
        self.version += 1

    def take(self) -> tuple[CheckoutEvent, ...]:
        """Return what was emitted since the last call."""
        fresh, self._fresh = tuple(self._fresh), []
        return fresh
