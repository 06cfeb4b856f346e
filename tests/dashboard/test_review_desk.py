"""The queue that operators share: claims, answers that can be taken back, and handing them on."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.audit import Deed
from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.reviews.claims import GRACE_NS, HOLD_NS
from dashboard.reviews.desk import MARGIN_NS, UNDO_NS, ReviewDesk
from dashboard.reviews.labelled import read_examples
from dashboard.reviews.types import Outcome
from store_layout.errors import InputError
from tests.dashboard.desk_rig import Clock, S
from tests.dashboard.review_rig import OTHER, TAKEN, Store, make_clips, question

ONE, TWO = "review-000001", "review-000002"


class Bench:
    """A queue with two questions, on a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.deeds = folder, Clock(), list[Deed]()
        self.store = Store(self.clock)
        self.store.ask(question(2), question(1))
        self.desk = self.made()

    def made(self) -> ReviewDesk:
        return ReviewDesk(self.store, self.folder, "corner", self.clock, self.deeds.append)

    @property
    def now(self) -> int:
        return self.clock.now_ns

    def wait(self, ns: int) -> None:
        self.clock.now_ns += ns
        self.desk.tend(self.now)

    def answer(self, review_id: str = ONE, outcome: Outcome = TAKEN, who: str = "anna") -> None:
        self.desk.answer(review_id, outcome, who, self.now)

    def given(self) -> list[tuple[str, Outcome]]:
        return [(review_id, outcome) for review_id, outcome, _ in self.store.given]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- claims ------------------------------------------------------------------------


def test_the_queue_is_by_urgency(bench: Bench) -> None:
    assert [each.question.review_id for each in bench.desk.queue(bench.now)] == [ONE, TWO]
    assert bench.desk.waiting(bench.now) == 2


def test_two_operators_never_get_the_same_question(bench: Bench) -> None:
    assert bench.desk.next("anna", bench.now) == ONE
    assert bench.desk.next("bert", bench.now) == TWO
    assert bench.desk.next("carl", bench.now) is None
    assert [each.holder for each in bench.desk.queue(bench.now)] == ["anna", "bert"]
    assert bench.desk.claim(ONE, "bert", bench.now).holder == "anna"
    with pytest.raises(InConflict, match="anna"):
        bench.answer(ONE, who="bert")


def test_a_claim_runs_out_unless_it_is_renewed(bench: Bench) -> None:
    bench.desk.claim(ONE, "anna", bench.now)
    bench.clock.now_ns += HOLD_NS - 1
    assert bench.desk.claim(ONE, "anna", bench.now).holder == "anna"
    bench.clock.now_ns += HOLD_NS - 1
    assert bench.desk.claim(ONE, "bert", bench.now).holder == "anna"
    bench.clock.now_ns += 1
    assert bench.desk.claim(ONE, "bert", bench.now).holder == "bert"


def test_a_page_that_goes_may_be_loaded_again_and_frees_its_question_else(bench: Bench) -> None:
    bench.desk.claim(ONE, "anna", bench.now)
    bench.desk.leave(ONE, "anna", bench.now)
    bench.desk.leave(ONE, "bert", bench.now)
    assert bench.desk.next("bert", bench.now) == TWO
    assert bench.desk.claim(ONE, "anna", bench.now).holder == "anna"
    bench.desk.leave(ONE, "anna", bench.now)
    bench.clock.now_ns += GRACE_NS
    assert bench.desk.claim(ONE, "bert", bench.now).holder == "bert"


def test_a_question_is_skipped_and_released(bench: Bench) -> None:
    assert bench.desk.next("anna", bench.now) == ONE
    assert bench.desk.next("anna", bench.now, skip=ONE) == TWO
    assert bench.desk.next("bert", bench.now) == ONE
    bench.desk.release(ONE, "anna")
    assert bench.desk.claim(ONE, "anna", bench.now).holder == "bert"
    bench.desk.release(ONE, "bert")
    assert bench.desk.claim(ONE, "anna", bench.now).holder == "anna"


# -- answers ---------------------------------------------------------------------------


