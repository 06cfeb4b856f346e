"""The engine of a coordinator: observations of all its workers in the order of time, events out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tillfree.live.bus import Beat, Subscriber, WorkerReport
from tillfree.live.joiner import Joiner
from tillfree.run import StoreRun
from vision.pipeline import Instant
from vision.types import Observation

_S = 1_000_000_000
_AT_ONCE = 64
"""Messages taken in one step."""
_STRIDE_NS = _S
"""Time of the store that passes in one step at most: once a silent worker is not awaited any more, much comes at once, and the
loop looks after shelves, scans and gates in between."""


class BusWatcher(Protocol):
    """Who wants to know what the loop does, where pictures stay with the workers."""

    def told(self, observation: Observation) -> None:
        """Hear that an observation came in its turn."""
        ...

    def happened(self, instant: Instant) -> None:
        """Hear of an instant, after all that follows from it is in the carts."""
        ...


class BusEngine:
    """Moves what workers tell through ``run``. One thread calls ``step`` again and again."""

    def __init__(
        self,
        subscriber: Subscriber,
        joiner: Joiner,
        run: StoreRun,
        silence_s: float | None,
        clock: Callable[[], int],
        heard: Callable[[WorkerReport], None],
        watchers: tuple[BusWatcher, ...],
        note: Callable[[int], None],
    ) -> None:
        """After ``silence_s`` without any observation workers' words alone move time on; None is for recordings in step.

        ``note`` is called with the time up to which all is in the log.
        """
        self._subscriber, self._joiner, self._run, self._clock = subscriber, joiner, run, clock
        self._silence_ns = None if silence_s is None else round(silence_s * _S)
        self._heard, self._watchers, self._note = heard, watchers, note
        self._given_at_ns = clock()
        self._given_ns: int | None = None
        self._handled_ns: int | None = None

    def step(self, wait_s: float) -> int:
        """Take what workers told and give on what is due; wait up to ``wait_s`` where there is neither.

        Returns how many messages were taken or given on.
        """
        given = self._give_due()
        taken = self._take(0.0 if given else wait_s)
        self._run.poll()
        if not given:
            self._keep_time()
        return given + taken

    def drain(self) -> None:
        """Leave what is not due: it is given again at the next start, in its order."""

    def kept(self) -> None:
        """Hear that all that was written is on the disk. Raises OSError."""
        if self._handled_ns is not None:
            self._subscriber.done(self._handled_ns)

    def _take(self, wait_s: float) -> int:
        for count in range(_AT_ONCE):
            message = self._subscriber.take(0.0 if count else wait_s)
            match message:
                case None:
                    return count
                case Beat():
                    self._joiner.beat(message.worker, message.until_ns)
                case WorkerReport():
                    self._heard(message)
                case _:
                    self._joiner.push(message)
        return _AT_ONCE

    def _give_due(self) -> int:
        if self._passes_gap():
            return 1
        first_ns: int | None = None
        count = 0
        for observation in self._joiner.ready():
            at_ns = observation.order[0]
            first_ns = at_ns if first_ns is None else first_ns
            self._give(observation)
            self._given_ns = at_ns
            count += 1
            if at_ns - first_ns >= _STRIDE_NS:
                break
        if count:
            self._given_at_ns = self._clock()
        return count

    def _passes_gap(self) -> bool:
        """Let a stride pass of a time of which no worker told anything, so that it is noticed: frames may be lost."""
        next_ns, given_ns = self._joiner.next_ns(), self._given_ns
        if self._silence_ns is None or next_ns is None or given_ns is None or next_ns - given_ns <= _STRIDE_NS:
            return False
        self._given_ns = given_ns + _STRIDE_NS
        self._run.tick(self._given_ns)
        return True

    def _give(self, observation: Observation) -> None:
        for watcher in self._watchers:
            watcher.told(observation)
        instant = self._run.take(observation)
        if instant is None:
            return
        for watcher in self._watchers:
            watcher.happened(instant)
        self._handled_ns = instant.captured_at_ns
        self._note(instant.captured_at_ns)

    def _keep_time(self) -> None:
        """Let time pass where no camera shows anything, as far as workers' words go, or the clock where all are silent."""
        if self._silence_ns is None:
            return
        now_ns = self._clock()
        if now_ns - self._given_at_ns < self._silence_ns:
            return
        mark_ns = self._joiner.mark_ns()
        is_anybody_there = len(self._joiner.given_up) < self._joiner.worker_count
        if not is_anybody_there:
            self._run.tick(now_ns)
        elif mark_ns is not None:
            self._run.tick(min(mark_ns, now_ns))
