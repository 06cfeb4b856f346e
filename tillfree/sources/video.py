"""Frames of recorded cameras, in the one order in which the pipeline takes them.

PyAV decodes files with one thread a camera: it gives exact container times and says what is wrong
with a file, and with OpenCV's colour conversion it costs what OpenCV's own reader costs (measured
on 640x360 H.264: 0.67 ms a frame against 0.59 ms). Memory is one frame a camera, however long the
recording is. A mistake in a file is a RecordingError that names the file and the mend.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error
import cv2
import numpy as np

from recordings.errors import wrong
from recordings.files import LoadedRecording
from recordings.model import RecordedCamera
from store_layout.model import Camera
from tillfree.sources.pictures import Decoded
from vision.types import U8, Frame, Picture

NS_PER_S = 1_000_000_000
PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png"})
# Edit lists and open groups at the start may cost a few pictures that the index counts; more is a cut file.
MISSING_SHARE_MAX = 0.05

Times = Literal["container", "fps", "file_name"]


@dataclass(frozen=True, slots=True)
class CameraSource:
    """One camera's video and what the recording and the layout say of it."""

    camera_id: str
    path: Path
    resolution_px: tuple[int, int]
    fps: float
    times: Times
    started_at_ns: int
    offset_ns: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look at a video's head tells; ``frames`` and ``duration_s`` are the container's word, not counted."""

    camera_id: str
    frames: int
    duration_s: float
    resolution_px: tuple[int, int]


@contextmanager
def one_thread_a_picture() -> Iterator[None]:
    """Let OpenCV work on a picture with the calling thread alone.

    Its own pool waits for cores that the detector keeps busy, and spins while it waits: pictures of 640x360 took
    15 % more processor time and 28 % longer with it (decoding and shelf patches, two busy cores).
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def camera_sources(loaded: LoadedRecording) -> tuple[CameraSource, ...]:
    """Return the sources of ``loaded`` in the order of recording.yaml."""
    cameras = {camera.id: camera for camera in loaded.store.cameras}
    return tuple(_source(loaded, recorded, cameras[recorded.id]) for recorded in loaded.recording.cameras)


def _source(loaded: LoadedRecording, recorded: RecordedCamera, camera: Camera) -> CameraSource:
    return CameraSource(
        camera_id=recorded.id,
        path=loaded.paths[recorded.id],
        resolution_px=camera.resolution_px,
        fps=camera.fps,
        times=recorded.times,
        started_at_ns=loaded.recording.started_at_ns,
        offset_ns=round(recorded.offset_ms * 1_000_000),
    )


def open_recording(loaded: LoadedRecording, limit_s: float | None = None) -> Iterator[Frame]:
    """Return the frames of all cameras in the order (captured_at_ns, camera id, index).

    Every file is probed before the first frame is given, so that what is wrong with one comes out
    at once; ``limit_s`` ends the recording that long after its start. Raises RecordingError.
    """
    sources = camera_sources(loaded)
    for source in sources:
        probe(source)
    merged = heapq.merge(*(frames(source) for source in sources), key=frame_order)
    if limit_s is None:
        return merged
    end_ns = loaded.recording.started_at_ns + round(limit_s * NS_PER_S)
    return _until(merged, end_ns)


def _until(merged: Iterator[Frame], end_ns: int) -> Iterator[Frame]:
    for frame in merged:
        if frame.captured_at_ns >= end_ns:
            return
        yield frame


def frame_order(frame: Frame) -> tuple[int, str, int]:
    """Return the key by which frames of several cameras are ordered."""
    return (frame.captured_at_ns, frame.camera_id, frame.index)


def estimate_frames(loaded: LoadedRecording) -> int:
    """Return how many frames the recording has by its containers' word, for a progress bar."""
    return sum(probe(source).frames for source in camera_sources(loaded))


def probe(source: CameraSource) -> Probe:
    """Return what the head of ``source`` says; raise RecordingError where it cannot be decoded or does not fit.

    Decodes the first picture, and compares the container's index with the file's size, so that a
    file cut short is found without reading it through.
    """
    if source.path.is_dir():
        return _probe_pictures(source)
    with _open(source.path) as container:
        stream = _video_stream(source, container)
        _check_index(source, stream)
        first = next(_decode(source, container, stream), None)
        if first is None:
            raise wrong(source.path, None, "holds no frame", "record it again or leave this camera out")
        _check_picture(source, first)
        return Probe(source.camera_id, *_length(source, stream), (first.width, first.height))


def frames(source: CameraSource) -> Iterator[Frame]:
    """Decode the frames of one camera, each with its time on the recording's clock.

    Raises RecordingError where the video cannot be decoded, has another resolution than the layout
    says, ends before its container says, or its times do not rise.
    """
    is_folder = source.path.is_dir()
    pictures: Iterator[tuple[int, U8 | Picture]] = _folder_pictures(source) if is_folder else _file_pictures(source)
    before_ns: int | None = None
    for index, (captured_at_ns, picture) in enumerate(pictures):
        if before_ns is not None and captured_at_ns <= before_ns:
            mend = "write 'times: fps' for this camera, or mend the file"
            raise wrong(source.path, f"frame {index}", "its time is not after the frame before it", mend)
        before_ns = captured_at_ns
        yield Frame(source.camera_id, index, captured_at_ns, picture)


