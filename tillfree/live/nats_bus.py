"""The bus over NATS JetStream: an existing broker keeps what was told until the coordinator has it.

One stream a store, with a subject a camera, one a worker's beats and one its reports, and a bucket for what all agree on.
Each message has an id made of what it is, so that the broker drops what a worker sends twice after it lost an answer. The
coordinator reads the stream by its numbers and keeps in a file how far it is done; a number that is left out is asked for
again at once. Each end runs its own event loop in one thread.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, KeyNotFoundError, NotFoundError
from nats.js.kv import KeyValue
from pydantic import TypeAdapter, ValidationError

from store_layout.model import Strict
from tillfree.live.bus import Beat, BusStatus, Message, WorkerReport, at_ns_of
from tillfree.live.bus_settings import BusSettings
from tillfree.live.storefile import Broker
from tillfree.tape import decode_observation, encode_observation
from vision.types import Observation

_LEVEL = 1  # zlib: the wire is quick, and the worker's cores are the detector's
_AT_ONCE = 64
_MOST_TAKEN = 2_000
"""Messages that the coordinator holds ahead of its loop."""
_QUIET_S = 0.25
_QUIET_MOST = 12
"""Workers say something every second: after this long without a word the coordinator asks for the stream anew, from where it is."""
_LOOK_S = 0.2
"""A worker looks this often whether there is something new to agree on."""
_LAST_S = 3.0
"""What waits at the end has so long to get away."""
_AGREED = "agreed"
_AWAY = (nats.errors.Error, OSError, asyncio.TimeoutError)
"""What the client raises while the broker is away, or another than it thought."""
_REPORTS = TypeAdapter(WorkerReport)


def packed(observation: Observation) -> bytes:
    """Return an observation as it travels."""
    return encode_observation(observation, _LEVEL)


def stream_name(store: str) -> str:
    """Return the name of a store's stream."""
    return f"tillfree-{store}"


