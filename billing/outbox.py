"""Telling others what happened: each event to each endpoint that listens, at least once.

Events and their deliveries are written with their reason (``Books.tell``), so nothing is forgotten and nothing is told
that did not happen. A delivery is claimed before it is sent and marked after; whoever dies in between leaves a claim
that lapses, and the delivery is sent again under the same id. See docs/adr/0018.
"""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Protocol, Self
from urllib.parse import urlsplit

from billing.db import outbox as rows
from billing.db.books import Books
from billing.errors import DeliveryError, DeliveryRefused, EndpointError, UnknownEndpoint
from billing.news import TOPICS
from billing.policy import OutboxPolicy
from billing.store import BillingStore
from billing.types import Delivery, DeliveryState, Endpoint
from billing.types import Event as BillingEvent
from billing.webhooks import Envelope, check_url, new_secret, signed_headers

_NS = 10**9
_GONE = 410
_LONGEST_PROBLEM = 300
_PRUNED_AT_ONCE = 500
"""Events that one transaction looks at: few, because on SQLite all others wait for it."""


class Sender(Protocol):
    """Carries a message to an endpoint. Called from several threads."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> int:
        """Return the HTTP status of the answer, or what stands for it.

        Raises:
            DeliveryError: no answer came within ``timeout_s``; it may have arrived or not.
            DeliveryRefused: it will never be taken.
        """
        ...


class SenderByScheme:
    """Gives each message to the sender of its address's scheme."""

    def __init__(self, senders: Mapping[str, Sender]) -> None:
        self._senders = dict(senders)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> int:
        """See ``Sender.post``. Raises DeliveryError for a scheme without a sender: one may be set up yet."""
        scheme = urlsplit(url).scheme
        if scheme not in self._senders:
            raise DeliveryError(f"nothing sends to {scheme}: here; only to {', '.join(sorted(self._senders))}")
        return self._senders[scheme].post(url, headers, body, timeout_s)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of deliveries: done, to be tried again, given up, and endpoints that were disabled by their answer."""

    delivered: int = 0
    later: int = 0
    failed: int = 0
    disabled: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(
            self.delivered + other.delivered,
            self.later + other.later,
            self.failed + other.failed,
            self.disabled + other.disabled,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try says: the next time, None if there is none; why it did not arrive, None if it did."""

    problem: str | None = None
    next_at_ns: int | None = None
    is_gone: bool = False