def test_an_answer_waits_ten_seconds_and_then_goes_to_the_store(bench: Bench) -> None:
    bench.answer()
    assert [each.pending is not None for each in bench.desk.queue(bench.now)] == [True, False]
    assert bench.desk.waiting(bench.now) == 1
    bench.wait(UNDO_NS - 1)
    assert bench.given() == []
    bench.wait(1)
    assert bench.given() == [(ONE, TAKEN)]
    assert bench.desk.mine("anna") == ()
    assert [(deed.who, deed.what, deed.subject, deed.detail) for deed in bench.deeds] == [
        ("anna", "review.answer", ONE, "took 1 fizzo-cherry, v-1")
    ]


def test_an_answer_is_taken_back_in_time_and_by_who_gave_it(bench: Bench) -> None:
    bench.answer()
    with pytest.raises(NotFound):
        bench.desk.undo(ONE, "bert", bench.now)
    with pytest.raises(InConflict):
        bench.answer(ONE, OTHER, "bert")
    bench.desk.undo(ONE, "anna", bench.now)
    assert bench.desk.look(ONE, bench.now).holder == "anna"
    bench.wait(UNDO_NS)
    assert bench.given() == []
    bench.answer(ONE, OTHER)
    bench.wait(UNDO_NS)
    assert bench.given() == [(ONE, OTHER)]
    with pytest.raises(NotFound):
        bench.desk.undo(ONE, "anna", bench.now)
    assert [deed.what for deed in bench.deeds] == ["review.answer", "review.undo", "review.answer"]


def test_who_answers_again_says_something_else(bench: Bench) -> None:
    bench.answer()
    bench.answer(ONE, OTHER)
    bench.wait(UNDO_NS)
    assert bench.given() == [(ONE, OTHER)]


def test_an_answer_is_sent_at_once_where_somebody_wants_that(bench: Bench) -> None:
    bench.answer()
    with pytest.raises(NotFound):
        bench.desk.send(ONE, "bert", bench.now)
    bench.desk.send(ONE, "anna", bench.now)
    assert bench.given() == [(ONE, TAKEN)]


def test_a_question_that_falls_due_does_not_wait_ten_seconds(bench: Bench) -> None:
    due_ns = question(1).due_ns
    bench.clock.now_ns = due_ns - MARGIN_NS - 3 * S
    bench.answer()
    bench.wait(3 * S - 1)
    assert bench.given() == []
    bench.wait(1)
    assert bench.given() == [(ONE, TAKEN)]
    bench.clock.now_ns = question(2).due_ns - S
    bench.answer(TWO)
    assert bench.given() == [(ONE, TAKEN), (TWO, TAKEN)]


@pytest.mark.parametrize(("outcome", "error"), [(Outcome("v-9", "fizzo-cherry", 1), Refused)])
def test_what_cannot_be_is_refused_and_the_question_stays(
    bench: Bench, outcome: Outcome, error: type[Exception]
) -> None:
    with pytest.raises(error):
        bench.answer(outcome=outcome)
    assert bench.desk.waiting(bench.now) == 2
    assert bench.deeds == []


def test_a_question_that_the_store_has_still_is_left_out_for_a_while(bench: Bench) -> None:
    bench.store.keeps_open = True
    bench.answer()
    bench.wait(UNDO_NS)
    assert [each.question.review_id for each in bench.desk.queue(bench.now)] == [TWO]
    with pytest.raises(NotFound):
        bench.desk.look(ONE, bench.now)
    bench.wait(10 * S)
    assert len(bench.desk.queue(bench.now)) == 2  # the store could not carry it out


def test_an_answer_that_comes_to_nothing_is_told(bench: Bench) -> None:
    bench.answer()
    bench.store.is_answered = True
    bench.wait(UNDO_NS)
    assert [(told.who, told.what) for told in bench.desk.told(bench.now)] == [("anna", "other")]
    bench.store.is_answered = False
    bench.answer(TWO)
    bench.store.asked.clear()
    bench.wait(UNDO_NS)
    assert [told.what for told in bench.desk.told(bench.now)] == ["late", "other"]
    assert bench.desk.told(bench.now + 1_000 * S) == ()


# -- nothing is lost -------------------------------------------------------------------


