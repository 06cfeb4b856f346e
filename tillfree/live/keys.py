"""Keys of readers, screens and scrapers at a store's machine whose billing is elsewhere: one file beside the store's.

Where billing is embedded, its own keys and operators count (``billing.access.Access``). A key here looks and is checked
like one there: 256 random bits, of which the SHA-256 is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

from pydantic import ValidationError

from billing.access import Client, Principal, Scope, check_name, client_of, is_key, key_digest, new_key
from billing.errors import AccessDenied, NotKnown
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.live.standing import write_whole


class Keys(Protocol):
    """Knows who calls: ``billing.access.Access``, or ``NodeKeys``."""

    def who(self, credential: str, at_ns: int) -> Principal:
        """Return who holds a key. Raises NotKnown."""
        ...

    def remembered(self, credential: str, at_ns: int) -> Principal | None:
        """Return who holds a key, where that can be told without waiting."""
        ...


class _Key(Strict):
    client_id: str
    name: str
    digest: str
    scopes: tuple[Scope, ...]
    created_at_ns: int
    revoked_at_ns: int | None = None


class _File(Strict):
    version: Literal[1] = 1
    keys: tuple[_Key, ...] = ()


class NodeKeys:
    """Keys in a file, which is read again when it has changed: a revoked key is worth nothing from the next call on."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where others may read the file, it cannot be read, or holds no keys."""
        self._path, self._mutex = path, threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._keys: tuple[_Key, ...] = ()
        self._load()

    def add(self, name: str, scopes: Iterable[Scope], at_ns: int) -> str:
        """Make a key and return it; this is the only time that it can be seen.

        Raises AccessDenied for a known name, or one that could be mistaken; InputError where the file cannot be written.
        """
        check_name(name)
        client_id, key = new_key()
        with self._mutex:
            self._load()
            if any(each.name == name and each.revoked_at_ns is None for each in self._keys):
                raise AccessDenied(f"there is a key named {name!r}: revoke it, or choose another name")
            made = _Key(
                client_id=client_id,
                name=name,
                digest=key_digest(key),
                scopes=tuple(sorted(set(scopes))),
                created_at_ns=at_ns,
            )
            self._write((*self._keys, made))
        return key

    def revoke(self, name: str, at_ns: int) -> None:
        """Let a key be worth nothing from now on. Raises AccessDenied where there is none of that name."""
        with self._mutex:
            self._load()
            found = [each for each in self._keys if each.name == name and each.revoked_at_ns is None]
            if not found:
                raise AccessDenied(f"there is no key named {name!r}")
            ended = found[0].model_copy(update={"revoked_at_ns": at_ns})
            self._write(tuple(ended if each is found[0] else each for each in self._keys))

    def clients(self) -> tuple[Client, ...]:
        """Return all keys that were ever made, oldest first, without their secrets."""
        with self._mutex:
            self._load()
            return tuple(
                Client(each.client_id, each.name, frozenset(each.scopes), each.created_at_ns, each.revoked_at_ns)
                for each in self._keys
            )

    def who(self, credential: str, at_ns: int) -> Principal:
        """See ``Keys.who``."""
        del at_ns
        client_id = client_of(credential)
        with self._mutex:
            self._load()
            found = next((each for each in self._keys if each.client_id == client_id), None)
        if found is None or not is_key(credential, found.digest):
            raise NotKnown("this key is not known")
        if found.revoked_at_ns is not None:
            raise NotKnown("this key was revoked")
        return Principal(found.name, frozenset(found.scopes))

    def remembered(self, credential: str, at_ns: int) -> Principal | None:
        """See ``Keys.remembered``: the file decides each time."""
        del credential, at_ns
        return None

    def _load(self) -> None:
        """Read the file where it has changed."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._keys = None, ()
            return
        if stat.st_mode & 0o077:
            raise InputError("others may read the keys", file=self._path, mend=f"chmod 600 {self._path.name}")
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp == self._stamp:
            return
        try:
            self._keys = _File.model_validate_json(self._path.read_bytes()).keys
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror}", file=self._path, mend="let this user read it"
            ) from error
        except ValidationError as error:
            raise InputError("holds no keys", file=self._path, mend="restore it, or remove it for new ones") from error
        self._stamp = stamp

    def _write(self, keys: tuple[_Key, ...]) -> None:
        try:
            write_whole(self._path, _File(keys=keys).model_dump_json(indent=1) + "\n")
        except OSError as error:
            raise InputError(
                f"cannot be written: {error.strerror}", file=self._path, mend="choose another place"
            ) from error
        self._load()
