"""A bundled recording as if it were live, from pixels: the receipts of the replay, and what kills leave of it."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from benchmarks.live_kill import killed_run
from benchmarks.live_store import REPO, Store
from billing.store import BillingStore
from billing.types import LineKind
from checkout.types import ReceiptFinalised, VisitClosed, VisitOpened
from tillfree.live.books import DATABASE
from tillfree.live.history import restored_events

pytestmark = pytest.mark.slow
RECORDING = REPO / "sample_videos" / "one-shopper"


def billed(store: Store) -> dict[str, dict[str, int]]:
    """Return what each card was charged for."""
    tokens = {e.visit_id: e.token for e in restored_events(store.data / "events") if isinstance(e, VisitOpened)}
    with closing(BillingStore(store.data / DATABASE)) as books, books.reading() as opened:
        return {
            tokens[receipt.visit_id]: {
                line.sku: line.quantity for line in receipt.lines if line.kind is LineKind.PRODUCT
            }
            for receipt in opened.all_receipts()
        }


def test_as_live_it_gives_the_receipts_of_the_replay(tmp_path: Path) -> None:
    store = Store(tmp_path, RECORDING)
    assert store.start().wait(180) == 0, store.said()
    expected = json.loads((RECORDING / "expected.json").read_text(encoding="utf-8"))
    assert billed(store) == {
        receipt["token"]: {line["sku"]: line["quantity"] for line in receipt["lines"]}
        for receipt in expected["receipts"]
    }


def test_told_to_end_it_leaves_open_visits_open(tmp_path: Path) -> None:
    store = Store(tmp_path, RECORDING)
    process = store.start()
    log = store.data / "events" / "events-000000000000.jsonl"
    while not (log.exists() and b'"PersonBound"' in log.read_bytes()):
        assert process.poll() is None, store.said()
        Event().wait(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, store.said()
    kinds = [type(event) for event in restored_events(store.data / "events")]
    assert VisitOpened in kinds
    assert VisitClosed not in kinds
    assert ReceiptFinalised not in kinds
    assert store.start().wait(180) == 0, store.said()
    assert [type(e) for e in restored_events(store.data / "events")].count(ReceiptFinalised) == 1


def test_killed_three_times_it_loses_nothing(tmp_path: Path) -> None:
    found = killed_run(Store(tmp_path, RECORDING), kills=3, seed=7, longest_s=16)
    assert found.wrong == []
    assert found.kills == 3
    assert found.visits == found.charges > 0
