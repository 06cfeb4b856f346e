"""The loop of a store that runs: frames in the order in which there is time for them, events out in the order of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pydantic import Field

from store_layout.model import Strict
from tillfree.live.reorder import Reorder
from tillfree.run import StoreRun
from vision.pipeline import Instant, PixelStage
from vision.types import Frame, Observation

_AT_ONCE = 8
"""Frames begun with in one step, if so many wait: two instants of a small store."""


class EngineSettings(Strict):
    """How long the loop waits, and for whom."""

    window_s: float = Field(
        default=0.3,
        ge=0,
        le=5,
        description="s; observations of an instant are awaited this long from other cameras, then they are late: three frames "
        "at 10 a second, and part of the time from capture to cart",
    )
    silence_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="s without any camera's picture after which the clock alone moves time on, so that visits still end",
    )


class FrameSource(Protocol):
    """Where frames come from: queues of live cameras, or files in step."""

    def take(self, timeout_s: float) -> Frame | None:
        """Return the frame whose turn it is; None if there is none within ``timeout_s``."""
        ...


class Watcher(Protocol):
    """Who wants to know what the loop does: health, evidence, a picture of it all. Called in the loop's own thread."""

    def observed(self, frame: Frame, observation: Observation) -> None:
        """Hear that a frame's pixels were read."""

    def happened(self, instant: Instant) -> None:
        """Hear of an instant, after all that follows from it is in the carts."""


class Engine:
    """Moves frames from ``frames`` through ``stage`` and ``run``. One thread calls ``step`` again and again."""

    def __init__(
        self,
        frames: FrameSource,
        stage: PixelStage,
        run: StoreRun,
        settings: EngineSettings,
        clock: Callable[[], int],
        watchers: tuple[Watcher, ...] = (),
    ) -> None:
        self._frames, self._stage, self._run, self._clock, self._watchers = frames, stage, run, clock, watchers
        self._reorder = Reorder(stage.cameras, round(settings.window_s * 1e9))
        self._silence_ns = round(settings.silence_s * 1e9)
        self._heard_ns = clock()

    def step(self, wait_s: float) -> int:
        """Begin with the next frames and take what is done; wait up to ``wait_s`` where there is neither.

        Returns how many frames were begun with.
        """
        begun = self._begin(wait_s)
        if not begun and len(self._stage):
            self._take()
        is_behind = begun == _AT_ONCE  # more frames wait: looked at together, those that are found take less time each
        while self._stage.is_full or (not is_behind and self._stage.ready()):
            self._take()
        self._run.poll()
        if not begun and not len(self._stage):
            self._keep_time()
        return begun

    def _begin(self, wait_s: float) -> int:
        """Begin with the frames that are there, up to a few: the same work several times over is quicker than in turns."""
        frames: list[Frame] = []
        while len(frames) < _AT_ONCE:
            frame = self._frames.take(0.0 if frames or len(self._stage) else wait_s)
            if frame is None:
                break
            frames.append(frame)
        self._stage.begin(frames)
        return len(frames)

    def drain(self) -> None:
        """Take all that was begun with, and let nothing wait for other cameras any more."""
        while len(self._stage):
            self._take()
        for observation in self._reorder.finish():
            self._give(observation)

    def _take(self) -> None:
        frame, observation = self._stage.take()
        self._heard_ns = self._clock()
        for watcher in self._watchers:
            watcher.observed(frame, observation)
        for each in self._reorder.push(observation):
            self._give(each)

    def _give(self, observation: Observation) -> None:
        instant = self._run.take(observation)
        if instant is not None:
            for watcher in self._watchers:
                watcher.happened(instant)

    def _keep_time(self) -> None:
        """Let time pass by the clock while all cameras are silent: what they had seen is done with by then."""
        now_ns = self._clock()
        if now_ns - self._heard_ns >= self._silence_ns:
            self.drain()
            self._run.tick(now_ns)
