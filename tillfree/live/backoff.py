"""How long to wait before a camera, or whoever else was out of reach, is asked again: longer each time, and a part of it by lot."""

from __future__ import annotations

from random import Random
from typing import Protocol


class Waits(Protocol):
    """How waits grow, as ``FeedSettings`` says it for cameras."""

    @property
    def backoff_first_s(self) -> float:
        """The first wait."""
        ...

    @property
    def backoff_factor(self) -> float:
        """What each further wait is longer by."""
        ...

    @property
    def backoff_max_s(self) -> float:
        """The longest wait."""
        ...

    @property
    def backoff_jitter(self) -> float:
        """Share of each wait that is drawn by lot."""
        ...


class Backoff:
    """Waits that grow from the first to the longest. ``lot`` draws the part that keeps cameras from asking at once."""

    def __init__(self, settings: Waits, lot: Random) -> None:
        self._settings, self._lot = settings, lot
        self._next_s = settings.backoff_first_s

    def next_s(self) -> float:
        """Return the wait before the next try, in seconds."""
        whole_s = min(self._next_s, self._settings.backoff_max_s)
        self._next_s = min(whole_s * self._settings.backoff_factor, self._settings.backoff_max_s)
        return whole_s * (1 - self._settings.backoff_jitter * self._lot.random())

    def reset(self) -> None:
        """Begin with the first wait again."""
        self._next_s = self._settings.backoff_first_s
