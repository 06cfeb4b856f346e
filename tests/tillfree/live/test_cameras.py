"""Readers that died are read anew, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from store_layout.model import Camera
from tests.tillfree.live.camera_rig import camera, feed
from tillfree.live import cameras
from tillfree.live.cameras import LiveCameras
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.feed_status import FeedStatus, State

S = 1_000_000_000


class FakeReader:
    """Says what a test says of it."""

    made: list[FakeReader]

    def __init__(self, camera_: Camera, *_rest: Any, **_more: Any) -> None:
        self.camera_id, self.is_stopped = camera_.id, False
        self.state: State = "live"
        self.problem: str | None = None
        self.made.append(self)

    def start(self) -> None:
        pass

    def tell_to_stop(self) -> None:
        self.is_stopped = True

    stop = tell_to_stop

    def status(self) -> FeedStatus:
        return FeedStatus(self.camera_id, self.state, self.problem)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeReader]:
    FakeReader.made = []
    monkeypatch.setattr(cameras, "CameraReader", FakeReader)
    return FakeReader.made


def test_a_reader_that_died_is_started_anew_but_not_at_once_again(made: list[FakeReader]) -> None:
    told: list[str] = []
    now = [100 * S]
    live = LiveCameras(
        {"cam1": camera("cam1")}, (feed("rtsp://10.0.0.1/x"),), FeedSettings(), lambda: now[0], told.append
    )
    live.start(lambda _frame: None)
    live.tend(now[0])
    made[0].state, made[0].problem = "ended", "a mistake in Tillfree: KeyError"
    live.tend(now[0] + 2 * S)
    assert len(made) == 1
    now[0] += 6 * S
    live.tend(now[0])
    live.tend(now[0])
    assert len(made) == 2
    assert made[0].is_stopped
    assert told == ["camera cam1: a mistake in Tillfree: KeyError; it is read anew"]
    live.stop()
    assert made[1].is_stopped


def test_files_that_end_are_the_end(made: list[FakeReader]) -> None:
    live = LiveCameras({"cam1": camera("cam1")}, (feed("rtsp://10.0.0.1/x"),), FeedSettings(), lambda: 0, print)
    assert not live.is_over
    live.start(lambda _frame: None)
    assert not live.is_over
    made[0].state = "ended"
    live.tend(9 * S)
    assert live.is_over
    assert len(made) == 1
