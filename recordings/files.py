"""Reading and writing recordings: recording.yaml and gate_scans.yaml, cross-checked with the layout.

Only what these files say counts; the names of the folder and of the video files carry no meaning.
Writers give the same bytes for the same data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from recordings.errors import RecordingError, wrong
from recordings.model import GateScan, RecordedCamera, Recording
from recordings.truth import LoadedTruth, load_truth, write_truth
from store_layout.files import load_store, read_model
from store_layout.model import Store, Strict

__all__ = [
    "GateScans",
    "LoadedRecording",
    "LoadedTruth",
    "load_recording",
    "load_truth",
    "write_gate_scans",
    "write_recording",
    "write_truth",
]

RECORDING_FILE = "recording.yaml"


class GateScans(Strict):
    """gate_scans.yaml: every pass or card shown at a gate, in any order."""

    version: Literal[1]
    scans: tuple[GateScan, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedRecording:
    """A recording whose parts fit together and whose files are there.

    ``paths`` gives each camera's video file or picture folder; ``scans`` are sorted by time and
    token; ``settings_path`` and ``weights_path`` are what recording.yaml names, or None.
    """

    recording: Recording
    store: Store
    file: Path
    layout_path: Path
    scans: tuple[GateScan, ...]
    paths: Mapping[str, Path]
    settings_path: Path | None = None
    weights_path: Path | None = None

    @property
    def base_dir(self) -> Path:
        """The folder that the paths in recording.yaml are relative to."""
        return self.file.parent


def load_recording(place: Path) -> LoadedRecording:
    """Read the recording at ``place``: its folder, or its recording.yaml by whatever name.

    Raises RecordingError where a file is missing or wrong, a camera is not in the layout or given
    twice, or a scan names no gate; LayoutError where the layout is wrong.
    """
    file = place / RECORDING_FILE if place.is_dir() else place
    if not file.is_file():
        raise wrong(file, None, "does not exist", "name a folder with a recording.yaml, or that file")
    recording = read_model(file, Recording, RecordingError)
    base = file.parent
    layout_path = base / recording.layout
    if not layout_path.is_file():
        raise wrong(file, "layout", f"there is no file '{recording.layout}'", "put the layout there")
    store = load_store(layout_path)
    _check_cameras(file, recording, store)
    return LoadedRecording(
        recording=recording,
        store=store,
        file=file,
        layout_path=layout_path,
        scans=_load_scans(file, recording, store),
        paths=_video_paths(file, recording),
        settings_path=_optional(file, "settings", recording.settings),
        weights_path=_optional(file, "weights", recording.weights),
    )


def write_recording(base_dir: Path, recording: Recording) -> Path:
    """Write ``recording`` as ``base_dir``/recording.yaml and return that path."""
    document = {"version": recording.version, **recording.model_dump(mode="json", exclude_defaults=True)}
    return _write_yaml(base_dir / RECORDING_FILE, document)


def write_gate_scans(file: Path, scans: tuple[GateScan, ...]) -> Path:
    """Write ``scans`` to ``file``, sorted by time and token, and return that path."""
    ordered = sorted(scans, key=_scan_order)
    return _write_yaml(
        file, {"version": 1, "scans": [scan.model_dump(mode="json", exclude_defaults=True) for scan in ordered]}
    )


def _write_yaml(file: Path, document: Mapping[str, object]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120)
    file.write_text(text, encoding="utf-8", newline="\n")
    return file


def _scan_order(scan: GateScan) -> tuple[float, str, str]:
    return (scan.at_s, scan.token, scan.gate)


def _check_cameras(file: Path, recording: Recording, store: Store) -> None:
    counts = Counter(camera.id for camera in recording.cameras)
    known = {camera.id for camera in store.cameras}
    for index, camera in enumerate(recording.cameras):
        where = f"cameras[{index}].id"
        if counts[camera.id] > 1:
            raise wrong(file, where, f"two cameras have the id '{camera.id}'", "give each its own")
        if camera.id not in known:
            mend = f"the layout has: {', '.join(sorted(known))}"
            raise wrong(file, where, f"there is no camera '{camera.id}' in the layout", mend)


def _video_paths(file: Path, recording: Recording) -> dict[str, Path]:
    return {camera.id: _video_path(file, index, camera) for index, camera in enumerate(recording.cameras)}


def _video_path(file: Path, index: int, camera: RecordedCamera) -> Path:
    path = file.parent / camera.video
    if not path.exists():
        where = f"cameras[{index}].video"
        raise wrong(file, where, f"there is no file '{camera.video}'", "put the video there or mend the path")
    return path


def _optional(file: Path, field: str, name: str | None) -> Path | None:
    if name is None:
        return None
    path = file.parent / name
    if not path.exists():
        raise wrong(file, field, f"there is no file '{name}'", "mend the path or take the key out")
    return path


def _load_scans(file: Path, recording: Recording, store: Store) -> tuple[GateScan, ...]:
    """Read the gate scans; the default name may be missing (nobody scanned), a name written out may not."""
    if recording.gate_scans is None:
        return ()
    path = file.parent / recording.gate_scans
    if not path.is_file():
        if "gate_scans" not in recording.model_fields_set:
            return ()
        raise wrong(file, "gate_scans", f"there is no file '{recording.gate_scans}'", "add it, or write null")
    scans = read_model(path, GateScans, RecordingError).scans
    gates = {gate.id for gate in store.gates}
    for index, scan in enumerate(scans):
        if scan.gate not in gates:
            mend = f"the layout has: {', '.join(sorted(gates)) or 'no gates'}"
            raise wrong(path, f"scans[{index}].gate", f"there is no gate '{scan.gate}' in the layout", mend)
    return tuple(sorted(scans, key=_scan_order))
