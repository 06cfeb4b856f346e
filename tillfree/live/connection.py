"""One connection to a camera through PyAV: what to ask FFmpeg for, packets with their times, and pictures out of them.

FFmpeg's own words of what went wrong hold the URL with the password, so they go no further than this file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Literal, Self

import av
import av.error

from tillfree.live.address import Address, Login
from tillfree.live.errors import FeedBroken, PictureDamaged
from tillfree.live.feed_settings import FeedSettings
from tillfree.sources.pictures import Decoded, has_shape_of

Transport = Literal["tcp", "udp"]

_S = 1_000_000_000
UNTIMED = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc", "m4v"})
"""Formats without times: FFmpeg counts their pictures at 25 a second, whatever really comes."""
PROTOCOLS = {
    "rtsp": "rtsp,rtsps,rtp,udp,tcp,tls",
    "http": "http,https,tcp,tls,crypto,httpproxy",
    "file": "file",
}
"""What FFmpeg may open on behalf of each kind: a playlist from a camera must not read this machine's files."""
DEVICE_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.ConnectionRefusedError, "refuses connections"),
    (av.error.HTTPUnauthorizedError, "does not accept this user and password"),
    (av.error.HTTPForbiddenError, "does not let this user see the stream"),
    (av.error.HTTPNotFoundError, "knows no such stream"),
    (av.error.HTTPError, "answers with an error"),
    (av.error.FileNotFoundError, "is not there"),
    (av.error.PermissionError, "may not be read by this user"),
    (av.error.ProtocolNotFoundError, "is of a kind that this FFmpeg cannot read"),
    (av.error.ExitError, "gives no answer"),
    (av.error.TimeoutError, "gives no answer"),
    (av.error.InvalidDataError, "sends what cannot be read as video"),
    (av.error.EOFError, "ends the stream"),
)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What FFmpeg is asked to open. ``file`` may hold a password."""

    file: str = field(repr=False)
    format: str | None
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a muxer must know of a stream to store its packets."""

    codec: str
    extradata: bytes
    width_px: int
    height_px: int
    time_base: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A packet with its times in nanoseconds.

    ``stream_ns`` is when it is shown in the stream, ``due_ns`` when it is decoded, ``lasts_ns`` for how long it is
    shown (0: not said), ``arrival_ns`` when it came, and ``sender_ns`` its time on the camera's own clock, if that is known.
    """

    packet: av.Packet[av.VideoStream]
    stream_ns: int | None
    due_ns: int | None
    lasts_ns: int
    arrival_ns: int
    sender_ns: int | None

    @property
    def is_last(self) -> bool:
        """Whether it is no packet but the end of the stream, at which the decoder gives what it held back."""
        return self.packet.size == 0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture, not yet converted."""

    picture: av.VideoFrame
    stream_ns: int | None

    @property
    def is_damaged(self) -> bool:
        """Whether the decoder says that parts of it are guessed."""
        return self.picture.is_corrupt

    def of(self, resolution_px: tuple[int, int]) -> Decoded:
        """Return it as a picture of ``resolution_px``; FeedBroken where it has another shape or lies on its side."""
        size_px = (self.picture.width, self.picture.height)
        if self.picture.rotation:
            raise FeedBroken(f"sends pictures turned by {self.picture.rotation} degrees; mend it in the camera")
        if not has_shape_of(size_px, resolution_px):
            sent, want = ("x".join(map(str, size)) for size in (size_px, resolution_px))
            raise FeedBroken(f"sends {sent} pixels, and the layout has {want}: another shape; mend one of them")
        return Decoded(self.picture, resolution_px)


def open_request(
    address: Address,
    login: Login | None,
    transport: Transport,
    resolution_px: tuple[int, int],
    fps: float,
    settings: FeedSettings,
    platform: str,
) -> OpenRequest:
    """Return what to ask FFmpeg for on ``platform`` (as ``sys.platform``). Raises FeedBroken where it has no such device."""
    if address.kind == "usb":
        return _device_request(address, resolution_px, fps, platform)
    options = {"protocol_whitelist": PROTOCOLS[address.kind]}
    if address.kind != "file":
        # FFmpeg would watch 20 pictures to guess their rate, which nobody asks it for
        options |= {"analyzeduration": str(round(settings.probe_s * 1_000_000)), "fpsprobesize": "0"}
    if address.kind == "rtsp":
        options |= {"rtsp_transport": transport, "allowed_media_types": "video"}
        options |= {"buffer_size": str(settings.receive_buffer_bytes)}
    return OpenRequest(address.with_login(login), None, options)


