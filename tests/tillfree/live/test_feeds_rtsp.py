"""Live cameras over RTSP, from a real server: frames, breaks, stalls, damage, passwords, evidence."""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Iterator
from statistics import median

import av
import pytest

from tests.tillfree.live.camera_rig import (
    HASTY,
    REPO,
    BadCable,
    RtspServer,
    Sink,
    TcpServer,
    camera,
    feed,
    needs_rtsp,
    reading,
    say_nonsense,
    say_nothing,
    wait_status,
)
from tillfree.live.address import Login, parse_address
from tillfree.live.connection import StreamInfo
from tillfree.live.feeds import stop_all
from tillfree.live.packets import EncodedPacket
from tillfree.system import system_clock
from vision.types import Frame

S, MS = 1_000_000_000, 1_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    with RtspServer() as running:
        yield running


def check_order(frames: list[Frame]) -> None:
    times = [frame.captured_at_ns for frame in frames]
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(before < after for before, after in itertools.pairwise(times))


class TestWithServer:
    pytestmark = needs_rtsp

    def test_frames_over_tcp_and_udp(self, server: RtspServer) -> None:
        began_ns, over_tcp, over_udp = system_clock(), Sink(), Sink()
        with (
            reading(over_tcp, feed(server.url())) as tcp,
            reading(over_udp, feed(server.url("cam2"), transport="udp")) as udp,
        ):
            got = [over_tcp.wait_frames(15), over_udp.wait_frames(15)]
            statuses = [tcp.status(), udp.status()]
        for frames in got:
            check_order(frames)
            times = [frame.captured_at_ns for frame in frames]
            assert median(after - before for before, after in itertools.pairwise(times)) == pytest.approx(
                100 * MS, abs=2 * MS
            )
            assert began_ns < times[0]
            assert times[-1] < system_clock()
            assert {frame.image.shape for frame in frames} == {(360, 640, 3)}
            assert frames[5].image.std() > 10
        for status in statuses:
            assert (status.state, status.problem, status.reconnects) == ("live", None, 0)
            assert status.fps == pytest.approx(10, rel=0.2)
            assert status.times_from == "stream"
            assert status.bytes > 20_000
        assert tcp.status().state == "ended"
        check_file(over_tcp.packets[:12])  # without another stream for evidence, it is this one
        packet_times = {packet.captured_at_ns for packet in over_tcp.packets}
        assert len(packet_times & {frame.captured_at_ns for frame in got[0]}) >= 13

    def test_a_server_that_dies_is_found_again(self) -> None:
        sink = Sink()
        with RtspServer() as server, reading(sink, feed(server.url())) as reader:
            sink.wait_frames(3)
            server.kill()
            gone = wait_status(reader, lambda status: status.reconnects >= 2)
            count = len(sink.frames)
            server.start()
            sink.wait_frames(count + 3)
            assert reader.status().problem is None
        assert gone.problem in {"has ended the stream", "ends the stream", "refuses connections"}
        check_order(sink.frames)

    @pytest.mark.slow
    def test_a_stall_is_noticed_and_mended(self) -> None:
        sink = Sink()
        with RtspServer() as server, reading(sink, feed(server.url())) as reader:
            sink.wait_frames(3)
            with server.held():
                wait_status(reader, lambda status: status.state == "stalled")
                waiting = wait_status(reader, lambda status: status.reconnects)
                count = len(sink.frames)
            sink.wait_frames(count + 3)
        assert waiting.problem in {"has sent nothing for 1 s", "gives no answer within 2 s"}
        check_order(sink.frames)

    @pytest.mark.slow
    def test_a_damaged_stream_is_survived(self, server: RtspServer) -> None:
        sink = Sink()
        with BadCable(server.port) as cable, reading(sink, feed(f"rtsp://127.0.0.1:{cable.port}/cam1")) as reader:
            sink.wait_frames(3)
            cable.is_bad.set()
            wait_status(reader, lambda status: status.dropped_corrupt + status.reconnects >= 3)
            cable.is_bad.clear()
            count = len(sink.frames)
            sink.wait_frames(count + 10)
            assert wait_status(reader, lambda status: status.state == "live").problem is None
        check_order(sink.frames)

    @pytest.mark.slow
    def test_senders_time_is_there_where_the_camera_tells_it(self, server: RtspServer) -> None:
        sink = Sink()
        with reading(sink, feed(server.url(), times="sender")) as reader:
            status = wait_status(reader, lambda status: status.sender_ahead_ns is not None)
            assert wait_status(reader, lambda status: status.times_from == "sender").offset_ns is not None
        assert status.sender_ahead_ns is not None
        assert abs(status.sender_ahead_ns) < 2 * S  # both clocks are this machine's

    @pytest.mark.slow
    def test_what_comes_before_the_first_key_frame_is_waited_out(self, server: RtspServer) -> None:
        sink, late = Sink(), Sink()
        with reading(sink, feed(server.url())):
            sink.wait_frames(5)
            with reading(late, feed(server.url(), times="arrival")) as reader:  # joins in the middle of a group
                late.wait_frames(2)
                assert reader.status().times_from == "arrival"
        check_order(late.frames)

    def test_evidence_is_another_stream(self, server: RtspServer) -> None:
        sink = Sink()
        both = feed(server.url("cam1"), evidence=parse_address(server.url("cam2"), REPO))
        with reading(sink, both) as reader:
            sink.wait_frames(3)
            sink.wait(lambda: len(sink.packets) >= 12)
            status = reader.status()
        assert status.evidence is not None
        assert (status.evidence.state, status.evidence.problem) == ("live", None)
        assert {packet.session for packet in sink.packets} == {1}
        check_file(sink.packets[:12])

    def test_passwords_are_used_and_told_to_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        secret = "pa:ss/w@rd?%2F"
        with RtspServer(secret) as server:
            right, wrong = Sink(), Sink()
            with (
                reading(right, feed(server.url(), login=Login("viewer", secret))) as good,
                reading(wrong, feed(server.url(), login=Login("viewer", secret + "x"))) as bad,
            ):
                right.wait_frames(2)
                refused = wait_status(bad, lambda status: status.reconnects)
                assert good.status().problem is None
        assert refused.problem == "does not accept this user and password"
        said = caplog.text + repr([refused, good.status(), feed("rtsp://h/x", login=Login("viewer", secret))])
        assert secret not in said
        assert "pa%3Ass" not in said
        assert wrong.frames == []


