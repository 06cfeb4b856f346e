"""An RTSP server that sends video files in an endless loop, as they are encoded, as a camera would.

Run by Debian's own Python, whose packages bring GStreamer: ``/usr/bin/python3 rtsp_server.py NAME=FILE.mp4 ...``.
It prints a line ``ready PORT`` when it listens, and serves rtsp://127.0.0.1:PORT/NAME until it is killed. All who
watch a name see the same picture at the same time. With ``--in-step`` cameras of one store agree: the first round of all
names begins once somebody watches each of them, and a line ``begun`` says so. Debian packages: python3-gi, gir1.2-gst-rtsp-server-1.0,
gstreamer1.0-plugins-base and -good.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions come first

Unit = tuple[bytes, int, bool]
"""An access unit, its time in ns, and whether it needs others to be shown."""

PAYLOADER = (
    "( appsrc name=source is-live=true format=time max-buffers=2 ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def read_units(path: str) -> tuple[Gst.Caps, list[Unit], int]:
    """Return the format and the units of the whole file, and its length in ns."""
    reading = Gst.parse_launch("filesrc name=file ! qtdemux ! appsink name=sink sync=false")
    reading.get_by_name("file").set_property("location", path)
    sink = reading.get_by_name("sink")
    reading.set_state(Gst.State.PLAYING)
    units, caps, end_ns = [], None, 0
    while (sample := sink.emit("pull-sample")) is not None:
        caps, buffer = sample.get_caps(), sample.get_buffer()
        delta = bool(buffer.get_flags() & Gst.BufferFlags.DELTA_UNIT)
        units.append((buffer.extract_dup(0, buffer.get_size()), buffer.pts, delta))
        end_ns = max(end_ns, buffer.pts + buffer.duration)
    reading.set_state(Gst.State.NULL)
    if not units:
        sys.exit(f"{path}: no H.264 video")
    return caps, units, end_ns


class Loop(GstRtspServer.RTSPMediaFactory):
    """A file that begins again when it ends, its times going on; shared by all who watch."""

    def __init__(self, path: str, clock: Rounds | None) -> None:
        super().__init__()
        self._caps, self._units, self._length_ns = read_units(path)
        self._rounds = clock
        self.set_launch(PAYLOADER)
        self.set_shared(True)
        self.connect("media-configure", self._configure)

    def _configure(self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name_recurse_up("source")
        source.set_property("caps", self._caps)
        began_us = GLib.get_monotonic_time()
        if self._rounds is not None:
            self._rounds.watched(self)
        source.connect("need-data", self._feed, self._endless(began_us))

    def _endless(self, began_us: int) -> Iterator[tuple[Unit, int] | None]:
        """Yield units with the shift of their times, for a media that began then; None while others are not watched yet.

        The first unit is sent at once in any case: without one the server cannot tell what it serves.
        """
        if self._rounds is not None and not self._rounds.have_begun:
            yield self._units[0], 0
            while not self._rounds.have_begun:
                yield None
        late_us = 0 if self._rounds is None else self._rounds.began_us - began_us
        for number in itertools.count():
            for unit in self._units:
                shift_ns = number * self._length_ns + late_us * 1000
                if unit[1] + shift_ns >= 0:
                    yield unit, shift_ns

    def _feed(self, source: Gst.Element, wanted: int, units: Iterator[tuple[Unit, int] | None]) -> None:
        found = next(units)
        if found is None:
            GLib.timeout_add(2, self._feed_later, source, wanted, units)
            return
        (data, pts_ns, delta), shift_ns = found
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = buffer.dts = pts_ns + shift_ns
        if delta:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        source.emit("push-buffer", buffer)

    def _feed_later(self, source: Gst.Element, wanted: int, units: Iterator[tuple[Unit, int] | None]) -> bool:
        self._feed(source, wanted, units)
        return False


class Rounds:
    """When the first round of all names began: once somebody watches each of them."""

    def __init__(self, names: int) -> None:
        self._awaited = names
        self._watched: set[Loop] = set()
        self.began_us = 0

    @property
    def have_begun(self) -> bool:
        return self.began_us > 0

    def watched(self, loop: Loop) -> None:
        """Hear that somebody watches a name."""
        self._watched.add(loop)
        if len(self._watched) == self._awaited and not self.have_begun:
            self.began_us = GLib.get_monotonic_time()
            sys.stdout.write("begun\n")
            sys.stdout.flush()


def ask_password(server: GstRtspServer.RTSPServer, factories: list[Loop], user: str, password: str) -> None:
    """Let only those in who know ``password``, by RTSP's digest authentication."""
    role = GstRtspServer.RTSPToken()
    role.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    doorman = GstRtspServer.RTSPAuth()
    doorman.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    doorman.add_digest(user, password, role)
    server.set_auth(doorman)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_role("viewer")
        for right in ("access", "construct"):
            permissions.add_permission_for_role("viewer", f"media.factory.{right}", True)
        factory.set_permissions(permissions)


def check_parts() -> None:
    """End with a line where an element is missing that only some package brings."""
    for name in ("appsrc", "qtdemux", "rtph264pay", "rtpbin", "multiudpsink"):
        if Gst.ElementFactory.find(name) is None:
            sys.exit(f"there is no GStreamer element {name}")


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="NAME=FILE.mp4")
    parser.add_argument("--check", action="store_true", help="say by the exit code whether all parts are there")
    parser.add_argument("--in-step", action="store_true", help="let all begin together, once all are watched")
    parser.add_argument("--port", default="0")
    parser.add_argument("--user", default="viewer")
    parser.add_argument("--password", default="")
    asked = parser.parse_args()
    Gst.init(None)
    if asked.check:
        check_parts()
        return
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=asked.port)
    factories = []
    rounds = Rounds(len(asked.files)) if asked.in_step else None
    for name, _, path in (entry.partition("=") for entry in asked.files):
        factories.append(Loop(path, rounds))
        server.get_mount_points().add_factory(f"/{name}", factories[-1])
    if asked.password:
        ask_password(server, factories, asked.user, asked.password)
    if not server.attach(None):
        sys.exit(f"port {asked.port} is taken")
    sys.stdout.write(f"ready {server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
