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
from checkout.types import PersonBound, ReviewOpened, ShelvesUnseen
from store_layout.errors import InputError
from tests.tillfree.live.walking_store import WalkingStore
from tillfree.live.books import DATABASE
from tillfree.live.client import NodeClient
from tillfree.live.errors import PartDied
from tillfree.live.history import restored_events
from tillfree.live.loop import LiveState, StoreLoop
from tillfree.live.node import ReportKind
from tillfree.live.screen import state_line
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


def test_ended_and_started_again_the_visit_goes_on(
    tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any, waits_for_no_disk: None
) -> None:
    store = WalkingStore(tmp_path, write_tiny_recording, write_video, edit_yaml, frames=300)
    first = store.run(for_s=5)
    (visit_id,) = first.checkout.state.visits
    second = store.run(for_s=6)
    assert list(second.checkout.state.visits) == list(second.run.fold.visits) == [visit_id]
    events = list(restored_events(store.config().data_dir / "events"))
    (same,) = [event for event in events if isinstance(event, PersonRejoined)]
    assert (same.person_id, same.former_id) == (2, 1)  # seen again where they stood
    assert [event.visit_id for event in events if isinstance(event, PersonBound)] == [visit_id, visit_id]
    (review,) = [event for event in events if isinstance(event, ReviewOpened)]
    assert (review.reason, review.visit_ids) == ("unseen_shelves", (visit_id,))
    assert kinds(store)["Admission"] == 1


def test_operators_see_the_store_over_http(store: WalkingStore) -> None:
    with ExitStack() as stack:
        parts = store.open(stack)
        with closing(BillingStore(store.config().data_dir / DATABASE)) as books:
            key = Access(books).add_client("screen", frozenset({Scope.OPERATOR}), parts.clock())
        said: list[dict[str, Any]] = []

        def look(state: LiveState) -> None:
            store.states.append(state)
            if said:
                return
            parts.inbox.report("door", ReportKind.DOOR_FORCED, parts.clock())
            with closing(NodeClient(f"http://127.0.0.1:{store.port}", key)) as client:
                said.append(client.health())

        StoreLoop(parts, look).run(Event(), parts.clock() + 3 * 10**9, end_visits=True)
    parts_seen = {row["part"] for row in said[0]["rows"]}
    assert {"store", "engine", "billing", "evidence", "camera", "gate"} <= parts_seen
    assert [alert.detail for alert in store.states[-1].view.alerts] == ["gate door was forced open"]
    assert "0 late" in state_line(store.states[-1])


def test_what_an_operator_is_asked_has_its_clip(store: WalkingStore) -> None:
    with ExitStack() as stack:
        parts = store.open(stack)

        def ask(state: LiveState) -> None:
            visits = tuple(visit.visit_id for visit in state.view.visits)
            if visits and not kinds(store)["ReviewOpened"]:
                parts.run.unseen(ShelvesUnseen(state.view.at_ns - 10**9, state.view.at_ns, visits))

        StoreLoop(parts, ask).run(Event(), None, end_visits=True)
    (review,) = [e for e in restored_events(store.config().data_dir / "events") if isinstance(e, ReviewOpened)]
    (clip,) = parts.evidence.store.of_review(review.review_id)
    assert (clip.note.camera_id, clip.note.visit_ids) == ("cam_a", review.visit_ids)
    assert (store.config().data_dir / "evidence" / "clips" / clip.note.clip_id / "cam_a.mp4").stat().st_size > 1_000


def test_health_follows_a_camera_to_the_carts(store: WalkingStore) -> None:
    parts = store.run()
    (camera,) = parts.health.report().cameras
    assert camera.picture is not None
    assert camera.taken > 30
    assert camera.latency.p95_s is not None
    assert store.states[-1].view.cameras == (camera.row,)


def test_a_part_that_ended_by_itself_ends_the_process(store: WalkingStore) -> None:
    with ExitStack() as stack:
        parts = store.open(stack)
        with pytest.raises(PartDied, match=f":{store.port}"):
            StoreLoop(parts, lambda _state: parts.servers[0].stop()).run(Event(), None, end_visits=True)


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
