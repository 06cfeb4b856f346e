"""A store that a test says what is wrong with, an HTTP server and an SMTP server that take alerts."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from billing.errors import DeliveryError
from billing.webhooks import new_secret
from tillfree.live.alert_settings import Alerting, AlertsEntry
from tillfree.live.alerts import Message
from tillfree.live.hooks import Webhook
from tillfree.live.node import AlertRow, CameraRow, NodeView

S = 1_000_000_000
T0 = 1_800_000_000 * S
SECRET = new_secret(bytes(range(32)))
FORCED = AlertRow(T0, "door_forced", "gate door was forced open")


@dataclass
class Clock:
    now_ns: int = T0

    def __call__(self) -> int:
        return self.now_ns


def view(
    *, down: tuple[str, ...] = (), faults: tuple[str, ...] = (), is_open: bool = True, at_ns: int = T0, **more: object
) -> NodeView:
    """Return a store of three cameras, some of which are down."""
    rows = tuple(
        CameraRow(camera, camera not in down, 10.0, at_ns, "no answer" if camera in down else "")
        for camera in ("cam1", "cam2", "cam3")
    )
    return NodeView(at_ns, is_open=is_open, cameras=rows, faults=faults, **more)  # type: ignore[arg-type]


def entry(**more: object) -> AlertsEntry:
    """Return who is told: problems of ten seconds, a cool-down of a hundred, nothing gathered."""
    return AlertsEntry(**{"cool_down_s": 100, "after_s": 10, "gather_s": 0, **more})  # type: ignore[arg-type]


def alerting(**more: object) -> Alerting:
    return Alerting(entry(**more), Webhook("http://127.0.0.1/hook", SECRET))


@dataclass
class PlayedChannel:
    """A channel that fails with the troubles that it is given."""

    name: str = "played"
    troubles: list[DeliveryError] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    tries: int = 0
    goes_on: threading.Event | None = None

    def send(self, message: Message, at_ns: int, timeout_s: float) -> None:
        self.tries += 1
        if self.goes_on is not None:
            self.goes_on.wait(10)
        if self.troubles:
            raise self.troubles.pop(0)
        self.sent.append(message)


@dataclass
class Hook:
    """What an HTTP server took, and what it answers."""

    port: int = 0
    status: int = 200
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/very-secret-path"


@contextmanager
def hooked() -> Iterator[Hook]:
    """Serve a webhook's endpoint on a free port."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.posts.append((dict(self.headers), body))
            self.send_response(found.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        found.port = port
        yield found


@dataclass
class MailServer:
    """What an SMTP server took, and what it answers to a receiver."""

    port: int = 0
    rcpt: str = "250 OK"
    mails: list[tuple[list[str], bytes]] = field(default_factory=list)


class _Threading(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True


@contextmanager
def mailing() -> Iterator[MailServer]:
    """Serve SMTP on a free port, as much of it as one mail needs."""
    found = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            to: list[str] = []
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                verb = line.upper()[:4]
                if verb == "RCPT":
                    to.append(line.partition("<")[2].partition(">")[0])
                self.say({"DATA": "354 go on", "RCPT": found.rcpt, "QUIT": "221 bye"}.get(verb, "250 OK"))
                if verb == "DATA":
                    found.mails.append((to, self.text()))
                    self.say("250 taken")
                if verb == "QUIT":
                    return

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def text(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            return b"".join(lines)

    with _served(_Threading(("127.0.0.1", 0), Handler)) as port:
        found.port = port
        yield found


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
