"""What receipts come to where pictures are left out, evenly or by chance: how far the rate may be lowered.

    python benchmarks/lowered_rates.py sample_videos/*/ [--json FILE]

Each recording is detected in once; then it is replayed with fewer of its pictures, with the pacer that a store that runs
uses, by dropping pictures at random, and by what the queues let through to a machine that is too slow. A receipt is right where it is that of ``expected.json``.
Visits are asked about as in a store that runs: where interactions are doubtful, and where shelves or gates were looked at too
seldom (``live.overload``).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from checkout.checkout import Checkout
from recordings.files import LoadedRecording, load_recording
from store_layout.geometry import StoreGeometry
from tillfree.billers import BillAtOnce
from tillfree.bootstrap import open_billing
from tillfree.eventlog import EventLogWriter
from tillfree.folds import VisitRecord
from tillfree.live.budget import Meter
from tillfree.live.overload import Overload, OverloadSources
from tillfree.live.pacer import Pacer
from tillfree.live.queues import FrameQueues, QueueSettings
from tillfree.live.watched import watched_places
from tillfree.prices import price_book
from tillfree.replay import gate_scans
from tillfree.run import StoreRun
from tillfree.settings import RunSettings, load_settings
from tillfree.sources.video import one_thread_a_picture, open_recording
from vision.detectors import Detector, find_weights, load_detector
from vision.detectors.base import Pending
from vision.pipeline import FloorStage, Instant, PixelStage
from vision.shelves import load_references
from vision.types import Detections, Frame

RATES_FPS = (10.0, 5.0, 4.0, 3.0, 2.0, 1.0)
SEEDS = (1,)
AT_RANDOM_FPS = (7.0, 5.0, 3.0)
BY_QUEUES_FPS = (7.0, 5.0, 4.0, 3.0, 2.0)

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
    doubtful: int = 0
    marked: int = 0
    wrong: int = 0

    def cells(self) -> str:
        """Return the row as markdown."""
        rate = self.looks / self.cameras_s
        return f"| {self.how} | {self.asked_fps:g} | {rate:.1f} | {self.right}/{self.visits} | {self.doubtful} | {self.marked} | {self.wrong} |"


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
        self.times_ns = {key: found.captured_at_ns for key, found in self._found.items()}
        self.seconds = (max(self.times_ns.values()) - min(self.times_ns.values())) / 1e9

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


def at_random(rate_fps: float, fps: float, seed: int) -> Keep:
    """Return what keeps as many as ``evenly``, by chance."""
    lot = random.Random(seed)
    return lambda _frame: lot.random() < rate_fps / fps


def by_queues(rate_fps: float, known: Remembered) -> Keep:
    """Return what the queues let through to a machine that looks at ``rate_fps`` pictures of each camera in the middle."""
    cameras = {camera for camera, _ in known.times_ns}
    queues, picture = FrameQueues(cameras, QueueSettings()), np.zeros((2, 2, 3), np.uint8)
    every_ns = round(1e9 / (rate_fps * len(cameras)))
    due_ns = min(known.times_ns.values())
    kept: set[tuple[str, int]] = set()
    for (camera, index), at_ns in sorted(known.times_ns.items(), key=lambda each: each[1]):
        while due_ns < at_ns:
            taken, due_ns = queues.take(0.0), due_ns + every_ns
            if taken is not None:
                kept.add((taken.camera_id, taken.index))
        queues.put(Frame(camera, index, at_ns, picture))
    return lambda frame: (frame.camera_id, frame.index) in kept


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is tried: the pacer at a rate (None: not at all), and which of the pictures that it lets through are kept."""

    how: str
    rate_fps: float
    paced_fps: float | None = None
    keep: Keep = lambda _frame: True


def plans(fps: float, known: Remembered) -> Iterator[Plan]:
    """Yield everything that is tried of cameras that send ``fps``."""
    for rate_fps in RATES_FPS:
        yield Plan("evenly", rate_fps, None if rate_fps >= fps else rate_fps)
    for rate_fps in AT_RANDOM_FPS:
        yield from (Plan("at random", rate_fps, None, at_random(rate_fps, fps, seed)) for seed in SEEDS)
    for rate_fps in BY_QUEUES_FPS:
        yield Plan("by the queues", rate_fps, None, by_queues(rate_fps, known))


