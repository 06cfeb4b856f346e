"""The health page, and its API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from starlette.exceptions import HTTPException

from dashboard.audit import Deed
from dashboard.health.types import FaultsStand, Machine
from dashboard.roles import Right
from dashboard.web import PageRoute, Visitor, go, may, may_send, program_router, show

pages = APIRouter(route_class=PageRoute, include_in_schema=False)
api = program_router("health")

_Look = Annotated[Visitor, Depends(may(Right.LOOK))]
_Manages = Annotated[Visitor, Depends(may_send(Right.MANAGE))]
_Reason = Annotated[str, Form(max_length=300)]
FRAGMENT = "X-Fragment"
"""The header by which a page asks for the part that changes alone."""


def machine_of(who: Visitor) -> Machine:
    """Return the store's process; 404 where the dashboard shows no store that runs."""
    if who.desk.machine is None:
        raise HTTPException(404)
    return who.desk.machine


@pages.get("/health")
def health_page(who: _Look, request: Request, refused: str = "") -> Response:
    """Show how the store is."""
    template = "health_now" if FRAGMENT in request.headers else "health"
    return show(who, template, health=machine_of(who).health(), refused=refused == "faults")


@pages.post("/health/open")
def open_store(who: _Manages, reason: _Reason = "") -> Response:
    """Let people in."""
    machine, by = machine_of(who), who.me.name
    faults = machine.health().faults
    try:
        machine.open(by, reason, who.at_ns)
    except FaultsStand:
        return go("/health?refused=faults")
    detail = f"in spite of {'; '.join(faults)}: {reason}" if faults else ""
    who.desk.did(Deed(who.at_ns, by, "store.open", "store", detail))
    return go("/health")


@pages.post("/health/close")
def close_store(who: _Manages, reason: _Reason = "") -> Response:
    """Let nobody in."""
    machine_of(who).close(who.me.name, reason, who.at_ns)
    who.desk.did(Deed(who.at_ns, who.me.name, "store.close", "store", reason))
    return go("/health")


@api.get("/v1/desk/health")
def get_health(who: _Look) -> dict[str, Any]:
    """Return how the store is."""
    health = machine_of(who).health()
    return {**asdict(health), "lets_in": health.lets_in}
