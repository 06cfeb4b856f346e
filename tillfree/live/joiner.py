"""Observations of several machines brought into the one order, by what each machine says it has told."""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator

from pydantic import Field

from store_layout.model import Strict
from vision.types import Observation

Order = tuple[int, str, int]
_NEVER_NS = -(1 << 62)
_REMEMBERED = 20_000
"""Observations given lately whose duplicates are known as such: five minutes of sixteen cameras."""


class JoinSettings(Strict):
    """How long one machine waits for another."""

    patience_s: float = Field(
        default=20.0,
        gt=0,
        le=600,
        description="s without a word from a vision worker until the store goes on without its cameras: longer than a broker or "
        "a worker takes to be started anew",
    )


class Joiner:
    """Holds observations until every worker has said that it told all up to their time.

    A worker that has said nothing for ``patience_s`` is given up, and not waited for until it speaks again; what it then
    tells of the past is late, and counted. A duplicate is counted and dropped, wherever it comes from.
    """

    def __init__(
        self, workers: tuple[str, ...], settings: JoinSettings, clock: Callable[[], int], after_ns: int = _NEVER_NS
    ) -> None:
        """What is of a time up to ``after_ns`` was given before a restart, and is late."""
        self._clock = clock
        self._patience_ns = round(settings.patience_s * 1e9)
        self._until = dict.fromkeys(sorted(workers), _NEVER_NS)
        self._heard = dict.fromkeys(self._until, clock())
        self._given_up: frozenset[str] = frozenset()
        self._held: list[tuple[Order, int, Observation]] = []
        self._count = itertools.count()
        self._known: OrderedDict[Order, None] = OrderedDict()
        self._given_ns = self._latest_ns = after_ns
        self.duplicate_count = 0
        self.late_count = 0

    def push(self, observation: Observation) -> None:
        """Take an observation, from whichever worker."""
        order = observation.order
        if order in self._known:
            self.duplicate_count += 1
        elif order[0] <= self._given_ns:
            self.late_count += 1
        else:
            self._known[order] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            heapq.heappush(self._held, (order, next(self._count), observation))
            self._latest_ns = max(self._latest_ns, order[0])

    def beat(self, worker: str, until_ns: int) -> None:
        """Hear that a worker has told all that its cameras saw up to ``until_ns``."""
        if worker in self._until:
            self._until[worker] = max(self._until[worker], until_ns)
            self._heard[worker] = self._clock()
            self._given_up -= {worker}

    def give_up(self) -> frozenset[str]:
        """Wait no longer for workers that are silent, and return them. To be called about once a second."""
        now_ns = self._clock()
        self._given_up = frozenset(
            worker for worker, heard in self._heard.items() if now_ns - heard > self._patience_ns
        )
        return self._given_up

    @property
    def given_up(self) -> frozenset[str]:
        """The workers that are not waited for."""
        return self._given_up

    @property
    def worker_count(self) -> int:
        """How many workers there are."""
        return len(self._until)

    def mark_ns(self) -> int | None:
        """Return up to when all awaited workers have told all, None where one of them has not said a word.

        Where nobody is awaited it is up to the last that any of them told: one may have died before it said that this was all.
        """
        awaited = [until for worker, until in self._until.items() if worker not in self._given_up]
        mark_ns = min(awaited) if awaited else max(self._latest_ns, *self._until.values())
        return None if mark_ns == _NEVER_NS else mark_ns

    def next_ns(self) -> int | None:
        """Return the time of what ``ready`` would yield first, None where it yields nothing."""
        mark_ns = self.mark_ns()
        if mark_ns is None or not self._held or self._held[0][0][0] > mark_ns:
            return None
        return self._held[0][0][0]

    def ready(self) -> Iterator[Observation]:
        """Yield what nobody awaited can precede any more, in order. Whoever breaks off finds the rest here later."""
        mark_ns = self.mark_ns()
        if mark_ns is None:
            return
        while self._held and self._held[0][0][0] <= mark_ns:
            order, _, observation = heapq.heappop(self._held)
            self._given_ns = max(self._given_ns, order[0])
            yield observation

    def finish(self) -> Iterator[Observation]:
        """Yield all that is held, in order."""
        while self._held:
            yield heapq.heappop(self._held)[2]

    def __len__(self) -> int:
        return len(self._held)
