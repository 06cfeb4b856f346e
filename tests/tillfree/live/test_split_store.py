"""A store split over two workers and a coordinator: the same as in one process, whatever comes twice, late or not at all."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from checkout.types import ReviewOpened
from tests.tillfree.live.split_store import Shaken, SplitStore
from tillfree.live.history import restored_events
from tillfree.live.loop import LiveParts
from tillfree.main import main


@pytest.fixture
def store(
    tmp_path: Path, write_tiny_recording: Any, write_video: Any, edit_yaml: Any, waits_for_no_disk: None
) -> SplitStore:
    return SplitStore(tmp_path, write_tiny_recording, write_video, edit_yaml)


def test_in_step_it_is_as_in_one_process_though_a_worker_dies_and_messages_come_late_and_twice(
    store: SplitStore,
) -> None:
    stopped = Event()
    left, doomed = store.worker("left", stopped), store.worker("right", stopped, dies_after=13)
    shaken = Shaken(store.broker.coordinator(), 1)
    again = []

    def restart(_parts: LiveParts) -> None:
        if store.deaths and not again:
            again.append(store.worker("right", stopped))

    parts = store.coordinator(Event(), in_step=True, end=shaken, meanwhile=restart)
    for thread in (left, doomed, *again):
        thread.join()
    assert store.deaths == ["right"]
    assert shaken.twice > 0
    assert parts.run.late_count == 0
    assert store.log() == store.log_of_one_process()
    (visit,) = parts.run.fold.visits.values()
    assert visit.charge is not None
    assert store.broker.agreement is None  # nobody begins it again by mistake


def test_workers_that_die_leave_a_review_and_the_visit_ends(store: SplitStore) -> None:
    stopped = Event()
    threads = [store.worker("left", stopped, dies_after=20), store.worker("right", stopped, dies_after=15)]
    parts = store.coordinator(Event(), in_step=False)
    for thread in threads:
        thread.join()
    (visit,) = parts.run.fold.visits.values()
    assert visit.charge is not None
    assert "worker right is silent; the store goes on without cam_b" in store.told
    assert [(row.is_up, row.detail) for row in store.states[-1].view.cameras] == [
        (False, "waiting: worker left is silent"),
        (False, "waiting: worker right is silent"),
    ]
    events = list(restored_events(store.config().data_dir / "events"))
    (review,) = [event for event in events if isinstance(event, ReviewOpened)]
    assert (review.reason, review.visit_ids) == ("unseen_shelves", (visit.visit_id,))


@pytest.mark.slow
def test_a_coordinator_that_ends_goes_on_with_what_it_had_not_logged(store: SplitStore) -> None:
    stopped, ends = Event(), Event()
    threads = [store.worker(name, stopped) for name in ("left", "right")]

    def end(parts: LiveParts) -> None:
        if parts.checkout.state.visits:
            ends.set()

    first = store.coordinator(ends, in_step=False, meanwhile=end)
    second = store.coordinator(Event(), in_step=False)
    for thread in threads:
        thread.join()
    assert list(first.checkout.state.visits) == list(second.run.fold.visits)
    (visit,) = second.run.fold.visits.values()
    assert visit.charge is not None
    frames = [state.frames for state in store.states]
    assert second.run.late_count == 0
    assert max(frames) <= 80


def test_in_step_is_of_recordings_and_of_workers(store: SplitStore, edit_yaml: Any, capsys: Any) -> None:
    assert main(["run", str(store.file), "--in-step"]) == 2
    assert "--as-live" in capsys.readouterr().err
    edit_yaml(store.file, broker=None, workers={})
    assert main(["run", str(store.file), "--as-live", str(store.recording), "--in-step"]) == 2
    assert "vision workers" in capsys.readouterr().err
