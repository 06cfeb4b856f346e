"""Labels of recordings: changes, undo, and the truth that is written of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.recordings_desk.labels import MOST_UNDONE, History, Labels, pairs_of
from dashboard.recordings_desk.truth import first_truth, labels_of, truth_of, visit_at
from recordings.errors import RecordingError
from recordings.files import load_truth
from recordings.model import GateScan, TrueInteraction, TrueLine, Truth
from recordings.truth import write_truth_file

VISITS = ("visit-1", "visit-2")
SCANS = (GateScan(gate="main", at_s=9.5, token="late"), GateScan(gate="main", at_s=2.0, token="early"))


def event(at_s: float = 5.0, **changes: Any) -> TrueInteraction:
    given = {"kind": "pick", "shelf": "a/low", "slot": "a/low/s1", "sku": "tea", "visit": VISITS[0], **changes}
    return TrueInteraction(from_s=at_s, to_s=at_s + 0.5, **given)


def sources(labels: Labels) -> list[str | None]:
    return [each.done.provenance for each in labels.labels]


TIMES = st.integers(0, 60_000).map(lambda ms: ms / 1000)
EVENTS = st.builds(
    event,
    TIMES,
    kind=st.sampled_from(("pick", "put_back")),
    shelf=st.sampled_from(("a/low", "a/high")),
    sku=st.sampled_from((None, "tea", "jam")),
    visit=st.sampled_from((None, *VISITS)),
    quantity=st.integers(1, 3),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), EVENTS),
        st.tuples(st.just("propose"), st.lists(EVENTS, max_size=4)),
        st.tuples(st.sampled_from(("confirm", "remove", "edit")), st.integers(0, 20)),
        st.tuples(st.just("complete"), st.booleans()),
    ),
    max_size=20,
)


def walk(history: History, step: tuple[str, Any]) -> History:
    """Do one step; a number means one of the labels that are there."""
    what, value = step
    labels = history.now
    if what in ("confirm", "remove", "edit"):
        if not labels.labels:
            return history
        label_id = labels.labels[value % len(labels.labels)].label_id
        return history.then(
            labels.edit(label_id, quantity=value + 1) if what == "edit" else getattr(labels, what)(label_id)
        )
    if what == "complete":
        return history.then(labels.say_complete(is_complete=value and not labels.proposed))
    return history.then(getattr(labels, what)(value))


@given(STEPS)
def test_every_change_can_be_taken_back(steps: list[tuple[str, Any]]) -> None:
    history = History(Labels().add(event(1.0)).propose([event(30.0, shelf="b")]))
    past = [history]
    for step in steps:
        history = walk(history, step)
        if history.now != past[-1].now:
            past.append(history)
    for before in reversed(past[:-1]):
        history = history.undo()
        assert history.now == before.now
    assert history.undo() == history


@settings(max_examples=40)
@given(STEPS)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]) -> None:
    folder, history, base = tmp_path_factory.mktemp("recording"), History(), first_truth(SCANS)
    for step in steps:
        history = walk(history, step)
    truth = truth_of(base, history.now)
    write_truth_file(folder, truth)
    loaded = load_truth(folder)
    assert loaded is not None
    assert loaded.truth == truth
    again = labels_of(loaded.truth)
    assert [each.done for each in again.labels] == [each.done for each in history.now.labels]
    assert again.is_complete == history.now.is_complete
    assert truth_of(loaded.truth, again) == truth
    assert not (loaded.truth.interactions_known and history.now.proposed)


def test_who_says_so_stays_with_a_label() -> None:
    labels = Labels().propose([event(1.0), event(5.0), event(9.0)]).add(event(20.0))
    first, second, third, own = (each.label_id for each in labels.labels)
    labels = labels.confirm(first).edit(second, sku="jam").edit(own, sku="jam").confirm(own)
    assert sources(labels) == ["confirmed", "edited", "proposed", "added"]
    assert labels.proposed == 1
    assert sources(labels.remove(third)) == ["confirmed", "edited", "added"]
    with pytest.raises(KeyError):
        labels.confirm(99)


def test_labels_are_kept_by_time() -> None:
    labels = Labels().add(event(9.0)).add(event(3.0))
    assert [each.done.from_s for each in labels.labels] == [3.0, 9.0]
    moved = labels.edit(labels.labels[0].label_id, from_s=12.0, to_s=12.5)
    assert [each.done.from_s for each in moved.labels] == [9.0, 12.0]


def test_what_stands_already_is_not_proposed_again() -> None:
    labels = Labels().add(event(5.0)).say_complete(is_complete=True)
    assert labels.propose([event(6.2)]) == labels
    more = labels.propose([event(7.0), event(5.0, kind="put_back")])
    assert more.proposed == 2
    assert not more.is_complete


def test_what_is_only_proposed_is_not_complete() -> None:
    with pytest.raises(ValueError, match="proposed"):
        Labels().propose([event()]).say_complete(is_complete=True)


def test_a_proposal_is_no_truth(tmp_path: Path) -> None:
    truth = truth_of(first_truth(SCANS), Labels().propose([event()]))
    assert not truth.interactions_known
    write_truth_file(tmp_path, truth.model_copy(update={"interactions_known": True}))
    with pytest.raises(RecordingError, match="nobody confirmed"):
        load_truth(tmp_path)


def test_receipts_follow_from_labels_that_are_complete() -> None:
    labels = Labels().add(event(5.0, quantity=2)).add(event(8.0, kind="put_back"))
    labels = labels.add(event(9.0, kind="put_back", sku="jam")).add(event(11.0, sku="jam", visit=VISITS[1]))
    partly = truth_of(first_truth(SCANS), labels)
    assert (partly.receipts_known, partly.interactions_known) == (False, False)
    whole = truth_of(first_truth(SCANS), labels.say_complete(is_complete=True))
    assert (whole.receipts_known, whole.interactions_known) == (True, True)
    assert [each.receipt for each in whole.visits] == [
        (TrueLine(sku="tea", quantity=1),),
        (TrueLine(sku="jam", quantity=1),),
    ]
    no_longer = truth_of(whole, labels_of(whole).add(event(14.0, visit=None)))
    assert (no_longer.receipts_known, no_longer.interactions_known) == (False, True)
    assert not truth_of(whole, labels_of(whole).say_complete(is_complete=False)).receipts_known


def test_receipts_that_were_written_without_events_stay() -> None:
    base = first_truth(SCANS).model_copy(update={"receipts_known": True})
    assert truth_of(base, Labels().add(event())).receipts_known


def test_a_visit_is_found_by_its_scan() -> None:
    truth = first_truth(SCANS)
    assert [(each.id, each.token) for each in truth.visits] == [("visit-1", "early"), ("visit-2", "late")]
    assert visit_at(truth, "late", 9.8) == "visit-2"
    assert visit_at(truth, "late", 2.0) is None


def test_events_are_paired_once_the_nearest_first() -> None:
    true = [event(5.0), event(6.0), event(20.0)]
    seen = [event(6.1), event(20.0, kind="put_back"), event(4.0)]
    assert pairs_of(true, seen) == ((0, 2), (1, 0))


def test_only_the_latest_changes_can_be_taken_back() -> None:
    history = History()
    for at_s in range(MOST_UNDONE + 5):
        history = history.then(history.now.add(event(float(at_s))))
    assert len(history.before) == MOST_UNDONE


@pytest.mark.parametrize("name", ["put-back", "wrong-shelf", "four-crossing"])
def test_a_samples_truth_is_the_same_after_labelling_nothing(repo_dir: Path, tmp_path: Path, name: str) -> None:
    file = repo_dir / "sample_videos" / name / "truth/truth.json"
    truth = Truth.model_validate(json.loads(file.read_text(encoding="utf-8")))
    assert write_truth_file(tmp_path, truth).read_bytes() == file.read_bytes()
    again = truth_of(truth, labels_of(truth))
    assert [Counter(each.receipt) for each in again.visits] == [Counter(each.receipt) for each in truth.visits]
    assert again.interactions_known
