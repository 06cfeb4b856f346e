"""Connect, hand on what comes, and connect again: the loop in each camera's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event

from tillfree.live.backoff import Backoff
from tillfree.live.connection import Arrived, Connection
from tillfree.live.errors import FeedBroken
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.feed_status import FeedRecord
from tillfree.live.pacing import wait_until
from tillfree.live.takers import Taker

_S = 1_000_000_000

OpenFeed = Callable[[int], Connection]
"""Opens the stream; takes what to add to its times. Raises FeedBroken."""


class FeedLoop:
    """Keeps a feed alive until it is told to stop."""

    def __init__(
        self,
        open_feed: OpenFeed,
        taker: Taker,
        record: FeedRecord,
        settings: FeedSettings,
        backoff: Backoff,
        clock: Callable[[], int],
    ) -> None:
        self._open, self._taker, self._record = open_feed, taker, record
        self._settings, self._backoff, self._clock = settings, backoff, clock

    def run(self, stopped: Event) -> None:
        """Read until ``stopped``: a camera that falls silent is asked again and again."""
        while not stopped.is_set():
            try:
                self._record.connecting()
                with self._open(0) as connection:
                    self._taker.connected(connection, goes_on=False)
                    self._read(connection, stopped)
            except FeedBroken as problem:
                self._record.broken(str(problem))
                stopped.wait(self._backoff.next_s())
        self._record.ended()

    def _read(self, connection: Connection, stopped: Event) -> None:
        began_ns = self._clock()
        for arrived in connection.packets():
            if stopped.is_set():
                return
            self._record.packet(arrived.packet.size, arrived.arrival_ns)
            self._taker.take(connection, arrived)
            if arrived.arrival_ns - began_ns > self._settings.steady_s * _S:
                self._backoff.reset()
        raise FeedBroken("has ended the stream")


class FileLoop:
    """Plays a file at its own speed, and with ``loop`` from the beginning again, its times going on."""

    def __init__(
        self, open_feed: OpenFeed, taker: Taker, record: FeedRecord, clock: Callable[[], int], *, loop: bool
    ) -> None:
        self._open, self._taker, self._record, self._clock, self._loop = open_feed, taker, record, clock, loop
        self._zero_ns: int | None = None

    def run(self, stopped: Event) -> None:
        """Play until ``stopped``, or until the end."""
        end_ns = 0
        try:
            while not stopped.is_set():
                self._record.connecting()
                with self._open(end_ns) as connection:
                    self._taker.connected(connection, goes_on=end_ns > 0)
                    played_ns = self._play(connection, stopped)
                if not self._loop or played_ns <= end_ns:
                    break
                end_ns = played_ns
        except FeedBroken as problem:
            self._record.ended(str(problem))
            return
        self._record.ended()

    def _play(self, connection: Connection, stopped: Event) -> int:
        """Hand each packet on at its time; return the time in the stream at which the last one ends."""
        end_ns = last_ns = 0
        for arrived in connection.packets():
            if not self._await(arrived, stopped):
                break
            if arrived.stream_ns is not None:
                end_ns = max(end_ns, arrived.stream_ns + (arrived.lasts_ns or arrived.stream_ns - last_ns))
                last_ns = arrived.stream_ns
            now = replace(arrived, arrival_ns=self._clock())
            self._record.packet(now.packet.size, now.arrival_ns)
            self._taker.take(connection, now)
        return end_ns

    def _await(self, arrived: Arrived, stopped: Event) -> bool:
        if arrived.due_ns is None:
            return not stopped.is_set()
        if self._zero_ns is None:
            self._zero_ns = self._clock() - arrived.due_ns
        return wait_until(self._zero_ns + arrived.due_ns, self._clock, stopped)
