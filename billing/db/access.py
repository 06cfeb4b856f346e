"""Clients, operators, sessions, requests and the audit log inside one transaction."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, and_, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from billing.db.books import Books
from billing.db.locks import PEOPLE
from billing.db.prepared import Found, Prepared
from billing.db.tables import AUDIT, CLIENTS, OPERATORS, REQUESTS, SESSIONS

Kind = Literal["operator", "invitation"]
"""What an operator holds: a session, or a link by which they choose a password."""


class Held(NamedTuple):
    """A session or link of an operator."""

    login: str
    digest: str
    kind: str
    created_at_ns: int
    expires_at_ns: int


class KnownRequest(NamedTuple):
    """A request that came before, and its answer (HTTP status and JSON) if it has one."""

    digest: str
    at_ns: int
    answer: tuple[int, str] | None


def _answered(given: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    return given.on_conflict_do_update(
        index_elements=[REQUESTS.c.client_id, REQUESTS.c.key],
        set_={"status": given.excluded.status, "answer": given.excluded.answer},
        where=REQUESTS.c.status.is_(None),
    )


_INSERTS: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(REQUESTS),
    "postgresql": postgresql.insert(REQUESTS),
}
_CLIENT = Prepared(select(CLIENTS).where(CLIENTS.c.client_id == bindparam("id")))
_IS_REQUEST = and_(REQUESTS.c.client_id == bindparam("client_id"), REQUESTS.c.key == bindparam("key"))
_REQUEST = Prepared(select(REQUESTS).where(_IS_REQUEST))
_ADD_REQUEST = Prepared({name: given.on_conflict_do_nothing().inline() for name, given in _INSERTS.items()})
_ANSWER = Prepared({name: _answered(given).inline() for name, given in _INSERTS.items()})
_ADD_AUDIT = Prepared(insert(AUDIT).inline())


def client(books: Books, client_id: str) -> Found | None:
    """Return a client's row."""
    return _CLIENT.first(books.connection, id=client_id)


def clients(books: Books) -> list[Row[Any]]:
    """Return all clients' rows, oldest first."""
    return list(books.connection.execute(select(CLIENTS).order_by(CLIENTS.c.created_at_ns, CLIENTS.c.client_id)))


def add_client(books: Books, client_id: str, name: str, digest: str, scopes: str, at_ns: int) -> None:
    """Keep a client; one of the same name that was revoked gives its name up."""
    stale = update(CLIENTS).where(CLIENTS.c.name == name, CLIENTS.c.revoked_at_ns.is_not(None))
    books.connection.execute(stale.values(name=CLIENTS.c.name + " until " + CLIENTS.c.client_id))
    books.connection.execute(
        insert(CLIENTS).values(client_id=client_id, name=name, digest=digest, scopes=scopes, created_at_ns=at_ns)
    )


def revoke_client(books: Books, name: str, at_ns: int) -> bool:
    """Mark a client as revoked; say whether there was one."""
    change = update(CLIENTS).where(CLIENTS.c.name == name, CLIENTS.c.revoked_at_ns.is_(None))
    return books.connection.execute(change.values(revoked_at_ns=at_ns)).rowcount == 1


def operator(books: Books, login: str) -> Row[Any] | None:
    """Return an operator's row."""
    return books.connection.execute(select(OPERATORS).where(OPERATORS.c.login == login)).one_or_none()


def add_operator(books: Books, operator_id: str, login: str, password_hash: str, scopes: str, at_ns: int) -> None:
    """Keep an operator."""
    books.connection.execute(
        insert(OPERATORS).values(
            operator_id=operator_id, login=login, password_hash=password_hash, scopes=scopes, created_at_ns=at_ns
        )
    )


def operators(books: Books) -> list[Row[Any]]:
    """Return all operators' rows, oldest first."""
    return list(books.connection.execute(select(OPERATORS).order_by(OPERATORS.c.created_at_ns, OPERATORS.c.login)))


def change_operator(books: Books, login: str, **values: object) -> bool:
    """Change an operator's row and end their sessions; say whether there is one of that login."""
    mine = select(OPERATORS.c.operator_id).where(OPERATORS.c.login == login)
    books.connection.execute(delete(SESSIONS).where(SESSIONS.c.kind == "operator", SESSIONS.c.person_id.in_(mine)))
    return books.connection.execute(update(OPERATORS).where(OPERATORS.c.login == login).values(**values)).rowcount == 1


