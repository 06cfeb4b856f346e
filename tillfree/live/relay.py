"""Billing at a distance: the run gives its orders and goes on, one thread carries them out in order.

What waits is in memory alone. The event log has all that it follows from, so ``StoreRun.resume`` gives after a crash what
has no answer there yet, and billing does each thing only once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from threading import Condition, Event, Thread
from typing import Literal

from billing.errors import BillingError
from billing.types import Admission, BillingPort, BillingRefused, OpenVisit, ReceiptInput
from store_layout.errors import InputError
from tillfree.billers import BillingAnswer, BillingOrder, carry_out
from tillfree.live.order_queue import OrderQueue
from tillfree.live.relay_settings import RelaySettings
from tillfree.live.trouble import PASSING, reason_of, will_pass

_REMEMBERED = 100
"""Refusals that are kept to be looked at; the event log has all of them."""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How the relay stands. ``problem`` is why billing does not take orders, None while it does; times are Unix ns.

    ``refused`` are the latest refusals, oldest first: orders that billing will never carry out, and shoppers whom it would
    not have let in.
    """

    waiting: int
    oldest_ns: int | None
    problem: str | None
    problem_since_ns: int | None
    carts_dropped: int
    refused: tuple[BillingRefused, ...]
    is_running: bool


class RelayBiller:
    """A ``Biller`` that the cameras never wait for. ``order``, ``answers`` and ``finish`` are the run's own thread's."""

    def __init__(
        self,
        billing: BillingPort,
        settings: RelaySettings,
        clock: Callable[[], int],
        tell: Callable[[str], None],
        lot: Random | None = None,
    ) -> None:
        """``clock`` stamps refusals, ``lot`` draws the waits' jitter, ``tell`` hears of trouble, each once."""
        self._billing, self._settings, self._clock, self._tell = billing, settings, clock, tell
        self._lot = lot or Random(0)  # noqa: S311 - spreads tries in time, guards nothing
        self._queue = OrderQueue(settings.orders_max)
        self._answers: list[BillingAnswer] = []
        self._refused: deque[BillingRefused] = deque(maxlen=_REMEMBERED)
        self._problem: str | None = None
        self._problem_since_ns: int | None = None
        self._failures = self._mistakes = 0
        self._changed = Condition()
        self._stopped = Event()
        self._thread: Thread | None = None

    # -- the run's side -----------------------------------------------------------

    def order(self, given: BillingOrder) -> tuple[BillingAnswer, ...]:
        """See ``Biller.order``: nothing is there at once."""
        with self._changed:
            self._queue.add(given, self._clock())
            self._changed.notify_all()
        return ()

    def answers(self) -> tuple[BillingAnswer, ...]:
        """See ``Biller.answers``."""
        with self._changed:
            found, self._answers = tuple(self._answers), []
            return found

    def finish(self, at_ns: int) -> tuple[BillingAnswer, ...]:
        """See ``Biller.finish``. Waits ``finish_s`` at most: what has no answer then is asked for at the next start."""
        with self._changed:
            self._changed.wait_for(lambda: not len(self._queue) or self._stopped.is_set(), self._settings.finish_s)
            is_through = not len(self._queue)
        return (*self.answers(), *(self._resolved(at_ns) if is_through else ()))

    # -- who looks after it -------------------------------------------------------

    def start(self) -> None:
        """Begin; also where the thread has died. Nothing happens while it runs."""
        if not self._stopped.is_set() and not self._is_running():
            self._thread = Thread(target=self._work, name="relay", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the order at hand; what waits is in the event log."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def status(self) -> RelayStatus:
        """Return how it stands. Any thread may ask."""
        with self._changed:
            return RelayStatus(
                len(self._queue),
                self._queue.oldest_ns,
                self._problem,
                self._problem_since_ns,
                self._queue.carts_dropped,
                tuple(self._refused),
                self._is_running(),
            )

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # -- the thread -----------------------------------------------------------------

    def _work(self) -> None:
        while not self._stopped.is_set():
            order = self._next()
            if order is not None and not self._carried(order):
                self._stopped.wait(self._wait_s())

    def _next(self) -> BillingOrder | None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) or self._stopped.is_set())
            return None if self._stopped.is_set() else self._queue.begin()

    def _carried(self, order: BillingOrder) -> bool:
        """Carry an order out, or find that it never can be; False where it has to be tried again."""
        try:
            found = carry_out(self._billing, order)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a thread: one order must not end all others
            return self._failed(order, error)
        self._done(found)
        return True

    def _failed(self, order: BillingOrder, error: Exception) -> bool:
        """Note an error; tell whether the order is done with."""
        refused = isinstance(error, BillingError | InputError)
        self._mistakes += 0 if refused or will_pass(error) else 1
        if not will_pass(error) and (refused or self._mistakes >= self._settings.mistakes_max):
            what = BillingRefused(order.visit_id, _name(order), reason_of(error), self._clock(), str(error))
            self._done((what,))
            return True
        with self._changed:
            self._queue.give_back()
            self._failures += 1
            is_news, self._problem = self._problem is None, f"{type(error).__name__}: {error}"
            if is_news:
                self._problem_since_ns = self._clock()
        if is_news:
            self._tell(f"billing: {self._problem}; orders wait and are sent again")
        return False

    def _done(self, found: tuple[BillingAnswer, ...]) -> None:
        refusals = [refusal for each in found if (refusal := _refusal(each)) is not None]
        with self._changed:
            self._queue.done()
            self._answers += found
            self._refused += refusals
            was_trouble, self._problem, self._problem_since_ns = self._problem, None, None
            self._failures = self._mistakes = 0
            self._changed.notify_all()
        if was_trouble is not None:
            self._tell("billing: takes orders again")
        for each in refusals:
            self._tell(f"billing: {each.visit_id}: {each.what} refused: {each.reason} {each.detail}".rstrip())

    def _wait_s(self) -> float:
        """Return how long to wait before billing is asked again."""
        s = self._settings
        whole_s = min(s.retry_max_s, s.retry_first_s * s.retry_factor ** min(self._failures - 1, 64))
        return whole_s * (1 - s.retry_jitter * self._lot.random())

    def _resolved(self, at_ns: int) -> tuple[BillingAnswer, ...]:
        """Ask about charges whose outcome is unknown; billing's own workers do so, too, where it cannot be asked now."""
        try:
            return self._billing.resolve_unknown(at_ns)
        except PASSING as error:
            self._tell(f"billing: {type(error).__name__}: {error}; unknown outcomes stay unknown for now")
            return ()


def _name(order: BillingOrder) -> Literal["open", "cart", "receipt"]:
    match order:
        case OpenVisit():
            return "open"
        case ReceiptInput():
            return "receipt"
        case _:
            return "cart"


def _refusal(answer: BillingAnswer) -> BillingRefused | None:
    """Return what an operator should hear of; debtors and declined holds are let in by the log, so they count too."""
    if isinstance(answer, Admission) and answer.refused is not None:
        return BillingRefused(answer.visit_id, "open", answer.refused, answer.at_ns)
    return answer if isinstance(answer, BillingRefused) else None
