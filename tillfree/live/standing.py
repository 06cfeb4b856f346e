"""Whether somebody at a gate would be served: by billing's database, by billing elsewhere, or by a list that was kept.

No gateway is asked. Whoever cannot say raises BooksAway, and the gate's policy decides.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field, ValidationError
from sqlalchemy.exc import OperationalError

from billing.admission import refusal_of_pass, refusal_of_token
from billing.errors import PassError
from billing.passes import check
from billing.service import BillingService
from billing.shoppers import Shoppers
from billing.types import Refusal
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.errors import BooksAway
from tillfree.live.tokens import pass_of

_ASKING = 16
"""Questions under way at once: more gates than a store has. Where all hang, the next ones are out of time at once."""


class Standing(Protocol):
    """Knows who would be refused."""

    def refused(self, token: str, at_ns: int) -> Refusal | None:
        """Return why whoever showed ``token`` at ``at_ns`` would not be served, None where they would.

        A pass is shown as ``tokens.pass_token``, and was checked. Raises BooksAway where that cannot be told now.
        """
        ...


class BooksStanding:
    """What billing's own database says; ``shoppers`` is None where the store has no passes."""

    def __init__(self, service: BillingService, shoppers: Shoppers | None) -> None:
        self._service, self._shoppers = service, shoppers

    def refused(self, token: str, at_ns: int) -> Refusal | None:
        """See ``Standing.refused``."""
        text = pass_of(token)
        try:
            if text is None:
                return refusal_of_token(self._service, token)
            if self._shoppers is None:
                return Refusal.NO_ACCOUNT
            keys = (self._shoppers.keyring.pass_key.public(),)
            return refusal_of_pass(self._service, check(text, keys, at_ns, self._shoppers.passes))
        except PassError as error:  # the gate's keys are others than billing's
            raise BooksAway(f"billing does not know the pass: {error}") from error
        except OperationalError as error:
            raise BooksAway("billing's database does not answer") from error


class TimedStanding:
    """Asks another, and waits ``limit_ms`` for the answer at most, whatever hangs: a name's look-up, a lock, a network."""

    def __init__(self, inner: Standing, limit_ms: int) -> None:
        self._inner, self._limit_ms = inner, limit_ms
        self._threads = ThreadPoolExecutor(_ASKING, thread_name_prefix="standing")

    def refused(self, token: str, at_ns: int) -> Refusal | None:
        """See ``Standing.refused``."""
        asked = self._threads.submit(self._inner.refused, token, at_ns)
        try:
            return asked.result(self._limit_ms / 1_000)
        except TookTooLong as error:
            asked.cancel()
            raise BooksAway(f"billing gave no answer within {self._limit_ms} ms") from error

    def close(self) -> None:
        """Ask nothing more; what hangs is left alone."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _File(Strict):
    version: Annotated[int, Field(ge=1, le=1)] = 1
    fetched_at_ns: int = 0
    shopper_ids: tuple[str, ...] = ()
    learned: dict[str, bool] = Field(default_factory=dict)


class RefusedList:
    """Who is refused for debts, kept in a file for the time when billing cannot be asked. Safe to use from several threads.

    It holds the list that was fetched last, and what billing answered since; of cards the SHA-256 of their tokens.
    """

    def __init__(self, path: Path, most_learned: int = 10_000) -> None:
        """Raises InputError where the file cannot be read, or is no such list."""
        self._path, self._most, self._mutex = path, most_learned, threading.Lock()
        try:
            told = _File.model_validate_json(path.read_bytes()) if path.exists() else _File()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=path, mend="let this user read it") from error
        except ValidationError as error:
            raise InputError("is no list of refused shoppers", file=path, mend="remove it") from error
        self.fetched_at_ns = told.fetched_at_ns
        self._listed, self._learned = frozenset(told.shopper_ids), dict(told.learned)

    def has(self, who: str) -> bool:
        """Tell whether ``who`` (``who_of``) was refused when it was last heard of."""
        with self._mutex:
            return self._learned.get(who, who in self._listed)

    def note(self, who: str, is_debtor: bool) -> None:
        """Keep what billing just said of somebody; on the disk where it is news. Raises OSError where that fails."""
        with self._mutex:
            if self._learned.get(who, who in self._listed) == is_debtor:
                return
            if len(self._learned) >= self._most:
                self._learned.pop(next(iter(self._learned)))
            self._learned[who] = is_debtor
            self._write()

    def replace(self, shopper_ids: tuple[str, ...], at_ns: int) -> None:
        """Take a list that was fetched; what was learned of cards stays. Raises OSError where it cannot be written."""
        with self._mutex:
            self._listed, self.fetched_at_ns = frozenset(shopper_ids), at_ns
            self._learned = {who: owes for who, owes in self._learned.items() if who.startswith(_CARD)}
            self._write()

    def _write(self) -> None:
        told = _File(
            fetched_at_ns=self.fetched_at_ns, shopper_ids=tuple(sorted(self._listed)), learned=dict(self._learned)
        )
        write_whole(self._path, told.model_dump_json())


_CARD = "card:"


def who_of(token: str, shopper_id: str | None) -> str:
    """Return whom a list of refused people calls who showed a token: a shopper's id, or a card by its token's SHA-256."""
    return shopper_id or f"{_CARD}{hashlib.sha256(token.encode()).hexdigest()}"


def write_whole(path: Path, text: str) -> None:
    """Put a text in a file that only its owner may read: all of it or nothing. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    file = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
