"""How vision workers tell a store's coordinator what they saw: the port, and its adapter inside one process."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from vision.types import Observation


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's word that it has told all that its cameras saw up to ``until_ns``."""

    worker: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class BusStatus:
    """How a machine's end of the bus does. ``waiting`` messages are not yet with the broker, or not yet taken."""

    is_connected: bool
    waiting: int
    dropped: int
    problem: str | None


class Publisher(Protocol):
    """A worker's end. Neither call waits for the network."""

    def tell(self, observation: Observation) -> None:
        """Tell what a frame showed."""
        ...

    def beat(self, until_ns: int) -> None:
        """Say that all up to ``until_ns`` was told; it is sent once that is so."""
        ...

    def status(self) -> BusStatus:
        """Return how this end does."""
        ...


class Subscriber(Protocol):
    """The coordinator's end."""

    def take(self, timeout_s: float) -> Observation | Beat | None:
        """Return the next message, None if there is none within ``timeout_s``. Messages may come twice, and out of order."""
        ...

    def done(self, until_ns: int) -> None:
        """Say that what was taken and is of a time up to ``until_ns`` need not be given again after a crash."""
        ...

    def status(self) -> BusStatus:
        """Return how this end does."""
        ...


class InProcessBus:
    """Both ends in one thread."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._messages: deque[Observation | Beat] = deque()

    def tell(self, observation: Observation) -> None:
        """See ``Publisher.tell``."""
        self._messages.append(observation)

    def beat(self, until_ns: int) -> None:
        """See ``Publisher.beat``."""
        self._messages.append(Beat(self._worker, until_ns))

    def take(self, timeout_s: float) -> Observation | Beat | None:
        """See ``Subscriber.take``; nothing comes by waiting."""
        del timeout_s
        return self._messages.popleft() if self._messages else None

    def done(self, until_ns: int) -> None:
        """See ``Subscriber.done``: nothing outlives the process."""

    def status(self) -> BusStatus:
        """See ``Publisher.status``."""
        return BusStatus(is_connected=True, waiting=len(self._messages), dropped=0, problem=None)
