"""Recordings cut from live footage: what all cameras showed lately, with the layout, ready to be replayed, labelled and scored.

Heads are hidden as in clips, and cards stand there by name, so that nothing in a recording opens a gate or pays
(docs/adr/0030-footage-into-recordings.md).
"""

from __future__ import annotations

import datetime as dt
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import yaml

from checkout.types import GateScanned
from dashboard.errors import InConflict, Refused
from dashboard.recordings_desk.types import CutState
from recordings.files import load_recording, write_gate_scans, write_recording
from recordings.model import GateScan, RecordedCamera, Recording
from store_layout.errors import InputError
from store_layout.model import Store
from tillfree.live.clips import ClipNote, ClipRequest
from tillfree.live.errors import ClipFailed
from tillfree.live.evidence import Evidence, stand_back
from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.history import restored_events
from tillfree.live.storefile import StoreConfig
from tillfree.live.tokens import token_name

_S = 1_000_000_000
_MS = 1_000_000
_LOOK_S = 0.2
_PART = ".part"
_LAYOUT, _PICTURES = "layout.yaml", "pictures"


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is to be made: ``folder``, from what happened between two times."""

    folder: Path
    from_ns: int
    to_ns: int

    @property
    def part(self) -> Path:
        """Where it is made."""
        return self.folder.with_name(f".{self.folder.name}{_PART}")

    def request(self, cameras: tuple[str, ...]) -> ClipRequest:
        """Return it as evidence is asked."""
        return ClipRequest(f"cut-{self.folder.name}"[:100], cameras, self.from_ns, self.to_ns)


class FootageCutter:
    """A dashboard's ``Cutter``. ``stop`` ends what is in work, and leaves nothing of it."""

    def __init__(
        self,
        config: StoreConfig,
        events: Path,
        evidence: Evidence,
        settings: EvidenceSettings,
        clock: Callable[[], int],
    ) -> None:
        """``events`` is the folder of the log, which has the scans; ``clock`` is the cameras'."""
        self._config, self._events = config, events
        self._evidence, self._settings, self._clock = evidence, settings, clock
        self._lock, self._stopped = threading.Lock(), Event()
        self._state: CutState | None = None
        self._thread: threading.Thread | None = None

    @property
    def longest_s(self) -> float:
        """See ``Cutter.longest_s``."""
        return self._settings.buffer_s

    @property
    def state(self) -> CutState | None:
        """See ``Cutter.state``."""
        return self._state

    def now_ns(self) -> int:
        """See ``Cutter.now_ns``."""
        return self._clock()

    def begin(self, folder: Path, from_ns: int, to_ns: int) -> CutState:
        """See ``Cutter.begin``."""
        cut, now_ns = _Cut(folder, from_ns, to_ns), self._clock()
        if not from_ns < to_ns <= now_ns:
            raise Refused("the interval has to begin before it ends, and to have ended")
        if now_ns - from_ns > round((self._settings.buffer_s + self._settings.segment_s) * _S):
            raise Refused(f"only the last {self._settings.buffer_s:g} s are kept")
        if self._evidence.is_full:
            raise Refused("the disk has no room for it")
        with self._lock:
            if self._state is not None and not self._state.is_over:
                raise InConflict(f"{self._state.name} is being cut: wait for it")
            if folder.exists():
                raise InConflict(f"a recording {folder.name} is there already: choose another name")
            self._state = CutState(folder.name)
            self._thread = threading.Thread(target=self._make, args=(cut,), name="cut", daemon=True)
            self._thread.start()
            return self._state

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _make(self, cut: _Cut) -> None:
        """Make a recording, and say how that went."""
        stand_back(self._settings.nice)
        problem, lacking = "it was cut off", tuple[str, ...]()
        self._evidence.hold(cut.from_ns)
        try:
            shutil.rmtree(cut.part, ignore_errors=True)  # what a crash left
            cut.part.mkdir(parents=True)
            lacking = self._fill(cut)
            load_recording(cut.part)
            cut.part.rename(cut.folder)
            problem = ""
        except (ClipFailed, InputError) as error:
            problem = str(error)
        except OSError as error:
            problem = f"a file cannot be read or written: {error.strerror}"
        finally:
            self._evidence.hold(None)
            shutil.rmtree(cut.part, ignore_errors=True)
            self._state = CutState(
                cut.folder.name, 0.0 if problem else 1.0, is_over=True, problem=problem, lacking=lacking
            )

    def _fill(self, cut: _Cut) -> tuple[str, ...]:
        """Write all that belongs to a recording, and return the cameras that lack video. Raises ClipFailed where no camera has anything, or nobody wants it any more."""
        self._wait_for(cut.to_ns)
        notes = dict(self._films(cut))
        if self._stopped.is_set():
            raise ClipFailed("the store was ended")
        if not notes:
            raise ClipFailed("no camera's video reaches back there")
        began_ns = (
            min(note.first_ns for note in notes.values()) // 1_000 * 1_000
        )  # a recording's start is told to the microsecond
        store, layout = self._config.store, self._config.layout_path
        write_layout(cut.part, store, layout)
        if self._config.settings_path is not None:
            shutil.copyfile(self._config.settings_path, cut.part / "settings.yaml")
        write_gate_scans(cut.part / "gate_scans.yaml", tuple(self._scans(began_ns, cut.to_ns)))
        cameras = tuple(
            RecordedCamera(id=camera, video=f"{camera}.mp4", offset_ms=(note.first_ns - began_ns) / _MS)
            for camera, note in notes.items()
        )
        recording = Recording(
            version=1,
            name=cut.folder.name,
            started_at=dt.datetime.fromtimestamp(began_ns // _S, dt.UTC)
            + dt.timedelta(microseconds=began_ns % _S // 1_000),
            cameras=cameras,
            settings=None if self._config.settings_path is None else "settings.yaml",
        )
        write_recording(cut.part, recording)
        return tuple(camera for camera in self._cameras() if camera not in notes or not notes[camera].is_whole)

    def _wait_for(self, to_ns: int) -> None:
        """Wait until the video is on the disk, as long as clips do."""
        give_up_ns = to_ns + round(self._settings.cover_wait_s * _S)
        while not self._evidence.holds_until(to_ns) and self._clock() < give_up_ns and not self._stopped.wait(_LOOK_S):
            pass

    def _films(self, cut: _Cut) -> Iterator[tuple[str, ClipNote]]:
        """Write the cameras' videos; one that has nothing is left out."""
        cameras = self._cameras()
        for done, camera in enumerate(cameras):
            self._state = CutState(cut.folder.name, done / len(cameras))
            path = cut.part / f"{camera}.mp4"
            try:
                note = self._evidence.film(cut.request(cameras), camera, path, lambda: not self._stopped.is_set())
            except ClipFailed:
                path.unlink(missing_ok=True)
                continue
            if note is None:
                return
            yield camera, note

    def _cameras(self) -> tuple[str, ...]:
        return tuple(camera.id for camera in self._config.store.cameras if camera.id not in self._config.absent)

    def _scans(self, began_ns: int, to_ns: int) -> Iterator[GateScan]:
        for event in restored_events(self._events):
            if isinstance(event, GateScanned) and began_ns <= event.at_ns <= to_ns:
                yield GateScan(
                    gate=event.gate_id,
                    at_s=round((event.at_ns - began_ns) / _S, 3),
                    token=token_name(event.token),
                    party_size=event.party_size,
                )


def write_layout(folder: Path, store: Store, layout: Path) -> None:
    """Write a store's layout into ``folder``, with the products' pictures, wherever they lay beside ``layout``."""
    products = []
    for product in store.products:
        names = []
        for number, name in enumerate(product.reference_pictures, start=1):
            source = layout.parent / name
            if source.is_file():
                names.append(f"{_PICTURES}/{product.sku}-{number}{source.suffix}")
                (folder / _PICTURES).mkdir(exist_ok=True)
                shutil.copyfile(source, folder / names[-1])
        products.append(product.model_copy(update={"reference_pictures": tuple(names)}))
    moved = store.model_copy(update={"products": tuple(products)})
    text = yaml.safe_dump(
        moved.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=120
    )
    (folder / _LAYOUT).write_text(text, encoding="utf-8", newline="\n")
