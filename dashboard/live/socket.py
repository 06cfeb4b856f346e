"""The live socket, and the live page.

Browsers and other clients with a session speak it alike. The server tells, as text: ``{"kind": "plan", …}`` once, ``now`` when the store has
changed, ``floor`` when people have moved; and binary: a picture (see ``hub.tile_message``). A client says which cameras it wants to see,
``{"watch": ["cam1"]}``, as often as it likes. It is told the latest of each kind: what it is too slow for is left out, and costs the store nothing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from contextlib import suppress
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Response, WebSocket, WebSocketDisconnect
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dashboard.desk import Desk
from dashboard.live.hub import Follower
from dashboard.live.plan import plan_of
from dashboard.roles import Right
from dashboard.web import PageRoute, Visitor, desk_of, go, is_own_origin, may, person_of, show
from store_layout.model import Identifier

pages = APIRouter(route_class=PageRoute, include_in_schema=False)
sockets = APIRouter()

_LOOK = Annotated[Visitor, Depends(may(Right.LOOK))]
_NOT_SIGNED_IN, _NOT_UNDERSTOOD, _SIGNED_OUT = 4401, 4400, 4403
_ASK_AGAIN_S = 30.0
"""So often a socket looks whether its session has ended meanwhile."""


class Wish(BaseModel):
    """What a client says."""

    model_config = ConfigDict(extra="forbid")

    watch: Annotated[tuple[Identifier, ...], Field(max_length=256)]


@pages.get("/")
def begin(who: _LOOK) -> Response:
    """Lead to the first page."""
    del who
    return go("/live")


@pages.get("/live")
def live_page(who: _LOOK) -> Response:
    """Show the store as it is now."""
    return show(who, "live")


@sockets.websocket("/v1/live")
async def follow(socket: WebSocket) -> None:
    """Tell a client what happens, until it leaves or its session ends."""
    desk = desk_of(socket)
    person = await run_in_threadpool(person_of, socket)
    if person is None or not person.may(Right.LOOK) or not is_own_origin(socket):
        await socket.accept()  # only an open socket can say why it closes
        await socket.close(_NOT_SIGNED_IN)
        return
    await socket.accept()
    follower = desk.hub.follow()
    codes: list[int] = []
    try:
        async with anyio.create_task_group() as group:
            for work in (_tell(socket, desk, follower), _hear(socket, follower), _mind_session(socket)):
                group.start_soon(_first, work, codes, group.cancel_scope)
    finally:
        desk.hub.leave(follower)
    with suppress(RuntimeError, WebSocketDisconnect):  # the client has closed it already
        await socket.close(codes[0] if codes else 1000)


async def _first(work: Awaitable[int | None], codes: list[int], others: anyio.CancelScope) -> None:
    """Await ``work``, keep the code that it closes the socket with, and end the ``others``."""
    with suppress(RuntimeError, WebSocketDisconnect):  # the client is gone in the midst of a message
        code = await work
        if code is not None:
            codes.append(code)
    others.cancel()


async def _tell(socket: WebSocket, desk: Desk, follower: Follower) -> int | None:
    plan = await run_in_threadpool(plan_of, desk.geometry)
    await socket.send_text(json.dumps({"kind": "plan", **plan}, separators=(",", ":")))
    while True:
        for message in await follower.next():
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_text(message)


async def _hear(socket: WebSocket, follower: Follower) -> int | None:
    while True:
        try:
            follower.watch(Wish.model_validate_json(await socket.receive_text()).watch)
        except ValidationError:
            return _NOT_UNDERSTOOD
        except WebSocketDisconnect:
            return None


async def _mind_session(socket: WebSocket) -> int | None:
    while True:
        await anyio.sleep(_ASK_AGAIN_S)
        person = await run_in_threadpool(person_of, socket)
        if person is None or not person.may(Right.LOOK):
            return _SIGNED_OUT
