"""The bus over NATS JetStream: an existing broker keeps what was told until the coordinator has it.

One stream a store, with a subject a camera and one a worker's beats. Each message has an id made of what it is, so that the
broker drops what a worker sends twice after it lost an answer. Each end runs its own event loop in one thread.
"""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig
from pydantic import Field

from store_layout.model import Strict
from tillfree.live.bus import Beat, BusStatus
from tillfree.tape import decode_observation, encode_observation
from vision.types import Observation

_LEVEL = 1  # zlib: the wire is quick, and the worker's cores are the detector's
_AT_ONCE = 64
_AWAY = (nats.errors.Error, OSError, asyncio.TimeoutError)
"""What the client raises while the broker is away, or another than it thought."""


class BusSettings(Strict):
    """What is kept while the other side is away."""

    keep_s: float = Field(
        default=300.0,
        ge=10,
        le=86_400,
        description="s that the broker keeps messages for a coordinator that is started anew",
    )
    most_mb: int = Field(
        default=512, ge=16, le=100_000, description="MB that it keeps at most; four cameras tell about 0.5 MB a second"
    )
    waiting_most: int = Field(
        default=6_000,
        ge=100,
        le=1_000_000,
        description="messages that a worker keeps while the broker is away, five minutes of two cameras; then the oldest are dropped",
    )
    retry_s: float = Field(default=0.5, gt=0, le=60, description="s between attempts to reach the broker")


def stream_name(store: str) -> str:
    """Return the name of a store's stream; ``store`` has letters, digits, - and _ alone."""
    return f"tillfree-{store}"


