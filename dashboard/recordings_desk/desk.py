"""The recordings of a folder: which there are, what happened in them, and labels that people change.

Each change is written to the recording's truth at once; what can be taken back is kept in memory until the dashboard ends, or until
somebody else writes the truth.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.live.plan import plan_of
from dashboard.recordings_desk.labels import History, Labels, pairs_of
from dashboard.recordings_desk.truth import first_truth, labels_of, truth_of, visit_at
from dashboard.recordings_desk.types import CutState, Cutter, ReadRun, Runs, RunState, Seen
from recordings.errors import RecordingError
from recordings.files import RECORDING_FILE, LoadedRecording, load_recording
from recordings.model import Recording, TrueInteraction, Truth
from recordings.truth import TRUTH_FILE, TRUTH_FOLDER, load_truth_file, write_truth_file
from store_layout.errors import InputError
from store_layout.files import read_model
from store_layout.geometry import StoreGeometry

RUNS = ("run/events.jsonl", "events.jsonl")
"""Where a recording's run may lie, below the recording's folder."""
_MOST_OPEN = 4
MOST_CHANGES = 1_000_000
"""So far apart revisions of different truths begin; browsers' numbers are exact up to 9e15."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A recording in the list; ``problem`` says why it cannot be opened."""

    name: str
    recording: Recording | None = None
    labels: Labels = field(default_factory=Labels)
    has_run: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording, its cameras' plan, the truth as it was read, what labels became of it, and what a run saw."""

    name: str
    loaded: LoadedRecording
    plan: dict[str, Any]
    truth: Truth
    history: History
    seen: tuple[TrueInteraction, ...] = ()
    run_problem: str = ""
    has_run: bool = False

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return which label is which of the run's events, by their numbers."""
        return pairs_of((each.done for each in self.history.now.labels), self.seen)


@dataclass(slots=True)
class _Kept:
    opened: Opened
    stamps: tuple[tuple[int, int] | None, ...]


class RecordingsDesk:
    """Hands out recordings and takes labels. Safe to use from several threads."""

    def __init__(self, folder: Path, read_run: ReadRun, runs: Runs | None = None, cutter: Cutter | None = None) -> None:
        """``folder`` holds a folder for each recording; it need not be there yet.

        Without ``runs`` none is run here, and without a ``cutter`` none is cut from live footage.
        """
        self.folder, self._read_run, self._runs, self.cutter = folder, read_run, runs, cutter
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def listed(self) -> tuple[Listed, ...]:
        """Return all recordings, by name."""
        files = sorted(self.folder.glob(f"*/{RECORDING_FILE}"))
        return tuple(_listed(file.parent) for file in files)

    def open(self, name: str) -> Opened:
        """Return a recording. Raises NotFound where there is none, Refused for one whose files are wrong."""
        with self._lock:
            return self._open(name)

    def change(self, name: str, revision: int, how: Callable[[Opened], History]) -> Opened:
        """Change labels by ``how`` and write the truth.

        Raises InConflict where somebody changed them since ``revision``, Refused for what cannot be, Unavailable where nothing can be
        written.
        """
        with self._lock:
            opened = self._open(name)
            if opened.history.revision != revision:
                raise InConflict("somebody else changed the labels meanwhile")
            try:
                history = how(opened)
            except KeyError as error:
                raise NotFound("there is no such label") from error
            except ValueError as error:
                raise Refused(str(error)) from error
            if history is opened.history:
                return opened
            return self._write(opened, history)

    @property
    def can_run(self) -> bool:
        """Tell whether recordings are run here."""
        return self._runs is not None

    def run(self, name: str) -> RunState:
        """Begin to run a recording. Raises NotFound and Refused as ``open``, and what ``Runs.begin`` does."""
        return self._runner().begin(self.open(name).loaded.base_dir)

    def run_state(self, name: str) -> RunState | None:
        """Return how far a recording's run is, None where none was begun. Raises NotFound and Refused as ``open``."""
        return None if self._runs is None else self._runs.state(self.open(name).loaded.base_dir)

    def cancel_run(self, name: str) -> None:
        """End a recording's run. Raises NotFound and Refused as ``open``."""
        self._runner().cancel(self.open(name).loaded.base_dir)

    def cut(self, name: str, from_ns: int, to_ns: int) -> CutState:
        """Begin to cut a recording from live footage. Raises what ``Cutter.begin`` does, Unavailable where there are no cameras."""
        if self.cutter is None:
            raise Unavailable("there is no live footage here")
        return self.cutter.begin(self.folder / name, from_ns, to_ns)

    def _runner(self) -> Runs:
        if self._runs is None:
            raise Unavailable("recordings are not run here: use tillfree replay")
        return self._runs

    def _write(self, opened: Opened, history: History) -> Opened:
        folder, truth = opened.loaded.base_dir, truth_of(opened.truth, history.now)
        try:
            write_truth_file(folder, truth)
        except OSError as error:
            raise Unavailable(f"the truth cannot be written: {error.strerror}") from error
        changed = Opened(
            opened.name,
            opened.loaded,
            opened.plan,
            opened.truth,
            history,
            opened.seen,
            opened.run_problem,
            opened.has_run,
        )
        self._kept[opened.name] = _Kept(changed, _stamps(folder))
        return changed

    def _open(self, name: str) -> Opened:
        folder = self.folder / name
        if name in ("", ".", "..") or "/" in name or "\\" in name or not (folder / RECORDING_FILE).is_file():
            raise NotFound("there is no such recording")
        kept, stamps = self._kept.get(name), _stamps(folder)
        if kept is not None and kept.stamps == stamps:
            return kept.opened
        try:
            opened = self._read(name, folder)
        except InputError as error:
            raise Refused(str(error)) from error
        self._kept.pop(name, None)
        while len(self._kept) >= _MOST_OPEN:
            self._kept.pop(next(iter(self._kept)))
        self._kept[name] = _Kept(opened, stamps)
        return opened

    def _read(self, name: str, folder: Path) -> Opened:
        loaded = load_recording(folder)
        truth = load_truth_file(folder) or first_truth(loaded.scans)
        seen: tuple[TrueInteraction, ...] = ()
        problem, file = "", run_of(folder)
        try:
            found: tuple[Seen, ...] = () if file is None else self._read_run(file)
            seen = tuple(_as_event(each, loaded.recording, truth) for each in found)
        except (InputError, OSError) as error:
            problem = str(error)
        plan = plan_of(StoreGeometry(loaded.store))
        history = History(labels_of(truth), revision=first_revision(truth))
        return Opened(name, loaded, plan, truth, history, seen, problem, file is not None)