def test_an_answer_that_the_store_does_not_take_is_tried_again(bench: Bench) -> None:
    bench.store.is_away = True
    bench.answer()
    bench.wait(UNDO_NS)
    assert len(bench.desk.mine("anna")) == 1
    bench.store.is_away = False
    bench.wait(S)
    assert bench.given() == [(ONE, TAKEN)]


def test_a_dashboard_that_ends_hands_on_what_waits(bench: Bench) -> None:
    bench.answer()
    answered_ns = bench.now
    bench.desk.start()
    assert bench.store.given == [(ONE, TAKEN, answered_ns)]
    bench.answer(TWO)
    bench.clock.now_ns += S
    bench.desk.stop()
    assert bench.store.given[1:] == [(TWO, TAKEN, answered_ns)]  # of when it was given: the store's time may be over


def test_a_thread_hands_on_what_is_due(bench: Bench) -> None:
    bench.desk.start()
    bench.answer()
    bench.clock.now_ns += UNDO_NS
    assert bench.store.heard.wait(10)
    bench.desk.stop()
    assert bench.given() == [(ONE, TAKEN)]


def test_a_crash_loses_no_answer(bench: Bench) -> None:
    bench.answer()
    again = bench.made()  # nothing was ended
    assert [each.review_id for each in again.mine("anna")] == [ONE]
    again.start()
    again.stop()
    assert bench.given() == [(ONE, TAKEN)]
    assert bench.made().mine("anna") == ()


def test_the_book_of_answers_is_its_owners_alone_and_a_damaged_one_is_refused(bench: Bench) -> None:
    bench.answer()
    path = bench.folder / "answers.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"answers\.json: is no book"):
        bench.made()


def test_what_cannot_be_kept_is_not_taken(bench: Bench) -> None:
    (bench.folder / "answers.json.part").mkdir()
    with pytest.raises(Unavailable):
        bench.answer()
    assert bench.desk.waiting(bench.now) == 2


def test_without_an_audit_log_nothing_counts(bench: Bench) -> None:
    def full(_deed: Deed) -> None:
        raise OSError(28, "No space left on device")

    desk = ReviewDesk(bench.store, bench.folder, "corner", bench.clock, full)
    with pytest.raises(Unavailable, match="No space"):
        desk.answer(ONE, TAKEN, "anna", bench.now)
    assert desk.mine("anna") == ()


# -- labelled examples -------------------------------------------------------------------


def test_each_answer_becomes_an_example(bench: Bench, tmp_path: Path) -> None:
    bench.answer(outcome=Outcome())
    answered_ns = bench.now
    bench.store.ask(make_clips(bench.store, tmp_path, question(1), pictures=3))  # clips may come after the answer
    bench.answer(TWO, OTHER, "bert")
    bench.wait(UNDO_NS)
    first, second = read_examples(bench.folder / "labelled")
    assert (first.version, first.store, first.review_id, first.reason) == (1, "corner", ONE, "doubtful")
    assert first.answer.outcome == Outcome()
    assert (first.answered_by, first.answered_at_ns) == ("anna", answered_ns)
    assert [each.outcome for each in first.candidates] == [TAKEN, OTHER, Outcome()]
    assert [(each.clip_id, each.camera_id) for each in first.clips] == [("7-i-1", "cam1"), ("7-i-1", "cam2")]
    assert (first.visit_ids, first.other_visit_ids) == (("v-1", "v-2"), ("v-3",))
    assert (second.answer.outcome, second.answered_by, second.clips) == (OTHER, "bert", ())
    names = sorted(path.name for path in (bench.folder / "labelled").iterdir())
    assert names == [f"{question().asked_at_ns // S}-{ONE}.json", f"{question().asked_at_ns // S}-{TWO}.json"]


def test_an_answer_that_was_taken_back_is_no_example(bench: Bench) -> None:
    bench.answer()
    bench.desk.undo(ONE, "anna", bench.now)
    bench.wait(UNDO_NS)
    assert not (bench.folder / "labelled").exists()


def test_a_file_that_is_no_example_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1-review-000001.json").write_text('{"version": 2}', encoding="utf-8")
    with pytest.raises(InputError, match="is no example"):
        list(read_examples(tmp_path))
