"""Delivers alerts: a thread for each channel, so that a mail server that hangs holds up no webhook, and the store never waits."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from threading import Event, Lock

from billing.errors import DeliveryError, DeliveryRefused
from billing.httpx_sender import HttpxSender
from billing.smtp import SmtpPost
from tillfree.live.alert_channels import Channel, EmailChannel, WebhookChannel
from tillfree.live.alert_memory import AlertFile, Memory
from tillfree.live.alert_settings import Alerting
from tillfree.live.alerts import AlertBook, Kept, Message
from tillfree.live.backoff import Backoff
from tillfree.live.node import NodeView
from tillfree.live.reader_thread import ReaderThread

_S = 1_000_000_000
_TIMEOUT_S = 10.0
_IDLE_S = 60.0
_STOP_S = 2.0
"""Seconds that the store's end waits for a message that is being sent; what hangs is left to itself."""
_MOST_WAITING = 50
"""Messages that wait for a channel; with more the oldest goes, for the latest say what is wrong now."""
_GIVE_UP_NS = 24 * 3_600 * _S
_LONGEST_PROBLEM = 200


@dataclass(frozen=True)
class PostWaits:
    """How long a channel waits after a failed try: mail servers put strangers off for minutes."""

    backoff_first_s: float = 5.0
    backoff_factor: float = 2.0
    backoff_max_s: float = 600.0
    backoff_jitter: float = 0.3


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """How a channel is. ``problem`` is why its latest message did not arrive, empty once one did."""

    name: str
    sent: int
    waiting: int
    lost: int
    problem: str

    @property
    def words(self) -> str:
        """What is wrong with it, empty where nothing is."""
        waits = f" ({self.waiting} waiting, {self.lost} lost)"
        return f"alerts do not arrive, {self.name}: {self.problem}{waits}" if self.problem else ""


class Line:
    """The messages for one channel, and when the next is tried. ``put`` and ``status`` are any thread's, ``round`` one's."""

    def __init__(self, channel: Channel, clock: Callable[[], int], tell: Callable[[str], None], lot: Random) -> None:
        """``tell`` hears of trouble and of its end, each once."""
        self._channel, self._clock, self._tell = channel, clock, tell
        self._backoff = Backoff(PostWaits(), lot)
        self._lock = Lock()
        self._waiting: deque[tuple[int, Message]] = deque()
        self._next_ns = 0
        self._sent = self._lost = 0
        self._problem = ""

    @property
    def name(self) -> str:
        """What its channel is called."""
        return self._channel.name

    def put(self, message: Message) -> None:
        """Have a message sent."""
        with self._lock:
            self._waiting.append((self._clock(), message))
            while len(self._waiting) > _MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1

    def waiting(self) -> tuple[tuple[int, Message], ...]:
        """Return what has not arrived, with when it was given."""
        with self._lock:
            return tuple(self._waiting)

    def recall(self, waiting: tuple[tuple[int, Message], ...]) -> None:
        """Have messages sent that had not arrived before a restart."""
        with self._lock:
            self._waiting.extend(waiting[-_MOST_WAITING:])

    def status(self) -> ChannelStatus:
        """Return how it is."""
        with self._lock:
            return ChannelStatus(self._channel.name, self._sent, len(self._waiting), self._lost, self._problem)

    def round(self) -> float:
        """Send the first message if it is due; return after how many seconds to call again."""
        now_ns = self._clock()
        with self._lock:
            self._give_up(now_ns)
            message = self._waiting[0][1] if self._waiting else None
        if message is None:
            return _IDLE_S
        wait_s = (self._next_ns - now_ns) / _S
        if 0 < wait_s <= PostWaits.backoff_max_s:  # longer, and somebody has set the clock back
            return wait_s
        try:
            self._channel.send(message, now_ns, _TIMEOUT_S)
        except DeliveryRefused as refusal:
            self._done(message, str(refusal), is_lost=True)
            return 0.0
        except DeliveryError as error:
            return self._failed(str(error))
        self._done(message, "", is_lost=False)
        return 0.0

    def _give_up(self, now_ns: int) -> None:
        """Let go of what nobody wants to hear any more."""
        while self._waiting and now_ns - self._waiting[0][0] > _GIVE_UP_NS:
            self._waiting.popleft()
            self._lost += 1

    def _done(self, message: Message, problem: str, *, is_lost: bool) -> None:
        self._backoff.reset()
        self._next_ns = 0
        with self._lock:
            if self._waiting and self._waiting[0][1] is message:  # else it was pushed out meanwhile
                self._waiting.popleft()
                self._lost += is_lost
            self._sent += not is_lost
        self._note(problem)

    def _failed(self, problem: str) -> float:
        wait_s = self._backoff.next_s()
        self._next_ns = self._clock() + round(wait_s * _S)
        self._note(problem)
        return wait_s

    def _note(self, problem: str) -> None:
        with self._lock:
            before, self._problem = self._problem, problem[:_LONGEST_PROBLEM]
        if problem and not before:
            self._tell(self.status().words)
        elif before and not problem:
            self._tell(f"alerts arrive again, {self._channel.name}")


