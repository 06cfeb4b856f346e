"""What a running store loses when it is killed, again and again.

    python benchmarks/live_kill.py --kills 100 --json FILE

starts ``tillfree run`` on a recording that is played in a loop as if it were live, with embedded billing, and ends it with
SIGKILL after a random time; the recording goes on meanwhile. After the last kill it runs once more to the recording's end,
which closes all visits. Then the log, the gates' journal, billing's books and the gateway's own list are held against
each other. Ends with 1 where anything is lost, doubled or changed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.billing_load.processes import free_port
from billing.gateway import SandboxGateway
from billing.reconcile import differences
from billing.store import BillingStore
from billing.types import Charge
from checkout.carts import fold_carts
from checkout.types import CartEvent, GateScanned, ReceiptFinalised, ReviewOpened, VisitOpened
from recordings.files import load_recording
from tillfree.live.books import DATABASE
from tillfree.live.history import restored_events
from tillfree.live.memory import GateMemory
from tillfree.serving import sandbox_journal
from vision.types import Interaction

REPO = Path(__file__).resolve().parent.parent
RECORDING = REPO / "sample_videos" / "four-crossing"
LAST_RUN_S = 300.0
REPEAT_NS = 3_600 * 10**9


@dataclass
class Found:
    """What came of it; ``wrong`` is empty where nothing was lost, doubled or changed."""

    kills: int = 0
    visits: int = 0
    charges: int = 0
    visits_over_a_kill: int = 0
    carts_over_a_kill: int = 0
    unseen_reviews: int = 0
    rejoined: int = 0
    cut_lines: int = 0
    wrong: list[str] = field(default_factory=list)


class Store:
    """A store file in ``place`` that plays ``recording``, and the process that runs it."""

    def __init__(self, place: Path, recording: Path) -> None:
        self.place, self.recording, self.data = place, recording, place / "data"
        self.file = place / "store.yaml"
        loaded = load_recording(recording)
        cameras = [{"id": camera, "source": str(path.resolve())} for camera, path in loaded.paths.items()]
        absent = [camera.id for camera in loaded.store.cameras if camera.id not in loaded.paths]
        document = {
            "version": 1,
            "layout": str(loaded.layout_path.resolve()),
            "cameras": cameras,
            "absent": absent,
            "listen": {"port": free_port()},
        }
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start it; what it says goes to ``place``/out.txt."""
        command = [sys.executable, "-m", "tillfree", "run", str(self.file), "--as-live", str(self.recording), *words]
        with (self.place / "out.txt").open("a", encoding="utf-8") as out:
            return subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=REPO,
                env=os.environ | {"PYTHONPATH": str(REPO)},
            )

    def log(self) -> bytes:
        """Return the log's whole bytes so far."""
        return b"".join(path.read_bytes() for path in sorted((self.data / "events").glob("*.jsonl")))

    def said(self) -> str:
        """Return what the processes said last."""
        return "\n".join((self.place / "out.txt").read_text(encoding="utf-8").splitlines()[-5:])


def killed_run(store: Store, kills: int, seed: int, longest_s: float) -> Found:
    """Kill the store so many times, let it end, and return what is found."""
    lot, found = random.Random(seed), Found()
    marks: list[int] = []
    for _ in range(kills):
        before = store.log()
        process = store.start("--loop")
        try:
            process.wait(lot.uniform(1.0, longest_s))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        else:
            found.wrong.append(f"the store ended by itself: {store.said()}")
            return found
        found.kills += 1
        _check_kept(before, store.log(), found)
        marks.append(store.log().count(b"\n"))
    last = store.start()
    if last.wait(LAST_RUN_S) != 0:
        found.wrong.append(f"the last run ended with {last.returncode}: {store.said()}")
        return found
    _check_all(store, marks, found)
    return found


def _check_kept(before: bytes, after: bytes, found: Found) -> None:
    """What was in the log stays as it was, but for a last line that was cut."""
    whole = before[: before.rfind(b"\n") + 1]
    found.cut_lines += len(whole) != len(before)
    if not after.startswith(whole):
        found.wrong.append("a line of the log changed or went away")


def _check_all(store: Store, marks: list[int], found: Found) -> None:
    events = list(restored_events(store.data / "events"))
    numbers = [json.loads(line)["seq"] for line in store.log().splitlines()]
    if numbers != list(range(len(numbers))):
        found.wrong.append("the log's numbers do not run from 0 without a gap")
    _check_ids(events, found)
    _check_visits(events, found)
    _check_scans(store, events, found)
    _check_books(store, events, found)
    _count_kills(events, marks, found)


