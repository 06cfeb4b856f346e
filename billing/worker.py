"""What billing does by itself now and then: ask about what is unknown, collect debts, give up what nobody confirms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread

from billing.inbox import Inbox
from billing.service import BillingService
from billing.store import BillingStore

KEEP_REQUESTS_NS = 7 * 86_400 * 10**9
"""How long a request's idempotency key counts: a store that was without a network over a long weekend asks again in time."""

Task = Callable[[int], object]
"""Does something as of a Unix time in nanoseconds."""


def chores(service: BillingService) -> tuple[Task, ...]:
    """Return what is to be done again and again, in this order."""
    return (service.resolve_unknown, service.give_up_waiting, service.collect_debts)


def forgetting(store: BillingStore) -> Task:
    """Return what forgets the answers to requests that are so old that nobody asks again."""
    inbox = Inbox(store)

    def forget_requests(at_ns: int) -> int:
        return inbox.prune(at_ns - KEEP_REQUESTS_NS)

    return forget_requests


class Worker:
    """A thread that does ``tasks`` every ``every_s`` seconds. One that fails is told, and tried again the next time."""

    def __init__(
        self, tasks: Sequence[Task], clock: Callable[[], int], every_s: float, tell: Callable[[str], None]
    ) -> None:
        self._tasks, self._clock, self._every_s, self._tell = tasks, clock, every_s, tell
        self._stopped = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin, or begin again where the thread has died; the first round is at once, for what a crash left behind."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._run, name="billing-worker", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the task at hand."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def round(self) -> None:
        """Do each task once."""
        for task in self._tasks:
            try:
                task(self._clock())
            except Exception as error:  # noqa: BLE001 - the outermost loop of a worker
                name = getattr(task, "__name__", type(task).__name__)
                self._tell(f"{name}: {type(error).__name__}: {error}")

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.round()
            self._stopped.wait(self._every_s)
