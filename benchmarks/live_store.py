"""A store that runs, as a process of its own, for benchmarks; and what it wrote held against each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

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
REPEAT_NS = 86_400 * 10**9


class Store:
    """A store file in ``place`` that plays ``recording``, and the process that runs it."""

    def __init__(self, place: Path, recording: Path) -> None:
        self.place, self.recording, self.data = place, recording, place / "data"
        self.file, self.port = place / "store.yaml", free_port()
        loaded = load_recording(recording)
        cameras = [{"id": camera, "source": str(path.resolve())} for camera, path in loaded.paths.items()]
        absent = [camera.id for camera in loaded.store.cameras if camera.id not in loaded.paths]
        document = {
            "version": 1,
            "layout": str(loaded.layout_path.resolve()),
            "cameras": cameras,
            "absent": absent,
            "listen": {"port": self.port},
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

    def log_bytes(self) -> int:
        """Return how long the log is so far."""
        return sum(path.stat().st_size for path in (self.data / "events").glob("*.jsonl"))

    def said(self, lines: int = 5) -> str:
        """Return what the processes said last."""
        return "\n".join((self.place / "out.txt").read_text(encoding="utf-8").splitlines()[-lines:])


@dataclass(slots=True)
class Books:
    """What log, gates' journal, billing's books and the gateway's list say; ``wrong`` is empty where they agree.

    They agree where every admitted scan is one visit, every visit has one receipt, of what its cart held, and one charge,
    no id stands twice, and the log's numbers have no gap.
    """

    events: list[object] = field(default_factory=list)
    visits: int = 0
    receipts: int = 0
    charges: int = 0
    wrong: list[str] = field(default_factory=list)


def compared_books(store: Store) -> Books:
    """Hold against each other what a store has written. All its visits have to be closed."""
    books = Books(list(restored_events(store.data / "events")))
    numbers = [json.loads(line)["seq"] for line in store.log().splitlines()]
    if numbers != list(range(len(numbers))):
        books.wrong.append("the log's numbers do not run from 0 without a gap")
    _check_ids(books)
    _check_visits(books)
    _check_scans(store, books)
    _check_billing(store, books)
    return books


def _check_ids(books: Books) -> None:
    ids = Counter(
        name
        for event in books.events
        for name in (
            event.event_id if isinstance(event, CartEvent) else None,
            event.interaction_id if isinstance(event, Interaction) else None,
            event.review_id if isinstance(event, ReviewOpened) else None,
            event.visit_id if isinstance(event, VisitOpened) else None,
            f"scan {event.scan_id}" if isinstance(event, GateScanned) else None,
        )
        if name is not None
    )
    books.wrong += [f"{name} stands in the log {count} times" for name, count in ids.items() if count > 1]


def _check_visits(books: Books) -> None:
    """Each visit has one receipt, of what its cart held, and one charge."""
    opened = [event.visit_id for event in books.events if isinstance(event, VisitOpened)]
    receipts = Counter(event.visit_id for event in books.events if isinstance(event, ReceiptFinalised))
    charges = {event.visit_id for event in books.events if isinstance(event, Charge)}
    books.visits, books.receipts, books.charges = len(opened), receipts.total(), len(charges)
    books.wrong += [f"{visit} has {receipts[visit]} receipts" for visit in opened if receipts[visit] != 1]
    books.wrong += [f"{visit} has no charge in the log" for visit in opened if visit not in charges]
    carts = fold_carts([event for event in books.events if isinstance(event, CartEvent)])
    for event in books.events:
        if isinstance(event, ReceiptFinalised):
            held = carts[event.visit_id].lines if event.visit_id in carts else ()
            if event.lines != held:
                books.wrong.append(f"{event.visit_id} was charged for {event.lines} and held {held}")


def _check_scans(store: Store, books: Books) -> None:
    """Whoever was let in has a visit."""
    opened = {event.scan_id for event in books.events if isinstance(event, VisitOpened)}
    with closing(GateMemory(store.data / "gates.journal", REPEAT_NS)) as memory:
        admitted = {each.scan.scan_id for each in memory.since(0)}
    books.wrong += [f"scan {scan} was admitted and has no visit" for scan in sorted(admitted - opened)]


def _check_billing(store: Store, books: Books) -> None:
    """Billing has one charge a visit, and the gateway the same requests."""
    database = store.data / DATABASE
    with closing(BillingStore(database)) as billing, billing.reading() as opened:
        payments = opened.all_payments()
        charged = Counter(receipt.visit_id for receipt in opened.all_receipts())
    visits = {event.visit_id for event in books.events if isinstance(event, VisitOpened)}
    books.wrong += [
        f"{visit} has {charged[visit]} receipts in billing" for visit in sorted(visits) if charged[visit] != 1
    ]
    books.wrong += [f"billing knows {visit}, the log does not" for visit in sorted(set(charged) - visits)]
    listing = SandboxGateway(journal=sandbox_journal(database)).listing()
    books.wrong += [f"{each.key}: {each.problem}" for each in differences(payments, listing)]
