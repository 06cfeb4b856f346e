"""Who may ask for what: keys for machines, passwords for people, scopes for both, and how often.

A key is 256 random bits and is kept as its SHA-256 alone: nothing that long can be guessed from its hash, so a slow
hash would only cost time. People's passwords can be guessed, so they are kept by argon2 (``passwords``).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from billing.db import access as rows
from billing.errors import AccessDenied, NotKnown
from billing.passwords import NO_PASSWORD, hash_password, is_password
from billing.store import BillingStore

_NS = 10**9
_PREFIX = "tf"
_SESSION_PREFIX = "ts"
_REMEMBERED_NS = _NS
"""A key that was good is not looked up again for a second: a machine makes many calls in one, a revocation can wait it."""
_MOST_REMEMBERED = 1_000
_KEY = re.compile(rf"{_PREFIX}_([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,79}")


class Scope(StrEnum):
    """What a client or an operator may do."""

    GATE = "gate"
    VISION = "vision"
    POS = "pos"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    VIEWER = "viewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is known: a client by its key, or an operator by their session (``is_person``)."""

    name: str
    scopes: frozenset[Scope]
    is_person: bool = False

    @property
    def asker(self) -> str:
        """Return what nobody else is called: a machine and a person may have the same name."""
        return operator_asker(self.name) if self.is_person else f"client:{self.name}"

    def needs(self, *scopes: Scope) -> None:
        """Raise AccessDenied unless one of ``scopes`` is held."""
        if not self.scopes.intersection(scopes):
            raise AccessDenied(f"{self.name} lacks the scope {' or '.join(scopes)}")


def operator_asker(login: str) -> str:
    """Return what the audit log calls the operator with this login."""
    return f"operator:{login}"


@dataclass(frozen=True, slots=True)
class Client:
    """A machine that has a key."""

    client_id: str
    name: str
    scopes: frozenset[Scope]
    created_at_ns: int
    revoked_at_ns: int | None


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who may sign in, unless disabled, or invited and without a password so far."""

    login: str
    scopes: frozenset[Scope]
    created_at_ns: int
    disabled_at_ns: int | None
    has_password: bool = True


class Access:
    """Keys, operators and their sessions in a database."""

    def __init__(self, store: BillingStore, session_s: int = 12 * 3_600) -> None:
        """``session_s``: seconds that an operator stays signed in; a working day."""
        self.store, self.session_s = store, session_s
        self._remembered: dict[str, tuple[Principal, int]] = {}

    def add_client(self, name: str, scopes: frozenset[Scope], at_ns: int) -> str:
        """Make a key for a machine; this is the only time that it can be seen.

        Raises AccessDenied for a known name, or one that could be mistaken.
        """
        check_name(name)
        client_id, key = new_key()
        with self.store.transaction() as books:
            if name in {known.name for known in rows.clients(books) if known.revoked_at_ns is None}:
                raise AccessDenied(f"there is a key named {name!r}: revoke it, or choose another name")
            rows.add_client(books, client_id, name, key_digest(key), join_scopes(scopes), at_ns)
        return key

    def clients(self) -> tuple[Client, ...]:
        """Return all keys that were ever made, oldest first, without their secrets."""
        with self.store.reading() as books:
            found = rows.clients(books)
        return tuple(
            Client(row.client_id, row.name, split_scopes(row.scopes), row.created_at_ns, row.revoked_at_ns)
            for row in found
        )

    def revoke_client(self, name: str, at_ns: int) -> None:
        """Let a key be worth nothing from now on. Raises AccessDenied where there is none of that name."""
        with self.store.transaction() as books:
            if not rows.revoke_client(books, name, at_ns):
                raise AccessDenied(f"there is no key named {name!r}")
        self._remembered.clear()

    def add_operator(self, login: str, password: str, scopes: frozenset[Scope], at_ns: int) -> None:
        """Let a person sign in. Raises AccessDenied for a known login, or a password that is too short."""
        check_name(login)
        hashed = hash_password(password)
        with self.store.transaction() as books:
            if rows.operator(books, login) is not None:
                raise AccessDenied(f"there is an operator named {login!r}")
            rows.add_operator(books, secrets.token_hex(8), login, hashed, join_scopes(scopes), at_ns)

    def operators(self) -> tuple[Operator, ...]:
        """Return all who could ever sign in, oldest first."""
        with self.store.reading() as books:
            found = rows.operators(books)
        return tuple(
            Operator(
                row.login,
                split_scopes(row.scopes),
                row.created_at_ns,
                row.disabled_at_ns,
                row.password_hash != NO_PASSWORD,
            )
            for row in found
        )

    def change_password(self, login: str, password: str) -> None:
        """Give an operator another password, and end their sessions.

        Raises AccessDenied where there is none of that login, or for a password that is too short.
        """
        hashed = hash_password(password)
        with self.store.transaction() as books:
            if not rows.change_operator(books, login, password_hash=hashed):
                raise AccessDenied(f"there is no operator named {login!r}")

    def sign_in(self, login: str, password: str, at_ns: int) -> tuple[str, int]:
        """Return a session's token and when it ends. Raises NotKnown, which does not say what was wrong."""
        with self.store.reading() as books:
            found = rows.operator(books, login)
        known = found is not None and found.disabled_at_ns is None
        # The password is checked for unknown logins too, so that the time taken does not tell who is known.
        if not is_password(password, found.password_hash if found is not None else None) or not known:
            raise NotKnown("login or password is wrong")
        token, ends_ns = f"{_SESSION_PREFIX}_{secrets.token_urlsafe(32)}", at_ns + self.session_s * _NS
        assert found is not None  # known
        with self.store.transaction() as books:
            rows.add_session(books, digest_of(token), found.operator_id, "operator", at_ns, ends_ns)
        return token, ends_ns

    def sign_out(self, token: str) -> None:
        """End a session."""
        with self.store.transaction() as books:
            rows.end_session(books, digest_of(token))

    def who(self, credential: str, at_ns: int) -> Principal:
        """Return who holds a key or a session. Raises NotKnown."""
        if credential.startswith(f"{_SESSION_PREFIX}_"):
            return self._operator(credential, at_ns)
        client_id = client_of(credential)
        if client_id is not None:
            with self.store.reading() as books:
                found = rows.client(books, client_id)
            if found is not None and is_key(credential, found.digest):
                if found.revoked_at_ns is not None:
                    raise NotKnown("this key was revoked")
                return self._remember(credential, Principal(found.name, split_scopes(found.scopes)), at_ns)
        raise NotKnown("this key is not known")

    def remembered(self, credential: str, at_ns: int) -> Principal | None:
        """Return whose key was good within the last second, without the database; None where ``who`` must be asked."""
        who, then_ns = self._remembered.get(digest_of(credential), (None, 0))
        return who if 0 <= at_ns - then_ns < _REMEMBERED_NS else None

    def _remember(self, credential: str, who: Principal, at_ns: int) -> Principal:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest_of(credential)] = (who, at_ns)
        return who

    def _operator(self, token: str, at_ns: int) -> Principal:
        with self.store.reading() as books:
            found = rows.operator_of_session(books, digest_of(token), at_ns)
        if found is None:
            raise NotKnown("this session has ended: sign in again")
        return Principal(found.login, split_scopes(found.scopes), is_person=True)