def _file_pictures(source: CameraSource) -> Iterator[tuple[int, Picture]]:
    if source.times == "file_name":
        raise wrong(source.path, None, "is not a folder of pictures", "write 'times: container' for this camera")
    with _open(source.path) as container:
        stream = _video_stream(source, container)
        promised, index, first_pts = stream.frames, -1, 0
        for index, picture in enumerate(_decode(source, container, stream)):
            _check_picture(source, picture)
            if index == 0:
                first_pts = picture.pts or 0
            yield _captured_at_ns(source, index, picture, first_pts), Decoded(picture)
        if index + 1 < promised * (1 - MISSING_SHARE_MAX) or index < 0:
            raise wrong(source.path, None, f"ends after {index + 1} of {promised} frames", "copy the whole file again")


def _captured_at_ns(source: CameraSource, index: int, picture: av.VideoFrame, first_pts: int) -> int:
    """Put a picture on the recording's clock; a container's times count from its first picture."""
    start_ns = source.started_at_ns + source.offset_ns
    if source.times == "fps":
        return start_ns + _nth_ns(index, source.fps)
    if picture.pts is None or picture.time_base is None:
        raise wrong(source.path, f"frame {index}", "has no time in the container", "write 'times: fps'")
    return start_ns + round(Fraction(picture.time_base) * (picture.pts - first_pts) * NS_PER_S)


def _nth_ns(index: int, fps: float) -> int:
    """Return the time of frame ``index`` at ``fps``; exact arithmetic, so that it is the same everywhere."""
    return round(index * NS_PER_S / Fraction(fps))


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        what = "is empty" if path.is_file() and path.stat().st_size == 0 else "cannot be read as a video"
        raise wrong(path, None, what, "copy the whole file again, or record it again") from error


def _video_stream(source: CameraSource, container: av.container.InputContainer) -> av.VideoStream:
    if not container.streams.video:
        raise wrong(source.path, None, "holds no video", "name a video file, or a folder of pictures")
    stream = container.streams.video[0]
    # one thread a camera: the machine's cores are the pipeline's to share out
    stream.codec_context.thread_count = 1
    return stream


def _decode(
    source: CameraSource, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    index = 0
    try:
        for picture in container.decode(stream):
            yield picture
            index += 1
    except av.error.FFmpegError as error:
        mend = "copy the whole file again, or record it again"
        raise wrong(source.path, f"frame {index}", "cannot be decoded: the file is damaged", mend) from error


def _check_index(source: CameraSource, stream: av.VideoStream) -> None:
    size = source.path.stat().st_size
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if end > size:
        problem = f"is cut short: {size} bytes of at least {end}"
        raise wrong(source.path, None, problem, "copy the whole file again, or record it again")


def _check_picture(source: CameraSource, picture: av.VideoFrame) -> None:
    _check_resolution(source, source.path, picture.width, picture.height)
    if picture.rotation:
        problem = f"is stored turned by {picture.rotation} degrees"
        raise wrong(source.path, None, problem, "store it upright: ffmpeg -i IN OUT")


def _check_resolution(source: CameraSource, path: Path, width_px: int, height_px: int) -> None:
    if (width_px, height_px) != source.resolution_px:
        want = "x".join(map(str, source.resolution_px))
        problem = f"has {width_px}x{height_px} pixels, but the layout gives camera '{source.camera_id}' {want}"
        raise wrong(path, None, problem, "mend resolution_px in the layout, or name the right video")


def _length(source: CameraSource, stream: av.VideoStream) -> tuple[int, float]:
    """Return frames and seconds by the container's word; 0 where it says nothing."""
    rate = float(stream.average_rate or source.fps)
    duration_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    if source.times == "fps" and stream.frames:
        duration_s = stream.frames / source.fps
    return stream.frames or round(duration_s * rate), duration_s


def _picture_files(source: CameraSource) -> list[Path]:
    files = sorted(file for file in source.path.iterdir() if file.suffix.lower() in PICTURE_ENDINGS)
    if not files:
        raise wrong(source.path, None, "holds no .jpg or .png picture", "put the pictures there")
    return files


def _folder_pictures(source: CameraSource) -> Iterator[tuple[int, U8]]:
    for index, file in enumerate(_picture_files(source)):
        yield _picture_time_ns(source, index, file), _read_picture(source, file)


def _picture_time_ns(source: CameraSource, index: int, file: Path) -> int:
    if source.times == "container":
        mend = "write 'times: fps' or 'times: file_name' for this camera"
        raise wrong(source.path, None, "is a folder of pictures, which has no container times", mend)
    if source.times == "fps":
        return source.started_at_ns + source.offset_ns + _nth_ns(index, source.fps)
    numbers = re.findall(r"\d+(?:\.\d+)?", file.stem)
    if not numbers:
        raise wrong(file, None, "has no number in its name", "name it by its unix time, or write 'times: fps'")
    return round(Decimal(numbers[-1]) * NS_PER_S) + source.offset_ns


def _read_picture(source: CameraSource, file: Path) -> U8:
    data = np.fromfile(file, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise wrong(file, None, "cannot be read as a picture", "copy it again or take it out")
    _check_resolution(source, file, image.shape[1], image.shape[0])
    return np.asarray(image, np.uint8)


def _probe_pictures(source: CameraSource) -> Probe:
    files = _picture_files(source)
    first_ns = _picture_time_ns(source, 0, files[0])
    last_ns = _picture_time_ns(source, len(files) - 1, files[-1])
    image = _read_picture(source, files[0])
    return Probe(source.camera_id, len(files), (last_ns - first_ns) / NS_PER_S, (image.shape[1], image.shape[0]))