class Marks:
    """Asks once a second about visits that were looked at too seldom, by the rule of a store that runs."""

    def __init__(
        self,
        loaded: LoadedRecording,
        geometry: StoreGeometry,
        settings: RunSettings,
        checkout: Checkout,
        plan: Plan,
    ) -> None:
        self._cameras = [camera.id for camera in loaded.recording.cameras]
        self._let: list[Frame] = []
        every = [camera.id for camera in loaded.store.cameras]
        self._pacer = Pacer(every, self._let.append)
        self._pacer.set_rate(plan.paced_fps)
        self._plan = plan
        queues = FrameQueues(every, settings.live.queues)
        self._overload = Overload(
            loaded.store.cameras,
            watched_places(geometry, settings.vision.shelves.observer),
            settings.vision.motion.heartbeat_s,
            settings.live.overload,
            OverloadSources(queues.counts, dict, lambda _heartbeat_s: None),
            self._pacer,
            Meter(queues, lambda: 0),
        )
        self._checkout, self._asked_ns = checkout, 0
        self.found: set[str] = set()

    def sent(self, frame: Frame) -> bool:
        """Count a picture, and tell whether it is kept."""
        self._let.clear()
        self._pacer.put(frame)
        return bool(self._let) and self._plan.keep(frame)

    def mark(self, instant: Instant, run: StoreRun) -> None:
        """Take an instant, and ask."""
        self._overload.looks.happened(instant)
        if instant.captured_at_ns - self._asked_ns < 1_000_000_000:
            return
        self._asked_ns = instant.captured_at_ns
        visits = {visit.visit_id: visit.closed_at_ns for visit in self._checkout.state.visits.values()}
        unseen = self._overload.unseen(self._cameras, instant.captured_at_ns, visits)
        if unseen is not None:
            self.found.update(unseen.visit_ids)
            run.unseen(unseen)


def visits_of(
    loaded: LoadedRecording, settings: RunSettings, detector: Detector, plan: Plan
) -> tuple[list[VisitRecord], set[str], int]:
    """Replay the pictures that are kept; return the visits, those that were looked at too seldom, and how many looks."""
    geometry = StoreGeometry(loaded.store)
    book = price_book(loaded.store, None)
    with one_thread_a_picture(), open_billing(book, None, None, settings.billing) as billing:
        floor = FloorStage(geometry, settings.vision, load_references(loaded.store, loaded.layout_path.parent))
        checkout = Checkout(settings.checkout, loaded.store)
        run = StoreRun(
            floor, checkout, BillAtOnce(billing), EventLogWriter(StringIO()), gate_scans(loaded), keep_paths=False
        )
        stage = PixelStage(detector, geometry, settings.vision)
        marks = Marks(loaded, geometry, settings, checkout, plan)
        looks = 0
        for _, observation in stage.run(frame for frame in open_recording(loaded) if marks.sent(frame)):
            instant = run.take(observation)
            if instant is not None:
                marks.mark(instant, run)
            looks += 1
        run.finish()
    return list(run.fold.visits.values()), marks.found, looks


def wanted_of(folder: Path) -> dict[str, dict[str, int]]:
    """Return what each token should pay for."""
    told = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return {each["token"]: {line["sku"]: line["quantity"] for line in each["lines"]} for each in told["receipts"]}


def count(row: Row, visits: list[VisitRecord], marked: set[str], wanted: dict[str, dict[str, int]]) -> None:
    """Add a recording's visits to ``row``."""
    found = {visit.token: visit for visit in visits}
    for token, lines in wanted.items():
        visit = found.get(token)
        is_right = visit is not None and {line.sku: line.quantity for line in visit.lines} == lines
        is_marked = visit is not None and visit.visit_id in marked
        is_doubtful = visit is not None and visit.reviewed and not is_marked
        row.visits += 1
        row.right += is_right
        row.doubtful += is_doubtful
        row.marked += is_marked
        row.wrong += not is_right and not is_doubtful and not is_marked


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
            for plan in plans(max(camera.fps for camera in loaded.store.cameras), known):
                row = rows.setdefault((plan.how, plan.rate_fps), Row(plan.how, plan.rate_fps))
                visits, marked, looks = visits_of(loaded, settings, known, plan)
                row.looks += looks
                row.cameras_s += known.seconds * len(loaded.recording.cameras)
                count(row, visits, marked, wanted_of(folder))
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1) + "\n", encoding="utf-8")
    print(
        "| pictures left out | to a rate of | looks a second and camera | right receipts | doubtful alone | looked at too seldom | wrong, not asked about |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows.values():
        print(row.cells())


if __name__ == "__main__":
    main()