def check_file(packets: list[EncodedPacket]) -> None:
    """Put packets into a file without decoding, and see that it shows as many pictures."""
    assert packets[0].is_keyframe
    info = packets[0].stream
    assert (info.codec, info.width_px, info.height_px) == ("h264", 640, 360)
    with av.open(io.BytesIO(muxed(packets, info))) as film:
        pictures = list(film.decode(video=0))
    assert len(pictures) == len(packets)
    assert pictures[-1].to_ndarray(format="bgr24").std() > 10


def muxed(packets: list[EncodedPacket], info: StreamInfo) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as film:
        stream = film.add_stream(info.codec, rate=10)
        stream.codec_context.extradata = info.extradata
        stream.width, stream.height = info.width_px, info.height_px
        stream.time_base = info.time_base
        for each in packets:
            packet = av.Packet(each.data)
            packet.stream, packet.time_base = stream, info.time_base
            packet.pts, packet.dts, packet.is_keyframe = each.pts, each.dts, each.is_keyframe
            film.mux_one(packet)
    return file.getvalue()


def test_a_server_that_says_nothing_is_asked_again() -> None:
    with TcpServer(say_nothing) as server:
        settings = HASTY.model_copy(update={"open_timeout_s": 0.2})
        with reading(Sink(), feed(f"rtsp://127.0.0.1:{server.port}/cam1"), settings) as reader:
            status = wait_status(reader, lambda status: status.reconnects >= 2)
    assert status.problem == "gives no answer within 0.2 s"
    assert status.state in {"waiting", "connecting"}


def test_a_server_that_talks_nonsense_is_survived() -> None:
    with TcpServer(say_nonsense) as server, reading(Sink(), feed(f"rtsp://127.0.0.1:{server.port}/cam1")) as reader:
        status = wait_status(reader, lambda status: status.reconnects >= 2)
    assert status.problem
    assert "rtsp:" not in status.problem


def test_nobody_listens() -> None:
    with TcpServer(say_nothing) as server:
        port = server.port
    with reading(Sink(), feed(f"rtsp://127.0.0.1:{port}/cam1")) as reader:
        assert wait_status(reader, lambda status: status.reconnects).problem == "refuses connections"


def test_stopping_while_cameras_are_asked() -> None:
    settings = HASTY.model_copy(update={"open_timeout_s": 0.5})
    with TcpServer(say_nothing) as server:
        source = feed(f"rtsp://127.0.0.1:{server.port}/cam1")
        with reading(Sink(), source, settings) as one, reading(Sink(), source, settings) as other:
            assert server.connected.wait(30)
            stop_all([one, other])
            assert [reader.status().state for reader in (one, other)] == ["ended", "ended"]
    assert camera().id == one.camera_id
