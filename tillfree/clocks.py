"""How far apart the clocks of one's own videos are, found by watching people walk through all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from store_layout.geometry import StoreGeometry
from tillfree.sources.video import NS_PER_S, CameraSource, frames
from vision.detectors import Detector
from vision.people.sightings import FloorView
from vision.people.sync import ClockOffset, SyncSettings, Walk, clocks, walks_of
from vision.settings import VisionSettings
from vision.tracking import make_tracker
from vision.types import Frame

Watch = Callable[[Iterable[Frame], str], Iterable[Frame]]
"""What shows progress: takes a camera's frames and its id, gives the frames on."""


def estimate(
    geometry: StoreGeometry,
    sources: Sequence[CameraSource],
    detector: Detector,
    settings: VisionSettings,
    limit_s: float,
    watch: Watch,
) -> dict[str, ClockOffset]:
    """Return each camera's offset as ``vision.people.sync.clocks`` tells it from the first ``limit_s`` of all videos.

    Raises:
        RecordingError: a video cannot be decoded.
    """
    sync = SyncSettings()
    walks = {
        source.camera_id: _walks(
            geometry, source, detector, settings, sync, watch(_until(source, limit_s), source.camera_id)
        )
        for source in sources
    }
    return clocks(walks, sync)


def _until(source: CameraSource, limit_s: float) -> Iterator[Frame]:
    first_ns: int | None = None
    for frame in frames(source):
        first_ns = frame.captured_at_ns if first_ns is None else first_ns
        if frame.captured_at_ns - first_ns > limit_s * NS_PER_S:
            return
        yield frame


def _walks(
    geometry: StoreGeometry,
    source: CameraSource,
    detector: Detector,
    settings: VisionSettings,
    sync: SyncSettings,
    pictures: Iterable[Frame],
) -> list[Walk]:
    tracker = make_tracker(settings.tracking, source.fps)
    pairs = detector.detect_each(pictures, settings.pipeline.batch_frames)
    tracked = [tracker.update(found) for _, found in pairs]
    return walks_of(tracked, FloorView(geometry, source.camera_id), settings.people.sighting, sync)