class Outbox:
    """Delivers events. Safe to run in several processes on one database; within one, ``deliver_due`` in one thread.

    Use it as a context manager, or ``close`` it: it has threads.
    """

    def __init__(self, store: BillingStore, sender: Sender, policy: OutboxPolicy | None = None) -> None:
        self._store, self._sender, self.policy = store, sender, policy or OutboxPolicy()
        self._pool = ThreadPoolExecutor(self.policy.workers, thread_name_prefix="outbox")
        self._turns: dict[str, Future[Delivered]] = {}
        self._last = ""
        self._closing = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the messages that are being sent, and end the threads."""
        self._closing.set()
        self._pool.shutdown()

    def deliver_due(self, at_ns: int) -> Delivered:
        """Deliver what is due, and return what came of it since the last call.

        Endpoints are served side by side, each one message after the other, at most ``batch`` of them; the first that
        does not arrive ends an endpoint's turn. What takes longer than ``round_s`` goes on and is told by a later call,
        so an endpoint that hangs holds up nobody else.
        """
        with self._store.reading() as books:
            waiting = rows.endpoints_due(books, at_ns)
        for endpoint_id in self._in_turn(waiting):
            self._turns[endpoint_id] = self._pool.submit(self._serve, endpoint_id, at_ns)
            self._last = endpoint_id
        wait(self._turns.values(), timeout=self.policy.round_s)
        return self._collect()

    def add_endpoint(self, url: str, topics: Iterable[str], at_ns: int) -> tuple[Endpoint, str]:
        """Send events of these topics to a URL from now on. Return the endpoint and its secret, which is shown this once.

        Raises EndpointError for a URL that is neither https nor this machine's, and for topics that there are not.
        """
        check_url(url)
        wanted = check_topics(topics)
        endpoint = Endpoint(f"ep_{secrets.token_hex(8)}", url, wanted, at_ns)
        secret = new_secret()
        with self._store.transaction() as books:
            rows.add_endpoint(books, endpoint, secret)
        return endpoint, secret

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return all endpoints, those that are disabled too, oldest first."""
        with self._store.reading() as books:
            return rows.endpoints(books)

    def disable(self, endpoint_id: str, at_ns: int) -> Endpoint:
        """Send nothing more to an endpoint, and put nothing more by for it. Raises UnknownEndpoint if it is not there."""
        with self._store.transaction() as books:
            rows.disable_endpoint(books, endpoint_id, at_ns)
            return _known(books, endpoint_id)

    def enable(self, endpoint_id: str) -> Endpoint:
        """Send to an endpoint again, what was left over too; ``replay_since`` brings what it missed.

        Raises UnknownEndpoint if it is not there.
        """
        with self._store.transaction() as books:
            rows.enable_endpoint(books, endpoint_id)
            return _known(books, endpoint_id)

    def deliveries(
        self, endpoint_id: str, limit: int = 50, before: int | None = None, state: DeliveryState | None = None
    ) -> tuple[Delivery, ...]:
        """Return an endpoint's deliveries, newest first; the page after one begins ``before`` its last delivery id.

        Raises UnknownEndpoint if the endpoint is not there.
        """
        with self._store.reading() as books:
            _known(books, endpoint_id)
            return rows.deliveries(books, endpoint_id, limit, before, state)

    def replay(self, delivery_id: int, at_ns: int) -> None:
        """Deliver once more, whatever became of it. Raises UnknownEndpoint if the delivery is not there."""
        with self._store.transaction() as books:
            if not rows.replay(books, delivery_id, at_ns):
                raise UnknownEndpoint(f"delivery {delivery_id} is not there; it may have been forgotten")

    def replay_since(self, endpoint_id: str, at_ns: int, *, event_id: int = 0, since_ns: int = 0) -> int:
        """Deliver all events of an endpoint's topics once more, from an event id and a time on; return how many.

        Those from before it was there count too. Raises UnknownEndpoint if the endpoint is not there.
        """
        with self._store.transaction() as books:
            _known(books, endpoint_id)
            return rows.replay_since(books, endpoint_id, at_ns, event_id=event_id, since_ns=since_ns)

    def events(self, after: int = 0, limit: int = 100) -> tuple[BillingEvent, ...]:
        """Return the events after an event id, in order: who asks on from the last id that they got misses none."""
        with self._store.reading() as books:
            return rows.events_page(books, after, limit)

    def prune(self, before_ns: int) -> int:
        """Forget events from before then that nobody waits for any more; return how many.

        Their deliveries have arrived or failed, or their endpoint was disabled before then.
        """
        forgotten, after = 0, 0
        while True:
            with self._store.transaction() as books:
                count, last = rows.prune(books, before_ns, after, _PRUNED_AT_ONCE)
            if last is None:
                return forgotten
            forgotten, after = forgotten + count, last

    def _in_turn(self, waiting: tuple[str, ...]) -> list[str]:
        """Return whom to serve now, as many as there are free workers, beginning after the last that was served."""
        idle = [each for each in waiting if each not in self._turns]
        first = bisect_right(idle, self._last)
        return (idle[first:] + idle[:first])[: self.policy.workers - len(self._turns)]

    def _collect(self) -> Delivered:
        """Return what the turns that are over came to. Raises what ended one that failed; the others count next time."""
        total = Delivered()
        for endpoint_id in [each for each, turn in self._turns.items() if turn.done()]:
            total += self._turns.pop(endpoint_id).result()
        return total

    def _serve(self, endpoint_id: str, at_ns: int) -> Delivered:
        """Send to one endpoint until nothing is due, it has had its share, or something does not arrive."""
        total = Delivered()
        for _ in range(self.policy.batch):
            one = self._deliver_next(endpoint_id, at_ns)
            total += one
            if not one.delivered or self._closing.is_set():
                break
        return total

    def _deliver_next(self, endpoint_id: str, at_ns: int) -> Delivered:
        until_ns = at_ns + round(self.policy.lease_s * _NS)
        with self._store.transaction() as books:
            claimed = rows.claim(books, endpoint_id, at_ns, until_ns)
        if claimed is None:
            return Delivered()
        outcome = self._try(claimed, at_ns)
        with self._store.transaction() as books:
            if not _mark(books, claimed, outcome, at_ns):
                return Delivered(later=1)
            if outcome.is_gone:
                rows.disable_endpoint(books, endpoint_id, at_ns)
        return _count(outcome)

    def _try(self, claimed: rows.Claimed, at_ns: int) -> Outcome:
        if claimed.delivery.tries > len(self.policy.waits_s) + 1:
            return Outcome("given up: its last try never came back")
        envelope = Envelope.of(claimed.event)
        body = envelope.model_dump_json().encode()
        headers = signed_headers(claimed.secret, envelope.id, at_ns, body)
        try:
            status = self._sender.post(claimed.url, headers, body, self.policy.timeout_s)
        except DeliveryRefused as refusal:
            return Outcome(_short(refusal))
        except DeliveryError as fault:
            return Outcome(_short(fault), next_at(self.policy, claimed.delivery, at_ns))
        if status == _GONE:
            return Outcome("HTTP 410: the endpoint is gone", is_gone=True)
        if 200 <= status < 300:
            return Outcome()
        return Outcome(f"HTTP {status}", next_at(self.policy, claimed.delivery, at_ns))


