"""The recordings' pages: the list, and one recording beside its truth."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from dashboard.errors import NotFound
from dashboard.recordings_desk.desk import RecordingsDesk
from dashboard.roles import Right
from dashboard.web import PageRoute, Visitor, may, show

pages = APIRouter(route_class=PageRoute, include_in_schema=False)

_Look = Annotated[Visitor, Depends(may(Right.LOOK))]


def recordings_of(who: Visitor) -> RecordingsDesk:
    """Return the recordings. Raises NotFound where the dashboard has none."""
    if who.desk.recordings is None:
        raise NotFound("there are no recordings here")
    return who.desk.recordings


@pages.get("/recordings")
def list_page(who: _Look) -> Response:
    """Show which recordings there are."""
    return show(who, "recordings", listed=recordings_of(who).listed())


@pages.get("/recordings/{name}")
def recording_page(name: str, who: _Look) -> Response:
    """Show one recording."""
    return show(who, "recording", opened=recordings_of(who).open(name))
