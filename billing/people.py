"""The people of a store: they are asked in by a link, get roles, and go; somebody who may add others is always left.

Who is asked in has an account without a password, and a link that works once and ends by itself. Whoever has it chooses the
password, so that no other person ever knows it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.access import Access, Operator, Scope, check_name, digest_of, join_scopes, split_scopes
from billing.db import access as rows
from billing.db.books import Books
from billing.errors import AccessDenied, LastManager, NotKnown
from billing.passwords import NO_PASSWORD, hash_password, is_password

_NS = 10**9
_SHOWN = 16
"""Hex digits of a session's digest that name it: what opens it cannot be worked back."""


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is signed in."""

    session_id: str
    began_ns: int
    ends_ns: int


@dataclass(frozen=True, slots=True)
class Member:
    """An operator with their sessions, and until when a link lets them choose a password, None where there is none."""

    operator: Operator
    sessions: tuple[Session, ...] = ()
    invited_until_ns: int | None = None


class People:
    """The operators of ``access``, and what is done with them."""

    def __init__(self, access: Access, invitation_s: int = 3 * 86_400) -> None:
        """``invitation_s``: seconds for which a link works; over a weekend."""
        self._access, self._store, self.invitation_s = access, access.store, invitation_s

    def all(self, at_ns: int) -> tuple[Member, ...]:
        """Return everybody, oldest first."""
        with self._store.reading() as books:
            held = rows.sessions(books, at_ns)
        return tuple(_member(operator, held) for operator in self._access.operators())

    def one(self, login: str, at_ns: int) -> Member:
        """Return somebody. Raises NotKnown where there is none of that login."""
        found = next((each for each in self.all(at_ns) if each.operator.login == login), None)
        if found is None:
            raise NotKnown(f"there is no operator named {login!r}")
        return found

    def invite(self, login: str, scopes: frozenset[Scope], at_ns: int) -> str:
        """Make an account without a password; return the link's token. Raises AccessDenied for a known login, or no name."""
        check_name(login)
        with self._store.transaction() as books:
            if rows.operator(books, login) is not None:
                raise AccessDenied(f"there is an operator named {login!r}")
            rows.add_operator(books, secrets.token_hex(8), login, NO_PASSWORD, join_scopes(scopes), at_ns)
            return self._link(books, login, at_ns)

    def link(self, login: str, at_ns: int) -> str:
        """Return the token of a new link, in place of one of before; the password of before holds until it is used.

        Raises NotKnown where there is none of that login, AccessDenied for somebody who was sent away.
        """
        with self._store.transaction() as books:
            if _row(books, login).disabled_at_ns is not None:
                raise AccessDenied(f"{login!r} may not sign in")
            return self._link(books, login, at_ns)

    def _link(self, books: Books, login: str, at_ns: int) -> str:
        token = secrets.token_urlsafe(32)
        rows.end_sessions(books, login, "invitation")
        person_id, ends_ns = _row(books, login).operator_id, at_ns + self.invitation_s * _NS
        rows.add_session(books, digest_of(token), person_id, "invitation", at_ns, ends_ns)
        return token

    def invited(self, token: str, at_ns: int) -> str:
        """Return the login of whom a link is for. Raises NotKnown once it was used, or has ended."""
        with self._store.reading() as books:
            return _invited(books, token, at_ns)

    def accept(self, token: str, password: str, at_ns: int) -> str:
        """Let whoever has a link choose the password; return the login. The link, others, and all sessions end.

        Raises NotKnown for a link that is worth nothing, AccessDenied for a password that is too short or too long.
        """
        self.invited(token, at_ns)  # before the costly hash
        hashed = hash_password(password)
        with self._store.transaction() as books:
            rows.wait_for_people(books)
            login = _invited(books, token, at_ns)
            rows.change_operator(books, login, password_hash=hashed)
            rows.end_sessions(books, login, "invitation")
        return login

    def change_password(self, login: str, old: str, new: str) -> None:
        """Give somebody who knows ``old`` another password; all their sessions and links end.

        Raises NotKnown where ``old`` is wrong, AccessDenied for a password that is too short or too long.
        """
        with self._store.reading() as books:
            kept = _row(books, login).password_hash
        if not is_password(old, kept):
            raise NotKnown("the password is wrong")
        hashed = hash_password(new)
        with self._store.transaction() as books:
            rows.change_operator(books, login, password_hash=hashed)
            rows.end_sessions(books, login, "invitation")

    def change_scopes(self, login: str, scopes: frozenset[Scope]) -> None:
        """Let somebody do other things, from the next time that they sign in. Raises NotKnown, LastManager."""
        with self._store.transaction() as books:
            if Scope.ADMIN not in scopes:
                _check_others(books, login)
            rows.change_operator(books, _row(books, login).login, scopes=join_scopes(scopes))

    def deactivate(self, login: str, at_ns: int) -> None:
        """Let somebody sign in no more; their sessions and links end. Raises NotKnown, LastManager."""
        with self._store.transaction() as books:
            _check_others(books, login)
            rows.change_operator(books, _row(books, login).login, disabled_at_ns=at_ns)
            rows.end_sessions(books, login, "invitation")

    def activate(self, login: str) -> None:
        """Let somebody sign in again, with the password of before. Raises NotKnown."""
        with self._store.transaction() as books:
            rows.change_operator(books, _row(books, login).login, disabled_at_ns=None)

    def end_sessions(self, login: str, but_token: str = "") -> int:
        """End somebody's sessions, all but the one of ``but_token``; return how many there were. Raises NotKnown."""
        with self._store.transaction() as books:
            return rows.end_sessions(books, _row(books, login).login, "operator", digest_of(but_token))


def session_id(token: str) -> str:
    """Return what names the session that ``token`` opens."""
    return digest_of(token)[:_SHOWN]


def _member(operator: Operator, held: Sequence[rows.Held]) -> Member:
    mine = [row for row in held if row.login == operator.login]
    sessions = tuple(
        Session(row.digest[:_SHOWN], row.created_at_ns, row.expires_at_ns) for row in mine if row.kind == "operator"
    )
    return Member(operator, sessions, next((row.expires_at_ns for row in mine if row.kind == "invitation"), None))


def _row(books: Books, login: str) -> Any:
    found = rows.operator(books, login)
    if found is None:
        raise NotKnown(f"there is no operator named {login!r}")
    return found


def _invited(books: Books, token: str, at_ns: int) -> str:
    found = rows.operator_of_session(books, digest_of(token), at_ns, "invitation")
    if found is None:
        raise NotKnown("this link was used, or has ended")
    login: str = found.login
    return login


def _check_others(books: Books, login: str) -> None:
    """Raise LastManager where nobody but ``login`` can sign in and add people."""
    rows.wait_for_people(books)
    able = {
        row.login
        for row in rows.operators(books)
        if row.disabled_at_ns is None and row.password_hash != NO_PASSWORD and Scope.ADMIN in split_scopes(row.scopes)
    }
    if able == {login}:
        raise LastManager(f"{login!r} is the last who can add people")