def first_revision(truth: Truth) -> int:
    """Return where revisions of a truth that was just read begin: elsewhere for every other truth.

    A page that was opened before a restart then cannot change labels that it does not show.
    """
    return zlib.crc32(truth.model_dump_json().encode()) * MOST_CHANGES


def run_of(folder: Path) -> Path | None:
    """Return the log of a recording's run, None where there is none."""
    return next((folder / name for name in RUNS if (folder / name).is_file()), None)


def _as_event(seen: Seen, recording: Recording, truth: Truth) -> TrueInteraction:
    """Return what a run saw in the truth's own words."""
    begin = recording.started_at_ns
    visit = None
    if seen.token is not None and seen.scanned_at_ns is not None:
        visit = visit_at(truth, seen.token, (seen.scanned_at_ns - begin) / 1e9)
    from_s, to_s = (max(0.0, round((each - begin) / 1e9, 3)) for each in (seen.from_ns, seen.to_ns))
    return TrueInteraction(
        kind=seen.kind,
        shelf=seen.shelf_id,
        slot=seen.slot_id,
        sku=seen.sku,
        quantity=seen.quantity,
        visit=visit,
        from_s=from_s,
        to_s=to_s,
    )


def _listed(folder: Path) -> Listed:
    try:
        recording = read_model(folder / RECORDING_FILE, Recording, RecordingError)
        truth = load_truth_file(folder)
    except InputError as error:
        return Listed(folder.name, problem=str(error))
    labels = Labels() if truth is None else labels_of(truth)
    return Listed(folder.name, recording, labels, run_of(folder) is not None)


def _stamps(folder: Path) -> tuple[tuple[int, int] | None, ...]:
    """Return what tells whether a recording's files changed since."""
    names = (RECORDING_FILE, f"{TRUTH_FOLDER}/{TRUTH_FILE}", *RUNS)
    return tuple(_stamp(folder / name) for name in names)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        told = file.stat()
    except FileNotFoundError:
        return None
    return told.st_mtime_ns, told.st_size
