"""The event log of a store that runs: segments in a folder, written so that a crash costs nothing that was acted on.

A segment is ``events-SEQ.jsonl``, SEQ being the number of its first line. The last one is the log; each but the first
begins with ``LogCarried``, so it is all that a start reads. Earlier ones are kept for looking, and deleted after a time.
"""

from __future__ import annotations

import itertools
import json
import os
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from billing.types import BillingRefused, Charge
from checkout.state import State
from checkout.types import CheckoutEvent, GateScanned, ReceiptFinalised, VisitOpened
from store_layout.errors import InputError
from store_layout.model import Strict
from tillfree.carried import LogCarried
from tillfree.eventlog import EventLogError, decode, encode, event_types
from tillfree.folds import StoreFold
from vision.types import GateCrossing, Interaction, PersonRejoined, PersonVanished

EVENTS = "events"
"""The folder of the store's data in which the log is kept."""

_S = 1_000_000_000
_CHECKOUT = typing.get_args(CheckoutEvent)
_MONEY = (VisitOpened, ReceiptFinalised, Charge, BillingRefused)
"""What billing is asked by, or has answered: on the disk before anybody acts on it."""


class HistorySettings(Strict):
    """How long a store that runs remembers, in memory and on the disk."""

    segment_mb: float = Field(
        default=32.0,
        gt=0,
        le=4_096,
        description="MB after which the log goes on in another file, once no visit is open; a start reads one file, at about 20 MB/s",
    )
    segment_hours: float = Field(
        default=24.0,
        gt=0,
        le=24 * 31,
        description="h after which it does so all the same: a file a day is easy to find",
    )
    keep_days: float = Field(
        default=30.0,
        gt=0,
        le=3_650,
        description="days after which a file of the log is deleted; as long as shoppers may dispute a receipt, and no longer, for it says who was where",
    )
    forget_after_s: float = Field(
        default=3_600.0,
        ge=3_600,
        le=7 * 86_400,
        description="s for which visits that are paid stay in memory; at least as long as gates.repeat_s may be, so that a scan that comes again is known",
    )
    sync_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="s between flushes to the disk: what a power cut may take of carts; openings, receipts and charges are flushed at once",
    )


@dataclass(slots=True)
class Numbers:
    """The highest numbers that vision has given, so that nobody is given one twice."""

    last_person_id: int = 0
    last_interaction: int = 0

    def apply(self, event: object) -> None:
        """Fold in an event."""
        match event:
            case GateCrossing() | PersonVanished():
                self._person(event.person_id)
            case PersonRejoined():
                self._person(event.person_id)
                self._person(event.former_id)
            case Interaction():
                number = event.interaction_id.removeprefix("i-")
                self.last_interaction = max(self.last_interaction, int(number) if number.isdigit() else 0)
                for candidate in event.person_candidates:
                    self._person(candidate.person_id)
            case LogCarried():
                self.last_person_id, self.last_interaction = event.last_person_id, event.last_interaction

    def _person(self, number: int) -> None:
        self.last_person_id = max(self.last_person_id, number)


@dataclass(slots=True)
class Restored:
    """What the log says at a start. ``last_ns`` is when its latest event became known, ``first_ns`` its first one, None for an empty log."""

    fold: StoreFold = field(default_factory=StoreFold)
    carried: LogCarried | None = None
    checkout_events: list[CheckoutEvent] = field(default_factory=list)
    first_ns: int | None = None
    last_ns: int | None = None


