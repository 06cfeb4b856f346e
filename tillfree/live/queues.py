"""Frames on their way from camera threads to the pipeline: bounded, the oldest dropped, fair between cameras."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import Field

from store_layout.model import Strict
from vision.types import Frame


class QueueSettings(Strict):
    """How many frames wait, and who comes first when not all can."""

    depth: int = Field(
        default=2,
        ge=1,
        le=64,
        description="frames of one camera that wait at most; one is looked at next, one covers a late thread, and more would "
        "only be older",
    )
    busy_weight: float = Field(
        default=4.0,
        ge=1,
        le=100,
        description="how many frames a camera gets in which something happens for one of a camera in which nothing does, once "
        "there is not time for all",
    )


@dataclass(slots=True)
class _Line:
    """The frames of one camera that wait, and what became of those before."""

    frames: deque[Frame] = field(default_factory=deque)
    waited: float = 0.0
    busy: bool = False
    taken: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many frames of a camera were taken and dropped so far, and wait now."""

    taken: int
    dropped: int
    waiting: int


class FrameQueues:
    """One line of frames a camera. Any thread may ``put``; one thread takes.

    Each time a frame is taken, every camera with a frame waiting earns its weight, and the one that earned the most
    goes first and begins anew: stride scheduling (Waldspurger and Weihl 1995), so no camera starves.
    """

    def __init__(self, cameras: Iterable[str], settings: QueueSettings) -> None:
        self._settings = settings
        self._lines = {camera: _Line() for camera in sorted(cameras)}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Add a frame and return at once; the oldest of its camera is dropped where too many wait."""
        with self._changed:
            line = self._lines[frame.camera_id]
            if len(line.frames) >= self._settings.depth:
                line.frames.popleft()
                line.dropped += 1
            line.frames.append(frame)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frame | None:
        """Return the frame whose turn it is; None if there is none within ``timeout_s``, or the queues are closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._any(), timeout_s)
            waiting = [(camera, line) for camera, line in self._lines.items() if line.frames]
            if not waiting:
                return None
            for _, line in waiting:
                line.waited += self._settings.busy_weight if line.busy else 1.0
            _, chosen = min(waiting, key=lambda each: (-each[1].waited, each[1].frames[0].captured_at_ns, each[0]))
            chosen.waited = 0.0
            chosen.taken += 1
            return chosen.frames.popleft()

    def set_busy(self, camera_id: str, busy: bool) -> None:
        """Say whether something happens in a camera: it goes first where there is not time for all."""
        self._lines[camera_id].busy = busy

    def counts(self) -> Mapping[str, QueueCounts]:
        """Return the counts of each camera."""
        with self._changed:
            return {
                camera: QueueCounts(line.taken, line.dropped, len(line.frames)) for camera, line in self._lines.items()
            }

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _any(self) -> bool:
        return any(line.frames for line in self._lines.values())


class FilesInStep:
    """The same for files, which can wait: nothing is dropped, and frames come in the order of their times.

    ``put`` waits for room. A camera whose file is at its end must be said to be, or the others wait for it.
    """

    def __init__(self, cameras: Iterable[str], depth: int = 8) -> None:
        """A reader that found ``depth`` frames waiting goes on when half of them are taken, and so decodes some in a row."""
        self._depth = depth
        self._lock = threading.Lock()
        self._lines: dict[str, deque[Frame]] = {camera: deque() for camera in sorted(cameras)}
        self._room = {camera: threading.Condition(self._lock) for camera in self._lines}
        self._filled = threading.Condition(self._lock)
        self._ended: set[str] = set()
        self._closed = False

    def put(self, frame: Frame) -> bool:
        """Add a frame once there is room for it; False where the queues are closed, and nobody wants more."""
        camera_id = frame.camera_id
        with self._lock:
            line = self._lines[camera_id]
            if len(line) >= self._depth:
                self._room[camera_id].wait_for(lambda: self._closed or len(line) <= self._depth // 2)
            line.append(frame)
            if len(line) == 1:
                self._filled.notify()
            return not self._closed

    def end(self, camera_id: str) -> None:
        """Say that a camera gives no more frames."""
        with self._lock:
            self._ended.add(camera_id)
            self._leave_out(camera_id)
            self._filled.notify()

    def take(self, timeout_s: float) -> Frame | None:
        """Return the earliest frame; None where a camera gives none within ``timeout_s``, or all are at their end."""
        with self._lock:
            self._filled.wait_for(lambda: self._closed or all(self._lines.values()), timeout_s)
            if not self._lines or not all(self._lines.values()):
                return None
            camera_id, line = min(self._lines.items(), key=lambda each: (each[1][0].captured_at_ns, each[0]))
            frame = line.popleft()
            if len(line) == self._depth // 2:
                self._room[camera_id].notify()
            self._leave_out(camera_id)
            return frame

    @property
    def is_over(self) -> bool:
        """Whether all cameras are at their end and all frames taken."""
        with self._lock:
            return not self._lines

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            for room in self._room.values():
                room.notify_all()

    def _leave_out(self, camera_id: str) -> None:
        if camera_id in self._ended and not self._lines.get(camera_id, True):
            del self._lines[camera_id]
