"""What managers do with people, and everybody with their own account: checked, done, and written down.

Pages and API do the same here. Each raises NotFound for a login that nobody has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from billing.access import RateLimiter
from billing.errors import AccessDenied, LastManager, NotKnown
from billing.people import Member, Session, session_id
from dashboard.audit import Deed
from dashboard.errors import InConflict, NotFound, Refused, TooOften
from dashboard.roles import SCOPES, Role, role_of
from dashboard.sign_in import SIGNED_IN
from dashboard.web import Visitor


class WrongPassword(Refused):
    """Whoever asks does not know the password of the account that they are signed in to."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A person as pages show them. ``role`` is None for a mixture of old; ``last_ns`` is their last sign-in, None if not known."""

    login: str
    role: Role | None
    is_active: bool
    has_password: bool
    invited_until_ns: int | None
    last_ns: int | None
    sessions: tuple[Session, ...]


def everybody(who: Visitor) -> tuple[Someone, ...]:
    """Return all who could ever sign in, oldest first."""
    return tuple(_someone(who, each) for each in who.desk.people.all(who.at_ns))


def somebody(who: Visitor, login: str) -> Someone:
    """Return one of them."""
    with _clearly():
        return _someone(who, who.desk.people.one(login, who.at_ns))


def invite(who: Visitor, login: str, role: Role) -> str:
    """Ask somebody in; return the link. Raises Refused for a login that is taken, or none."""
    with _clearly():
        token = who.desk.people.invite(login, SCOPES[role], who.at_ns)
    did(who, "person.invite", login, role)
    return _link(who, token)


def new_link(who: Visitor, login: str) -> str:
    """Return a new link for a password. Raises Refused for somebody who was deactivated."""
    with _clearly():
        token = who.desk.people.link(login, who.at_ns)
    did(who, "person.link", login)
    return _link(who, token)


def change_role(who: Visitor, login: str, role: Role) -> None:
    """Let somebody do other things; their sessions end. Raises InConflict for the last manager."""
    before = somebody(who, login).role
    with _clearly():
        who.desk.people.change_scopes(login, SCOPES[role])
    did(who, "person.role", login, f"{before or 'none'} -> {role}")


def end_sessions(who: Visitor, login: str) -> None:
    """Sign somebody out everywhere."""
    with _clearly():
        count = who.desk.people.end_sessions(login)
    did(who, "person.sessions", login, str(count))


def deactivate(who: Visitor, login: str) -> None:
    """Let somebody sign in no more. Raises InConflict for the last manager."""
    with _clearly():
        who.desk.people.deactivate(login, who.at_ns)
    did(who, "person.deactivate", login)


def activate(who: Visitor, login: str) -> None:
    """Let somebody sign in again."""
    with _clearly():
        who.desk.people.activate(login)
    did(who, "person.activate", login)


def end_other_sessions(who: Visitor) -> None:
    """Sign whoever asks out in all browsers but this one."""
    count = who.desk.people.end_sessions(who.me.name, who.session)
    did(who, "session.others", who.me.name, str(count))


def change_password(who: Visitor, old: str, new: str) -> tuple[str, int]:
    """Give whoever asks another password; return the token of a new session and its end, for all before end.

    Raises WrongPassword, TooOften, and Refused for a new one that is too short or too long.
    """
    name, tries = who.me.name, who.desk.strangers
    _take_try(tries, f"password|{name}", who.at_ns)
    try:
        who.desk.people.change_password(name, old, new)
    except NotKnown as error:
        raise WrongPassword("the password of now is wrong") from error
    except AccessDenied as error:
        raise Refused(str(error)) from error
    did(who, "password.change", name)
    return who.desk.access.sign_in(name, new, who.at_ns)


def is_mine(who: Visitor, session: Session) -> bool:
    """Tell whether a session is this browser's."""
    return session.session_id == session_id(who.session)


def did(who: Visitor, what: str, subject: str, detail: str = "") -> None:
    """Write down what whoever is signed in did."""
    who.desk.did(Deed(who.at_ns, who.me.name, what, subject, detail))


def _take_try(tries: RateLimiter, asker: str, at_ns: int) -> None:
    wait_s = tries.wait_s(asker, at_ns)
    if wait_s > 0:
        raise TooOften(wait_s)


def _link(who: Visitor, token: str) -> str:
    return f"{who.desk.url}/join?token={token}"


def _someone(who: Visitor, member: Member) -> Someone:
    operator, audit = member.operator, who.desk.audit
    told = [each.began_ns for each in member.sessions]
    written_ns = None if audit is None else audit.last_ns(operator.login, SIGNED_IN)
    told += [] if written_ns is None else [written_ns]
    return Someone(
        operator.login,
        role_of(operator.scopes),
        operator.disabled_at_ns is None,
        operator.has_password,
        member.invited_until_ns,
        max(told, default=None),
        member.sessions,
    )


@contextmanager
def _clearly() -> Iterator[None]:
    """Turn what billing will not do into the dashboard's errors."""
    try:
        yield
    except NotKnown as error:
        raise NotFound("there is nobody of that login") from error
    except LastManager as error:
        raise InConflict("nobody else could add people then: make somebody else a manager first") from error
    except AccessDenied as error:
        raise Refused(str(error)) from error
