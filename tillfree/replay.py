"""Replay of a recording: from its video, or from a tape of it, to events, receipts and charges."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from billing.edge import ReceiptModel
from billing.pricebook import PriceBook
from billing.types import BillingPort, Receipt
from checkout.checkout import Checkout
from checkout.types import GateScanned
from recordings.files import LoadedRecording, load_recording
from recordings.model import seconds_to_ns
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry
from tillfree.billers import BillAtOnce
from tillfree.evaluation.outcome import RunOutcome
from tillfree.eventlog import EventLogWriter
from tillfree.folds import StoreFold, outcome_of
from tillfree.prices import price_book
from tillfree.run import StoreRun
from tillfree.settings import RunSettings, load_settings
from tillfree.sources.video import estimate_frames, one_thread_a_picture, open_recording
from tillfree.tape import TapeError, TapeWriter, file_digest, read_fingerprint, read_tape
from vision.detectors import Detector, FoundWeights, find_weights, load_detector, rendered_people_notice
from vision.pipeline import FloorStage, Instant, PixelStage
from vision.shelves import load_references
from vision.types import Frame, Observation

if TYPE_CHECKING:
    from tillfree.views import ViewMaker

EVENTS_FILE = "events.jsonl"
TAPE_FILE = "observations.tape"
VIDEO_FILE = "annotated.mp4"
REPORT_FILE = "report.html"
BILLING_FILE = "billing.sqlite"
SANDBOX_FILE = "sandbox.jsonl"
RECEIPTS_FILE = "receipts.json"


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What a replay is asked for. ``tape`` drives it from a tape instead of the video.

    ``tapes`` is a folder of tapes by what they were made of: the one that fits drives the replay, and where there is none yet
    the replay leaves one there. Not together with ``tape`` or ``limit_s``.
    ``limit_s`` ends the replay that many seconds after the recording's start. ``heads`` leaves heads recognisable in the pictures that are kept; without it they are hidden. ``paths`` keeps where everybody was,
    which scoring needs and which grows with the recording; without it the outcome has no paths. ``prices`` is a price
    file that receipts are made by, in place of the layout's prices.
    """

    weights: Path | None = None
    settings: Path | None = None
    tape: Path | None = None
    keep_tape: bool = False
    video: bool = False
    report: bool = False
    heads: bool = False
    limit_s: float | None = None
    paths: bool = True
    prices: Path | None = None
    billing_url: str | None = None
    billing_run: str | None = None
    tapes: Path | None = None


class ReplayListener(Protocol):
    """Somebody who watches a replay. Every method is called from the replay's own thread."""

    def started(self, frame_count: int, notices: Sequence[str]) -> None:
        """Say that about ``frame_count`` frames are to come."""

    def advanced(self, frames: int, fold: StoreFold) -> None:
        """Say that ``frames`` more frames are done, and how the carts stand."""

    def finished(self, fold: StoreFold) -> None:
        """Say that all receipts are final."""


class Silent:
    """A listener who does nothing."""

    def started(self, frame_count: int, notices: Sequence[str]) -> None:
        """Do nothing."""

    def advanced(self, frames: int, fold: StoreFold) -> None:
        """Do nothing."""

    def finished(self, fold: StoreFold) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class ReplayResult:
    """What a replay came to. ``files`` are those it wrote, by what they are."""

    outcome: RunOutcome
    fold: StoreFold
    receipts: dict[str, Receipt]
    frame_count: int
    late_count: int
    notices: tuple[str, ...]
    files: dict[str, Path] = field(default_factory=dict)


def run_recording(path: Path, *, out: Path | None = None, options: ReplayOptions | None = None) -> RunOutcome:
    """Replay the recording at ``path`` and return what is scored."""
    return replay(path, out=out, options=options or ReplayOptions()).outcome


def replay(
    path: Path, *, out: Path | None, options: ReplayOptions, listener: ReplayListener | None = None
) -> ReplayResult:
    """Replay a recording; with ``out``, leave log, receipts and what else was asked for there.

    Raises:
        InputError: the recording, its layout, settings, weights, video, tape or price file is not as it must be.
    """
    loaded = load_recording(path)
    settings = load_settings(options.settings or loaded.settings_path)
    book = price_book(loaded.store, options.prices)
    if out is not None:
        _prepare(out)
    tape = None if out is None or not options.keep_tape else out / TAPE_FILE
    if options.tapes is not None:
        found = _tape_in(options.tapes, loaded, settings, options)
        options, tape = (replace(options, tape=found), None) if found.exists() else (options, found)
    with one_thread_a_picture(), ExitStack() as stack:
        return _Replay(loaded, settings, book, out, options, tape, listener or Silent(), stack).run()