def check_topics(topics: Iterable[str]) -> tuple[str, ...]:
    """Return topics in order, each once. Raises EndpointError for none, and for one that there is not."""
    wanted = tuple(sorted(set(topics)))
    unknown = [each for each in wanted if each not in TOPICS]
    if unknown or not wanted:
        said = f"{unknown[0]!r} is none" if unknown else "say at least one"
        raise EndpointError(f"topics: {said}; there are {', '.join(TOPICS)}")
    return wanted


def next_at(policy: OutboxPolicy, delivery: Delivery, at_ns: int) -> int | None:
    """Return when a delivery is tried again whose latest try failed at ``at_ns``; None once all tries are used up.

    Up to the share ``jitter`` is added to the wait, drawn from the delivery and its try: the same for the same.
    """
    if delivery.tries > len(policy.waits_s):
        return None
    wait_ns = round(policy.waits_s[delivery.tries - 1] * _NS)
    drawn = hashlib.sha256(f"{delivery.delivery_id}:{delivery.tries}".encode()).digest()
    return at_ns + wait_ns + int.from_bytes(drawn[:8]) % (round(wait_ns * policy.jitter) + 1)


def _mark(books: Books, claimed: rows.Claimed, outcome: Outcome, at_ns: int) -> bool:
    if outcome.problem is None:
        return rows.mark_delivered(books, claimed, at_ns)
    if outcome.next_at_ns is None:
        return rows.mark_failed(books, claimed, outcome.problem)
    return rows.mark_later(books, claimed, outcome.next_at_ns, outcome.problem)


def _count(outcome: Outcome) -> Delivered:
    if outcome.problem is None:
        return Delivered(delivered=1)
    if outcome.next_at_ns is None:
        return Delivered(failed=1, disabled=int(outcome.is_gone))
    return Delivered(later=1)


def _known(books: Books, endpoint_id: str) -> Endpoint:
    endpoint = rows.endpoint(books, endpoint_id)
    if endpoint is None:
        raise UnknownEndpoint(f"endpoint {endpoint_id!r} is not there")
    return endpoint


def _short(error: Exception) -> str:
    return str(error)[:_LONGEST_PROBLEM]
