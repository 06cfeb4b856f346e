"""The pages of people, of one's own account, and the one that a link leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Response

from billing.errors import AccessDenied, NotKnown
from billing.passwords import LEAST_CHARACTERS
from dashboard.audit import Deed
from dashboard.errors import InConflict, NotAllowed, Refused
from dashboard.people import deeds
from dashboard.roles import Right, Role
from dashboard.sign_in import SIGNED_IN, signed_in
from dashboard.web import AnyVisitor, PageRoute, Stranger, Visitor, go, may, may_send, show

pages = APIRouter(route_class=PageRoute, include_in_schema=False)

_Login = Annotated[str, Path(max_length=80)]
_Typed = Annotated[str, Form(max_length=500)]
_Token = Annotated[str, Query(max_length=100)]
_Manager = Annotated[Visitor, Depends(may(Right.MANAGE))]
_Manages = Annotated[Visitor, Depends(may_send(Right.MANAGE))]
_Me = Annotated[Visitor, Depends(may(Right.LOOK))]
_MeSends = Annotated[Visitor, Depends(may_send(Right.LOOK))]


class Do(StrEnum):
    """What is asked about before it is done."""

    ROLE = "role"
    LINK = "link"
    SESSIONS = "sessions"
    DEACTIVATE = "deactivate"
    ACTIVATE = "activate"


_PLAIN: Mapping[Do, Callable[[Visitor, str], None]] = {
    Do.SESSIONS: deeds.end_sessions,
    Do.DEACTIVATE: deeds.deactivate,
    Do.ACTIVATE: deeds.activate,
}


@pages.get("/people")
def people_page(who: _Manager) -> Response:
    """Show who may sign in."""
    return _people(who)


@pages.post("/people/invite")
def invite(who: _Manages, login: _Typed = "", role: Annotated[Role, Form()] = Role.VIEWER) -> Response:
    """Ask somebody in; the link is shown this once."""
    try:
        link = deeds.invite(who, login, role)
    except Refused:
        return _people(who, 422, login=login, role=role, refused=True)
    return show(who, "person_link", link=link, login=login, is_new=True)


@pages.get("/people/{login}")
def person_page(login: _Login, who: _Manager) -> Response:
    """Show one of them, and what can be done."""
    return _person(who, login)


@pages.get("/people/{login}/confirm")
def confirm_page(login: _Login, do: Do, who: _Manager, role: Role = Role.VIEWER) -> Response:
    """Ask whether it is meant."""
    someone = deeds.somebody(who, login)
    if do == Do.ROLE and someone.role == role:
        return go(f"/people/{login}")
    return show(who, "person_confirm", someone=someone, do=do, role=role)


@pages.post("/people/{login}/{do}")
def do_it(login: _Login, do: Do, who: _Manages, role: Annotated[Role, Form()] = Role.VIEWER) -> Response:
    """Do what was confirmed."""
    try:
        if do == Do.LINK:
            return show(who, "person_link", link=deeds.new_link(who, login), login=login, is_new=False)
        if do == Do.ROLE:
            deeds.change_role(who, login, role)
        else:
            _PLAIN[do](who, login)
    except InConflict:
        return _person(who, login, 409, refused="last")
    except Refused:
        return _person(who, login, 422, refused="inactive")
    return go(f"/people/{login}")


@pages.get("/join")
def join_page(who: AnyVisitor, token: _Token = "") -> Response:
    """Show the form that chooses a password, to whoever has a link."""
    return _join(who, token)


@pages.post("/join")
def join(who: Stranger, token: _Typed = "", password: _Typed = "") -> Response:
    """Take the password, and sign in; who was signed in with this browser is so no more."""
    access = who.desk.access
    try:
        login = who.desk.people.accept(token, password, who.at_ns)
    except NotKnown as error:
        raise NotAllowed from error
    except AccessDenied:
        return _join(who, token, 422)
    if who.session:
        access.sign_out(who.session)
    session, ends_ns = access.sign_in(login, password, who.at_ns)
    who.desk.did(Deed(who.at_ns, login, "person.join", login))
    who.desk.did(Deed(who.at_ns, login, SIGNED_IN, login))
    return signed_in(who, session, ends_ns, "/")


@pages.get("/me")
def my_page(who: _Me, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show one's own account."""
    return _mine(who, done=done)


@pages.post("/me/password")
def change_my_password(who: _MeSends, old: _Typed = "", new: _Typed = "") -> Response:
    """Take another password; this browser stays signed in, all others do not."""
    try:
        session, ends_ns = deeds.change_password(who, old, new)
    except deeds.WrongPassword:
        return _mine(who, 422, wrong="old")
    except Refused:
        return _mine(who, 422, wrong="new")
    return signed_in(who, session, ends_ns, "/me?done=password")


@pages.post("/me/sessions")
def end_my_other_sessions(who: _MeSends) -> Response:
    """End all sessions of one's own but this."""
    deeds.end_other_sessions(who)
    return go("/me?done=sessions")


def _people(
    who: Visitor, status: int = 200, login: str = "", role: Role = Role.VIEWER, refused: bool = False
) -> Response:
    found = deeds.everybody(who)
    return show(who, "people", status, people=found, login=login, role=role, refused=refused)


def _person(who: Visitor, login: str, status: int = 200, refused: str = "") -> Response:
    someone = deeds.somebody(who, login)
    return show(who, "person", status, someone=someone, refused=refused)


def _join(who: Visitor, token: str, status: int = 200) -> Response:
    try:
        login = who.desk.people.invited(token, who.at_ns)
    except NotKnown as error:
        raise NotAllowed from error
    return show(who, "join", status, token=token, login=login, least=LEAST_CHARACTERS, wrong=status != 200)


def _mine(who: Visitor, status: int = 200, wrong: str = "", done: str = "") -> Response:
    someone = deeds.somebody(who, who.me.name)
    here = next((each.session_id for each in someone.sessions if deeds.is_mine(who, each)), "")
    return show(who, "me", status, someone=someone, here=here, wrong=wrong, done=done, least=LEAST_CHARACTERS)