def add_session(books: Books, digest: str, person_id: str, kind: str, at_ns: int, ends_ns: int) -> None:
    """Keep a session, and forget those that have ended."""
    books.connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at_ns <= at_ns))
    books.connection.execute(
        insert(SESSIONS).values(
            digest=digest, person_id=person_id, kind=kind, created_at_ns=at_ns, expires_at_ns=ends_ns
        )
    )


def end_session(books: Books, digest: str) -> None:
    """Forget a session."""
    books.connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest))


def end_sessions(books: Books, login: str, kind: Kind, but_digest: str = "") -> int:
    """Forget all of an operator's sessions or links but one; return how many there were."""
    mine = select(OPERATORS.c.operator_id).where(OPERATORS.c.login == login)
    ended = delete(SESSIONS).where(SESSIONS.c.kind == kind, SESSIONS.c.person_id.in_(mine))
    return books.connection.execute(ended.where(SESSIONS.c.digest != but_digest)).rowcount


def sessions(books: Books, at_ns: int) -> list[Held]:
    """Return the operators' sessions and links that have not ended, oldest first."""
    of = SESSIONS.c
    query = select(OPERATORS.c.login, of.digest, of.kind, of.created_at_ns, of.expires_at_ns)
    query = query.join(SESSIONS, of.person_id == OPERATORS.c.operator_id).where(of.expires_at_ns > at_ns)
    return [Held(*row) for row in books.connection.execute(query.order_by(of.created_at_ns, of.digest))]


def wait_for_people(books: Books) -> None:
    """Let no other transaction change who may do what until this one has ended; SQLite has one writer anyway."""
    if books.connection.dialect.name == "postgresql":
        PEOPLE.first(books.connection)


def operator_of_session(books: Books, digest: str, at_ns: int, kind: Kind = "operator") -> Row[Any] | None:
    """Return the row of the operator whose session or link this is, None once it has ended."""
    query = select(OPERATORS).join(SESSIONS, SESSIONS.c.person_id == OPERATORS.c.operator_id)
    query = query.where(
        SESSIONS.c.digest == digest,
        SESSIONS.c.kind == kind,
        SESSIONS.c.expires_at_ns > at_ns,
        OPERATORS.c.disabled_at_ns.is_(None),
    )
    return books.connection.execute(query).one_or_none()


def request(books: Books, client_id: str, key: str) -> KnownRequest | None:
    """Return what came by an idempotency key."""
    row = _REQUEST.first(books.connection, client_id=client_id, key=key)
    if row is None:
        return None
    return KnownRequest(row.digest, row.at_ns, None if row.status is None else (row.status, row.answer))


def add_request(books: Books, client_id: str, key: str, digest: str, at_ns: int) -> bool:
    """Keep that a request came; say whether it is new. Waits for another transaction that is about to keep the same."""
    return _ADD_REQUEST.do(books.connection, client_id=client_id, key=key, digest=digest, at_ns=at_ns) == 1


def answer_request(books: Books, client_id: str, key: str, digest: str, at_ns: int, status: int, answer: str) -> bool:
    """Keep what a request was answered, and that it came; say whether this call was the one that did."""
    values = {"client_id": client_id, "key": key, "digest": digest, "at_ns": at_ns, "status": status, "answer": answer}
    return _ANSWER.do(books.connection, **values) == 1


def prune_requests(books: Books, before_ns: int, limit: int) -> int:
    """Forget requests that came before then, oldest first and at most ``limit``; return how many."""
    key = (REQUESTS.c.client_id, REQUESTS.c.key)
    old = select(*key).where(REQUESTS.c.at_ns < before_ns).order_by(REQUESTS.c.at_ns).limit(limit)
    return books.connection.execute(delete(REQUESTS).where(tuple_(*key).in_(old))).rowcount


def add_audit(books: Books, at_ns: int, who: str, action: str, subject: str, status: int, detail: str | None) -> None:
    """Keep who did what."""
    _ADD_AUDIT.do(books.connection, at_ns=at_ns, who=who, action=action, subject=subject, status=status, detail=detail)