def _tape_in(folder: Path, loaded: LoadedRecording, settings: RunSettings, options: ReplayOptions) -> Path:
    """Return where a tape lies in ``folder``, or would lie: by all that it is made of, the detector's files too."""
    if options.tape is not None or options.limit_s is not None:
        raise ValueError("a folder of tapes serves whole recordings, and no tape of its own is named beside it")
    folder.mkdir(parents=True, exist_ok=True)
    weights = file_digest(find_weights(options.weights, loaded.weights_path).path)
    made_of = fingerprint(loaded, settings, None) | {"weights": weights}
    return folder / f"{hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]}.tape"


def _prepare(out: Path) -> None:
    """Make the folder ready: a former run's files may be replaced, anything else may not."""
    if out.exists() and not out.is_dir():
        raise InputError("is a file", file=out, mend="name a folder with -o")
    if out.is_dir() and any(out.iterdir()) and not (out / EVENTS_FILE).exists():
        raise InputError("is not empty and holds no former run", file=out, mend="name another folder with -o")
    out.mkdir(parents=True, exist_ok=True)
    for name in (EVENTS_FILE, VIDEO_FILE, REPORT_FILE, RECEIPTS_FILE, SANDBOX_FILE):
        (out / name).unlink(missing_ok=True)
    for leftover in out.glob(BILLING_FILE + "*"):
        leftover.unlink()


def gate_scans(loaded: LoadedRecording) -> tuple[GateScanned, ...]:
    """Return a recording's gate scans as checkout takes them, numbered in order of time."""
    return tuple(
        GateScanned(
            f"scan-{number}", scan.gate, seconds_to_ns(loaded.recording, scan.at_s), scan.token, scan.party_size
        )
        for number, scan in enumerate(loaded.scans, start=1)
    )


def fingerprint(loaded: LoadedRecording, settings: RunSettings, detector: Detector | None) -> dict[str, str]:
    """Return what a tape was made of: videos and their times, layout, settings of the pixel stage, and detector."""
    videos = {camera: file_digest(path) for camera, path in sorted(loaded.paths.items())}
    times = [camera.model_dump(exclude={"video"}) for camera in loaded.recording.cameras]
    found = {
        "videos": json.dumps([videos, times, loaded.recording.started_at_ns], sort_keys=True),
        "layout": loaded.store.model_dump_json(),
        "settings": "".join(
            part.model_dump_json()
            for part in (
                settings.vision.motion,
                settings.vision.detector,
                settings.vision.parts,
                settings.vision.shelves.observer,
            )
        )
        + json.dumps([settings.vision.pipeline.read_every_s, settings.vision.shelves.slow.below_fps]),
    }
    return found if detector is None else found | {"detector": detector.fingerprint}


