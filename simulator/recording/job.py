"""One recording to be rendered: what, into which pieces, and by what it is recognised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import simulator
from simulator.recording.settings import RecordingSettings
from simulator.scenario.files import LoadedScenario
from simulator.scenario.play import Play
from simulator.scenario.truth import frame_count


@dataclass(frozen=True, slots=True)
class Job:
    """What to render. ``cameras`` in the layout's order; all have one frame rate."""

    loaded: LoadedScenario
    seed: int
    cameras: tuple[str, ...]
    settings: RecordingSettings

    @property
    def fps(self) -> float:
        """The frame rate of the cameras."""
        return next(camera.fps for camera in self.loaded.store.cameras if camera.id in self.cameras)

    @property
    def fingerprint(self) -> str:
        """A digest of everything that the pictures depend on: scenario, layout, seed, settings and this program."""
        parts = {
            "scenario": self.loaded.scenario.model_dump(mode="json"),
            "store": self.loaded.store.model_dump(mode="json"),
            "catalogue": self._catalogue(),
            "seed": self.seed,
            "cameras": self.cameras,
            "settings": self.settings.model_dump(mode="json"),
            "program": program_digest(),
        }
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _catalogue(self) -> dict[str, object] | None:
        """What products look like, where the scenario brings a catalogue; the simulator's own is part of the program."""
        found = self.loaded.catalogue
        return None if found is None else {sku: spec.model_dump(mode="json") for sku, spec in found.items()}


@dataclass(frozen=True, slots=True)
class Piece:
    """The pictures ``first`` to ``end`` (without it) of all cameras."""

    index: int
    first: int
    end: int

    def video(self, folder: Path, camera_id: str) -> Path:
        """The file of one camera's pictures."""
        return folder / f"{self.index:05d}.{camera_id}.mp4"

    def truth(self, folder: Path) -> Path:
        """The file of the boxes and keypoints; it is written last, so it marks the piece as done."""
        return folder / f"{self.index:05d}.npz"


def pieces_of(job: Job, play: Play) -> list[Piece]:
    """The pieces of a recording, in order."""
    total = frame_count(play, job.fps)
    length = max(1, round(job.settings.chunk_s * job.fps))
    starts = range(0, total, length)
    return [Piece(index, start, min(start + length, total)) for index, start in enumerate(starts)]


def program_digest() -> str:
    """A digest of the simulator's own code and assets; whatever changes there makes old pieces stale."""
    root = Path(simulator.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        part = file.relative_to(root)
        if file.suffix in (".py", ".yaml", ".npz") and part.parts[0] != "training":
            digest.update(str(part.as_posix()).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
