"""The hub: a slow browser loses pictures, the store loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dashboard.live.hub import TILE_EVERY_NS, Hub
from dashboard.live.types import Floor, Now, Walker
from tests.dashboard.desk_rig import tile

S = 1_000_000_000


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub()
    yield found
    found.close()


def test_whoever_is_slow_is_told_the_latest_alone(hub: Hub) -> None:
    async def look() -> tuple[tuple[str | bytes, ...], int]:
        follower = hub.follow()
        for at_s in range(5):
            hub.floor(Floor(at_s * S, (Walker(1, (0.0, float(at_s)), None),)))
        await asyncio.sleep(0)
        found = await follower.next()
        hub.leave(follower)
        return found, hub.counts().missed

    found, missed = asyncio.run(look())
    assert len(found) == 1
    assert '"at_ms":4000' in str(found[0])
    assert missed == 4


def test_what_does_not_change_is_told_once(hub: Hub) -> None:
    async def look() -> int:
        follower = hub.follow()
        hub.now(Now(1 * S, is_open=True))
        hub.now(Now(2 * S, is_open=True))
        await asyncio.sleep(0)
        first = len(await follower.next())
        hub.now(Now(3 * S, is_open=False))
        await asyncio.sleep(0)
        return first + len(await follower.next())

    assert asyncio.run(look()) == 2


def test_whoever_comes_later_hears_how_the_store_is(hub: Hub) -> None:
    async def look() -> str:
        hub.now(Now(1 * S, is_open=True, people_inside=7))
        (found,) = await hub.follow().next()
        return str(found)

    assert '"people_inside":7' in asyncio.run(look())


def test_only_pictures_that_somebody_watches_reach_them(hub: Hub) -> None:
    async def look() -> list[bytes]:
        follower = hub.follow()
        follower.watch(["cam2"])
        assert hub.wants("cam2")
        assert not hub.wants("cam1")
        for camera in ("cam1", "cam2"):
            hub.tile(tile(camera, S))
        found = await follower.next()
        hub.leave(follower)
        assert not hub.wants("cam2")
        return [each for each in found if isinstance(each, bytes)]

    (found,) = asyncio.run(look())
    assert b'"camera":"cam2"' in found


def test_an_event_loop_that_is_gone_is_left_out(hub: Hub) -> None:
    async def come() -> None:
        hub.follow().watch(["cam1"])

    asyncio.run(come())
    assert hub.wants("cam1")
    hub.floor(Floor(S))
    assert not hub.wants("cam1")


def test_a_camera_is_encoded_so_often_a_second_and_no_oftener() -> None:
    now = [0]
    hub = Hub(clock=lambda: now[0])

    async def look() -> list[bool]:
        follower = hub.follow()
        follower.watch(["cam1", "cam2"])
        found = []
        for step in (0, 1, TILE_EVERY_NS - 1, TILE_EVERY_NS):
            now[0] = step
            found.append(hub.wants("cam1"))
            hub.tile(tile("cam1", step))
        assert hub.wants("cam2")
        return found

    try:
        assert asyncio.run(look()) == [True, False, False, True]
    finally:
        hub.close()
