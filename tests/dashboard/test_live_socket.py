"""What browsers hear: once encoded for all, the latest alone, and nothing without a session."""

from __future__ import annotations

import json
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from dashboard.live.types import Body, CartLineNow, Floor, Now, Tile, VisitNow, Walker
from dashboard.roles import Role
from tests.dashboard.desk_rig import URL, Office, send, tile

S = 1_000_000_000
PATH = URL.replace("http", "ws") + "/v1/live"
OURS: dict[str, str] = {"origin": URL}
CART = VisitNow("v-1", 0, "shopping", 5 * S, 1, (3,), (CartLineNow("tea", "Tea", 2, 0.91),))


def told_by(socket: WebSocketTestSession) -> Any:
    """Return the next message. Raises WebSocketDisconnect where the socket is closed."""
    message = socket.receive()
    if message["type"] == "websocket.close":
        raise WebSocketDisconnect(message["code"])
    return message


def hear(socket: WebSocketTestSession, kind: str) -> dict[str, Any]:
    """Return the next text of a kind."""
    while True:
        message = told_by(socket)
        if message.get("text"):
            told: dict[str, Any] = json.loads(message["text"])
            if told["kind"] == kind:
                return told


def see(socket: WebSocketTestSession) -> tuple[dict[str, Any], Any]:
    """Return the next picture with its head."""
    while True:
        data = told_by(socket).get("bytes")
        if data:
            (length,) = struct.unpack(">I", data[:4])
            head: dict[str, Any] = json.loads(data[4 : 4 + length])
            return head, cv2.imdecode(np.frombuffer(data[4 + length :], np.uint8), cv2.IMREAD_COLOR)


def test_a_browser_hears_the_plan_the_store_and_the_floor(office: Office) -> None:
    office.hub.now(Now(9 * S, is_open=True, people_inside=1, visits=(CART,)))
    browser = office.signed_in(Role.VIEWER)
    with browser.websocket_connect(PATH, headers=dict(OURS)) as socket:
        plan = hear(socket, "plan")
        assert [camera["id"] for camera in plan["cameras"]] == ["cam1", "cam2", "cam3", "cam4"]
        now = hear(socket, "now")
        (visit,) = now["visits"]
        assert visit["lines"] == [{"sku": "tea", "name": "Tea", "quantity": 2, "probability": 0.91}]
        assert visit["people"] == [3]
        office.hub.floor(Floor(10 * S, (Walker(3, (1.0, 2.0), "v-1", is_uncertain=True),)))
        floor = hear(socket, "floor")
        assert floor["at_ms"] == 10_000
        assert floor["people"][0]["at"] == [1.0, 2.0]
        assert floor["people"][0]["uncertain"] is True


def test_pictures_come_as_asked_for_with_what_was_found(office: Office) -> None:
    browser = office.signed_in()
    assert not office.hub.wants("cam1")
    with browser.websocket_connect(PATH, headers=dict(OURS)) as socket:
        hear(socket, "plan")
        socket.send_text('{"watch": ["cam1"]}')
        while not office.hub.wants("cam1"):
            pass
        office.hub.tile(tile("cam2", 7 * S))
        office.hub.tile(tile("cam1", 8 * S, Body((1.0, 2.0, 30.0, 40.0), 3, ((5.0, 6.0),), (None, (7.0, 8.0)))))
        head, picture = see(socket)
        assert (head["camera"], head["at_ms"], head["size"]) == ("cam1", 8_000, [640, 360])
        assert head["bodies"] == [
            {"box": [1.0, 2.0, 30.0, 40.0], "person": 3, "hands": [[5.0, 6.0]], "points": [None, [7.0, 8.0]]}
        ]
        assert picture.shape == (360, 640, 3)
        assert abs(int(picture.mean()) - 100) < 3
    assert not office.hub.wants("cam1")


def test_a_picture_is_encoded_once_for_all(office: Office) -> None:
    browser = office.signed_in()
    with (
        browser.websocket_connect(PATH, headers=dict(OURS)) as one,
        browser.websocket_connect(PATH, headers=dict(OURS)) as two,
    ):
        for socket in (one, two):
            hear(socket, "plan")
            socket.send_text('{"watch": ["cam1"]}')
        while office.hub.watchers("cam1") < 2:
            pass
        for at_s in range(1, 4):
            office.hub.tile(tile("cam1", at_s * S))
            assert see(one)[0]["at_ms"] == see(two)[0]["at_ms"] == at_s * 1_000
        assert office.hub.counts().encoded == 3


def test_nobody_hears_anything_without_a_session_or_from_another_site(office: Office) -> None:
    signed_in = office.signed_in()
    cases = [(office.browser(), OURS), (signed_in, {"origin": "https://evil.example"}), (signed_in, {})]
    for browser, headers in cases:
        with (
            browser.websocket_connect(PATH, headers=dict(headers)) as socket,
            pytest.raises(WebSocketDisconnect) as ended,
        ):
            socket.receive_text()
        assert ended.value.code == 4401


def test_a_session_that_ends_ends_the_socket(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.live.socket._ASK_AGAIN_S", 0.01)
    browser = office.signed_in()
    with browser.websocket_connect(PATH, headers=dict(OURS)) as socket:
        hear(socket, "plan")
        send(browser, "/sign-out", "/live")
        with pytest.raises(WebSocketDisconnect) as ended:
            hear(socket, "never")
        assert ended.value.code == 4403


@pytest.mark.parametrize("said", ["", "{}", '{"watch": "cam1"}', '{"watch": ["../x"]}', '{"watch": [], "more": 1}'])
def test_nonsense_ends_the_socket(office: Office, said: str) -> None:
    browser = office.signed_in()
    with browser.websocket_connect(PATH, headers=dict(OURS)) as socket:
        hear(socket, "plan")
        socket.send_text(said)
        with pytest.raises(WebSocketDisconnect) as ended:
            hear(socket, "never")
        assert ended.value.code == 4400


def test_a_tile_is_a_picture() -> None:
    with pytest.raises(ValueError, match="uint8"):
        Tile("cam1", 0, np.zeros((2, 2), np.uint8))