def _device_request(address: Address, resolution_px: tuple[int, int], fps: float, platform: str) -> OpenRequest:
    name = DEVICE_FORMATS.get(platform)
    if name is None:
        raise FeedBroken(f"is a device, which Tillfree cannot read on {platform}")
    options = {"video_size": "x".join(map(str, resolution_px)), "framerate": f"{fps:g}"}
    is_number = address.place.isdecimal()
    if name == "v4l2":
        return OpenRequest(f"/dev/video{address.place}" if is_number else address.place, name, options)
    if name == "avfoundation":
        return OpenRequest(f"{address.place}:none", name, options)
    if is_number:
        raise FeedBroken(
            "is a number, and Windows knows devices by name: write usb:NAME, as in 'usb:Integrated Camera'"
        )
    return OpenRequest(f"video={address.place}", name, options)


class Connection:
    """An open stream. Opening and reading wait for the camera, but not longer than the settings' timeouts.

    ``shift_ns`` is added to the stream's times. Use it in a ``with`` statement. Raises FeedBroken.
    """

    def __init__(
        self, request: OpenRequest, settings: FeedSettings, clock: Callable[[], int], shift_ns: int = 0
    ) -> None:
        self._settings, self._clock, self._shift_ns = settings, clock, shift_ns
        asked_ns = clock()
        try:
            self._container = av.open(
                request.file,
                format=request.format,
                options=request.options,
                timeout=(settings.open_timeout_s, settings.read_timeout_s),
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise FeedBroken(self._open_problem(error, asked_ns)) from None
        if not self._container.streams.video:
            self._container.close()
            raise FeedBroken("sends no video")
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1  # the machine's cores are the pipeline's to share out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def is_timed(self) -> bool:
        """Whether its format has times at all."""
        return self._container.format.name not in UNTIMED

    @property
    def info(self) -> StreamInfo:
        """What a muxer must know; width and height are 0 where the camera has not said them yet."""
        context = self._stream.codec_context
        base = self._stream.time_base or Fraction(1, 90_000)
        return StreamInfo(context.name, context.extradata or b"", context.width, context.height, base)

    def packets(self) -> Iterator[Arrived]:
        """Yield what comes, with the time at which it came; the last one has no data. Raises FeedBroken."""
        asked_ns = self._clock()
        packets = self._container.demux(self._stream)
        while (packet := self._next(packets)) is not None:
            arrival_ns = self._clock()
            self._check_wait(arrival_ns - asked_ns)
            yield self._arrived(packet, arrival_ns)
            asked_ns = self._clock()

    def decode(self, arrived: Arrived) -> list[Picture]:
        """Return the pictures that the decoder gives for a packet. Raises PictureDamaged."""
        try:
            pictures = arrived.packet.decode()
        except (av.error.FFmpegError, OSError, ValueError):
            raise PictureDamaged("cannot be decoded") from None
        return [Picture(each, self._stream_ns(each.pts, each.time_base)) for each in pictures]

    def _next(self, packets: Iterator[av.Packet[av.VideoStream]]) -> av.Packet[av.VideoStream] | None:
        try:
            return next(packets, None)
        except (av.error.ExitError, av.error.TimeoutError):
            raise FeedBroken(self._silence()) from None
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise FeedBroken(_reason(error)) from None

    def _arrived(self, packet: av.Packet[av.VideoStream], arrival_ns: int) -> Arrived:
        base = packet.time_base
        stream_ns, due_ns = self._stream_ns(packet.pts, base), self._stream_ns(packet.dts, base)
        lasts_ns = _to_ns(packet.duration or 0, base)
        return Arrived(
            packet, stream_ns, stream_ns if due_ns is None else due_ns, lasts_ns, arrival_ns, _sender_ns(packet)
        )

    def _check_wait(self, waited_ns: int) -> None:
        """Refuse what FFmpeg gives when a read was broken off for its timeout: half a picture, and as if all were well."""
        if waited_ns >= self._settings.read_timeout_s * _S:
            raise FeedBroken(self._silence())

    def _silence(self) -> str:
        return f"has sent nothing for {self._settings.read_timeout_s:g} s"

    def _open_problem(self, error: Exception, asked_ns: int) -> str:
        if self._clock() - asked_ns >= self._settings.open_timeout_s * _S:
            return f"gives no answer within {self._settings.open_timeout_s:g} s"
        return _reason(error)

    def _stream_ns(self, pts: int | None, time_base: Fraction | None) -> int | None:
        if pts is None or time_base is None:
            return None
        return _to_ns(pts, time_base) + self._shift_ns


def _to_ns(ticks: int, time_base: Fraction) -> int:
    return ticks * time_base.numerator * _S // time_base.denominator


def _reason(error: Exception) -> str:
    """Return what went wrong in words that hold nothing of the URL."""
    for kind, words in REASONS:
        if isinstance(error, kind):
            return words
    said = getattr(error, "strerror", None)
    return f"cannot be read ({said or type(error).__name__})"


def _sender_ns(packet: av.Packet[av.VideoStream]) -> int | None:
    """Return the camera's own Unix time of a packet: FFmpeg's AVProducerReferenceTime, out of RTCP sender reports."""
    if not packet.has_sidedata("prft"):
        return None
    (wallclock_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
    return int(wallclock_us) * 1_000
