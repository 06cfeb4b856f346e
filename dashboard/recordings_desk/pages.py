"""The recordings' pages: the list, and one recording beside its truth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response

from dashboard.audit import Deed
from dashboard.errors import InConflict, NotFound, Refused
from dashboard.health.pages import FRAGMENT
from dashboard.recordings_desk.desk import RecordingsDesk
from dashboard.recordings_desk.given import FOLDER
from dashboard.roles import Right
from dashboard.web import PageRoute, Visitor, go, may, may_send, show

pages = APIRouter(route_class=PageRoute, include_in_schema=False)

_Look = Annotated[Visitor, Depends(may(Right.LOOK))]
_Keeps = Annotated[Visitor, Depends(may_send(Right.MANAGE))]
_Folder = Annotated[str, Form(pattern=FOLDER)]
_LastS = Annotated[float, Form(ge=1, le=3_600, allow_inf_nan=False)]


def recordings_of(who: Visitor) -> RecordingsDesk:
    """Return the recordings. Raises NotFound where the dashboard has none."""
    if who.desk.recordings is None:
        raise NotFound("there are no recordings here")
    return who.desk.recordings


@pages.get("/recordings")
def list_page(who: _Look, request: Request, problem: str = "") -> Response:
    """Show which recordings there are."""
    desk = recordings_of(who)
    cut = None if desk.cutter is None else desk.cutter.state
    template = "recordings_now" if FRAGMENT in request.headers else "recordings"
    return show(who, template, listed=desk.listed(), cut=cut, problem=problem, folder=FOLDER)


@pages.post("/recordings")
def cut_page(who: _Keeps, name: _Folder, last_s: _LastS) -> Response:
    """Begin to cut the last seconds of all cameras into a recording."""
    desk = recordings_of(who)
    now_ns = desk.cutter.now_ns() if desk.cutter is not None else who.at_ns
    from_ns = now_ns - round(last_s * 1e9)
    try:
        desk.cut(name, from_ns, now_ns)
    except (Refused, InConflict) as error:
        return go(f"/recordings?{urlencode({'problem': str(error)})}")
    who.desk.did(Deed(who.at_ns, who.me.name, "recording.cut", name, said_interval(from_ns, now_ns)))
    return go("/recordings")


def said_interval(from_ns: int, to_ns: int) -> str:
    """Return an interval as the audit log has it: in UTC, to the second."""
    begin, end = (datetime.fromtimestamp(ns // 1_000_000_000, UTC).isoformat() for ns in (from_ns, to_ns))
    return f"{begin} – {end}"


@pages.get("/recordings/{name}")
def recording_page(name: str, who: _Look) -> Response:
    """Show one recording."""
    return show(who, "recording", opened=recordings_of(who).open(name))