def _check_ids(events: list[object], found: Found) -> None:
    ids = Counter(
        name
        for event in events
        for name in (
            event.event_id if isinstance(event, CartEvent) else None,
            event.interaction_id if isinstance(event, Interaction) else None,
            event.review_id if isinstance(event, ReviewOpened) else None,
            event.visit_id if isinstance(event, VisitOpened) else None,
            f"scan {event.scan_id}" if isinstance(event, GateScanned) else None,
        )
        if name is not None
    )
    found.wrong += [f"{name} stands in the log {count} times" for name, count in ids.items() if count > 1]


def _check_visits(events: list[object], found: Found) -> None:
    """Each visit has one receipt, of what its cart held, and one charge."""
    opened = [event.visit_id for event in events if isinstance(event, VisitOpened)]
    receipts = Counter(event.visit_id for event in events if isinstance(event, ReceiptFinalised))
    charges = {event.visit_id for event in events if isinstance(event, Charge)}
    found.visits, found.charges = len(opened), len(charges)
    found.wrong += [f"{visit} has {receipts[visit]} receipts" for visit in opened if receipts[visit] != 1]
    found.wrong += [f"{visit} has no charge in the log" for visit in opened if visit not in charges]
    carts = fold_carts([event for event in events if isinstance(event, CartEvent)])
    for event in events:
        if isinstance(event, ReceiptFinalised):
            held = carts[event.visit_id].lines if event.visit_id in carts else ()
            if event.lines != held:
                found.wrong.append(f"{event.visit_id} was charged for {event.lines} and held {held}")


def _check_scans(store: Store, events: list[object], found: Found) -> None:
    """Whoever was let in has a visit."""
    opened = {event.scan_id for event in events if isinstance(event, VisitOpened)}
    with closing(GateMemory(store.data / "gates.journal", REPEAT_NS)) as memory:
        admitted = {each.scan.scan_id for each in memory.since(0)}
    found.wrong += [f"scan {scan} was admitted and has no visit" for scan in sorted(admitted - opened)]


def _check_books(store: Store, events: list[object], found: Found) -> None:
    """Billing has one charge a visit, and the gateway the same requests."""
    database = store.data / DATABASE
    with closing(BillingStore(database)) as books, books.reading() as opened:
        payments = opened.all_payments()
        charged = Counter(receipt.visit_id for receipt in opened.all_receipts())
    visits = {event.visit_id for event in events if isinstance(event, VisitOpened)}
    found.wrong += [
        f"{visit} has {charged[visit]} receipts in billing" for visit in sorted(visits) if charged[visit] != 1
    ]
    found.wrong += [f"billing knows {visit}, the log does not" for visit in sorted(set(charged) - visits)]
    listing = SandboxGateway(journal=sandbox_journal(database)).listing()
    found.wrong += [f"{each.key}: {each.problem}" for each in differences(payments, listing)]


def _count_kills(events: list[object], marks: list[int], found: Found) -> None:
    """Count what went on over kills; ``marks`` are how many lines the log had at each."""
    opened: dict[str, int] = {}
    carts: dict[str, list[int]] = {}
    for number, event in enumerate(events):
        if isinstance(event, VisitOpened):
            opened[event.visit_id] = number
        elif isinstance(event, CartEvent) and event.visit_id is not None:
            carts.setdefault(event.visit_id, []).append(number)
        elif isinstance(event, ReceiptFinalised):
            found.visits_over_a_kill += any(opened[event.visit_id] < mark <= number for mark in marks)
    found.carts_over_a_kill = sum(any(min(at) < mark <= max(at) for mark in marks) for at in carts.values())
    kinds = Counter(type(event).__name__ for event in events)
    found.rejoined = kinds["PersonMerged"]
    found.unseen_reviews = sum(isinstance(e, ReviewOpened) and e.reason == "unseen_shelves" for e in events)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest-s", type=float, default=25.0, help="s that a process lives at most")
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    began_s = time.monotonic()  # noqa: TID251 - a benchmark
    with TemporaryDirectory(prefix="tillfree-kill-") as place:
        found = killed_run(Store(Path(place), given.recording), given.kills, given.seed, given.longest_s)
    result = {**asdict(found), "seed": given.seed, "seconds": round(time.monotonic() - began_s, 1)}  # noqa: TID251
    print(json.dumps(result, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
