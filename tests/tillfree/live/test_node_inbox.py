"""What waits for the engine outlives a crash, in order and without a loss."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkout.types import GateScanned, ReviewAnswered
from store_layout.errors import InputError
from tillfree.live import errors
from tillfree.live.inbox import NodeInbox, Queued
from tillfree.live.journal import Journal
from tillfree.live.node import NOT_STARTED, GateReported, NodeInput, NodeView, ReportKind

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def scan(number: int, at_ns: int = 0) -> GateScanned:
    return GateScanned(f"s{number}", "door", at_ns or number, f"card-{number}", 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "inbox.journal"


@pytest.fixture(autouse=True)
def _waits_for_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out fsync: no test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)


@contextlib.contextmanager
def opened(file: Path, **settings: int) -> Iterator[NodeInbox]:
    with contextlib.closing(NodeInbox(file, **settings)) as inbox:
        yield inbox


def given_of(queued: tuple[Queued, ...]) -> list[NodeInput]:
    return [each.given for each in queued]


def test_inputs_come_in_order_of_time_and_once(file: Path) -> None:
    with opened(file) as inbox:
        inbox.admit(scan(1, 30))
        inbox.report("door", ReportKind.DOOR_OPENED, 10)
        inbox.answer(ReviewAnswered("r1", 20, None, None, 0))
        inbox.admit(scan(2, 20))
        assert given_of(inbox.take(9)) == []
        first = given_of(inbox.take(20))
        assert [each.at_ns for each in first] == [10, 20, 20]
        assert isinstance(first[1], ReviewAnswered)  # came before the scan of the same time
        assert given_of(inbox.take(100)) == [scan(1, 30)]
        assert inbox.take(100) == ()
        assert inbox.waiting_count == 4


def test_after_a_restart_all_that_was_not_done_is_given_again(file: Path) -> None:
    with opened(file) as inbox:
        for number in range(1, 5):
            inbox.admit(scan(number))
        taken = inbox.take(3)
        inbox.done(taken[1].number)
    with opened(file) as inbox:
        again = inbox.take(100)
        assert given_of(again) == [scan(1), scan(3), scan(4)]
        assert [each.number for each in again] == [1, 3, 4]
        inbox.admit(scan(9))
        assert inbox.take(100)[0].number == 5


def test_a_scan_is_taken_once_also_after_it_is_done(file: Path) -> None:
    with opened(file, compact_after=1) as inbox:
        inbox.admit(scan(1))
        inbox.admit(scan(1, 7))
        (queued,) = inbox.take(100)
        inbox.done(queued.number)
        inbox.admit(scan(1, 8))
        assert inbox.waiting_count == 0
    with opened(file) as inbox:
        inbox.admit(scan(1, 9))
        assert inbox.waiting_count == 0


def test_one_report_twice_is_one(file: Path) -> None:
    with opened(file) as inbox:
        for at_ns in (1, 1, 2):
            inbox.report("door", ReportKind.DOOR_FORCED, at_ns)
        assert given_of(inbox.take(5)) == [GateReported("door", ReportKind.DOOR_FORCED, at) for at in (1, 2)]


def test_one_review_has_one_answer_until_the_engine_took_it(file: Path) -> None:
    mine, other = ReviewAnswered("r1", 5, "visit-s1", "cola", 1), ReviewAnswered("r1", 6, None, None, 0)
    with opened(file) as inbox:
        inbox.answer(mine)
        inbox.answer(ReviewAnswered("r1", 9, "visit-s1", "cola", 1))
        with pytest.raises(errors.ReviewAnswered, match="r1 was answered otherwise"):
            inbox.answer(other)
        (queued,) = inbox.take(100)
        with pytest.raises(errors.ReviewAnswered):
            inbox.answer(other)
        inbox.done(queued.number)
        inbox.answer(other)  # the engine refused the first one, and the review is open still
        assert given_of(inbox.take(100)) == [other]


def test_no_more_wait_than_fit(file: Path) -> None:
    with opened(file, most=2) as inbox:
        inbox.admit(scan(1))
        inbox.admit(scan(2))
        with pytest.raises(errors.NodeFull, match="2 inputs wait"):
            inbox.admit(scan(3))
        inbox.admit(scan(2))  # is there already
        (first, _) = inbox.take(100)
        with pytest.raises(errors.NodeFull):
            inbox.admit(scan(3))
        inbox.done(first.number)
        inbox.admit(scan(3))


def test_done_is_for_what_was_taken(file: Path) -> None:
    with opened(file) as inbox:
        inbox.admit(scan(1))
        with pytest.raises(LookupError):
            inbox.done(1)
        inbox.take(5)
        inbox.done(1)
        with pytest.raises(LookupError):
            inbox.done(1)


def test_the_file_stays_small_and_secret(file: Path) -> None:
    with opened(file, compact_after=50) as inbox:
        inbox.admit(scan(100_000))
        for number in range(1, 501):
            inbox.admit(scan(number))
            for queued in inbox.take(number):
                inbox.done(queued.number)
        lines = file.read_bytes().count(b"\n")
        assert lines <= 2 + 2 * 50
        assert file.stat().st_mode & 0o077 == 0
    with opened(file) as inbox:
        assert given_of(inbox.take(10**9)) == [scan(100_000)]


def test_a_view_is_what_was_published(file: Path) -> None:
    with opened(file) as inbox:
        assert inbox.view() is NOT_STARTED
        view = NodeView(at_ns=5, is_open=True)
        inbox.publish(view)
        assert inbox.view() is view


def test_one_process_has_the_file(file: Path) -> None:
    with opened(file), pytest.raises(InputError, match="is in use"):
        NodeInbox(file)
    with opened(file):
        pass


def test_a_closed_inbox_takes_nothing(file: Path) -> None:
    inbox = NodeInbox(file)
    inbox.close()
    inbox.close()
    with pytest.raises(errors.NodeStopped, match="is closed"):
        inbox.admit(scan(1))


def test_a_place_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        NodeInbox(tmp_path / "none" / "inbox.journal")
    with contextlib.closing(Journal(tmp_path / "other")) as journal:
        journal.append('{"what": 1}')
    with pytest.raises(InputError, match="is no inbox"):
        NodeInbox(tmp_path / "other")
    with contextlib.closing(Journal(tmp_path / "other")):  # and it was let go
        pass


def test_a_disk_that_is_full_leaves_whole_lines(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(file) as inbox:
        inbox.admit(scan(1))
        write = os.write

        def half(descriptor: int, data: bytes) -> int:
            if len(data) > 20:
                return write(descriptor, data[:20])
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", half)
            with pytest.raises(errors.NodeStopped, match="No space left"):
                inbox.admit(scan(2))
        inbox.admit(scan(3))
        inbox.admit(scan(2))
        assert given_of(inbox.take(100)) == [scan(1), scan(2), scan(3)]
    with opened(file) as inbox:
        assert given_of(inbox.take(100)) == [scan(1), scan(2), scan(3)]


def test_threads_lose_nothing(file: Path) -> None:
    with opened(file, compact_after=20) as inbox:
        threads = [
            threading.Thread(target=lambda first=first: [inbox.admit(scan(first + n)) for n in range(50)])
            for first in (1_000, 2_000, 3_000)
        ]
        for thread in threads:
            thread.start()
        seen: list[str] = []
        while len(seen) < 150:
            for queued in inbox.take(10**9):
                assert isinstance(queued.given, GateScanned)
                seen.append(queued.given.scan_id)
                inbox.done(queued.number)
        for thread in threads:
            thread.join()
        assert len(set(seen)) == 150


TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20), max_size=8)


@QUICK
@given(texts=TEXTS, data=st.data())
def test_a_file_that_was_cut_anywhere_holds_its_first_lines(
    tmp_path: Path, texts: list[str], data: st.DataObject
) -> None:
    file = tmp_path / "cut"
    file.unlink(missing_ok=True)
    with contextlib.closing(Journal(file)) as journal:
        journal.append(*texts)
    whole = file.read_bytes()
    kept = data.draw(st.integers(0, len(whole)))
    rubbish = data.draw(st.sampled_from([b"", b"\0" * 30, b"\0" * 30 + b"\n", b"0badc0de x\n\n"]))
    file.write_bytes(whole[:kept] + rubbish)
    with contextlib.closing(Journal(file)) as journal:
        assert list(journal.lines) == texts[: whole[:kept].count(b"\n")]
        journal.append("more")
    with contextlib.closing(Journal(file)) as journal:
        assert list(journal.lines) == [*texts[: whole[:kept].count(b"\n")], "more"]


def test_damage_in_the_middle_is_told(file: Path) -> None:
    with contextlib.closing(Journal(file)) as journal:
        journal.append("one", "two", "three")
    data = bytearray(file.read_bytes())
    data[data.index(b"two")] ^= 1
    file.write_bytes(data)
    for _ in range(2):  # the second time nobody holds it either
        with pytest.raises(InputError, match="line 2 is damaged"):
            Journal(file)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.integers(1, 12), st.integers(1, 50)),
        st.tuples(st.just("take"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("done"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@QUICK
@given(actions=ACTIONS, compact_after=st.integers(1, 4))
def test_any_story_gives_each_scan_until_it_is_done(
    tmp_path: Path, actions: list[tuple[str, int, int]], compact_after: int
) -> None:
    """The inbox against simple bookkeeping: what was admitted first for each id, less what was done."""
    file = tmp_path / "story"
    file.unlink(missing_ok=True)
    admitted: dict[str, GateScanned] = {}
    done: set[str] = set()
    held: list[Queued] = []
    inbox = NodeInbox(file, compact_after=compact_after)
    for what, number, at_ns in actions:
        if what == "admit":
            inbox.admit(scan(number, at_ns))
            admitted.setdefault(f"s{number}", scan(number, at_ns))
        elif what == "take":
            found = inbox.take(number)
            assert [each.given.at_ns for each in found] == sorted(each.given.at_ns for each in found)
            held += found
        elif what == "done" and held:
            queued = held.pop(number % len(held))
            assert isinstance(queued.given, GateScanned)
            inbox.done(queued.number)
            done.add(queued.given.scan_id)
        elif what == "restart":
            inbox.close()
            inbox, held = NodeInbox(file, compact_after=compact_after), []
        left = {each for name, each in admitted.items() if name not in done}
        assert inbox.waiting_count == len(left)
    inbox.close()
    with opened(file) as inbox:
        found = inbox.take(10**9)
        assert {each.given for each in found} == {each for name, each in admitted.items() if name not in done}
        assert len({each.number for each in found}) == len(found)