class RateLimiter:
    """A bucket of tokens for each asker, filled at ``per_s`` up to ``burst``; knows the latest ``most`` askers."""

    def __init__(self, per_s: float, burst: int, most: int = 10_000) -> None:
        self._per_s, self._burst, self._most = per_s, burst, most
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def wait_s(self, asker: str, at_ns: int) -> float:
        """Take a token; return 0, or how many seconds to wait where there is none."""
        with self._lock:
            left, then_ns = self._left.pop(asker, (float(self._burst), at_ns))
            left = min(float(self._burst), left + max(0, at_ns - then_ns) / _NS * self._per_s)
            wait_s = 0.0 if left >= 1 else (1 - left) / self._per_s
            self._left[asker] = (left - 1 if wait_s == 0 else left, max(at_ns, then_ns))
            if len(self._left) > self._most:
                self._left.popitem(last=False)
            return wait_s


def new_key() -> tuple[str, str]:
    """Return a new machine's id, and its key, which holds the id: 256 bits of the operating system's randomness."""
    client_id = secrets.token_hex(6)
    return client_id, f"{_PREFIX}_{client_id}_{secrets.token_urlsafe(32)}"


def client_of(key: str) -> str | None:
    """Return whose key this says to be, None for what is none."""
    said = _KEY.fullmatch(key)
    return None if said is None else said[1]


def key_digest(key: str) -> str:
    """Return what is kept of a key."""
    return digest_of(key)


def is_key(key: str, digest: str) -> bool:
    """Tell whether this is the key of which ``digest`` is kept."""
    return hmac.compare_digest(digest, digest_of(key))


def check_name(name: str) -> None:
    """Raise AccessDenied for a name that could be mistaken."""
    if _NAME.fullmatch(name) is None:
        raise AccessDenied(f"{name!r} is no name: take letters, digits and any of _.@-, at most 80")


def digest_of(secret: str) -> str:
    """Return what is kept of a secret that is too long to be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def join_scopes(scopes: frozenset[Scope]) -> str:
    """Return scopes as they are kept."""
    return " ".join(sorted(scopes))


def split_scopes(scopes: str) -> frozenset[Scope]:
    """Return scopes that were kept."""
    return frozenset(Scope(name) for name in scopes.split())
