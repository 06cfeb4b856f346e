"""Requests that came in, by their idempotency keys, and the audit log of who did what.

A request is written down in the first transaction that does what it asks for, and its answer after the last. The same
key again gets the same answer; a request that died on the way is done again, which the service makes safe. Of two that
come with the same key at the same moment, the second does again what the first does, and both get the first answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from billing.db import access as rows
from billing.db.books import Books
from billing.errors import BillingError, RequestReused
from billing.store import BillingStore

_PRUNED_AT_ONCE, _PRUNED_TIMES = 2_000, 10
"""In a round: more than comes in between two of them, even at a hundred visits a second."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request that changes something. ``digest`` is the SHA-256 of method, path, condition (``If-Match``) and body."""

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

    def handle(
        self, asked: Incoming, operation: Callable[[BillingStore, int], Answer], *, looks_first: bool = True
    ) -> tuple[Answer, bool]:
        """Return the answer to a request, and whether it was given before.

        ``operation`` gets a view of the database that writes the request with its first transaction, and the time at
        which the request first came: done again after a crash, it must ask for the very same. One that changes nothing
        but through that view may leave out to look first: its first write finds out whether the request came before.

        Raises RequestReused where the key came with another request before, and whatever ``operation`` raises.
        """
        row = self._found(asked) if looks_first else None
        if row is None:
            note = _Note(asked)
            try:
                return self._ended(asked, operation(self._store.noting(note.write), asked.at_ns))
            except _CameBefore:
                row = self._found(asked)
            except BillingError:
                # What is refused now may have been done before: an entry pass has lapsed since.
                row = None if looks_first or note.is_new else self._found(asked)
                if row is None:
                    raise
        assert row is not None  # it is there by now, and is forgotten only days later
        if row.answer is not None:
            return Answer(*row.answer), True
        return self._ended(asked, operation(self._store, row.at_ns))

    def _found(self, asked: Incoming) -> rows.KnownRequest | None:
        """Return what is written of a request. Raises RequestReused where its key came with another."""
        with self._store.reading() as books:
            row = rows.request(books, asked.who, asked.key)
        if row is not None and row.digest != asked.digest:
            raise RequestReused(f"the idempotency key {asked.key!r} came with another request before")
        return row

    def _ended(self, asked: Incoming, answer: Answer) -> tuple[Answer, bool]:
        """Write the answer, unless one is there: then that one counts."""
        with self._store.transaction() as books:
            request = (asked.who, asked.key, asked.digest, asked.at_ns)
            if rows.answer_request(books, *request, answer.status, answer.body):
                rows.add_audit(books, asked.at_ns, asked.who, asked.action, asked.subject, answer.status, None)
                return answer, False
        row = self._found(asked)
        assert row is not None  # whoever answered first wrote it
        assert row.answer is not None
        return Answer(*row.answer), True

    def told(self, asked: Incoming, status: int, detail: str) -> None:
        """Keep in the audit log what somebody was told whose answer is not kept: a refusal, or a session."""
        with self._store.transaction() as books:
            rows.add_audit(books, asked.at_ns, asked.who, asked.action, asked.subject, status, detail)

    def prune(self, before_ns: int) -> int:
        """Forget requests that came before then; return how many. Their keys may be used again.

        A few thousand at a time, and not without end: whoever else wants to write waits for no more than that.
        """
        forgotten = 0
        for _ in range(_PRUNED_TIMES):
            with self._store.transaction() as books:
                some = rows.prune_requests(books, before_ns, _PRUNED_AT_ONCE)
            forgotten += some
            if some < _PRUNED_AT_ONCE:
                break
        return forgotten


class _CameBefore(Exception):
    """The same key is there already, perhaps from another thread or process: what was begun here is taken back."""


class _Note:
    """Writes that a request came; ``is_new`` once it was found that it had not come before."""

    def __init__(self, asked: Incoming) -> None:
        self._asked = asked
        self.is_new = False

    def write(self, books: Books) -> None:
        """Raise _CameBefore where it is there."""
        asked = self._asked
        if not rows.add_request(books, asked.who, asked.key, asked.digest, asked.at_ns):
            raise _CameBefore
        self.is_new = True
