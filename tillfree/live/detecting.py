"""What a store's processes look for people with, and the recordings they may be given in place of cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recordings.files import LoadedRecording, load_recording
from store_layout.errors import InputError
from store_layout.model import Camera
from tillfree.live.budget import first_cost_ns
from tillfree.live.overload import outlook
from tillfree.live.storefile import StoreConfig
from tillfree.settings import RunSettings
from vision.detectors import Detector, find_weights, load_detector, rendered_people_notice


def recording_of(place: Path, config: StoreConfig) -> LoadedRecording:
    """Read the recording at ``place``. Raises InputError where it is wrong, or of another store."""
    loaded = load_recording(place)
    if loaded.store != config.store:
        mend = f"name {loaded.layout_path} as layout in the store file, or another recording"
        raise InputError("was made with another layout than the store file's", file=loaded.file, mend=mend)
    return loaded


def detector_of(
    config: StoreConfig, settings: RunSettings, loaded: LoadedRecording | None, tell: Callable[[str], None]
) -> Detector:
    """Load the detector of the store file's weights, or the recording's. Raises InputError where there is none."""
    named = None if loaded is None else loaded.weights_path
    found = find_weights(config.weights_path, named)
    notice = rendered_people_notice(found.path, rendered_recording=loaded is not None and loaded.recording.rendered)
    if notice:
        tell(notice)
    slow = {each.id for each in config.store.cameras if each.fps < settings.vision.shelves.slow.below_fps}
    return load_detector(found.path, settings.vision.detector, things_of=slow)


def tell_outlook(
    detector: Detector,
    cameras: Sequence[Camera],
    settings: RunSettings,
    clock: Callable[[], int],
    tell: Callable[[str], None],
) -> None:
    """Say what rate will be had, where the detector alone is too slow for all that the cameras send."""
    if cameras:
        said = outlook(first_cost_ns(detector, cameras, clock), cameras, settings.live.overload)
        if said is not None:
            tell(said)
