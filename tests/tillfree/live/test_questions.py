"""What a dashboard's reviews are told of a store that runs, and what becomes of their answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout.types import ReviewAnswered
from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.reviews.types import Outcome
from tests.tillfree.live.evidence_rig import EvidenceShop, request
from tests.tillfree.live.node_shop import NOW, S, open_view, review, visit_row
from tillfree.live.clips import ClipNote
from tillfree.live.inbox import NodeInbox
from tillfree.live.questions import LiveQuestions

ONE = "review-000001"
TAKEN = Outcome("visit-s1", "cola", 1)


class Bench:
    """An inbox, evidence, and a store that asks one question."""

    def __init__(self, folder: Path) -> None:
        self.inbox = NodeInbox(folder / "inbox.journal", most=2)
        self.shop = EvidenceShop(folder / "evidence")
        self.questions = LiveQuestions(self.inbox, self.shop.evidence, {"cola", "bread"}, lambda: NOW)
        visits = tuple(
            dataclasses.replace(visit_row(each), number=each + 3, opened_at_ns=NOW - 9 * S) for each in (1, 2, 3)
        )
        late = visit_row(4, opened_at_ns=NOW)
        self.inbox.publish(open_view(visits=(*visits, late), reviews=(review(due_ns=NOW + 26 * S),)))

    def add_clip(self, camera_id: str, *review_ids: str) -> Path:
        store = self.shop.evidence.store
        draft = store.draft("7-i-1", camera_id)
        draft.write_bytes(b"video")
        times = (NOW - 9 * S, NOW - 2 * S)
        note = ClipNote(
            clip_id="7-i-1", camera_id=camera_id, interaction_id="i-1", review_ids=review_ids, visit_ids=(), from_ns=times[0],
            to_ns=times[1], first_ns=times[0], last_ns=times[1], pictures=70, blurred=True, hidden_pictures=2, is_whole=True,
            made_at_ns=NOW, size_bytes=5,
        )  # fmt: skip
        return store.add(draft, note).path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.shop.close()
    found.inbox.close()


def test_a_question_has_what_the_store_knows(bench: Bench) -> None:
    path = bench.add_clip("cam1", ONE)
    bench.add_clip("cam2", "review-000009")
    (asked,) = bench.questions.open()
    assert (asked.review_id, asked.reason, asked.slot_id, asked.change) == (ONE, "doubtful", "slot-1", -1)
    assert asked.due_ns - bench.questions.now_ns() == 26 * S
    assert [(each.number, each.outcome, each.probability) for each in asked.choices] == [
        (1, TAKEN, 0.6),
        (2, Outcome("visit-s1", "bread", 1), 0.3),
        (3, Outcome("visit-s2", "cola", 1), 0.6),
        (4, Outcome("visit-s2", "bread", 1), 0.3),
        (5, Outcome(), None),
    ]
    assert asked.likeliest == asked.unanswered == TAKEN
    near = [(each.visit_id, each.number, each.is_asked) for each in asked.near]
    assert near == [("visit-s1", 4, True), ("visit-s2", 5, True), ("visit-s3", 6, False)]  # the fourth came later
    assert [(each.camera_id, each.pictures, each.hidden_pictures) for each in asked.clips] == [("cam1", 70, 2)]
    assert bench.questions.clips(ONE) == asked.clips
    assert bench.questions.clip_file("7-i-1", "cam1") == path
    assert bench.questions.clip_file("..", "cam1") is None


def test_clips_that_are_being_made_are_waited_for(bench: Bench) -> None:
    assert not bench.questions.open()[0].clips_wait
    bench.shop.evidence.cut(request(review_ids=(ONE,)))
    assert bench.questions.open()[0].clips_wait


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("visit-s9", "cola", 1),
        Outcome("visit-s1", "tea", 1),
        Outcome("visit-s1", "cola", -1),
        Outcome("visit-s1", None, 0),
        Outcome(None, "cola", 0),
    ],
)
def test_what_cannot_be_carried_out_is_refused(bench: Bench, outcome: Outcome) -> None:
    with pytest.raises(Refused):
        bench.questions.check(ONE, outcome)


def test_what_can_be_is_not_and_a_closed_question_is_not_there(bench: Bench) -> None:
    for outcome in (TAKEN, Outcome(), Outcome(None, "bread", 2)):
        bench.questions.check(ONE, outcome)
    with pytest.raises(NotFound):
        bench.questions.check("review-000009", TAKEN)


def test_an_answer_is_given_to_the_engine_once(bench: Bench) -> None:
    bench.questions.answer(ONE, TAKEN, NOW)
    bench.questions.answer(ONE, TAKEN, NOW)
    with pytest.raises(InConflict):
        bench.questions.answer(ONE, Outcome(), NOW)
    (queued,) = bench.inbox.take(NOW)
    assert queued.given == ReviewAnswered(ONE, NOW, "visit-s1", "cola", 1)


def test_a_store_that_takes_nothing_now_is_told_of(bench: Bench) -> None:
    for number in (2, 3):
        bench.questions.answer(f"review-{number:06d}", Outcome(), NOW)
    with pytest.raises(Unavailable):
        bench.questions.answer(ONE, TAKEN, NOW)
