"""The people's API, for scripts and programs: a session's cookie, and for commands the token in ``X-CSRF``."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Response

from billing.people import session_id
from dashboard.people import deeds
from dashboard.people.models import InviteIn, LinkOut, MeOut, PasswordIn, PeopleOut, PersonOut, RoleIn
from dashboard.roles import Right
from dashboard.sign_in import keep_session
from dashboard.web import Visitor, may, may_call, program_router

api = program_router("people")

_Login = Annotated[str, Path(max_length=80, description="any but those of the list is not found")]
_Manager = Annotated[Visitor, Depends(may(Right.MANAGE))]
_Manages = Annotated[Visitor, Depends(may_call(Right.MANAGE))]
_Me = Annotated[Visitor, Depends(may(Right.LOOK))]
_MeCalls = Annotated[Visitor, Depends(may_call(Right.LOOK))]


@api.get("/v1/desk/people")
def list_people(who: _Manager) -> PeopleOut:
    """Return all who could ever sign in."""
    return PeopleOut(items=tuple(PersonOut.of(each) for each in deeds.everybody(who)))


@api.post("/v1/desk/people", status_code=201)
def invite(given: InviteIn, who: _Manages) -> LinkOut:
    """Ask somebody in."""
    return LinkOut(login=given.login, link=deeds.invite(who, given.login, given.role))


@api.get("/v1/desk/people/{login}")
def get_person(login: _Login, who: _Manager) -> PersonOut:
    """Return one of them."""
    return PersonOut.of(deeds.somebody(who, login))


@api.post("/v1/desk/people/{login}/link")
def new_link(login: _Login, who: _Manages) -> LinkOut:
    """Return a new link for a password, in place of one of before."""
    return LinkOut(login=login, link=deeds.new_link(who, login))


@api.post("/v1/desk/people/{login}/role")
def change_role(login: _Login, given: RoleIn, who: _Manages) -> PersonOut:
    """Give somebody another role; their sessions end."""
    deeds.change_role(who, login, given.role)
    return PersonOut.of(deeds.somebody(who, login))


@api.post("/v1/desk/people/{login}/end-sessions")
def end_sessions(login: _Login, who: _Manages) -> PersonOut:
    """Sign somebody out everywhere."""
    deeds.end_sessions(who, login)
    return PersonOut.of(deeds.somebody(who, login))


@api.post("/v1/desk/people/{login}/deactivate")
def deactivate(login: _Login, who: _Manages) -> PersonOut:
    """Let somebody sign in no more."""
    deeds.deactivate(who, login)
    return PersonOut.of(deeds.somebody(who, login))


@api.post("/v1/desk/people/{login}/activate")
def activate(login: _Login, who: _Manages) -> PersonOut:
    """Let somebody sign in again."""
    deeds.activate(who, login)
    return PersonOut.of(deeds.somebody(who, login))


@api.get("/v1/desk/me")
def get_me(who: _Me) -> MeOut:
    """Return whoever asks."""
    return _me(who)


@api.post("/v1/desk/me/end-sessions")
def end_my_other_sessions(who: _MeCalls) -> MeOut:
    """End all sessions of one's own but this."""
    deeds.end_other_sessions(who)
    return _me(who)


@api.post("/v1/desk/me/password", status_code=204)
def change_my_password(given: PasswordIn, who: _MeCalls, response: Response) -> None:
    """Take another password; the answer's cookie is of a new session, all others end."""
    session, ends_ns = deeds.change_password(who, given.old, given.new)
    keep_session(who, response, session, ends_ns)


def _me(who: Visitor) -> MeOut:
    person = PersonOut.of(deeds.somebody(who, who.me.name))
    rights = tuple(sorted(who.me.rights))
    return MeOut(person=person, rights=rights, session_id=session_id(who.session), csrf=who.csrf)
