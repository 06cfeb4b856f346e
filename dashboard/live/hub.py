"""One place that all browsers hear of: each picture is encoded once, whoever looks, and a slow browser loses pictures.

The store's thread calls ``tile``, ``floor`` and ``now``, which return at once; ``follow`` is for the event loops of the service.
"""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dashboard.live.jpeg import jpeg_of
from dashboard.live.messages import floor_message, now_message
from dashboard.live.types import Body, Floor, Now, Tile

Message = str | bytes
_HEAD = struct.Struct(">I")
TILE_EVERY_NS = 80_000_000
"""Least time from one picture of a camera to the next: twelve a second show what hands do, and each takes a millisecond that the
pipeline would have. A camera of ten a second is shown whole."""


@dataclass(frozen=True, slots=True)
class HubCounts:
    """Since the start: tiles that were encoded, that were left out since the encoder was busy, and messages that slow browsers missed."""

    encoded: int
    skipped: int
    missed: int


@dataclass(eq=False)
class Follower:
    """One browser: what it wants, and the latest of each kind that it has not been sent."""

    loop: asyncio.AbstractEventLoop
    cameras: frozenset[str] = frozenset()
    waiting: dict[str, Message] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    missed: int = 0

    async def next(self) -> tuple[Message, ...]:
        """Wait until there is something, and return the latest of each kind: pictures by camera, floor and carts."""
        await self.woken.wait()
        self.woken.clear()
        found, self.waiting = tuple(self.waiting.values()), {}
        return found

    def watch(self, cameras: Iterable[str]) -> None:
        """Ask for these cameras' pictures, and no others."""
        self.cameras = frozenset(cameras)

    def take(self, kind: str, message: Message) -> None:
        """Keep what is to be sent next; what was not sent in time is gone. In the follower's own event loop."""
        self.missed += kind in self.waiting
        self.waiting[kind] = message
        self.woken.set()


class Hub:
    """Hands on what happens. ``close`` ends its thread."""

    def __init__(self, quality: int = 70, clock: Callable[[], int] | None = None) -> None:
        """``quality`` is JPEG's, 1 to 100: 70 is a quarter of the bytes of 95, and boxes are drawn by the browser.

        ``clock`` (ns) bounds how many pictures of a camera are encoded in a second of those who look; without it all are.
        """
        self._quality, self._clock = quality, clock
        self._taken_ns: dict[str, int] = {}
        self._followers: set[Follower] = set()
        self._tiles: dict[str, Tile] = {}
        self._last: dict[str, str] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._encoded = self._skipped = self._missed = 0
        self._thread: threading.Thread | None = None

    # -- for the store's thread -------------------------------------------------------

    def wants(self, camera_id: str) -> bool:
        """Tell whether anybody looks at a camera, and has not had a picture of it just now."""
        return self.watchers(camera_id) > 0 and self._is_due(camera_id)

    def watchers(self, camera_id: str) -> int:
        """Return how many look at a camera."""
        return sum(camera_id in each.cameras for each in self._followers)

    def tile(self, tile: Tile) -> None:
        """Take a picture, unless one of the camera was taken just now; one that is not encoded yet gives way to it."""
        if not self._is_due(tile.camera_id):
            return
        if self._clock is not None:
            self._taken_ns[tile.camera_id] = self._clock()
        with self._changed:
            self._skipped += tile.camera_id in self._tiles
            self._tiles[tile.camera_id] = tile
            self._changed.notify()

    def floor(self, floor: Floor) -> None:
        """Take where everybody is."""
        if self._followers:
            self._hand_on("floor", floor_message(floor))

    def now(self, now: Now) -> None:
        """Take how the store is; what is the same as before is not told again."""
        message = now_message(now)
        if self._last.get("now") != message:
            self._last["now"] = message
            self._hand_on("now", message)

    # -- for the service --------------------------------------------------------------

    def follow(self) -> Follower:
        """Let a browser hear of everything from now on, and of how the store is at once. To be called in its event loop."""
        follower = Follower(asyncio.get_running_loop())
        for kind, message in self._last.items():
            follower.take(kind, message)
        with self._changed:
            self._followers = self._followers | {follower}
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._encode, name="dashboard-tiles", daemon=True)
                self._thread.start()
        return follower

    def leave(self, follower: Follower) -> None:
        """Tell a browser nothing more."""
        with self._changed:
            self._followers = self._followers - {follower}
            self._missed += follower.missed

    def counts(self) -> HubCounts:
        """Return what was done so far."""
        followers = tuple(self._followers)
        return HubCounts(self._encoded, self._skipped, self._missed + sum(each.missed for each in followers))

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    # -- within -----------------------------------------------------------------------

    def _hand_on(self, kind: str, message: Message, wants: Callable[[Follower], bool] = lambda _each: True) -> None:
        for follower in tuple(self._followers):
            if wants(follower):
                try:
                    follower.loop.call_soon_threadsafe(follower.take, kind, message)
                except RuntimeError:  # its loop is closed: the service ends
                    self.leave(follower)

    def _is_due(self, camera_id: str) -> bool:
        taken_ns = self._taken_ns.get(camera_id)
        return self._clock is None or taken_ns is None or self._clock() - taken_ns >= TILE_EVERY_NS

    def _encode(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tiles or self._is_closed)
                if self._is_closed:
                    return
                camera_id = next(iter(self._tiles))
                tile = self._tiles.pop(camera_id)
            message = tile_message(tile, self._quality)
            self._encoded += 1
            self._hand_on(f"tile {camera_id}", message, lambda each, camera_id=camera_id: camera_id in each.cameras)  # type: ignore[misc]


def tile_message(tile: Tile, quality: int) -> bytes:
    """Return a picture as it is sent: the length of its head (4 bytes, the highest first), the head as JSON, and a JPEG."""
    head = {
        "camera": tile.camera_id,
        "at_ms": tile.captured_at_ns // 1_000_000,
        "size": [tile.image.shape[1], tile.image.shape[0]],
        "bodies": [_body(each) for each in tile.bodies],
    }
    told = json.dumps(head, separators=(",", ":")).encode()
    return _HEAD.pack(len(told)) + told + jpeg_of(tile.image, quality)


def _body(body: Body) -> dict[str, object]:
    return {
        "box": [round(each, 1) for each in body.box_px],
        "person": body.person_id,
        "hands": [[round(x, 1), round(y, 1)] for x, y in body.hands_px],
        "points": [None if each is None else [round(each[0], 1), round(each[1], 1)] for each in body.keypoints_px],
    }
