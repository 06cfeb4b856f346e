"""`tillfree run` put together: a recording as if it were live, from scan to charge, ended and started again."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from billing.access import Access, Scope
from billing.store import BillingStore
from billing.types import ChargeState
from checkout.types import PersonBound, ReviewOpened
from store_layout.errors import InputError
from tests.tillfree.live.walking_store import WalkingStore
from tillfree.live.books import DATABASE
from tillfree.live.client import NodeClient
from tillfree.live.history import restored_events
from tillfree.live.loop import StoreLoop
from tillfree.main import main
from vision.types import PersonRejoined


@pytest.fixture
def store(
    tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any, waits_for_no_disk: None
) -> WalkingStore:
    return WalkingStore(tmp_path, write_tiny_recording, write_video, edit_yaml)


def kinds(store: WalkingStore) -> Counter[str]:
    return Counter(type(event).__name__ for event in restored_events(store.config().data_dir / "events"))


def test_a_recording_as_live_ends_with_its_charge(store: WalkingStore) -> None:
    parts = store.run()
    assert store.told == []
    (visit,) = parts.run.fold.visits.values()
    assert (visit.token, visit.admitted) == ("card-1", True)
    assert visit.charge is not None
    assert visit.charge.state in (ChargeState.CAPTURED, ChargeState.VOID)  # pictures that brighten may look like takes
    found = kinds(store)
    assert (found["GateCrossing"], found["PersonBound"], found["ReceiptFinalised"]) == (1, 1, 1)
    assert [state.view.people_inside for state in store.states][-2:] != [0, 0]


def test_ended_and_started_again_the_visit_goes_on(store: WalkingStore) -> None:
    first = store.run(for_s=3.5)
    assert list(first.checkout.state.visits) == list(first.run.fold.visits)
    (visit_id,) = first.run.fold.visits
    assert first.run.fold.visits[visit_id].final_at_ns is None
    second = store.run()
    (visit,) = second.run.fold.visits.values()
    assert visit.visit_id == visit_id
    assert visit.charge is not None
    found = kinds(store)
    assert (found["VisitOpened"], found["ReceiptFinalised"], found["Charge"]) == (1, 1, 1)
    events = list(restored_events(store.config().data_dir / "events"))
    (same,) = [event for event in events if isinstance(event, PersonRejoined)]
    assert (same.person_id, same.former_id) == (2, 1)  # seen again where they stood
    assert [event.visit_id for event in events if isinstance(event, PersonBound)] == [visit_id, visit_id]
    (review,) = [event for event in events if isinstance(event, ReviewOpened)]
    assert (review.reason, review.visit_ids) == ("unseen_shelves", (visit_id,))


def test_operators_see_the_store_over_http(store: WalkingStore) -> None:
    with ExitStack() as stack:
        parts = store.open(stack)
        with closing(BillingStore(store.config().data_dir / DATABASE)) as books:
            key = Access(books).add_client("screen", frozenset({Scope.OPERATOR}), parts.clock())
        said: list[dict[str, Any]] = []

        def look(_state: object) -> None:
            if said:
                return
            with closing(NodeClient(f"http://127.0.0.1:{store.port}", key)) as client:
                said.append(client.health())

        StoreLoop(parts, look).run(Event(), parts.clock() + 3 * 10**9, end_visits=True)
    parts_seen = {row["part"] for row in said[0]["rows"]}
    assert {"store", "engine", "billing", "camera", "gate"} <= parts_seen


def test_one_process_at_a_time(store: WalkingStore) -> None:
    with ExitStack() as stack:
        store.open(stack)
        with ExitStack() as other, pytest.raises(InputError, match="is in use"):
            store.open(other)


def test_a_recording_of_another_store_is_refused(
    store: WalkingStore, tmp_path: Path, write_tiny_recording: Any, capsys: Any
) -> None:
    other = write_tiny_recording(tmp_path / "other")
    assert main(["run", str(store.file), "--as-live", str(other)]) == 2
    assert "another layout" in capsys.readouterr().err


def test_speed_is_of_recordings(store: WalkingStore, capsys: Any) -> None:
    assert main(["run", str(store.file), "--speed", "2"]) == 2
    assert "--as-live" in capsys.readouterr().err
