"""The cameras of a store that runs: a reader each, started anew where it died."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from store_layout.model import Camera
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.feed_status import FeedStatus
from tillfree.live.feeds import CameraFeed, CameraReader, Reader, stop_all
from tillfree.live.packets import PacketSink
from vision.types import Frame

_AGAIN_NS = 5 * 1_000_000_000
"""A reader that died is not started anew more often than this: what killed it may do so at once again."""

Put = Callable[[Frame], None]


class Feeds(Protocol):
    """Where a store's frames come from."""

    def start(self, put: Put) -> None:
        """Begin; ``put`` is called in other threads."""
        ...

    def stop(self) -> None:
        """End, and wait until nothing is put any more."""
        ...

    def statuses(self) -> tuple[FeedStatus, ...]:
        """Return how each camera stands."""
        ...

    def tend(self, now_ns: int) -> None:
        """Look after what died. Raises what nothing can be done about."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come, ever."""
        ...


class LiveCameras:
    """``Feeds`` of cameras as the store file names them."""

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        feeds: tuple[CameraFeed, ...],
        settings: FeedSettings,
        clock: Callable[[], int],
        tell: Callable[[str], None],
        packets: PacketSink | None = None,
    ) -> None:
        """``packets`` is given the video as it comes, for evidence."""
        self._packets = packets
        self._cameras, self._feeds, self._settings, self._clock, self._tell = cameras, feeds, settings, clock, tell
        self._readers: dict[str, Reader] = {}
        self._begun_ns: dict[str, int] = {}
        self._put: Put = _nowhere

    def start(self, put: Put) -> None:
        """See ``Feeds.start``."""
        self._put = put
        for feed in self._feeds:
            self._begin(feed)

    def stop(self) -> None:
        """See ``Feeds.stop``."""
        stop_all(self._readers.values())

    def statuses(self) -> tuple[FeedStatus, ...]:
        """See ``Feeds.statuses``."""
        return tuple(reader.status() for reader in self._readers.values())

    def tend(self, now_ns: int) -> None:
        """Start readers anew that ended with a problem: only a mistake ends one, for all else it tries again itself."""
        for feed in self._feeds:
            status = self._readers[feed.camera_id].status()
            has_died = status.state == "ended" and status.problem is not None
            if has_died and now_ns - self._begun_ns[feed.camera_id] >= _AGAIN_NS:
                self._tell(f"camera {feed.camera_id}: {status.problem}; it is read anew")
                self._readers[feed.camera_id].stop()
                self._begin(feed)

    @property
    def is_over(self) -> bool:
        """Whether all cameras are files, and at their end."""
        return bool(self._readers) and all(
            status.state == "ended" and status.problem is None for status in self.statuses()
        )

    def _begin(self, feed: CameraFeed) -> None:
        reader = CameraReader(
            self._cameras[feed.camera_id], feed, self._put, self._clock, self._settings, packets=self._packets
        )
        self._readers[feed.camera_id] = reader
        self._begun_ns[feed.camera_id] = self._clock()
        reader.start()


def _nowhere(frame: Frame) -> None:
    raise AssertionError(f"a frame of {frame.camera_id} before the start")
