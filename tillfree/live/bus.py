"""How vision workers tell a store's coordinator what they saw: the port, and its adapter inside one process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tillfree.live.feed_status import State
from tillfree.live.pacer import PacerCounts
from tillfree.live.queues import QueueCounts
from vision.picture_health import PictureState
from vision.types import Observation


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's word that it has told all that its cameras saw up to ``until_ns``."""

    worker: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class CameraReport:
    """How one of a worker's cameras is; the fields are those of ``FeedStatus`` and ``CameraHealth``."""

    camera_id: str
    state: State
    problem: str | None
    fps: float | None
    damaged: int
    reconnects: int
    counts: QueueCounts
    paced: PacerCounts
    spared: int
    picture: PictureState | None


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """How a worker is, told about once a second; ``at_ns`` is its clock's Unix time. ``lost`` messages never got away.

    ``load`` says what is done for want of time, empty where nothing is.
    """

    worker: str
    at_ns: int
    cameras: tuple[CameraReport, ...]
    lost: int
    load: str = ""


Message = Observation | Beat | WorkerReport


@dataclass(frozen=True, slots=True)
class BusStatus:
    """How a machine's end of the bus does. ``waiting`` messages are not yet with the broker, or not yet taken."""

    is_connected: bool
    waiting: int
    dropped: int
    problem: str | None


class Publisher(Protocol):
    """A worker's end. No call waits for the network, but for ``stop``."""

    def start(self) -> None:
        """Begin to reach for the broker."""
        ...

    def stop(self) -> None:
        """Let go of the broker. What waits is sent first if the broker takes it within seconds."""
        ...

    def tell(self, observation: Observation) -> None:
        """Tell what a frame showed."""
        ...

    def beat(self, until_ns: int) -> None:
        """Say that all up to ``until_ns`` was told; it is sent once that is so."""
        ...

    def report(self, report: WorkerReport) -> None:
        """Tell how the worker is."""
        ...

    def agreed(self) -> str | None:
        """Return what the coordinator last had all agree on; None where it did not, or it is not known yet."""
        ...

    def told(self) -> Mapping[str, int] | None:
        """Return by camera the time of the last frame that the broker had when ``agreed`` changed last, None before."""
        ...

    def status(self) -> BusStatus:
        """Return how this end does."""
        ...


class Subscriber(Protocol):
    """The coordinator's end."""

    def start(self) -> None:
        """Begin to reach for the broker."""
        ...

    def stop(self) -> None:
        """Let go of the broker."""
        ...

    def agree(self, text: str | None, *, afresh: bool) -> None:
        """Have all workers agree on ``text``, or on nothing; ``afresh`` forgets what was told before."""
        ...

    def take(self, timeout_s: float) -> Message | None:
        """Return the next message, None if there is none within ``timeout_s``. Messages may come twice, and out of order."""
        ...

    def done(self, until_ns: int) -> None:
        """Say that what was taken and is of a time up to ``until_ns`` need not be given again after a crash."""
        ...

    def status(self) -> BusStatus:
        """Return how this end does."""
        ...


class InProcessBroker:
    """Both ends without a network: what workers tell is there at once. Safe to use from several threads."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._open: list[Message] = []
        self._last: dict[str, int] = {}
        self._changed = threading.Condition()
        self.agreement: str | None = None

    def worker(self, name: str) -> InProcessPublisher:
        """Return a worker's end."""
        return InProcessPublisher(self, name)

    def coordinator(self) -> InProcessSubscriber:
        """Return the coordinator's end. Another one, after a crash, is given again what was not done."""
        with self._changed:
            self._messages.extendleft(reversed(self._open))
            self._open.clear()
        return InProcessSubscriber(self)

    def post(self, message: Message) -> None:
        """Add a message to those that wait."""
        with self._changed:
            self._messages.append(message)
            if isinstance(message, Observation):
                at_ns, camera_id, _ = message.order
                self._last[camera_id] = max(at_ns, self._last.get(camera_id, at_ns))
            self._changed.notify_all()

    def last(self) -> Mapping[str, int]:
        """Return by camera the time of the last frame."""
        with self._changed:
            return dict(self._last)

    def next(self, timeout_s: float) -> Message | None:
        """Hand out a message."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._messages), timeout_s)
            if not self._messages:
                return None
            self._open.append(self._messages.popleft())
            return self._open[-1]

    def forget(self, until_ns: int | None) -> None:
        """Give what is of a time up to ``until_ns`` to nobody again; with None, nothing of all that was told."""
        with self._changed:
            if until_ns is None:
                self._messages.clear()
            self._open = [] if until_ns is None else [each for each in self._open if at_ns_of(each) > until_ns]

    def __len__(self) -> int:
        return len(self._messages)


class InProcessPublisher:
    """A worker's end of an ``InProcessBroker``."""

    def __init__(self, broker: InProcessBroker, worker: str) -> None:
        self._broker, self._worker = broker, worker

    def start(self) -> None:
        """See ``Publisher.start``: there is nothing to reach for."""

    def stop(self) -> None:
        """See ``Publisher.stop``: nothing waits."""

    def tell(self, observation: Observation) -> None:
        """See ``Publisher.tell``."""
        self._broker.post(observation)

    def beat(self, until_ns: int) -> None:
        """See ``Publisher.beat``."""
        self._broker.post(Beat(self._worker, until_ns))

    def report(self, report: WorkerReport) -> None:
        """See ``Publisher.report``."""
        self._broker.post(report)

    def agreed(self) -> str | None:
        """See ``Publisher.agreed``."""
        return self._broker.agreement

    def told(self) -> Mapping[str, int] | None:
        """See ``Publisher.told``."""
        return self._broker.last()

    def status(self) -> BusStatus:
        """See ``Publisher.status``."""
        return BusStatus(is_connected=True, waiting=0, dropped=0, problem=None)


class InProcessSubscriber:
    """The coordinator's end of an ``InProcessBroker``."""

    def __init__(self, broker: InProcessBroker) -> None:
        self._broker = broker

    def start(self) -> None:
        """See ``Subscriber.start``: there is nothing to reach for."""

    def stop(self) -> None:
        """See ``Subscriber.stop``."""

    def agree(self, text: str | None, *, afresh: bool) -> None:
        """See ``Subscriber.agree``."""
        if afresh:
            self._broker.forget(None)
        self._broker.agreement = text

    def take(self, timeout_s: float) -> Message | None:
        """See ``Subscriber.take``."""
        return self._broker.next(timeout_s)

    def done(self, until_ns: int) -> None:
        """See ``Subscriber.done``."""
        self._broker.forget(until_ns)

    def status(self) -> BusStatus:
        """See ``Subscriber.status``."""
        return BusStatus(is_connected=True, waiting=len(self._broker), dropped=0, problem=None)


def at_ns_of(message: Message) -> int:
    """Return the time that a message is of, Unix nanoseconds."""
    match message:
        case Beat():
            return message.until_ns
        case WorkerReport():
            return message.at_ns
        case _:
            return message.order[0]
