"""Which cameras were looked at often enough lately to tell what hands do, counted where pictures reach the floor."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from store_layout.model import Camera
from tillfree.live.overload_settings import OverloadSettings
from vision.pipeline import Instant
from vision.types import Frame, Observation

_S = 1_000_000_000
_REMEMBERED = 1024
_PICTURES = 3
"""A camera of few pictures is judged by the time that so many of them take."""


class Look(Enum):
    """How a camera was looked at lately.

    ``SHORT`` sent something, and was not looked at enough or too unevenly: a machine that is far too busy does not even decode
    what comes. ``SILENT`` sent nothing. All others are ``FINE``, those among them
    that are only back: whoever was silent is told of elsewhere.
    """

    FINE = "fine"
    SHORT = "short"
    SILENT = "silent"


class Looks:
    """A ``Watcher``, called and asked in the loop's thread."""

    def __init__(
        self,
        cameras: Iterable[Camera],
        sent_ns: Callable[[str], Sequence[int]],
        let_ns: Callable[[str], Sequence[int]],
        settings: OverloadSettings,
    ) -> None:
        """``sent_ns`` gives the times of a camera's latest pictures, oldest first; ``let_ns`` those not left out evenly."""
        self._sent_ns, self._let_ns, self._settings = sent_ns, let_ns, settings
        self._looked_ns: dict[str, deque[int]] = {}
        self._window_ns: dict[str, int] = {}
        self._least: dict[str, int] = {}
        for camera in cameras:
            window_s = max(settings.window_s, _PICTURES / camera.fps)
            self._window_ns[camera.id] = round(window_s * _S)
            enough = min(settings.rate_min_fps, camera.fps) * window_s * settings.looks_share
            self._least[camera.id] = max(1, int(enough))
            self._looked_ns[camera.id] = deque(maxlen=_REMEMBERED)

    def observed(self, frame: Frame, observation: Observation) -> None:
        """Wait for the instant: a picture that came too late for it was not looked at."""

    def happened(self, instant: Instant) -> None:
        """Hear whose pictures made an instant."""
        for tracks in instant.tracks:
            self._looked_ns[tracks.detections.camera_id].append(tracks.detections.captured_at_ns)

    def judge(self, at_ns: int) -> Mapping[str, Look]:
        """Return how each camera was looked at up to ``at_ns``, the time of the latest instant."""
        return {camera: self._judge(camera, at_ns) for camera in self._looked_ns}

    def latest_ns(self) -> Mapping[str, int]:
        """Return when each camera was looked at last, of those that ever were."""
        return {camera: looked[-1] for camera, looked in self._looked_ns.items() if looked}

    def window_ns(self, camera_id: str) -> int:
        """Return the time by which a camera is judged."""
        return self._window_ns[camera_id]

    def _judge(self, camera_id: str, at_ns: int) -> Look:
        sent, from_ns = self._sent_ns(camera_id), at_ns - self._window_ns[camera_id]
        if not sent or sent[-1] <= from_ns:
            return Look.SILENT
        first = bisect_right(sent, from_ns)
        is_back = not first or sent[first - 1] <= from_ns - self._window_ns[camera_id]
        least = self._least[camera_id]
        is_short = self._looks(camera_id, from_ns, at_ns) < least or self._is_uneven(camera_id, at_ns)
        return Look.SHORT if is_short and not is_back else Look.FINE

    def _is_uneven(self, camera_id: str, at_ns: int) -> bool:
        from_ns = at_ns - max(self._window_ns[camera_id], round(self._settings.lost_window_s * _S))
        let = self._let_ns(camera_id)
        count = bisect_right(let, at_ns) - bisect_right(let, from_ns)
        return count - self._looks(camera_id, from_ns, at_ns) > self._settings.lost_share * count

    def _looks(self, camera_id: str, from_ns: int, at_ns: int) -> int:
        return sum(from_ns < each <= at_ns for each in self._looked_ns[camera_id])
