"""Frames of recordings: order, times, and every way in which a video can be wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from recordings.errors import RecordingError
from recordings.files import load_recording
from tillfree.sources.video import camera_sources, estimate_frames, frames, one_thread_a_picture, open_recording, probe

START_NS = 1_767_603_600_000_000_000  # 2026-01-05 09:00 UTC, as tiny_recording says


def set_camera(folder: Path, index: int = 0, **changes: Any) -> None:
    path = folder / "recording.yaml"
    document = yaml.safe_load(path.read_text())
    document["cameras"][index].update(changes)
    path.write_text(yaml.safe_dump(document))


def test_frames_come_with_container_times_and_pixels(tiny_recording: Path) -> None:
    got = list(open_recording(load_recording(tiny_recording)))
    assert [frame.index for frame in got] == list(range(10))
    assert [frame.captured_at_ns - START_NS for frame in got] == [k * 100_000_000 for k in range(10)]
    levels = [frame.image.mean() for frame in got]
    np.testing.assert_allclose(levels, [20 + 20 * k for k in range(10)], atol=4)


def test_uneven_times_and_offset(tiny_recording: Path, write_video: Any) -> None:
    write_video(tiny_recording / "cam_a.mp4", 4, ticks_ms=[0, 90, 310, 400])
    set_camera(tiny_recording, offset_ms=-250.5)
    got = [frame.captured_at_ns - START_NS for frame in open_recording(load_recording(tiny_recording))]
    assert got == [-250_500_000, -160_500_000, 59_500_000, 149_500_000]


def test_times_by_frame_rate_ignore_the_container(tiny_recording: Path, write_video: Any) -> None:
    write_video(tiny_recording / "cam_a.mp4", 4, ticks_ms=[0, 90, 310, 400])
    set_camera(tiny_recording, times="fps")
    got = [frame.captured_at_ns - START_NS for frame in open_recording(load_recording(tiny_recording))]
    assert got == [0, 100_000_000, 200_000_000, 300_000_000]


def test_cameras_are_merged_in_order(tmp_path: Path, write_tiny_recording: Any) -> None:
    folder = write_tiny_recording(tmp_path / "three", ("cam_c", "cam_a", "cam_b"))
    set_camera(folder, 0, offset_ms=50)
    got = [(f.captured_at_ns, f.camera_id, f.index) for f in open_recording(load_recording(folder))]
    assert len(got) == 30
    assert got == sorted(got)
    assert [camera for _, camera, _ in got[:4]] == ["cam_a", "cam_b", "cam_c", "cam_a"]


def test_limit_ends_the_recording_early(tiny_recording: Path) -> None:
    assert len(list(open_recording(load_recording(tiny_recording), limit_s=0.35))) == 4


def test_estimate_and_probe(tiny_recording: Path) -> None:
    loaded = load_recording(tiny_recording)
    assert estimate_frames(loaded) == 10
    found = probe(camera_sources(loaded)[0])
    assert (found.frames, found.resolution_px) == (10, (160, 96))
    assert found.duration_s == pytest.approx(1.0, abs=0.11)


def picture_folder(folder: Path, names: list[str], size: tuple[int, int] = (96, 160)) -> None:
    (folder / "pictures").mkdir()
    for k, name in enumerate(names):
        cv2.imwrite(str(folder / "pictures" / name), np.full((*size, 3), 20 * k, np.uint8))
    (folder / "pictures" / "labels.xml").write_text("<not a picture/>")


def test_pictures_with_unix_times_in_their_names(tiny_recording: Path) -> None:
    picture_folder(tiny_recording, ["frame_1767603601.25.jpg", "frame_1767603602.7864631.jpg"])
    set_camera(tiny_recording, video="pictures", times="file_name", offset_ms=1)
    loaded = load_recording(tiny_recording)
    assert [f.captured_at_ns - START_NS for f in open_recording(loaded)] == [1_251_000_000, 2_787_463_100]
    assert probe(camera_sources(loaded)[0]).frames == 2


def test_pictures_at_the_frame_rate(tiny_recording: Path) -> None:
    picture_folder(tiny_recording, ["000001.png", "000002.png", "000003.png"])
    set_camera(tiny_recording, video="pictures", times="fps")
    got = [f.captured_at_ns - START_NS for f in open_recording(load_recording(tiny_recording))]
    assert got == [0, 100_000_000, 200_000_000]


@pytest.mark.parametrize(
    ("names", "times", "words"),
    [
        (["1.png"], "container", "has no container times"),
        (["front.png"], "file_name", "no number in its name"),
        ([], "fps", "holds no .jpg or .png"),
    ],
)
def test_picture_folders_that_cannot_be_timed(tiny_recording: Path, names: list[str], times: str, words: str) -> None:
    picture_folder(tiny_recording, names)
    set_camera(tiny_recording, video="pictures", times=times)
    with pytest.raises(RecordingError, match=words):
        open_recording(load_recording(tiny_recording))


def test_pictures_out_of_order(tiny_recording: Path) -> None:
    picture_folder(tiny_recording, ["a_20.png", "b_10.png"])
    set_camera(tiny_recording, video="pictures", times="file_name")
    with pytest.raises(RecordingError, match="not after the frame before"):
        list(open_recording(load_recording(tiny_recording)))


def test_a_damaged_picture(tiny_recording: Path) -> None:
    picture_folder(tiny_recording, ["1.png", "2.png"])
    (tiny_recording / "pictures" / "2.png").write_bytes(b"\x89PNG but no more")
    set_camera(tiny_recording, video="pictures", times="fps")
    with pytest.raises(RecordingError, match=r"2\.png: cannot be read as a picture"):
        list(open_recording(load_recording(tiny_recording)))


@pytest.mark.parametrize(
    ("keep", "words"),
    [(0, "is empty"), (0.1, "video"), (0.8, "is cut short: .* bytes of at least"), (0.99, "cut short")],
)
def test_cut_files_are_found_before_the_first_frame(tiny_recording: Path, keep: float, words: str) -> None:
    video = tiny_recording / "cam_a.mp4"
    data = video.read_bytes()
    video.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(RecordingError, match=words) as caught:
        open_recording(load_recording(tiny_recording))
    assert "cam_a.mp4" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damage_inside_a_file_is_told_with_its_frame(tiny_recording: Path) -> None:
    video = tiny_recording / "cam_a.mp4"
    data = bytearray(video.read_bytes())
    data[-400:] = b"\xff" * 400
    video.write_bytes(bytes(data))
    with pytest.raises(RecordingError, match=r"frame \d+: cannot be decoded|ends after"):
        list(open_recording(load_recording(tiny_recording)))


def test_wrong_resolution_names_both(tiny_recording: Path, write_video: Any) -> None:
    write_video(tiny_recording / "cam_a.mp4", 3, (128, 96))
    with pytest.raises(RecordingError, match="has 128x96 pixels, but the layout gives camera 'cam_a' 160x96"):
        open_recording(load_recording(tiny_recording))


def test_a_text_file_is_no_video(tiny_recording: Path) -> None:
    (tiny_recording / "cam_a.mp4").write_text("hello")
    with pytest.raises(RecordingError, match="cannot be read as a video"):
        open_recording(load_recording(tiny_recording))


def test_names_carry_no_meaning(tiny_recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(tiny_recording, other)
    (other / "cam_a.mp4").rename(other / "x.bin")
    set_camera(other, video="x.bin")
    one = [(f.captured_at_ns, f.image.tobytes()) for f in open_recording(load_recording(tiny_recording))]
    assert one == [(f.captured_at_ns, f.image.tobytes()) for f in open_recording(load_recording(other))]


def test_real_clips_decode_whole(shared_dir: Path) -> None:
    from tillfree.sources.video import CameraSource

    clip = shared_dir / "clips/pets09-s2l1/vtest.avi"
    source = CameraSource("v", clip, (768, 576), 10.0, "container", 0, 0)
    assert probe(source).frames == 795
    times = [frame.captured_at_ns for _, frame in zip(range(50), frames(source), strict=False)]
    assert times == [k * 100_000_000 for k in range(50)]


def test_opencv_gets_its_threads_back() -> None:
    before = cv2.getNumThreads()
    with one_thread_a_picture():
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