class _Replay:
    """One replay while it runs. ``tape`` is where to write one; ``stack`` closes what it opens, complete or not."""

    def __init__(
        self,
        loaded: LoadedRecording,
        settings: RunSettings,
        book: PriceBook,
        out: Path | None,
        options: ReplayOptions,
        tape: Path | None,
        listener: ReplayListener,
        stack: ExitStack,
    ) -> None:
        self._loaded, self._settings, self._out, self._options, self._tape = loaded, settings, out, options, tape
        self._listener, self._stack, self._book = listener, stack, book
        self._loading = None if options.tape else self._begin_loading()
        self._geometry = StoreGeometry(loaded.store)
        self._files: dict[str, Path] = {}
        self._notices: list[str] = []
        self._billing = self._open_billing()
        self._run = StoreRun(
            FloorStage(self._geometry, settings.vision, load_references(loaded.store, loaded.layout_path.parent)),
            Checkout(settings.checkout, loaded.store),
            BillAtOnce(self._billing),
            self._open_log(),
            gate_scans(loaded),
            keep_paths=options.paths,
        )
        self._pictures = self._open_pictures()

    def run(self) -> ReplayResult:
        expected_frames = estimate_frames(self._loaded)  # looks at every video: what is wrong with one comes out first
        observations = self._from_tape() if self._options.tape else self._from_video()
        self._listener.started(expected_frames, self._notices)
        frame_count = 0
        waiting: deque[Frame] = deque()
        for frame, observation in observations:
            instant = self._run.take(observation)
            if instant is not None:
                self._show(instant, waiting)
            if frame is not None and self._pictures is not None:
                waiting.append(frame)
            frame_count += 1
            self._listener.advanced(1, self._run.fold)
        for instant in self._run.finish():
            self._show(instant, waiting)
        receipts = self._receipts()
        if self._pictures is not None:
            self._pictures.charged(receipts)
        self._stack.close()
        self._listener.finished(self._run.fold)
        return self._conclude(frame_count, receipts)

    def _open_log(self) -> EventLogWriter:
        if self._out is None:
            return EventLogWriter(StringIO())
        self._files["events"] = self._out / EVENTS_FILE
        return EventLogWriter(self._stack.enter_context(self._files["events"].open("w", encoding="utf-8")))

    def _open_billing(self) -> BillingPort:
        from tillfree.bootstrap import open_billing, open_remote_billing

        if self._options.billing_url is not None:
            run = self._options.billing_run or self._loaded.base_dir.resolve().name
            return self._stack.enter_context(open_remote_billing(self._options.billing_url, run))

        database = None if self._out is None else self._out / BILLING_FILE
        sandbox = None if self._out is None else self._out / SANDBOX_FILE
        return self._stack.enter_context(open_billing(self._book, database, sandbox, self._settings.billing))

    def _open_pictures(self) -> ViewMaker | None:
        if self._out is None or not (self._options.video or self._options.report):
            return None
        from tillfree.views import ViewMaker  # page templates and all: not for a replay without pictures

        if self._options.video:
            self._files["video"] = self._out / VIDEO_FILE
        if self._options.report:
            self._files["report"] = self._out / REPORT_FILE
        return self._stack.enter_context(
            ViewMaker(
                self._geometry,
                self._loaded.recording.started_at_ns,
                video=self._files.get("video"),
                report=self._files.get("report"),
                heads=self._options.heads,
            )
        )

    def _begin_loading(self) -> Future[tuple[FoundWeights, Detector]]:
        """Let another thread load the detector: OpenVINO compiles it while the rest of the store is built."""
        pool = self._stack.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="loading"))
        return pool.submit(self._load)

    def _load(self) -> tuple[FoundWeights, Detector]:
        found = find_weights(self._options.weights, self._loaded.weights_path)
        vision = self._settings.vision
        slow = {each.id for each in self._loaded.store.cameras if each.fps < vision.shelves.slow.below_fps}
        return found, load_detector(found.path, vision.detector, things_of=slow)

    def _from_video(self) -> Iterator[tuple[Frame | None, Observation]]:
        assert self._loading is not None
        found, detector = self._loading.result()
        notice = rendered_people_notice(found.path, rendered_recording=self._loaded.recording.rendered)
        self._notices += [notice] if notice else []
        return self._taped(detector)

    def _taped(self, detector: Detector) -> Iterator[tuple[Frame | None, Observation]]:
        stage = PixelStage(detector, self._geometry, self._settings.vision)
        pairs = stage.run(open_recording(self._loaded, self._options.limit_s))
        if self._tape is None:
            yield from pairs
            return
        self._files["tape"] = self._tape
        made_of = fingerprint(self._loaded, self._settings, detector)
        with TapeWriter(self._files["tape"], made_of) as tape:
            for frame, observation in pairs:
                tape.write(observation)
                yield frame, observation

    def _from_tape(self) -> Iterator[tuple[Frame | None, Observation]]:
        tape = self._options.tape
        assert tape is not None
        wanted, held = fingerprint(self._loaded, self._settings, None), read_fingerprint(tape)
        for part, value in wanted.items():
            if held.get(part) != value:
                raise TapeError(
                    f"was made with other {part}",
                    file=tape,
                    mend="replay from the video, with --keep-tape for a new one",
                )
        if self._pictures is None:
            return ((None, observation) for observation in read_tape(tape))
        return self._paired(tape)

    def _paired(self, tape: Path) -> Iterator[tuple[Frame | None, Observation]]:
        # the tape may be of a replay that was told to stop early, so it may be the shorter one
        for observation, frame in zip(read_tape(tape), open_recording(self._loaded), strict=False):
            found = observation.detections
            if (found.camera_id, found.frame_index) != (frame.camera_id, frame.index):
                raise TapeError("does not follow the video frame by frame", file=tape, mend="replay from the video")
            yield frame, observation

    def _show(self, instant: Instant, waiting: deque[Frame]) -> None:
        if self._pictures is None:
            return
        frames = {}
        while waiting and waiting[0].captured_at_ns <= instant.captured_at_ns:
            frame = waiting.popleft()
            frames[frame.camera_id] = frame
        self._pictures.show(instant, frames, self._run.fold)

    def _receipts(self) -> dict[str, Receipt]:
        found = {visit: self._billing.receipt(visit) for visit in self._run.fold.visits}
        receipts = {visit: receipt for visit, receipt in found.items() if receipt is not None}
        if self._out is not None:
            self._files["receipts"] = self._out / RECEIPTS_FILE
            models = [ReceiptModel.of(receipt).model_dump(mode="json") for receipt in receipts.values()]
            self._files["receipts"].write_text(
                json.dumps(models, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        return receipts

    def _conclude(self, frame_count: int, receipts: dict[str, Receipt]) -> ReplayResult:
        outcome = outcome_of(
            self._run.fold, self._run.paths, self._loaded.recording.started_at_ns, self._run.ended_at_ns
        )
        return ReplayResult(
            outcome,
            self._run.fold,
            receipts,
            frame_count,
            self._run.late_count,
            tuple(self._notices),
            dict(self._files),
        )


__all__ = ["ReplayListener", "ReplayOptions", "ReplayResult", "replay", "run_recording"]
