"""The dashboard's visits in a store that runs: the log read again while it is written, and the file made anew from it."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from billing.access import Access
from billing.store import BillingStore
from dashboard.roles import SCOPES, Role
from dashboard.visits.feeding import Feeder
from dashboard.visits.finding import find, story
from dashboard.visits.projection import Projection
from dashboard.visits.types import Search, VisitState
from dashboard.web import SESSION_COOKIE
from tests.tillfree.live.told_run import S, ToldRun
from tests.tillfree.live.walking_store import WalkingStore, free_port
from tillfree.carried import LogCarried
from tillfree.live.books import DATABASE
from tillfree.live.history import HistorySettings
from tillfree.live.loop import LiveState, StoreLoop
from tillfree.live.tokens import token_name
from tillfree.live.visits import LogFolder, NumberedLog
from tillfree.system import system_clock

pytestmark = pytest.mark.usefixtures("waits_for_no_disk", "_hashes_cheaply")
T0 = 1_700_000_000 * S
HOUR = 3_600 * S
PASSWORD = "a sentence that is long"
DAILY = HistorySettings(segment_hours=1, keep_days=1)


def test_segments_are_read_as_one_log_from_any_line(tmp_path: Path) -> None:
    store = ToldRun(tmp_path, DAILY)
    for number in range(1, 4):
        store.tend(T0 + number * 2 * HOUR)
        store.shop(number, T0 + number * 2 * HOUR)
    store.close()
    log = LogFolder(tmp_path)
    whole = list(log.after(0))
    assert [position for position, _ in whole] == list(range(store.history.lines))
    assert sum(isinstance(event, LogCarried) for _, event in whole) == len(list(tmp_path.glob("*.jsonl"))) - 1 == 2
    for position in (1, 9, len(whole) - 1, len(whole)):
        assert list(log.after(position)) == whole[position:]
    first, *_ = sorted(tmp_path.glob("*.jsonl"))
    first.unlink()
    assert log.first() == next(log.after(0))[0] > 0


def test_a_line_that_is_being_written_is_not_there_yet(tmp_path: Path) -> None:
    store = ToldRun(tmp_path)
    store.shop(1, T0)
    store.close()
    (path,) = tmp_path.glob("*.jsonl")
    count = len(list(LogFolder(tmp_path).after(0)))
    path.write_bytes(path.read_bytes()[:-9])
    assert len(list(LogFolder(tmp_path).after(0))) == count - 1


def test_a_file_that_goes_on_over_segments_is_as_one_that_is_made_anew(tmp_path: Path) -> None:
    store, log = ToldRun(tmp_path / "events", DAILY), LogFolder(tmp_path / "events")
    found = Projection(tmp_path / "live.sqlite", token_name)
    feeder = Feeder(found, log, None, lambda: T0)
    store.run._log = NumberedLog(store.history, feeder.heard)  # type: ignore[assignment]
    for number in range(1, 4):
        store.shop(number, T0 + number * 2 * HOUR)
        feeder.round(0)
        store.tend(T0 + number * 2 * HOUR + 60 * S)  # a line that nobody hears of
    feeder.round(0)
    store.close()
    anew = Projection(tmp_path / "anew.sqlite", token_name)
    Feeder(anew, log, None, lambda: T0).round(0)
    assert list(found.dump()) == list(anew.dump())
    assert [row.number for row in find(anew, Search()).rows] == [3, 2, 1]
    found.close()
    anew.close()


@pytest.fixture
def store(tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any) -> WalkingStore:
    found = WalkingStore(tmp_path, write_tiny_recording, write_video, edit_yaml)
    port = next(each for each in iter(free_port, 0) if each != found.port)
    document = found.document() | {"dashboard": {"port": port}}
    found.file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return found


def test_a_store_that_runs_shows_its_visits_and_keeps_them(store: WalkingStore, tmp_path: Path) -> None:
    data, during = store.config().data_dir, dict[str, int]()
    with ExitStack() as stack:
        parts = store.open(stack)
        books = stack.enter_context(closing(BillingStore(data / DATABASE)))
        access = Access(books)
        access.add_operator("anna", PASSWORD, SCOPES[Role.MANAGER], system_clock())
        session, _ = access.sign_in("anna", PASSWORD, system_clock())
        client = stack.enter_context(
            httpx2.Client(base_url=parts.servers[-1].address, cookies={SESSION_COOKIE: session}, timeout=20)
        )

        def look(state: LiveState) -> None:
            for row in client.get("/v1/desk/visits").json()["visits"] if state.view.visits else ():
                during[row["state"]] = client.get(f"/visits/{row['visit_id']}").status_code

        StoreLoop(parts, look).run(threading.Event(), None, end_visits=True)
    assert during["shopping"] == 200
    log, kept = LogFolder(data / "events"), Projection(data / "dashboard.sqlite", token_name)
    position = kept.position
    kept.check(log)
    assert kept.position == position > 0  # what was heard is what was written: nothing is made anew
    Feeder(kept, log, None, lambda: T0).round(0)
    (row,) = find(kept, Search()).rows
    said = story(kept, row.visit_id)
    assert (row.shopper, row.state) == (token_name("card-1"), VisitState.CHARGED)
    assert said is not None
    assert said.moments[0].kind == "VisitOpened"
    anew = Projection(tmp_path / "anew.sqlite", token_name)
    Feeder(anew, log, None, lambda: T0).round(0)
    (again,) = find(anew, Search()).rows
    assert (again.number, again.lines, again.charge) == (row.number, row.lines, row.charge)
    kept.close()
    anew.close()
