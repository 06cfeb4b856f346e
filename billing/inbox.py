"""Requests that came in, by their idempotency keys, and the audit log of who did what.

A request is written down in the first transaction that does what it asks for, and its answer after the last. The same
key again gets the same answer; a request that died on the way is done again, which the service makes safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from billing.db import access as rows
from billing.db.books import Books
from billing.errors import RequestReused
from billing.store import BillingStore


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request that changes something. ``digest`` is the SHA-256 of method, path and body."""

    who: str
    key: str
    digest: str
    action: str
    subject: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered: an HTTP status and a JSON body."""

    status: int
    body: str


class Inbox:
    """Takes requests in, once each."""

    def __init__(self, store: BillingStore) -> None:
        self._store = store

    def handle(self, asked: Incoming, operation: Callable[[BillingStore, int], Answer]) -> tuple[Answer, bool]:
        """Return the answer to a request, and whether it was given before.

        ``operation`` gets a view of the database that writes the request with its first transaction, and the time at
        which the request first came: done again after a crash, it must ask for the very same.

        Raises RequestReused where the key came with another request before, and whatever ``operation`` raises.
        """
        with self._store.reading() as books:
            row = rows.request(books, asked.who, asked.key)
        if row is not None and row.digest != asked.digest:
            raise RequestReused(f"the idempotency key {asked.key!r} came with another request before")
        if row is not None and row.status is not None:
            return Answer(row.status, row.answer), True
        at_ns = asked.at_ns if row is None else row.at_ns
        answer = operation(self._store.noting(lambda books: _note(books, asked)), at_ns)
        with self._store.transaction() as books:
            _note(books, asked)
            rows.end_request(books, asked.who, asked.key, answer.status, answer.body)
            rows.add_audit(books, asked.at_ns, asked.who, asked.action, asked.subject, answer.status, None)
        return answer, False

    def refused(self, asked: Incoming, status: int, why: str) -> None:
        """Keep that somebody asked for what they did not get."""
        with self._store.transaction() as books:
            rows.add_audit(books, asked.at_ns, asked.who, asked.action, asked.subject, status, why)

    def prune(self, before_ns: int) -> int:
        """Forget requests that came before then; return how many. Their keys may be used again."""
        with self._store.transaction() as books:
            return rows.prune_requests(books, before_ns)


def _note(books: Books, asked: Incoming) -> None:
    rows.add_request(books, asked.who, asked.key, asked.digest, asked.at_ns)
