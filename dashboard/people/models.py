"""What the people's API says and is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from billing.http.times import UtcOut
from billing.passwords import LEAST_CHARACTERS, MOST_CHARACTERS
from dashboard.people.deeds import Someone
from dashboard.roles import Right, Role
from store_layout.model import Strict

_Password = Annotated[str, Field(max_length=500)]


class SessionOut(Strict):
    """A browser in which somebody is signed in."""

    session_id: str
    began_at: UtcOut
    ends_at: UtcOut


class PersonOut(Strict):
    """Somebody who may sign in, or could.

    ``role`` is null for a mixture of scopes; ``last_sign_in_at`` where it is not known; ``invited_until`` where no link waits.
    """

    login: str
    role: Role | None
    is_active: bool
    has_password: bool
    invited_until: UtcOut | None
    last_sign_in_at: UtcOut | None
    sessions: tuple[SessionOut, ...]

    @classmethod
    def of(cls, someone: Someone) -> PersonOut:
        """Take somebody apart."""
        sessions = tuple(
            SessionOut(session_id=each.session_id, began_at=each.began_ns, ends_at=each.ends_ns)
            for each in someone.sessions
        )
        return cls(
            login=someone.login,
            role=someone.role,
            is_active=someone.is_active,
            has_password=someone.has_password,
            invited_until=someone.invited_until_ns,
            last_sign_in_at=someone.last_ns,
            sessions=sessions,
        )


class PeopleOut(Strict):
    """All who could ever sign in, oldest first."""

    items: tuple[PersonOut, ...]


class MeOut(Strict):
    """Whoever asks; ``csrf`` is what commands have to carry in ``X-CSRF``."""

    person: PersonOut
    rights: tuple[Right, ...]
    session_id: str
    csrf: str


class InviteIn(Strict):
    """Whom to ask in, as what."""

    login: Annotated[str, Field(max_length=80)]
    role: Role


class LinkOut(Strict):
    """A link by which somebody chooses a password: it works once, and nobody is told it again."""

    login: str
    link: str


class RoleIn(Strict):
    """What somebody is to be."""

    role: Role


class PasswordIn(Strict):
    """The password of now, and the next."""

    old: _Password
    new: Annotated[str, Field(description=f"{LEAST_CHARACTERS} to {MOST_CHARACTERS} characters", max_length=500)]