class _Link(ABC):
    """A thread with an event loop that keeps a connection to the broker."""

    def __init__(self, broker: Broker, settings: BusSettings) -> None:
        self._broker, self._store, self._settings = broker, broker.store, settings
        self._problem: str | None = None
        self._client: Client | None = None
        self._is_linked_again = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._wake = asyncio.Event()
        self._told_to_stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="bus", daemon=True)

    def start(self) -> None:
        """Begin to reach for the broker."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of the broker, and wait for the thread. What waits has some seconds to get away."""
        self._stopping.set()
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._told_to_stop.set)
        self._nudge()
        if self._thread.ident is not None:
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

    async def _live(self) -> None:
        """Keep linked until told to stop; the client waits for a broker that is away for ever, so it is broken off then."""
        self._loop = asyncio.get_running_loop()
        if self._stopping.is_set():
            self._told_to_stop.set()
        linked = asyncio.create_task(self._keep_linked())
        await self._told_to_stop.wait()
        await asyncio.wait({linked}, timeout=_LAST_S if self._is_connected else 0)
        linked.cancel()
        await asyncio.wait({linked})

    async def _keep_linked(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._link()
            except _AWAY as error:
                self._problem = f"{type(error).__name__}: {error}".strip(": ")
                await self._rest(self._settings.retry_s)
            finally:
                await self._let_go()

    async def _link(self) -> None:
        wait_s, login = self._settings.retry_s, self._broker.login
        self._client = await nats.connect(
            self._broker.url,
            user=None if login is None else login.username,
            password=None if login is None else login.password,
            connect_timeout=5,
            max_reconnect_attempts=-1,
            reconnect_time_wait=wait_s,
            error_cb=self._note,
            reconnected_cb=self._note_again,
        )
        js = self._client.jetstream(timeout=5)
        await self._make_stream(js)
        self._problem = None
        await self._serve(js)

    async def _make_stream(self, js: JetStreamContext) -> None:
        """Make the stream, or bring one that is there to these settings."""
        try:
            await js.add_stream(self._stream())
        except BadRequestError:
            await js.update_stream(self._stream())

    async def _bucket(self, js: JetStreamContext) -> KeyValue:
        name = stream_name(self._store)
        try:
            return await js.key_value(name)
        except NotFoundError:
            return await js.create_key_value(bucket=name)

    async def _let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            try:
                await client.close()
            except _AWAY as error:
                self._problem = str(error)

    async def _note(self, error: Exception) -> None:
        self._problem = f"{type(error).__name__}: {error}".strip(": ")

    async def _note_again(self) -> None:
        self._is_linked_again, self._problem = True, None

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
    """A message on its way to the broker. ``is_word`` marks what must not overtake what was told before."""

    subject: str
    message_id: str
    body: bytes
    is_word: bool = False


class NatsPublisher(_Link):
    """A vision worker's end. ``run`` tells one start of the worker from the next: its frames are counted from 0 anew."""

    def __init__(
        self, broker: Broker, worker: str, run: str, settings: BusSettings, cameras: tuple[str, ...] = ()
    ) -> None:
        """``told`` speaks of ``cameras``."""
        super().__init__(broker, settings)
        self._worker, self._run, self._cameras = worker, run, cameras
        self._lock = threading.Lock()
        self._letters: deque[_Letter] = deque()
        self._dropped = 0
        self._agreed: str | None = None
        self._told: dict[str, int] | None = None

    def tell(self, observation: Observation) -> None:
        """See ``Publisher.tell``."""
        at_ns, camera_id, index = observation.order
        message_id = f"{self._run}:{camera_id}:{index}:{at_ns}"
        self._post(_Letter(self._subject("seen", camera_id), message_id, packed(observation)))

    def beat(self, until_ns: int) -> None:
        """See ``Publisher.beat``."""
        body = json.dumps({"worker": self._worker, "until_ns": until_ns}).encode()
        message_id = f"{self._run}:{self._worker}:{until_ns}"
        self._post(_Letter(self._subject("beat", self._worker), message_id, body, is_word=True))

    def report(self, report: WorkerReport) -> None:
        """See ``Publisher.report``."""
        message_id = f"{self._run}:{self._worker}:report:{report.at_ns}"
        self._post(_Letter(self._subject("report", self._worker), message_id, _REPORTS.dump_json(report)))

    def agreed(self) -> str | None:
        """See ``Publisher.agreed``."""
        return self._agreed

    def told(self) -> Mapping[str, int] | None:
        """See ``Publisher.told``."""
        return self._told

    def status(self) -> BusStatus:
        """See ``Publisher.status``."""
        with self._lock:
            return BusStatus(self._is_connected, len(self._letters), self._dropped, self._problem)

    def _subject(self, kind: str, name: str) -> str:
        return f"tillfree.{self._store}.{kind}.{name}"

    def _post(self, letter: _Letter) -> None:
        with self._lock:
            self._letters.append(letter)
            while len(self._letters) > self._settings.waiting_most:
                self._letters.popleft()
                self._dropped += 1
        self._nudge()

    async def _serve(self, js: JetStreamContext) -> None:
        """Send in rounds: a beat follows only once the broker has all that was told before it, and makes earlier ones needless."""
        looking = asyncio.create_task(self._look(js))
        try:
            while not (self._stopping.is_set() and not self._letters):
                batch = self._next()
                if not batch:
                    await self._rest(1.0)
                    continue
                await asyncio.gather(*(self._send(js, letter) for letter in batch if not letter.is_word))
                if batch[-1].is_word:
                    await self._send(js, batch[-1])
                with self._lock:
                    sent = set(batch)
                    while self._letters and self._letters[0] in sent:
                        self._letters.popleft()
        finally:
            looking.cancel()

    def _next(self) -> list[_Letter]:
        """Return the letters that go next: some, up to the last beat among them."""
        with self._lock:
            batch = list(itertools.islice(self._letters, _AT_ONCE))
        last = max((number for number, letter in enumerate(batch) if letter.is_word), default=len(batch) - 1)
        return batch[: last + 1]

    async def _send(self, js: JetStreamContext, letter: _Letter) -> None:
        await js.publish(letter.subject, letter.body, timeout=5, headers={"Nats-Msg-Id": letter.message_id})

    async def _find_told(self, js: JetStreamContext) -> dict[str, int]:
        """Ask for each camera's last frame. One that cannot be read counts for none: it is told again, and known then."""
        found: dict[str, int] = {}
        for camera_id in self._cameras:
            try:
                last = await js.get_last_msg(stream_name(self._store), self._subject("seen", camera_id))
                found[camera_id] = decode_observation(last.data or b"").order[0]
            except (NotFoundError, ValueError, KeyError, zlib.error):
                continue
        return found

    async def _look(self, js: JetStreamContext) -> None:
        """Follow what the coordinator has all agree on."""
        while True:
            try:
                bucket = await self._bucket(js)
                while True:
                    agreed = await _value(bucket)
                    if agreed != self._agreed or self._told is None:
                        self._told = await self._find_told(js)
                    self._agreed = agreed
                    await asyncio.sleep(_LOOK_S)
            except _AWAY:
                await asyncio.sleep(self._settings.retry_s)


async def _value(bucket: KeyValue) -> str | None:
    try:
        entry = await bucket.get(_AGREED)
    except KeyNotFoundError:
        return None
    return (entry.value or b"").decode() or None


class _Bookmark(Strict):
    """How far the coordinator is done with a stream, which is told by when it was made: a new one counts from 1."""

    stream: str
    next_seq: int


@dataclass(frozen=True, slots=True)
class _Agreement:
    text: str | None
    afresh: bool


class NatsSubscriber(_Link):
    """The coordinator's end. What it has not called done is given again to the next start."""

    def __init__(self, broker: Broker, settings: BusSettings, bookmark: Path | None = None) -> None:
        """``bookmark`` is the file that says where to go on; without it all that the broker keeps is given."""
        super().__init__(broker, settings)
        self._taken: Queue[tuple[int, Message]] = Queue()
        self._open: deque[tuple[int, int]] = deque()
        self._bookmark = bookmark
        self._made = ""
        self._next_seq = 1
        self._damaged = 0
        self._agreements: deque[_Agreement] = deque()

    def agree(self, text: str | None, *, afresh: bool) -> None:
        """See ``Subscriber.agree``."""
        self._agreements.append(_Agreement(text, afresh))
        self._nudge()

    def take(self, timeout_s: float) -> Message | None:
        """See ``Subscriber.take``."""
        try:
            seq, given = self._taken.get(timeout=timeout_s) if timeout_s else self._taken.get_nowait()
        except Empty:
            return None
        self._open.append((seq, at_ns_of(given)))
        return given

    def done(self, until_ns: int) -> None:
        """See ``Subscriber.done``. Goes as far as no message lies between that is not done. Raises OSError."""
        last: int | None = None
        while self._open and self._open[0][1] <= until_ns:
            last, _ = self._open.popleft()
        if last is not None and self._bookmark is not None and self._made:
            draft = self._bookmark.with_name(f"{self._bookmark.name}.new")
            draft.write_text(_Bookmark(stream=self._made, next_seq=last + 1).model_dump_json(), encoding="utf-8")
            draft.replace(self._bookmark)

    def status(self) -> BusStatus:
        """See ``Subscriber.status``; ``dropped`` are messages that could not be read."""
        return BusStatus(self._is_connected, self._taken.qsize(), self._damaged, self._problem)

    async def _serve(self, js: JetStreamContext) -> None:
        await self._settle(js)
        await self._find_place(js)
        while not self._stopping.is_set():
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=self._next_seq,
                ack_policy=AckPolicy.NONE,
                mem_storage=True,
                inactive_threshold=30,
            )
            stream = stream_name(self._store)
            source = await js.subscribe(
                f"tillfree.{self._store}.>",
                stream=stream,
                config=config,
                manual_ack=True,
                flow_control=True,
                idle_heartbeat=1,
            )
            try:
                await self._listen(js, source)
            finally:
                await source.unsubscribe()
        await self._settle(js)

    async def _listen(self, js: JetStreamContext, source: JetStreamContext.PushSubscription) -> None:
        """Take messages in the order of their numbers, until one is left out or none comes."""
        is_first, quiet, self._is_linked_again = True, 0, False
        while not self._stopping.is_set() and quiet < _QUIET_MOST and not self._is_linked_again:
            await self._settle(js)
            if self._taken.qsize() >= _MOST_TAKEN:
                await self._rest(0.05)
                continue
            try:
                message = await source.next_msg(timeout=_QUIET_S)
            except TimeoutError:
                quiet += 1
                continue
            quiet = 0
            seq = message.metadata.sequence.stream
            if seq > self._next_seq and not is_first:
                return
            if seq >= self._next_seq:
                self._next_seq = seq + 1
                self._read(seq, message)
            is_first = False

    async def _find_place(self, js: JetStreamContext) -> None:
        """Begin where the bookmark says, or at the first message of a stream that it does not know."""
        info = await js.stream_info(stream_name(self._store))
        made = str(info.created)
        if made == self._made:
            return
        self._made, self._next_seq = made, 1
        self._open.clear()
        if self._bookmark is not None:
            try:
                told = _Bookmark.model_validate_json(self._bookmark.read_bytes())
            except (FileNotFoundError, ValidationError):
                return
            if told.stream == made and told.next_seq <= info.state.last_seq + 1:
                self._next_seq = told.next_seq

    async def _settle(self, js: JetStreamContext) -> None:
        """Have the broker keep what all are to agree on."""
        while self._agreements:
            given = self._agreements[0]
            if given.afresh:
                await js.purge_stream(stream_name(self._store))
            bucket = await self._bucket(js)
            await bucket.put(_AGREED, (given.text or "").encode())
            self._agreements.popleft()

    def _read(self, seq: int, message: Msg) -> None:
        try:
            given = _given(message.subject, message.data)
        except (ValueError, KeyError, TypeError, zlib.error):
            self._damaged += 1
            return
        self._taken.put((seq, given))


def _given(subject: str, body: bytes) -> Message:
    """Return what a message says; raises ValueError, KeyError, TypeError or zlib.error where it is damaged."""
    kind = subject.split(".")[2]
    if kind == "seen":
        return decode_observation(body)
    if kind == "report":
        return _REPORTS.validate_json(body)
    fields: dict[str, Any] = json.loads(body)
    return Beat(str(fields["worker"]), int(fields["until_ns"]))
