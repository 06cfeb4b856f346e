"""What receipts come to where pictures are left out, evenly or by chance: how far the rate may be lowered.

    python benchmarks/lowered_rates.py sample_videos/*/ [--json FILE]

Each recording is detected in once; then it is replayed with fewer of its pictures, with the pacer that a store that runs
uses, and by dropping pictures at random. A receipt is right where it is that of ``expected.json``.
``looks`` is how many pictures a second and camera are looked at.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

from checkout.checkout import Checkout
from recordings.files import LoadedRecording, load_recording
from store_layout.geometry import StoreGeometry
from tillfree.billers import BillAtOnce
from tillfree.bootstrap import open_billing
from tillfree.eventlog import EventLogWriter
from tillfree.folds import VisitRecord
from tillfree.live.pacer import EvenGrid
from tillfree.prices import price_book
from tillfree.replay import gate_scans
from tillfree.run import StoreRun
from tillfree.settings import RunSettings, load_settings
from tillfree.sources.video import one_thread_a_picture, open_recording
from vision.detectors import Detector, find_weights, load_detector
from vision.detectors.base import Pending
from vision.pipeline import FloorStage, PixelStage
from vision.shelves import load_references
from vision.types import Detections, Frame

RATES_FPS = (10.0, 7.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.0)
SEEDS = (1,)
AT_RANDOM_FPS = (5.0, 3.0)

Keep = Callable[[Frame], bool]
"""Says of a picture whether it is looked at; pictures come in the order of their times."""


@dataclass(slots=True)
class Row:
    """What came of all recordings at one rate; ``wrong`` receipts are those that no operator is asked about."""

    how: str
    asked_fps: float
    looks: float = 0.0
    cameras_s: float = 0.0
    visits: int = 0
    right: int = 0
    reviewed: int = 0
    wrong: int = 0

    def cells(self) -> str:
        """Return the row as markdown."""
        rate = self.looks / self.cameras_s
        return f"| {self.how} | {self.asked_fps:g} | {rate:.1f} | {self.right}/{self.visits} | {self.reviewed} | {self.wrong} |"


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the detector found in a picture, known beforehand."""

    found: Detections

    def ready(self) -> bool:
        """Say yes."""
        return True

    def result(self) -> Detections:
        """Return it."""
        return self.found


class Remembered(Detector):
    """A detector that looked at everything already."""

    def __init__(self, detector: Detector, loaded: LoadedRecording) -> None:
        self._detector = detector
        looked = detector.detect_each(open_recording(loaded), 8)
        self._found = {(frame.camera_id, frame.index): found for frame, found in looked}
        times = [found.captured_at_ns for found in self._found.values()]
        self.seconds = (max(times) - min(times)) / 1e9

    @property
    def name(self) -> str:
        """The detector's own."""
        return self._detector.name

    @property
    def fingerprint(self) -> str:
        """The detector's own."""
        return self._detector.fingerprint

    @property
    def input_size_px(self) -> tuple[int, int]:
        """The detector's own."""
        return self._detector.input_size_px

    def begin(self, frame: Frame) -> Pending:
        """Know the answer."""
        return Known(self._found[frame.camera_id, frame.index])


def evenly(rate_fps: float, fps: float) -> Keep:
    """Return the pacer's own rule."""
    grids: dict[str, EvenGrid] = {}
    period_ns = 0 if rate_fps >= fps else round(1e9 / rate_fps)
    return lambda frame: grids.setdefault(frame.camera_id, EvenGrid()).passes(frame.captured_at_ns, period_ns)


def at_random(rate_fps: float, fps: float, seed: int) -> Keep:
    """Return what keeps as many as ``evenly``, by chance."""
    lot = random.Random(seed)
    return lambda _frame: lot.random() < rate_fps / fps


def plans(fps: float) -> Iterator[tuple[str, float, Keep]]:
    """Yield everything that is tried of cameras that send ``fps``."""
    for rate_fps in RATES_FPS:
        yield "evenly", rate_fps, evenly(rate_fps, fps)
    for rate_fps in AT_RANDOM_FPS:
        for seed in SEEDS:
            yield "at random", rate_fps, at_random(rate_fps, fps, seed)


def visits_of(
    loaded: LoadedRecording, settings: RunSettings, detector: Detector, keep: Keep
) -> tuple[list[VisitRecord], int]:
    """Replay the pictures that are kept; return the visits and how many pictures were looked at."""
    geometry = StoreGeometry(loaded.store)
    book = price_book(loaded.store, None)
    with one_thread_a_picture(), open_billing(book, None, None, settings.billing) as billing:
        floor = FloorStage(geometry, settings.vision, load_references(loaded.store, loaded.layout_path.parent))
        checkout = Checkout(settings.checkout, loaded.store)
        run = StoreRun(
            floor, checkout, BillAtOnce(billing), EventLogWriter(StringIO()), gate_scans(loaded), keep_paths=False
        )
        stage = PixelStage(detector, geometry, settings.vision)
        looks = 0
        for _, observation in stage.run(frame for frame in open_recording(loaded) if keep(frame)):
            run.take(observation)
            looks += 1
        run.finish()
    return list(run.fold.visits.values()), looks


def wanted_of(folder: Path) -> dict[str, dict[str, int]]:
    """Return what each token should pay for."""
    told = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return {each["token"]: {line["sku"]: line["quantity"] for line in each["lines"]} for each in told["receipts"]}


def count(row: Row, visits: list[VisitRecord], wanted: dict[str, dict[str, int]]) -> None:
    """Add a recording's visits to ``row``."""
    found = {visit.token: visit for visit in visits}
    for token, lines in wanted.items():
        visit = found.get(token)
        is_right = visit is not None and {line.sku: line.quantity for line in visit.lines} == lines
        is_reviewed = visit is not None and visit.reviewed
        row.visits += 1
        row.right += is_right
        row.reviewed += is_reviewed
        row.wrong += not is_right and not is_reviewed


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    detector = load_detector(find_weights().path)
    rows: dict[tuple[str, float], Row] = {}
    for folder in given.recordings:
        if (folder / "recording.yaml").is_file():
            loaded = load_recording(folder)
            settings, known = load_settings(loaded.settings_path), Remembered(detector, loaded)
            for how, rate_fps, keep in plans(max(camera.fps for camera in loaded.store.cameras)):
                row = rows.setdefault((how, rate_fps), Row(how, rate_fps))
                visits, looks = visits_of(loaded, settings, known, keep)
                row.looks += looks
                row.cameras_s += known.seconds * len(loaded.recording.cameras)
                count(row, visits, wanted_of(folder))
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1) + "\n", encoding="utf-8")
    print(
        "| pictures left out | to a rate of | looks a second and camera | right receipts | asked about | wrong, not asked about |"
    )
    print("|---|---|---|---|---|---|")
    for row in rows.values():
        print(row.cells())


if __name__ == "__main__":
    main()
