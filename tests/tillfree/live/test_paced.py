"""A recording as if it were live: order, times, speed, loops, ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recordings.errors import RecordingError
from recordings.files import load_recording
from tests.tillfree.live.camera_rig import Sink, wait_status
from tillfree.live.feeds import stop_all
from tillfree.live.paced import recorded_readers
from tillfree.system import system_clock

S, MS = 1_000_000_000, 1_000_000
RECORDED_NS = 1_767_603_600 * S  # as write_tiny_recording says


def test_frames_come_at_their_times(tmp_path: Path, write_tiny_recording: Any) -> None:
    sink, start_ns = Sink(), system_clock() + 50 * MS
    released: list[tuple[int, int]] = []

    def put(frame: Any) -> None:
        released.append((frame.captured_at_ns, system_clock()))
        sink.put(frame)

    loaded = load_recording(write_tiny_recording(tmp_path / "two", ("cam_a", "cam_b")))
    readers = recorded_readers(loaded, put, system_clock, start_ns, speed=4.0)
    for reader in readers:
        reader.start()
    ended = [wait_status(reader, lambda status: status.state == "ended") for reader in readers]
    stop_all(readers)
    for camera_id in ("cam_a", "cam_b"):
        frames = [frame for frame in sink.frames if frame.camera_id == camera_id]
        assert [frame.captured_at_ns - start_ns for frame in frames] == [k * 25 * MS for k in range(10)]
        assert [frame.index for frame in frames] == list(range(10))
    assert all(captured_ns <= at_ns for captured_ns, at_ns in released)
    assert [(status.frames, status.problem) for status in ended] == [(10, None)] * 2


def test_the_recordings_own_times_in_a_loop(tmp_path: Path, write_tiny_recording: Any) -> None:
    sink = Sink()
    loaded = load_recording(write_tiny_recording(tmp_path / "one"))
    (reader,) = recorded_readers(loaded, sink.put, system_clock, 0, speed=1.0, loop=True, stamp="recorded")
    reader.start()  # its start lies so far back that no frame waits
    frames = sink.wait_frames(25)
    reader.stop()
    assert [frame.captured_at_ns - RECORDED_NS for frame in frames] == [k * 100 * MS for k in range(25)]
    assert [frame.index for frame in frames] == list(range(25))


def test_stopping_before_the_first_frame(tmp_path: Path, write_tiny_recording: Any) -> None:
    sink = Sink()
    loaded = load_recording(write_tiny_recording(tmp_path / "one"))
    (reader,) = recorded_readers(loaded, sink.put, system_clock, system_clock() + 3_600 * S)
    reader.start()
    reader.stop()
    assert reader.status().state == "ended"
    assert sink.frames == []


def test_damage_in_the_middle_is_told(tmp_path: Path, write_tiny_recording: Any, write_video: Any) -> None:
    folder = write_tiny_recording(tmp_path / "one")
    data = bytearray(write_video(folder / "cam_a.mp4", 100).read_bytes())
    data[-300:] = b"\xff" * 300
    (folder / "cam_a.mp4").write_bytes(bytes(data))
    (reader,) = recorded_readers(load_recording(folder), Sink().put, system_clock, 0)
    reader.start()
    status = wait_status(reader, lambda status: status.state == "ended")
    reader.stop()
    assert status.problem is not None
    assert "cam_a.mp4" in status.problem


def test_what_is_wrong_comes_out_at_once(tmp_path: Path, write_tiny_recording: Any) -> None:
    folder = write_tiny_recording(tmp_path / "one")
    with pytest.raises(ValueError, match="above 0"):
        recorded_readers(load_recording(folder), Sink().put, system_clock, 0, speed=0)
    (folder / "cam_a.mp4").write_bytes(b"")
    with pytest.raises(RecordingError, match="is empty"):
        recorded_readers(load_recording(folder), Sink().put, system_clock, 0)
