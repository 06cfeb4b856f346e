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

    A worker that has said nothing for ``patience_s`` is not waited for until it speaks again; what it then tells of the
    past is late, and counted. A duplicate is counted and dropped, wherever it comes from.
    """

    def __init__(self, workers: tuple[str, ...], settings: JoinSettings, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._patience_ns = round(settings.patience_s * 1e9)
        self._until = dict.fromkeys(sorted(workers), _NEVER_NS)
        self._heard = dict.fromkeys(self._until, clock())
        self._held: list[tuple[Order, int, Observation]] = []
        self._count = itertools.count()
        self._known: OrderedDict[Order, None] = OrderedDict()
        self._given_ns = _NEVER_NS
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

    def beat(self, worker: str, until_ns: int) -> None:
        """Hear that a worker has told all that its cameras saw up to ``until_ns``."""
        if worker in self._until:
            self._until[worker] = max(self._until[worker], until_ns)
            self._heard[worker] = self._clock()

    def silent(self) -> tuple[str, ...]:
        """Return the workers that are not waited for any more."""
        now_ns = self._clock()
        return tuple(worker for worker, heard in self._heard.items() if now_ns - heard > self._patience_ns)

    def ready(self) -> Iterator[Observation]:
        """Yield what nobody awaited can precede any more, in order."""
        silent = set(self.silent())
        awaited = [until for worker, until in self._until.items() if worker not in silent]
        mark_ns = min(awaited, default=max(self._until.values()))
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
