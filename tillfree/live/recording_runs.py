"""Recordings run through the pipeline from the dashboard: one at a time, in a process that stands back for the store's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from dashboard.errors import InConflict, Unavailable
from dashboard.recordings_desk.types import RunState

RUN, PART, FORMER = "run", ".run.part", ".run.former"
"""Beside a recording: its run, one that is being made, and the one before while the new one takes its place."""
_CUT_OFF = "the run was cut off"


@dataclass(slots=True)
class _Run:
    """A run in work, or the latest of a recording."""

    folder: Path
    process: subprocess.Popen[str]
    state: RunState
    is_cancelled: bool = False


class RecordingRuns:
    """A dashboard's ``Runs``. ``stop`` ends what is in work."""

    def __init__(self, weights: Path | None = None) -> None:
        """``weights`` are the store's, None for the recording's own or the bundled ones."""
        self._weights = weights
        self._runs: dict[Path, _Run] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self, folder: Path) -> RunState:
        """See ``Runs.begin``."""
        with self._lock:
            if any(not each.state.is_over for each in self._runs.values()):
                raise InConflict("a recording is run already: wait for it, or cancel it")
            if self._thread is not None:
                self._thread.join()
            try:
                _tidy(folder)
                process = self._process(folder)
            except OSError as error:
                raise Unavailable(f"no run can be started: {error.strerror}") from error
            run = self._runs[folder] = _Run(folder, process, RunState())
            self._thread = threading.Thread(target=self._follow, args=(run,), name="recording-run", daemon=True)
            self._thread.start()
            return run.state

    def state(self, folder: Path) -> RunState | None:
        """See ``Runs.state``."""
        run = self._runs.get(folder)
        return None if run is None else run.state

    def cancel(self, folder: Path) -> None:
        """See ``Runs.cancel``."""
        run = self._runs.get(folder)
        if run is None or run.state.is_over:
            return
        run.is_cancelled = True
        run.process.terminate()
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """End what is in work."""
        for folder in list(self._runs):
            self.cancel(folder)

    def _process(self, folder: Path) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "tillfree.live.replay_child", str(folder), str(folder / PART)]
        words += [] if self._weights is None else [str(self._weights)]
        return subprocess.Popen(  # noqa: S603 - our own program, and folders that were found here
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
        )

    def _follow(self, run: _Run) -> None:
        """Hear how far it is until it ends, and put what it made in its place."""
        process, said = run.process, ""
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                share = _share(line)
                if share is None:
                    said = line.strip() or said
                else:
                    run.state = RunState(share)
        problem = ""
        if run.is_cancelled:
            shutil.rmtree(run.folder / PART, ignore_errors=True)
        elif process.returncode:
            problem = said or _CUT_OFF
            shutil.rmtree(run.folder / PART, ignore_errors=True)
        else:
            problem = _put_in_place(run.folder)
        run.state = RunState(run.state.share, is_over=True, problem=problem)


def _share(line: str) -> float | None:
    """Return how far a line says that the run is; None for a line that says something else."""
    try:
        told = json.loads(line)
        return min(1.0, float(told["done"]) / max(float(told["of"]), 1.0))
    except (ValueError, TypeError, KeyError):
        return None


def _tidy(folder: Path) -> None:
    """Delete what a crash left half done; the run before comes back where it had made way already. Raises OSError."""
    if (folder / FORMER).exists() and not (folder / RUN).exists():
        (folder / FORMER).rename(folder / RUN)
    for name in (PART, FORMER):
        if (folder / name).exists():
            shutil.rmtree(folder / name)


def _put_in_place(folder: Path) -> str:
    """Make what was made the recording's run; return why that was not done, empty where it was."""
    try:
        if (folder / RUN).exists():
            (folder / RUN).rename(folder / FORMER)
        (folder / PART).rename(folder / RUN)
        _tidy(folder)
    except OSError as error:
        return f"the run cannot be put in its place: {error.strerror}"
    return ""
