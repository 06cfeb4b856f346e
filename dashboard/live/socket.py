"""The live socket, and the live page.

Browsers and other clients with a session speak it alike. The server tells, as text: ``{"kind": "plan", …}`` once, ``now`` when the store has
changed, ``floor`` when people have moved; and binary: a picture (see ``hub.tile_message``). A client says which cameras it wants to see,
``{"watch": ["cam1"]}``, as often as it likes. It is told the latest of each kind: what it is too slow for is left out, and costs the store nothing.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Annotated

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
    tasks = [asyncio.create_task(each) for each in (_tell(socket, desk, follower), _hear(socket, follower))]
    tasks.append(asyncio.create_task(_mind_session(socket)))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        desk.hub.leave(follower)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    codes = [task.result() for task in done if task.exception() is None]
    with suppress(RuntimeError, WebSocketDisconnect):  # the client has closed it already
        await socket.close(next((code for code in codes if code is not None), 1000))


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
        await asyncio.sleep(_ASK_AGAIN_S)
        person = await run_in_threadpool(person_of, socket)
        if person is None or not person.may(Right.LOOK):
            return _SIGNED_OUT
