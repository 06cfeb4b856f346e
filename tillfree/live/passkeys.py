"""What a gate checks passes by: the store's own keyring, or keys of billing elsewhere that are kept on the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import ValidationError

from billing.errors import PassInputError
from billing.keyring import Keyring
from billing.passes import PassPolicy, PassPublicKey
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.errors import BooksAway
from tillfree.live.standing import write_whole

_S = 10**9
_ASK_AGAIN_NS = 30 * _S
"""After an unknown key billing is asked for its keys this often at most, however many forged passes are shown."""

_WAIT_S = 0.1
"""How long a gate waits for new keys: with billing's 150 ms and two writes it still answers within 300 ms."""


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """Keys, how long passes are valid, and when billing was heard of; without a policy there are no passes."""

    keys: tuple[PassPublicKey, ...]
    policy: PassPolicy | None
    fetched_at_ns: int


class PassKeys(Protocol):
    """Knows what passes are signed with."""

    def current(self, at_ns: int) -> KnownKeys:
        """Return what is known at ``at_ns``."""
        ...

    def look_again(self, at_ns: int) -> bool:
        """Ask for keys anew since there is none for a pass; tell whether it is worth checking once more."""
        ...


class OwnPassKeys:
    """The keys of billing in this process."""

    def __init__(self, keyring: Keyring, policy: PassPolicy) -> None:
        self._keys, self._policy = (keyring.pass_key.public(),), policy

    def current(self, at_ns: int) -> KnownKeys:
        """See ``PassKeys.current``."""
        return KnownKeys(self._keys, self._policy, at_ns)

    def look_again(self, at_ns: int) -> bool:
        """See ``PassKeys.look_again``."""
        del at_ns
        return False


class _File(Strict):
    version: Literal[1] = 1
    fetched_at_ns: int
    keys: tuple[str, ...]
    policy: PassPolicy | None


Fetch = Callable[[], tuple[tuple[PassPublicKey, ...], PassPolicy | None]]
"""Asks billing elsewhere for keys and policy; raises BooksAway."""


class KeptPassKeys:
    """The keys of billing elsewhere, kept in a file: a gate that starts while the network is away has them."""

    def __init__(self, path: Path, fetch: Fetch) -> None:
        """Raises InputError where the file cannot be read, or holds no keys."""
        self._path, self._fetch, self._mutex = path, fetch, threading.Lock()
        self._looked_ns = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pass-keys")
        self._known = _read(path) if path.exists() else KnownKeys((), None, 0)

    def current(self, at_ns: int) -> KnownKeys:
        """See ``PassKeys.current``."""
        del at_ns
        return self._known

    def refresh(self, at_ns: int) -> None:
        """Fetch the keys and keep them. Raises BooksAway where billing does not answer, OSError where they cannot be kept."""
        keys, policy = self._fetch()
        known = KnownKeys(keys, policy, at_ns)
        told = _File(fetched_at_ns=at_ns, keys=tuple(key.dump().decode() for key in keys), policy=policy)
        with self._mutex:
            self._known = known
            write_whole(self._path, told.model_dump_json(indent=1))

    def look_again(self, at_ns: int) -> bool:
        """See ``PassKeys.look_again``; every 30 s at most, and waited for 100 ms."""
        with self._mutex:
            if 0 <= at_ns - self._looked_ns < _ASK_AGAIN_NS:
                return False
            self._looked_ns = at_ns
        asked = self._thread.submit(self.refresh, at_ns)
        try:
            asked.result(_WAIT_S)
        except (BooksAway, OSError, TookTooLong):  # what comes later is there for the next scan
            return False
        return True

    def close(self) -> None:
        """Ask nothing more; what hangs is left alone."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _read(path: Path) -> KnownKeys:
    try:
        told = _File.model_validate_json(path.read_bytes())
        keys = tuple(PassPublicKey.load(pem.encode()) for pem in told.keys)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path, mend="let this user read it") from error
    except (ValidationError, PassInputError) as error:
        raise InputError("holds no keys of passes", file=path, mend="remove it: they are fetched anew") from error
    return KnownKeys(keys, told.policy, told.fetched_at_ns)