class History:
    """The log as it is written; an ``EventLog``. One process at a time may have the folder, which the caller sees to."""

    def __init__(self, folder: Path, settings: HistorySettings) -> None:
        """Open the last segment, or the first.

        Raises EventLogError where it is damaged before its end, InputError where it cannot be opened.
        """
        self._folder, self._settings = folder, settings
        self.numbers = Numbers()
        self._restored = Restored()
        self._is_dirty = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            segments = _segments(folder)
            self._path = segments[-1] if segments else folder / _name(0)
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        except OSError as error:
            raise InputError(f"cannot be opened: {error.strerror}", file=folder, mend="name another folder") from error
        try:
            self._size = self._read()
            os.ftruncate(self._file, self._size)
        except (OSError, EventLogError):
            os.close(self._file)
            raise
        self._synced_ns = 0
        self._began_ns = self._restored.first_ns or 0

    @property
    def folder(self) -> Path:
        """Where the segments are."""
        return self._folder

    @property
    def lines(self) -> int:
        """How many lines were ever written, which is the number of the next one."""
        return self._seq

    @property
    def is_kept(self) -> bool:
        """Whether all that was written is on the disk."""
        return not self._is_dirty

    def take_restored(self) -> Restored:
        """Return what the log said when it was opened, once: it is not kept here."""
        found, self._restored = self._restored, Restored()
        return found

    def close(self) -> None:
        """Bring all to the disk and let the file go."""
        os.fsync(self._file)
        os.close(self._file)

    def write(self, events: Iterable[object]) -> None:
        """Append events that became known together: after a crash all of them are there, or none.

        Raises OSError where they cannot be written; then none of them is there.
        """
        told = tuple(events)
        if not told:
            return
        data = "".join(encode(self._seq + number, event) + "\n" for number, event in enumerate(told)).encode()
        self._append(data)
        self._seq += len(told)
        for event in told:
            self.numbers.apply(event)
        self._is_dirty = True
        if any(isinstance(event, _MONEY) for event in told):
            self._sync()

    def tend(self, now_ns: int, fold: StoreFold, state: State) -> None:
        """Do what is due: flush, go on in another segment, delete old ones. Raises OSError where that fails."""
        if self._began_ns == 0:
            self._began_ns = now_ns
        if now_ns - self._synced_ns >= self._settings.sync_s * _S:
            self._synced_ns = now_ns
            self._sync()
        if self._is_full(now_ns) and fold.is_settled and not state.visits and not state.reviews:
            self._rotate(now_ns, fold, state)
            self._delete_old(now_ns)

    # -- reading ------------------------------------------------------------------

    def _read(self) -> int:
        """Fold the segment; return how many bytes of it are good."""
        size, self._seq = 0, int(self._path.stem.rpartition("-")[2])
        known, last = event_types(), b""
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break  # a crash cut it short
                self._take(self._decoded(line, known, number))
                size += len(line)
                self._seq += 1
                last = line
        if self._ends_in_scan(last, known):
            # a power cut took the opening that was written with it; the gate's journal gives the scan again
            size -= len(last)
            self._seq -= 1
        return size

    def _decoded(self, line: bytes, known: dict[str, type], number: int) -> object:
        try:
            return decode(line.decode(), known)
        except (ValueError, TypeError) as error:
            problem = f"line {number}: {error}"
            raise EventLogError(
                problem, file=self._path, mend="restore the log from a copy, or move it away"
            ) from error

    def _take(self, event: object) -> None:
        found = self._restored
        found.fold.apply(event)
        self.numbers.apply(event)
        if isinstance(event, LogCarried):
            found.carried = event
        elif isinstance(event, _CHECKOUT):
            found.checkout_events.append(event)
        at_ns = _at_ns(event)
        found.first_ns = at_ns if found.first_ns is None else found.first_ns
        found.last_ns = at_ns if found.last_ns is None else max(found.last_ns, at_ns)

    def _ends_in_scan(self, last: bytes, known: dict[str, type]) -> bool:
        event = decode(last.decode(), known) if last else None
        if not isinstance(event, GateScanned):
            return False
        self._restored.checkout_events.pop()
        del self._restored.fold.scans[event.scan_id]
        return True

    # -- writing ------------------------------------------------------------------

    def _append(self, data: bytes) -> None:
        try:
            rest = data
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def _sync(self) -> None:
        if self._is_dirty:
            os.fsync(self._file)
            self._is_dirty = False

    def _is_full(self, now_ns: int) -> bool:
        s = self._settings
        is_old = now_ns - self._began_ns >= s.segment_hours * 3_600 * _S
        return self._size > 0 and (is_old or self._size >= s.segment_mb * 1_000_000)

    def _rotate(self, now_ns: int, fold: StoreFold, state: State) -> None:
        """Go on in another segment, which is whole on the disk before it has its name."""
        scans = tuple(scan for scan in fold.scans.values() if scan.at_ns >= now_ns - self._settings.forget_after_s * _S)
        numbers = self.numbers
        carried = LogCarried(
            now_ns, numbers.last_person_id, numbers.last_interaction, fold.visits_opened, scans, state.carried()
        )
        self._sync()
        path = self._folder / _name(self._seq)
        draft = path.with_suffix(".new")
        file = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_APPEND, 0o600)
        former, self._file, self._size = self._file, file, 0
        self._append((encode(self._seq, carried) + "\n").encode())
        os.fsync(file)
        draft.rename(path)
        _sync_folder(self._folder)
        os.close(former)
        self._path, self._seq, self._began_ns = path, self._seq + 1, now_ns

    def _delete_old(self, now_ns: int) -> None:
        """Delete segments that ended more than ``keep_days`` ago."""
        segments = _segments(self._folder)
        before_ns = now_ns - self._settings.keep_days * 86_400 * _S
        for segment, follower in itertools.pairwise(segments):
            with follower.open(encoding="utf-8") as stream:
                ended_ns = json.loads(stream.readline())["at_ns"]
            if ended_ns < before_ns:
                segment.unlink()


def restored_events(folder: Path) -> typing.Iterator[object]:
    """Yield all events that a folder still holds, oldest first, without what segments carry over.

    Raises EventLogError where one cannot be read.
    """
    known = event_types()
    for path in _segments(folder):
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith("\n"):
                    return
                try:
                    event = decode(line, known)
                except (ValueError, TypeError) as error:
                    raise EventLogError(f"line {number}: {error}", file=path, mend="restore it from a copy") from error
                if not isinstance(event, LogCarried):
                    yield event


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("events-*.jsonl"))


def _name(first_seq: int) -> str:
    return f"events-{first_seq:012d}.jsonl"


def _at_ns(event: object) -> int:
    """Return when an event happened, or became known where that is later."""
    for name in ("closed_at_ns", "at_ns", "created_at_ns"):
        found = getattr(event, name, None)
        if isinstance(found, int):
            return found
    return 0


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
