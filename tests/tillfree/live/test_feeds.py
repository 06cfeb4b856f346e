"""Live cameras over HTTP, from files and devices; pictures of other sizes and rates; mistakes in what takes them."""

from __future__ import annotations

import base64
import functools
import http.server
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tillfree.live.camera_rig import HASTY, REPO, Sink, camera, feed, reading, wait_status, web_server
from tillfree.live.address import Login, parse_address
from tillfree.live.backoff import Backoff
from tillfree.live.connection import open_request
from tillfree.live.errors import FeedBroken
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.feeds import CameraReader, patient
from tillfree.live.pacing import RateLimit
from tillfree.system import steady_clock, system_clock
from vision.types import Frame

S, MS = 1_000_000_000, 1_000_000
SMALL = (160, 96)
UNHURRIED = FeedSettings(read_timeout_s=60, picture_timeout_s=300)  # for clocks that run fast
WAIT_NO_MORE = FeedSettings(backoff_first_s=0.01, backoff_max_s=0.02)


def hurried(factor: int) -> Callable[[], int]:
    """Return a clock that runs ``factor`` times as fast as the system's."""
    began_ns = system_clock()
    return lambda: began_ns + (system_clock() - began_ns) * factor


class SilentFiles(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        return


class Guarded(SilentFiles):
    """Serves them to whoever knows the password."""

    def do_GET(self) -> None:
        given = base64.b64encode(b"ann:a b@c/d").decode()
        if self.headers.get("Authorization") == f"Basic {given}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.send_header("Content-Length", "0")
        self.end_headers()


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """Serves pictures as webcams do, one a part, for as long as somebody watches."""

    paced = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for k in range(10_000):
            picture = np.full((96, 160, 3), 40 + k % 150, np.uint8)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            try:
                self.wfile.write(part + data + b"\r\n")
            except OSError:  # nobody watches any more
                return
            self.paced.wait(0.02)

    def log_message(self, *_: object) -> None:
        return


def test_a_file_over_http(tmp_path: Path, write_video: Any) -> None:
    write_video(tmp_path / "film.mp4", 10)
    sink = Sink()
    with (
        web_server(functools.partial(SilentFiles, directory=str(tmp_path))) as port,
        reading(sink, feed(f"http://127.0.0.1:{port}/film.mp4"), WAIT_NO_MORE, camera(size_px=SMALL)) as reader,
    ):
        sink.wait_frames(1)
        assert wait_status(reader, lambda status: status.reconnects >= 2).problem == "has ended the stream"


@pytest.mark.parametrize(("password", "problem"), [("a b@c/d", "has ended the stream"), ("x", "does not accept this")])
def test_a_password_over_http(tmp_path: Path, write_video: Any, password: str, problem: str) -> None:
    write_video(tmp_path / "film.mp4", 3)
    sink = Sink()
    with web_server(functools.partial(Guarded, directory=str(tmp_path))) as port:
        source = feed(f"http://127.0.0.1:{port}/film.mp4", login=Login("ann", password))
        with reading(sink, source, WAIT_NO_MORE, camera(size_px=SMALL)) as reader:
            said = wait_status(reader, lambda status: status.reconnects).problem
    assert said is not None
    assert said.startswith(problem)
    assert bool(sink.frames) == (password == "a b@c/d")


def test_motion_jpeg_has_times_of_arrival() -> None:
    sink = Sink()
    with (
        web_server(MotionJpeg) as port,
        reading(sink, feed(f"http://127.0.0.1:{port}/"), HASTY, camera(size_px=SMALL, fps=100)) as reader,
    ):
        frames = sink.wait_frames(10)
        status = reader.status()
    assert status.times_from == "arrival"
    assert [frame.index for frame in frames] == list(range(10))
    assert frames[0].image.shape == (96, 160, 3)


@pytest.mark.parametrize(("path", "words"), [("none.mp4", "knows no such stream"), ("text", "cannot be read as video")])
def test_what_http_does_not_have(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "text").write_text("no video " * 10_000)
    with (
        web_server(functools.partial(SilentFiles, directory=str(tmp_path))) as port,
        reading(Sink(), feed(f"http://127.0.0.1:{port}/{path}?key=hidden"), HASTY) as reader,
    ):
        problem = wait_status(reader, lambda status: status.reconnects).problem
    assert problem is not None
    assert words in problem
    assert "hidden" not in problem


def test_a_file_in_a_loop(tmp_path: Path, write_video: Any) -> None:
    sink, clock = Sink(), hurried(20)
    source = feed(str(write_video(tmp_path / "film.mp4", 10)), loop=True)
    with reading(sink, source, UNHURRIED, camera(size_px=SMALL), clock) as reader:
        frames = sink.wait_frames(35)
        status = reader.status()
    steps = np.diff([frame.captured_at_ns for frame in frames])
    np.testing.assert_allclose(steps, 100 * MS, atol=1_000)
    assert [frame.index for frame in frames] == list(range(35))
    levels = [frame.image.mean() for frame in frames]
    np.testing.assert_allclose(levels[10:20], levels[:10], atol=1)
    np.testing.assert_allclose(levels[20:30], levels[:10], atol=1)
    assert (status.reconnects, status.problem) == (0, None)
    assert {packet.session for packet in sink.packets} >= {1, 2, 3}


def test_a_file_that_ends(tmp_path: Path, write_video: Any) -> None:
    sink = Sink()
    source = feed(str(write_video(tmp_path / "film.mp4", 10)))
    with reading(sink, source, UNHURRIED, camera(size_px=SMALL), hurried(20)) as reader:
        status = wait_status(reader, lambda status: status.state == "ended")
    assert (status.frames, status.problem, len(sink.frames)) == (10, None, 10)


@pytest.mark.parametrize(("name", "words"), [("none.mp4", "is not there"), ("text.mp4", "cannot be read as video")])
def test_a_file_that_is_none(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with reading(Sink(), feed(str(tmp_path / name), loop=True), HASTY) as reader:
        problem = wait_status(reader, lambda status: status.state == "ended").problem
    assert problem is not None
    assert words in problem


def test_stopping_a_file_between_two_pictures(tmp_path: Path, write_video: Any) -> None:
    sink = Sink()
    source = feed(str(write_video(tmp_path / "film.mp4", 2, ticks_ms=[0, 3_600_000])))
    with reading(sink, source, HASTY, camera(size_px=SMALL)) as reader:
        wait_status(reader, lambda status: status.bytes)
    assert len(sink.frames) <= 1


def test_smaller_pictures_of_the_same_shape_are_scaled(tmp_path: Path, write_video: Any) -> None:
    sink = Sink()
    with reading(
        sink,
        feed(str(write_video(tmp_path / "film.mp4", 3, (320, 180)))),
        UNHURRIED,
        camera(size_px=(640, 360)),
        hurried(20),
    ):
        assert sink.wait_frames(3)[0].image.shape == (360, 640, 3)


def test_another_shape_is_refused(tmp_path: Path, write_video: Any) -> None:
    source = feed(str(write_video(tmp_path / "film.mp4", 3, (320, 240))))
    with reading(Sink(), source, HASTY, camera(size_px=(640, 360))) as reader:
        problem = wait_status(reader, lambda status: status.state == "ended").problem
    assert problem == "sends 320x240 pixels, and the layout has 640x360: another shape; mend one of them"


def test_more_pictures_than_the_layout_has(tmp_path: Path, write_video: Any) -> None:
    sink = Sink()
    source = feed(str(write_video(tmp_path / "film.mp4", 20)), loop=True)
    with reading(sink, source, UNHURRIED, camera(size_px=SMALL, fps=5), hurried(20)) as reader:
        sink.wait_frames(20)
        status = reader.status()
    assert status.surplus == pytest.approx(status.frames, abs=3)
    assert status.fps == pytest.approx(10, rel=0.1)


def test_a_mistake_in_what_takes_frames_is_told(tmp_path: Path, write_video: Any) -> None:
    def fail(frame: Frame) -> None:
        raise KeyError("rtsp://somebody:secret@host")

    source = feed(str(write_video(tmp_path / "film.mp4", 3)))
    reader = CameraReader(camera(size_px=SMALL), source, fail, system_clock, HASTY)
    reader.start()
    status = wait_status(reader, lambda status: status.state == "ended")
    reader.stop()
    assert status.problem is not None
    assert status.problem.startswith("a mistake in Tillfree: KeyError in fail, line ")


def test_a_reader_that_never_began_stops() -> None:
    reader = CameraReader(camera(), feed("rtsp://127.0.0.1:1/x"), Sink().put, system_clock, HASTY)
    reader.stop()
    assert reader.status().state == "waiting"


@pytest.mark.parametrize(
    ("source", "platform", "file", "name"),
    [
        ("usb:0", "linux", "/dev/video0", "v4l2"),
        ("usb:/dev/video2", "linux", "/dev/video2", "v4l2"),
        ("usb:1", "darwin", "1:none", "avfoundation"),
        ("usb:Integrated Camera", "win32", "video=Integrated Camera", "dshow"),
    ],
)
def test_devices(source: str, platform: str, file: str, name: str) -> None:
    request = open_request(parse_address(source, REPO), None, "tcp", (640, 360), 10.0, HASTY, platform)
    assert (request.file, request.format) == (file, name)
    assert request.options == {"video_size": "640x360", "framerate": "10"}


@pytest.mark.parametrize(
    ("source", "platform", "words"), [("usb:0", "win32", "by name"), ("usb:0", "sunos5", "cannot read on sunos5")]
)
def test_devices_that_cannot_be_had(source: str, platform: str, words: str) -> None:
    with pytest.raises(FeedBroken, match=words):
        open_request(parse_address(source, REPO), None, "tcp", (640, 360), 10.0, HASTY, platform)


def test_what_ffmpeg_is_asked_for() -> None:
    login = Login("ann", "a@b/c")
    request = open_request(parse_address("rtsp://h:8554/x", REPO), login, "udp", (640, 360), 10.0, HASTY, "linux")
    assert request.file == "rtsp://ann:a%40b%2Fc@h:8554/x"
    assert request.options["rtsp_transport"] == "udp"
    assert "file" not in request.options["protocol_whitelist"]
    assert "a@b/c" not in repr(request) + repr(login)
    assert "a%40b" not in repr(request)
    assert open_request(parse_address("a.mp4", REPO), None, "tcp", (1, 1), 1.0, HASTY, "linux").file == str(
        REPO / "a.mp4"
    )


def test_addresses_are_shown_without_what_may_be_secret() -> None:
    assert str(parse_address("https://h/video?token=abc#x", REPO)) == "https://h/video"
    assert str(parse_address("usb:0", REPO)) == "usb:0"
    assert str(parse_address("clip.mp4", REPO)) == str(REPO / "clip.mp4")


@given(st.lists(st.integers(1, 400), min_size=1, max_size=200), st.sampled_from([1.0, 5.0, 10.0, 30.0]))
def test_no_more_than_the_rate_passes(steps_ms: list[int], fps: float) -> None:
    limit, at_ns, passed = RateLimit(fps), 0, []
    for step_ms in steps_ms:
        at_ns += step_ms * MS
        if limit.passes(at_ns):
            passed.append(at_ns)
    span_s = (passed[-1] - passed[0]) / S
    assert len(passed) <= span_s * fps + 3
    assert passed[0] == steps_ms[0] * MS
    silences = np.diff([0, *passed]) / S
    assert silences.max() <= max(max(steps_ms) / 1000, 0) + 2.5 / fps


def test_a_camera_at_the_layouts_rate_loses_nothing() -> None:
    limit, lot = RateLimit(10), Random(1)
    assert all(limit.passes(k * 100 * MS + lot.randrange(40 * MS)) for k in range(1_000))


def test_waits_grow_and_are_drawn() -> None:
    settings = FeedSettings(backoff_first_s=1, backoff_factor=2, backoff_max_s=8, backoff_jitter=0.5)
    waits = Backoff(settings, Random(7))
    first = [waits.next_s() for _ in range(6)]
    assert all(most / 2 <= wait <= most for wait, most in zip(first, [1, 2, 4, 8, 8, 8], strict=True))
    assert len(set(first)) == 6
    waits.reset()
    assert waits.next_s() <= 1


def test_a_slow_camera_is_not_taken_for_a_silent_one() -> None:
    slow = patient(FeedSettings(), 0.1)
    assert (slow.read_timeout_s, slow.stalled_s, slow.picture_timeout_s) == (30, 30, 30)
    assert patient(FeedSettings(), 10) == FeedSettings()


def test_a_steady_clock_runs_with_the_systems() -> None:
    clock = steady_clock()
    readings = [clock() for _ in range(100)]
    assert readings == sorted(readings)
    assert abs(clock() - system_clock()) < 60 * S
