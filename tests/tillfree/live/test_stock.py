"""The stock of a store that runs: its book made from the log, kept while it runs, and written to files."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout.types import VisitClosed, VisitOpened
from dashboard.stock.book import StockBook
from dashboard.stock.settings import StockSettings
from store_layout.errors import InputError
from store_layout.files import load_store
from store_layout.model import Slot, Store
from tests.dashboard.desk_rig import LAYOUT
from tests.dashboard.stock_rig import COLA, cart, touch
from tests.tillfree.live.told_run import S, ToldRun
from tests.tillfree.live.walking_store import WalkingStore, free_port
from tillfree.live.history import History, HistorySettings, restored_events
from tillfree.live.stock import STOCK, LiveLog, open_stock
from tillfree.main import main
from tillfree.system import system_clock

pytestmark = pytest.mark.usefixtures("waits_for_no_disk")
T0 = 1_700_000_000 * S
HOUR = 3_600 * S


def one_slot() -> Store:
    """Return a store whose only slot is the one that told runs take from."""
    store = load_store(LAYOUT)
    slot = Slot(id="1", sku="cola", from_m=0, to_m=0.3, facings=3, units_deep=3)
    shelf = store.gondolas[0].shelves[0].model_copy(update={"id": "a", "slots": (slot,)})
    gondola = store.gondolas[0].model_copy(update={"id": "g", "shelves": (shelf,)})
    return store.model_copy(update={"gondolas": (gondola,)})


def level(folder: Path, events: Path) -> int:
    """Start, ask what the slot holds, and end."""
    history = History(events, HistorySettings())
    log = LiveLog(events, history.take_restored())
    history.close()
    with ExitStack() as stack:
        desk = open_stock(one_slot(), folder, StockSettings(), lambda: T0, log, stack)
        return desk.slot("g/a/1").level


def test_a_book_that_begins_reads_the_whole_log_and_a_start_the_last_segment(tmp_path: Path) -> None:
    events = tmp_path / "events"
    store = ToldRun(events, HistorySettings(segment_hours=1))
    store.shop(1, T0)
    store.tend(T0 + 60 * S)
    store.tend(T0 + 2 * HOUR)
    store.shop(2, T0 + 2 * HOUR)
    store.close()
    assert len(list(events.glob("events-*.jsonl"))) == 2
    assert level(tmp_path, events) == 7
    later = ToldRun(events)
    later.shop(3, T0 + 3 * HOUR)  # while nobody kept the book
    later.close()
    assert level(tmp_path, events) == 6
    (events / "events-000000000000.jsonl").unlink()
    assert level(tmp_path, events) == 6  # it outlives the log


def test_a_damaged_book_is_said_with_its_name(tmp_path: Path) -> None:
    (tmp_path / STOCK).write_text("not a database" * 99)
    with pytest.raises(InputError, match=r"stock\.sqlite"):
        level(tmp_path, tmp_path / "events")


def test_a_store_that_runs_with_a_dashboard_keeps_the_book(
    tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any
) -> None:
    store = WalkingStore(tmp_path, write_tiny_recording, write_video, edit_yaml)
    edit_yaml(store.file, dashboard={"port": free_port()})
    store.run()
    data = store.config().data_dir
    told = [each for each in restored_events(data / "events") if isinstance(each, VisitOpened | VisitClosed)]
    with closing(StockBook(data / STOCK, read_only=True)) as book:
        assert book.open_hours_ns(0) == tuple(sorted({each.at_ns // HOUR * HOUR for each in told})), store.told


@pytest.fixture
def store_file(tmp_path: Path) -> Path:
    """Return a store that has sold something today, and does not run."""
    cameras = [{"id": camera.id, "source": f"rtsp://10.0.0.9/{camera.id}"} for camera in load_store(LAYOUT).cameras]
    file, data = tmp_path / "store.yaml", tmp_path / "data"
    file.write_text(yaml.safe_dump({"version": 1, "layout": str(LAYOUT), "cameras": cameras}))
    data.mkdir()
    history = History(data / "events", HistorySettings())
    with ExitStack() as stack:
        log = LiveLog(data / "events", history.take_restored())
        desk = open_stock(load_store(LAYOUT), data, StockSettings(), system_clock, log, stack)
        seen = touch(1, system_clock(), -8)
        for event in (VisitOpened("v-1", system_clock(), "s", "t", 1), seen, cart(1, seen, 8)):
            desk.written(event)
    history.close()
    return file


def test_what_to_bring_goes_out_as_a_file(store_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "bring.json"
    assert main(["stock", str(store_file), "--out", str(out)]) == 0
    (item,) = json.loads(out.read_text())["items"]
    assert (item["slot_id"], item["fill_units"]) == (COLA, 8)
    table = tmp_path / "levels.csv"
    assert main(["stock", str(store_file), "-o", str(table), "--what", "levels"]) == 0
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert (rows[0]["slot_id"], rows[0]["level"]) == (COLA, "1")
    assert main(["stock", str(store_file), "-o", str(tmp_path / "s.csv"), "--what", "sales"]) == 0


def test_what_cannot_be_written_is_said(store_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stock", str(store_file), "--out", str(tmp_path / "bring.txt")]) == 2
    assert main(["stock", str(store_file), "--out", str(tmp_path / "no" / "bring.csv")]) == 2
    assert main(["stock", str(store_file), "--out", str(tmp_path / "b.csv"), "--data", str(tmp_path)]) == 2
    assert "run the store with a dashboard first" in " ".join(capsys.readouterr().err.split())
