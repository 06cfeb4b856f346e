"""Tells a program what to bring: at its times of the day, and when somebody asks for it. The store never waits for it.

What did not arrive is made anew and sent again, until it arrives or the next time of the day has come. Which time was dealt
with last is kept in a file: what a store missed while it was off goes at its start, once.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Event
from typing import Literal

from pydantic import ValidationError

from billing.errors import DeliveryError, DeliveryRefused
from billing.outbox import Sender
from dashboard.errors import Unavailable
from dashboard.stock.desk import StockDesk
from dashboard.stock.export import proposals_document
from dashboard.stock.sending import Sent
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.alert_post import PostWaits
from tillfree.live.backoff import Backoff
from tillfree.live.hooks import post_signed
from tillfree.live.reader_thread import ReaderThread
from tillfree.live.replenish_settings import Replenish
from tillfree.live.standing import write_whole

REPLENISHMENT = "replenishment.json"
TYPE = "stock.replenishment"
_S = 1_000_000_000
_TIMEOUT_S = 10.0
_IDLE_S = 60.0
_STOP_S = 2.0
_LONGEST_PROBLEM = 200


class _SentFile(Strict):
    at_ns: int
    by: str
    slots: int
    problem: str


class _File(Strict):
    """``dealt_ns`` is the time of the day that was dealt with last."""

    version: Literal[1] = 1
    dealt_ns: int
    last: _SentFile | None = None


def times_around(at_ns: int, times: tuple[str, ...], zone: dt.tzinfo) -> tuple[int | None, int | None]:
    """Return the last of ``times`` of the day at or before ``at_ns``, and the first after it; None for both without times."""
    today = dt.datetime.fromtimestamp(at_ns // _S, zone).date()
    days = [today + dt.timedelta(days=apart) for apart in (-1, 0, 1)]
    found = [
        round(dt.datetime.combine(day, dt.time.fromisoformat(each), zone).timestamp()) * _S
        for day in days
        for each in times
    ]
    return max((each for each in found if each <= at_ns), default=None), min(
        (each for each in found if each > at_ns), default=None
    )


class Replenishment:
    """A dashboard's ``Supplier``, and a ``Helper`` of the loop whose thread sends at the times of the day."""

    def __init__(
        self,
        told: Replenish,
        stock: StockDesk,
        file: Path,
        sender: Sender,
        clock: Callable[[], int],
        tell: Callable[[str], None],
    ) -> None:
        """``clock`` is the system's, by which it goes and is signed; ``tell`` hears of trouble and of its end, each once.

        Raises InputError where the file cannot be read.
        """
        self._told, self._stock, self._path, self._sender = told, stock, file, sender
        self._clock, self._tell = clock, tell
        self._mutex, self._kept = threading.Lock(), _read(file, clock())
        self._backoff = Backoff(PostWaits(), Random(0))  # noqa: S311 - spreads tries in time, guards nothing
        self._again_ns, self._trouble = 0, ""
        self._woken, self._is_ended = Event(), False
        self._thread: ReaderThread | None = None

    # -- for the dashboard --------------------------------------------------------

    @property
    def host(self) -> str:
        """See ``Supplier.host``."""
        return self._told.hook.host

    @property
    def times(self) -> tuple[str, ...]:
        """See ``Supplier.times``."""
        return self._told.times

    def next_ns(self) -> int | None:
        """See ``Supplier.next_ns``."""
        return times_around(self._clock(), self.times, self._stock.zone)[1]

    def last(self) -> Sent | None:
        """See ``Supplier.last``."""
        found = self._kept.last
        return None if found is None else Sent(found.at_ns, found.by, found.slots, found.problem)

    def send(self, by: str) -> Sent:
        """See ``Supplier.send``."""
        now_ns = self._clock()
        try:
            slots = self._post(now_ns, now_ns)
        except _NotTaken as error:
            return self._keep(Sent(now_ns, by, error.slots, error.words))
        return self._keep(Sent(now_ns, by, slots))

    # -- for the loop -------------------------------------------------------------

    def start(self) -> None:
        """Begin, or begin again where the thread has died."""
        if not self._is_ended and (self._thread is None or not self._thread.is_alive):
            self._thread = ReaderThread("replenishment", self._run, lambda words: self._tell(f"replenishment: {words}"))
            self._thread.start()

    def stop(self) -> None:
        """End, after the message at hand or a moment."""
        self._is_ended = True
        if self._thread is not None:
            self._thread.tell_to_stop()
            self._woken.set()
            self._thread.stop(_STOP_S)

    def _run(self, stopped: Event) -> None:
        while not stopped.is_set():
            self._woken.wait(self.round())

    def round(self) -> float:
        """Send what is due; return after how many seconds to call again."""
        now_ns = self._clock()
        due_ns, next_ns = times_around(now_ns, self.times, self._stock.zone)
        if due_ns is None or due_ns <= self._kept.dealt_ns:
            return _IDLE_S if next_ns is None else min(_IDLE_S, max(0.1, (next_ns - now_ns) / _S))
        wait_s = (self._again_ns - now_ns) / _S
        if 0 < wait_s <= PostWaits.backoff_max_s:  # longer, and somebody has set the clock back
            return min(wait_s, _IDLE_S)
        try:
            sent, is_over = Sent(now_ns, "", self._post(due_ns, now_ns)), True
        except _NotTaken as error:
            sent, is_over = Sent(now_ns, "", error.slots, error.words), error.is_for_good
        except Unavailable as error:
            sent, is_over = Sent(now_ns, "", 0, str(error)[:_LONGEST_PROBLEM]), False
        return self._done(sent, due_ns, is_over=is_over)

    def _done(self, sent: Sent, due_ns: int, *, is_over: bool) -> float:
        self._keep(sent, due_ns if is_over else None)
        self._note(sent.problem)
        if is_over:
            self._backoff.reset()
            self._again_ns = 0
            return 0.0
        wait_s = self._backoff.next_s()
        self._again_ns = self._clock() + round(wait_s * _S)
        return wait_s

    def _post(self, name_ns: int, now_ns: int) -> int:
        """Send what is to be brought now, under the name of ``name_ns``; return for how many slots. Raises _NotTaken, Unavailable."""
        stock, message_id = self._stock.now(), f"replenishment_{name_ns}"
        document = proposals_document(self._stock.store.name, stock.at_ns, stock.proposals)
        body = json.dumps({"id": message_id, "type": TYPE, **document}).encode()
        slots = len(document["items"])
        try:
            post_signed(self._sender, self._told.hook, message_id, now_ns, body, _TIMEOUT_S)
        except DeliveryError as error:
            words, is_for_good = str(error)[:_LONGEST_PROBLEM], isinstance(error, DeliveryRefused)
            raise _NotTaken(words, slots, is_for_good=is_for_good) from error
        return slots

    def _keep(self, sent: Sent, dealt_ns: int | None = None) -> Sent:
        """Keep what became of it; a disk that takes nothing is told, and what was sent is known until the process ends."""
        last = _SentFile(at_ns=sent.at_ns, by=sent.by, slots=sent.slots, problem=sent.problem)
        with self._mutex:
            dealt = self._kept.dealt_ns if dealt_ns is None else dealt_ns
            self._kept = _File(dealt_ns=dealt, last=last)
            try:
                write_whole(self._path, self._kept.model_dump_json())
            except OSError as error:
                self._tell(f"{self._path.name} cannot be written: {error.strerror}")
        return sent

    def _note(self, problem: str) -> None:
        before, self._trouble = self._trouble, problem
        if problem and not before:
            self._tell(f"what to bring does not arrive at {self.host}: {problem}")
        elif before and not problem:
            self._tell(f"what to bring arrives again at {self.host}")


class _NotTaken(Exception):
    """It did not arrive; ``is_for_good`` says that it never will."""

    def __init__(self, words: str, slots: int, *, is_for_good: bool) -> None:
        super().__init__(words)
        self.words, self.slots, self.is_for_good = words, slots, is_for_good


def _read(path: Path, now_ns: int) -> _File:
    """Return what was kept; times of the day before a first start were never meant."""
    try:
        if path.exists():
            return _File.model_validate_json(path.read_bytes())
        begun = _File(dealt_ns=now_ns)
        write_whole(path, begun.model_dump_json())
    except (OSError, ValidationError) as error:
        problem = "does not say what was sent last, or cannot be written"
        raise InputError(problem, file=path, mend="move it away: the next time of the day is then sent") from error
    return begun