class _Link(ABC):
    """A thread with an event loop that keeps a connection to the broker."""

    def __init__(self, url: str, store: str, settings: BusSettings) -> None:
        self._url, self._store, self._settings = url, store, settings
        self._problem: str | None = None
        self._client: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._wake = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._keep_linked()), name="bus", daemon=True)

    def start(self) -> None:
        """Begin to reach for the broker."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of the broker, and wait for the thread."""
        self._stopping.set()
        self._nudge()
        self._thread.join()

    @property
    def _is_connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    def _nudge(self) -> None:
        """Wake the loop from another thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake.set)

    async def _rest(self, seconds: float) -> None:
        """Wait until woken, or for so long."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        self._wake.clear()

    async def _keep_linked(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            try:
                await self._link()
            except _AWAY as error:
                self._problem = f"{type(error).__name__}: {error}".strip(": ")
                await self._rest(self._settings.retry_s)
            finally:
                await self._let_go()

    async def _link(self) -> None:
        wait_s = self._settings.retry_s
        self._client = await nats.connect(
            self._url, connect_timeout=5, max_reconnect_attempts=-1, reconnect_time_wait=wait_s, error_cb=self._note
        )
        js = self._client.jetstream(timeout=5)
        await js.add_stream(self._stream())
        self._problem = None
        await self._serve(js)

    async def _let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            try:
                await client.close()
            except _AWAY as error:
                self._problem = str(error)

    async def _note(self, error: Exception) -> None:
        self._problem = f"{type(error).__name__}: {error}".strip(": ")

    def _stream(self) -> StreamConfig:
        return StreamConfig(
            name=stream_name(self._store),
            subjects=[f"tillfree.{self._store}.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=self._settings.keep_s,
            max_bytes=self._settings.most_mb * 1_000_000,
            duplicate_window=min(120.0, self._settings.keep_s),
        )

    @abstractmethod
    async def _serve(self, js: JetStreamContext) -> None:
        """Work until told to stop, or something of ``_AWAY`` is raised."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message on its way to the broker."""

    subject: str
    message_id: str
    body: bytes


class NatsPublisher(_Link):
    """A vision worker's end. ``run`` tells one start of the worker from the next: its frames are counted from 0 anew."""

    def __init__(self, url: str, store: str, worker: str, run: str, settings: BusSettings) -> None:
        super().__init__(url, store, settings)
        self._worker, self._run = worker, run
        self._lock = threading.Lock()
        self._letters: deque[_Letter] = deque()
        self._dropped = 0

    def tell(self, observation: Observation) -> None:
        """See ``Publisher.tell``."""
        at_ns, camera_id, index = observation.order
        body = encode_observation(observation, _LEVEL)
        self._post(
            _Letter(f"tillfree.{self._store}.seen.{camera_id}", f"{self._run}:{camera_id}:{index}:{at_ns}", body)
        )

    def beat(self, until_ns: int) -> None:
        """See ``Publisher.beat``."""
        body = json.dumps({"worker": self._worker, "until_ns": until_ns}).encode()
        self._post(
            _Letter(f"tillfree.{self._store}.beat.{self._worker}", f"{self._run}:{self._worker}:{until_ns}", body)
        )

    def status(self) -> BusStatus:
        """See ``Publisher.status``."""
        with self._lock:
            return BusStatus(self._is_connected, len(self._letters), self._dropped, self._problem)

    def _post(self, letter: _Letter) -> None:
        with self._lock:
            self._letters.append(letter)
            while len(self._letters) > self._settings.waiting_most:
                self._letters.popleft()
                self._dropped += 1
        self._nudge()

    async def _serve(self, js: JetStreamContext) -> None:
        """Send in rounds: a beat follows only once the broker has all that was told before it."""
        while not self._stopping.is_set():
            batch = self._next()
            if not batch:
                await self._rest(1.0)
                continue
            await asyncio.gather(*(self._send(js, letter) for letter in batch))
            with self._lock:
                sent = set(batch)
                while self._letters and self._letters[0] in sent:
                    self._letters.popleft()

    def _next(self) -> list[_Letter]:
        """Return the letters that go next: those up to a beat, or a beat alone."""
        with self._lock:
            batch: list[_Letter] = []
            for letter in self._letters:
                is_beat = ".beat." in letter.subject
                if len(batch) == _AT_ONCE or (is_beat and batch):
                    break
                batch.append(letter)
                if is_beat:
                    break
            return batch

    async def _send(self, js: JetStreamContext, letter: _Letter) -> None:
        await js.publish(letter.subject, letter.body, timeout=5, headers={"Nats-Msg-Id": letter.message_id})


class NatsSubscriber(_Link):
    """The coordinator's end. What it has not called done is given again by the broker."""

    def __init__(self, url: str, store: str, settings: BusSettings, most: int = 2_000) -> None:
        """At most ``most`` messages are taken from the broker ahead of the coordinator."""
        super().__init__(url, store, settings)
        self._taken: Queue[tuple[int, Observation | Beat, Msg]] = Queue()
        self._most = most
        self._open: deque[tuple[int, Msg]] = deque()
        self._to_ack: deque[Msg] = deque()
        self._damaged = 0

    def take(self, timeout_s: float) -> Observation | Beat | None:
        """See ``Subscriber.take``."""
        try:
            at_ns, given, message = self._taken.get(timeout=timeout_s) if timeout_s else self._taken.get_nowait()
        except Empty:
            return None
        self._open.append((at_ns, message))
        return given

    def done(self, until_ns: int) -> None:
        """See ``Subscriber.done``."""
        kept = deque(each for each in self._open if each[0] > until_ns)
        self._to_ack.extend(message for at_ns, message in self._open if at_ns <= until_ns)
        self._open = kept
        self._nudge()

    def status(self) -> BusStatus:
        """See ``Subscriber.status``; ``dropped`` are messages that could not be read."""
        return BusStatus(self._is_connected, self._taken.qsize(), self._damaged, self._problem)

    async def _serve(self, js: JetStreamContext) -> None:
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=60, max_ack_pending=50_000)
        source = await js.pull_subscribe(f"tillfree.{self._store}.>", durable="coordinator", config=config)
        while not self._stopping.is_set():
            await self._acknowledge()
            if self._taken.qsize() >= self._most:
                await self._rest(0.1)
                continue
            try:
                messages = await source.fetch(_AT_ONCE, timeout=0.5)
            except TimeoutError:
                continue
            for message in messages:
                self._read(message)
        await self._acknowledge()

    async def _acknowledge(self) -> None:
        while self._to_ack:
            await self._to_ack[0].ack()
            self._to_ack.popleft()

    def _read(self, message: Msg) -> None:
        try:
            given = _given(message.subject, message.data)
        except (ValueError, KeyError, zlib.error):
            self._damaged += 1
            self._to_ack.append(message)
            return
        at_ns = given.until_ns if isinstance(given, Beat) else given.order[0]
        self._taken.put((at_ns, given, message))


def _given(subject: str, body: bytes) -> Observation | Beat:
    """Return what a message says; raises ValueError, KeyError or zlib.error where it is damaged."""
    if ".beat." not in subject:
        return decode_observation(body)
    fields: dict[str, Any] = json.loads(body)
    return Beat(str(fields["worker"]), int(fields["until_ns"]))
