"""Brings the event log's and billing's events into the projection, without the log's writer ever waiting for it."""

from __future__ import annotations

import contextlib
import itertools
import queue
import sqlite3
import threading
from collections.abc import Callable

from billing.errors import BillingError
from dashboard.visits.projection import Projection
from dashboard.visits.types import EventSource, NewsSource

_S = 1_000_000_000
_MOST_WAITING = 4_096
"""Events of some minutes of a busy store; where more wait, they are read from the log again."""

_BATCH = 200
_WAIT_S = 0.2
_BREATH_S = 0.01
"""Between two batches that are read again: the pipeline, in the same process, comes first."""

_NEWS_EVERY_NS = _S // 2
_FORGET_EVERY_NS = 600 * _S
_AGAIN_S = 2.0


class Feeder:
    """Feeds a projection. ``heard`` is called by whoever writes the log, and returns at once; ``run`` is a thread's work."""

    def __init__(
        self, projection: Projection, log: EventSource, news: NewsSource | None, clock: Callable[[], int],
        most_waiting: int = _MOST_WAITING,
    ) -> None:  # fmt: skip
        """``clock`` gives Unix time in nanoseconds."""
        self._projection, self._log, self._news, self._clock = projection, log, news, clock
        self._waiting: queue.Queue[tuple[int, object]] = queue.Queue(most_waiting)
        self._end = 0
        self._checked = False
        self._news_ns = self._forgot_ns = 0
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why the projection is not up to date, empty where it is."""
        return self._problem

    def heard(self, position: int, event: object) -> None:
        """Take an event that was written to the log at ``position``."""
        self._end = position + 1
        with contextlib.suppress(queue.Full):  # then the gap is seen, and the log has it
            self._waiting.put_nowait((position, event))

    def run(self, stopped: threading.Event) -> None:
        """Feed until ``stopped`` is set. What cannot be read or written is tried again."""
        while not stopped.is_set():
            try:
                self.round(_WAIT_S, stopped)
                self._problem = ""
            except (sqlite3.Error, OSError, ValueError, BillingError) as error:
                self._problem = f"{type(error).__name__}: {error}"
                stopped.wait(_AGAIN_S)

    def round(self, wait_s: float, stopped: threading.Event | None = None) -> None:
        """Bring over what waits, or wait so long for it. Raises what ``EventSource`` and ``NewsSource`` do, or sqlite3.Error."""
        stopped = stopped or threading.Event()
        if not self._checked:
            self._projection.check(self._log)
            self._read_again(stopped)
            self._checked = True
        batch = self._batch(wait_s)
        position = self._projection.position
        fresh = [each for each in batch if each[0] >= position]
        if fresh and [at for at, _ in fresh] == list(range(position, position + len(fresh))):
            self._projection.take(fresh)
        elif fresh or (not batch and position < self._end):
            self._read_again(stopped)
        self._tend(stopped)

    def _batch(self, wait_s: float) -> list[tuple[int, object]]:
        found: list[tuple[int, object]] = []
        try:
            found.append(self._waiting.get(timeout=wait_s))
            while len(found) < _BATCH:
                found.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return found

    def _read_again(self, stopped: threading.Event) -> None:
        """Take all that the log has beyond the projection."""
        lines = self._log.after(self._projection.position)
        while batch := list(itertools.islice(lines, _BATCH)):
            self._projection.take(batch)
            if stopped.wait(_BREATH_S):
                return

    def _tend(self, stopped: threading.Event) -> None:
        now_ns = self._clock()
        if self._news is not None and abs(now_ns - self._news_ns) >= _NEWS_EVERY_NS:
            self._news_ns = now_ns
            while news := self._news.after(self._projection.news, _BATCH):
                self._projection.hear(news)
                if stopped.wait(_BREATH_S):
                    return
        if abs(now_ns - self._forgot_ns) >= _FORGET_EVERY_NS:
            self._forgot_ns = now_ns
            self._projection.forget(self._log.first())
