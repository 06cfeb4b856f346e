"""Recordings at the desk: a bundled one without its truth, and a run of it that a test makes up."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from dashboard.errors import InConflict, Refused
from dashboard.recordings_desk.desk import RecordingsDesk
from dashboard.recordings_desk.types import CutState, RunState, Seen
from tests.dashboard.desk_rig import REPO, Office, S

NAME = "put-back"
SAMPLES = REPO / "sample_videos"
BEGAN_NS = 1_772_442_000 * S
SOAP = "breakfast/high/s3"
TOKEN, SCANNED_S = "card-ben-2203", 4.266


def seen(kind: str, at_s: float, sku: str = "blanka-soap", slot_id: str = SOAP) -> Seen:
    """Return what a run saw."""
    at_ns = BEGAN_NS + round(at_s * S)
    scanned_ns = BEGAN_NS + round(SCANNED_S * S)
    return Seen(kind, "breakfast/high", slot_id, sku, 1, at_ns, at_ns + S // 2, TOKEN, scanned_ns)  # type: ignore[arg-type]


RUN = (seen("pick", 11.8, "montano-coffee", "breakfast/high/s1"), seen("pick", 19.3), seen("pick", 30.0))


class FakeRuns:
    """Runs that are as far as a test says."""

    def __init__(self) -> None:
        self.now: RunState | None = None

    def begin(self, folder: Path) -> RunState:
        """Begin, unless one is in work."""
        assert (folder / "recording.yaml").is_file()
        if self.now is not None and not self.now.is_over:
            raise InConflict("a recording is run already: wait for it, or cancel it")
        self.now = RunState()
        return self.now

    def state(self, folder: Path) -> RunState | None:
        """Say how far it is."""
        del folder
        return self.now

    def cancel(self, folder: Path) -> None:
        """End."""
        del folder
        self.now = RunState(0.5, is_over=True)


class FakeCutter:
    """Footage of two minutes; a cut is as far as a test says."""

    longest_s = 120.0

    def __init__(self) -> None:
        self.state: CutState | None = None
        self.asked: list[tuple[str, int, int]] = []

    def now_ns(self) -> int:
        """Say the store's time."""
        return BEGAN_NS

    def begin(self, folder: Path, from_ns: int, to_ns: int) -> CutState:
        """Begin, unless the interval is not kept or the folder is there."""
        if not BEGAN_NS - 120 * S <= from_ns < to_ns <= BEGAN_NS:
            raise Refused("only the last 120 s are kept")
        if folder.exists():
            raise InConflict(f"a recording {folder.name} is there already: choose another name")
        self.asked.append((folder.name, from_ns, to_ns))
        self.state = CutState(folder.name)
        return self.state


def recorded(office: Office, folder: Path, *, truth: bool = False, run: tuple[Seen, ...] = RUN) -> RecordingsDesk:
    """Give a dashboard a folder with one recording, and what its run saw."""
    place = folder / "recordings" / NAME
    ignored = shutil.ignore_patterns("expected.json") if truth else shutil.ignore_patterns("truth", "expected.json")
    shutil.copytree(SAMPLES / NAME, place, ignore=ignored)
    (folder / "recordings" / "store").mkdir()
    shutil.copy(SAMPLES / "store/layout.yaml", folder / "recordings/store")
    (place / "run").mkdir()
    (place / "run/events.jsonl").write_text("", encoding="utf-8")
    desk = RecordingsDesk(folder / "recordings", lambda _file: run, FakeRuns(), FakeCutter())
    office.desk = dataclasses.replace(office.desk, recordings=desk)
    return desk