class _Carrier:
    """A line and the thread that serves it; ``keep`` has what waits and was told brought to the disk."""

    def __init__(self, line: Line, tell: Callable[[str], None], keep: Callable[[], None]) -> None:
        self.line, self._tell, self._keep = line, tell, keep
        self._woken, self._is_ended = Event(), False
        self._thread: ReaderThread | None = None

    def start(self) -> None:
        """Begin, or begin again where the thread has died."""
        if not self._is_ended and (self._thread is None or not self._thread.is_alive):
            self._thread = ReaderThread("alerts", self._run, lambda words: self._tell(f"alerts: {words}"))
            self._thread.start()

    def put(self, message: Message) -> None:
        """Have a message sent."""
        self.line.put(message)
        self._woken.set()

    def stop(self) -> None:
        """End, after the message at hand or a moment."""
        self._is_ended = True
        if self._thread is not None:
            self._thread.tell_to_stop()
            self._woken.set()
            self._thread.stop(_STOP_S)

    def _run(self, stopped: Event) -> None:
        while not stopped.is_set():
            self._woken.clear()
            self._keep()  # before a message goes out, and once it has arrived
            wait_s = self.line.round()
            if wait_s > 0:
                self._woken.wait(wait_s)


class Alerts:
    """What a store that runs tells people. ``published`` is the loop's own thread's, all else any thread's."""

    def __init__(
        self,
        told: Alerting,
        channels: Sequence[Channel],
        clock: Callable[[], int],
        tell: Callable[[str], None],
        absent: Collection[str] = (),
        lot: Random | None = None,
        file: AlertFile | None = None,
    ) -> None:
        """``clock`` is the system's, by which signatures are stamped and tries are spaced; ``absent`` are cameras of the layout that are not there.

        ``file`` is what a restart knows it by, None to begin anew each time. Raises InputError where it cannot be read.
        """
        lots = lot or Random(0)  # noqa: S311 - spreads tries in time, guards nothing
        self._book, self._file, self._tell = AlertBook(told.entry, absent), file, tell
        self._carriers = tuple(_Carrier(Line(each, clock, tell, lots), tell, self._keep) for each in channels)
        self._writing, self._is_kept = Lock(), True
        self._known = Kept() if file is None else self._recall(file.read())

    def _recall(self, memory: Memory) -> Kept:
        self._book.recall(memory.kept)
        for each in self._carriers:
            each.line.recall(memory.waiting.get(each.line.name, ()))
        return memory.kept

    def start(self) -> None:
        """Begin to deliver; also where a thread has died. Nothing happens while all run."""
        for each in self._carriers:
            each.start()

    def published(self, view: NodeView, at_ns: int) -> None:
        """Look at the store as it is at ``at_ns``, and have told what somebody should hear."""
        message = self._book.see(view, at_ns)
        if message is not None:
            for each in self._carriers:
                each.put(message)
            self._known = self._book.kept()  # later than what waits: a crash in between tells twice, and loses nothing

    def _keep(self) -> None:
        """Bring to the disk what was told, and what waits. A disk that takes nothing is told once: alerts go out all the same."""
        if self._file is None:
            return
        with self._writing:
            waiting = {each.line.name: each.line.waiting() for each in self._carriers}
            try:
                self._file.write(
                    Memory(kept=self._known, waiting={name: told for name, told in waiting.items() if told})
                )
            except OSError as error:
                if self._is_kept:
                    self._tell(f"a restart will tell again what is wrong: {error.strerror}")
                self._is_kept = False
            else:
                self._is_kept = True

    def status(self) -> tuple[ChannelStatus, ...]:
        """Return how each channel is."""
        return tuple(each.line.status() for each in self._carriers)

    @property
    def problem(self) -> str:
        """Why alerts reach somebody not, empty where all is well."""
        return "; ".join(status.words for status in self.status() if status.words)

    def stop(self) -> None:
        """End. What was not delivered waits in the file for the next start."""
        for each in self._carriers:
            each.stop()
        self._keep()


def channels_of(told: Alerting, store: str, zone: dt.tzinfo = dt.UTC) -> tuple[Channel, ...]:
    """Return the channels that the store file names."""
    found: list[Channel] = []
    if told.webhook is not None:
        found.append(WebhookChannel(told.webhook, HttpxSender(), store, zone))
    if told.email is not None:
        found.append(EmailChannel(told.email, SmtpPost(told.email.policy, told.email.password), store, zone))
    return tuple(found)


def try_channels(channels: Sequence[Channel], at_ns: int) -> tuple[tuple[str, str], ...]:
    """Send each channel a test; return its name and why that did not arrive, empty where it did."""
    message = Message(at_ns, ())
    return tuple((each.name, _tried(each, message, at_ns)) for each in channels)


def _tried(channel: Channel, message: Message, at_ns: int) -> str:
    try:
        channel.send(message, at_ns, _TIMEOUT_S)
    except DeliveryError as error:
        return str(error)[:_LONGEST_PROBLEM]
    return ""
