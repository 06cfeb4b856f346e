"""Billing elsewhere as a gate asks it: keys of passes, who is refused, and whether somebody would be."""

from __future__ import annotations

from typing import Any

import httpx2
from pydantic import ValidationError

from billing.errors import PassInputError
from billing.http.times import rfc3339
from billing.passes import PassPolicy, PassPublicKey
from billing.types import Refusal
from tillfree.live.errors import BooksAway
from tillfree.live.passkeys import KeptPassKeys
from tillfree.live.standing import RefusedList
from tillfree.live.tokens import pass_of

_FETCH_S = 10.0
"""Seconds for what no shopper waits for."""


class GateBooks:
    """Asks billing at ``url`` with a key of the scope gate. A ``Standing``; safe to use from several threads."""

    def __init__(
        self, url: str, key: str, *, limit_ms: int = 150, transport: httpx2.BaseTransport | None = None
    ) -> None:
        """``limit_ms`` bounds each step of a question; ``standing.TimedStanding`` around it bounds the whole."""
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=limit_ms / 1_000, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def refused(self, token: str, at_ns: int) -> Refusal | None:
        """See ``Standing.refused``."""
        text = pass_of(token)
        body = {"token": token} if text is None else {"entry_pass": text, "at": rfc3339(at_ns)}
        said = self._ask("POST", "/v1/standing", json=body).get("refused", "nothing")
        try:
            return None if said is None else Refusal(said)
        except ValueError as error:
            raise BooksAway(f"billing refuses for a reason that is not known here: {said}") from error

    def pass_keys(self) -> tuple[tuple[PassPublicKey, ...], PassPolicy | None]:
        """Return the keys of passes and how long passes are valid. Raises BooksAway."""
        said = self._ask("GET", "/v1/passes/keys", timeout=_FETCH_S)
        try:
            keys = tuple(PassPublicKey.load(each["public_key"].encode()) for each in said["keys"])
            return keys, None if said["rules"] is None else PassPolicy(**said["rules"])
        except (KeyError, PassInputError, ValidationError) as error:
            raise BooksAway(f"billing's keys cannot be used: {error}") from error

    def refused_shoppers(self) -> tuple[str, ...]:
        """Return who is refused for debts. Raises BooksAway."""
        found = self._ask("GET", "/v1/passes/refused", timeout=_FETCH_S).get("shopper_ids")
        if not isinstance(found, list):
            raise BooksAway(f"billing at {self._http.base_url} does not say who is refused")
        return tuple(found)

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **more)
        except httpx2.HTTPError as error:
            raise BooksAway(f"billing at {self._http.base_url} is out of reach: {type(error).__name__}") from error
        if not response.is_success:
            raise BooksAway(f"billing at {self._http.base_url} answers {response.status_code} to {path}")
        try:
            said = response.json()
        except ValueError as error:  # something else answers there, such as a network that wants a password
            raise BooksAway(f"{self._http.base_url} is no billing") from error
        if not isinstance(said, dict):
            raise BooksAway(f"{self._http.base_url} is no billing")
        return said


class GateUpkeep:
    """Keeps keys and the list of refused shoppers fresh: a ``billing.worker.Task``, to be called every few seconds."""

    def __init__(self, books: GateBooks, keys: KeptPassKeys, refused: RefusedList, every_s: float) -> None:
        self._books, self._keys, self._refused, self._every_ns = books, keys, refused, int(every_s * 10**9)

    def __call__(self, at_ns: int) -> None:
        """Fetch what is older than ``every_s``. Raises BooksAway where billing does not answer, OSError of a full disk."""
        if self._is_due(self._keys.current(at_ns).fetched_at_ns, at_ns):
            self._keys.refresh(at_ns)
        if self._is_due(self._refused.fetched_at_ns, at_ns):
            self._refused.replace(self._books.refused_shoppers(), at_ns)

    def _is_due(self, fetched_ns: int, at_ns: int) -> bool:
        return not 0 <= at_ns - fetched_ns < self._every_ns
