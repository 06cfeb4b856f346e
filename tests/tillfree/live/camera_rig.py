"""Cameras for tests: RTSP and HTTP servers that behave, and servers that do not."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from store_layout.model import Camera
from tillfree.live.address import parse_address
from tillfree.live.feed_settings import FeedSettings
from tillfree.live.feed_status import FeedStatus
from tillfree.live.feeds import CameraFeed, CameraReader
from tillfree.live.packets import EncodedPacket
from tillfree.system import system_clock
from vision.types import Frame

REPO = Path(__file__).resolve().parents[3]
VIDEOS = REPO / "sample_videos/one-shopper/videos"
PYTHON = "/usr/bin/python3"  # Debian's own, for which its packages are
SCRIPT = Path(__file__).with_name("rtsp_server.py")
PATIENCE_S = 30.0
"""How long a test waits for what must come; only a broken test waits so long."""
HASTY = FeedSettings(open_timeout_s=2.0, read_timeout_s=1.0, stalled_s=0.4, backoff_first_s=0.05, backoff_max_s=0.2)


@functools.cache
def why_no_rtsp() -> str | None:
    """Return what is missing for an RTSP server, or None."""
    if not shutil.which(PYTHON):
        return f"needs {PYTHON} and its packages"
    done = subprocess.run([PYTHON, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return (
        "needs the Debian packages python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-base and -good: "
        + (done.stderr.strip().splitlines() or ["?"])[-1]
    )


def camera(camera_id: str = "cam1", size_px: tuple[int, int] = (640, 360), fps: float = 10.0) -> Camera:
    """Return a camera of the layout."""
    return Camera(
        id=camera_id, resolution_px=size_px, fps=fps, position_m=(0, 0, 2.5), look_at_m=(1, 1, 0), focal_px=500.0
    )


def feed(source: str, **more: Any) -> CameraFeed:
    """Return a feed of ``source``."""
    return CameraFeed("cam1", parse_address(source, REPO), **more)


class Sink:
    """Takes frames and packets from any thread, and lets a test wait for them."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.packets: list[EncodedPacket] = []
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def keep(self, camera_id: str, packet: EncodedPacket) -> None:
        assert camera_id == packet.camera_id
        with self._changed:
            self.packets.append(packet)
            self._changed.notify_all()

    def wait(self, is_enough: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_enough, PATIENCE_S)

    def wait_frames(self, count: int) -> list[Frame]:
        self.wait(lambda: len(self.frames) >= count)
        return self.frames[:count]


@contextmanager
def reading(
    sink: Sink,
    source: CameraFeed,
    settings: FeedSettings = HASTY,
    layout: Camera | None = None,
    clock: Callable[[], int] = system_clock,
) -> Iterator[CameraReader]:
    """Read ``source`` into ``sink`` for the while."""
    reader = CameraReader(layout or camera(), source, sink.put, clock, settings, sink.keep)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


def wait_status(reader: CameraReader, is_so: Callable[[FeedStatus], object]) -> FeedStatus:
    """Wait until the status ``is_so``, and return it."""
    pause, left = threading.Event(), PATIENCE_S
    while not is_so(status := reader.status()):
        assert left > 0, status
        pause.wait(0.01)
        left -= 0.01
    return status


class RtspServer:
    """GStreamer's RTSP server in a process of its own, with the bundled videos in a loop."""

    def __init__(
        self,
        password: str = "",
        videos: Path = VIDEOS,
        cameras: tuple[str, ...] = ("cam1", "cam2"),
        *,
        in_step: bool = False,
    ) -> None:
        self._password = password
        self._videos = [f"{name}={videos / name}.mp4" for name in cameras]
        self._options = ["--in-step"] if in_step else []
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Begin, at the same port as before."""
        options = ["--port", str(self.port), "--password", self._password, *self._options]
        command = [PYTHON, str(SCRIPT), *options, *self._videos]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        word, _, port = self._process.stdout.readline().partition(" ")
        assert word == "ready"
        self.port = int(port)

    def wait_begun(self) -> int:
        """Wait until names in step have begun their first round, and return the system's time then, in ns."""
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "begun"
        return system_clock()

    def kill(self) -> None:
        """End as by a power cut."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Send nothing for the while, and keep all connections."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def url(self, name: str = "cam1") -> str:
        return f"rtsp://127.0.0.1:{self.port}/{name}"


class TcpServer:
    """A server that does with each connection whatever ``serve`` does, in a thread each."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connected = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for each in self._open:
            _shut(each)
        for thread in self._threads[1:]:
            thread.join()
        for each in self._open:
            each.close()

    def keep(self, connection: socket.socket) -> None:
        """Close a connection at the end."""
        self._open.append(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.keep(connection)
            self.connected.set()
            self._threads.append(threading.Thread(target=self._run, args=(connection,)))
            self._threads[-1].start()

    def _run(self, connection: socket.socket) -> None:
        try:
            self._serve(connection)
        except OSError:  # the other side, or the test, is done
            _shut(connection)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is already
        return


def say_nothing(connection: socket.socket) -> None:
    """Take what comes and never answer."""
    while connection.recv(65_536):
        pass


def say_nonsense(connection: socket.socket) -> None:
    """Answer everything with bytes that mean nothing."""
    while connection.recv(65_536):
        connection.sendall(bytes(k * 37 % 251 for k in range(20_000)))


class BadCable(TcpServer):
    """Passes everything on to a server and back, and while ``is_bad`` changes a byte in some hundreds on the way back."""

    def __init__(self, to_port: int) -> None:
        super().__init__(self._pass)
        self._to_port = to_port
        self.is_bad = threading.Event()

    def _pass(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._to_port))
        self.keep(far)
        back = threading.Thread(target=self._pump, args=(far, near))
        back.start()
        self._pump(near, far, honest=True)
        back.join()

    def _pump(self, source: socket.socket, target: socket.socket, *, honest: bool = False) -> None:
        try:
            while data := bytearray(source.recv(65_536)):
                if self.is_bad.is_set() and not honest:
                    for k in range(150, len(data), 400):
                        data[k] ^= 0x5A
                target.sendall(data)
        except OSError:  # one side is gone
            pass
        _shut(target)
        _shut(source)


@contextmanager
def web_server(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve HTTP at the port that is yielded."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


needs_rtsp = [
    pytest.mark.rtsp,
    pytest.mark.skipif(bool(why_no_rtsp()), reason=why_no_rtsp() or ""),
]
