"""The log of a store that runs: cut lines, segments, what is carried over, what is forgotten and what is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout.types import CartEvent, GateScanned, VisitOpened
from tests.tillfree.live.told_run import S, ToldRun
from tillfree.carried import LogCarried
from tillfree.eventlog import EventLogError, read_events
from tillfree.live.history import HistorySettings, restored_events
from vision.types import GateCrossing

pytestmark = pytest.mark.usefixtures("waits_for_no_disk")
T0 = 1_700_000_000 * S
HOUR = 3_600 * S
DAILY = HistorySettings(segment_hours=1, keep_days=1)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("events-*.jsonl"))


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_after_a_restart_a_visit_goes_on_and_numbers_do_not_begin_again(tmp_path: Path) -> None:
    store = ToldRun(tmp_path)
    store.shop(1, T0)
    store.scan("s2", T0 + 40 * S)
    store.see(T0 + 41 * S, GateCrossing(2, "door", "in", T0 + 41 * S))
    store.see(T0 + 44 * S)
    store.close()
    again = ToldRun(tmp_path)
    again.run.resume()
    assert again.history.numbers.last_person_id == 2
    assert again.history.numbers.last_interaction == 1
    again.scan("s2", T0 + 40 * S)  # the inbox gives it once more
    again.shop(3, T0 + 60 * S)
    visits = again.run.fold.visits
    assert list(visits) == ["visit-s1", "visit-s2", "visit-s3"]
    assert [visit.number for visit in visits.values()] == [0, 1, 2]
    events = [event.event_id for event in restored_events(tmp_path) if isinstance(event, CartEvent)]
    assert events == ["cart-000001", "cart-000002"]
    numbers = [int(line.split(b":")[1].split(b",")[0]) for line in lines(segments(tmp_path)[0])]
    assert numbers == list(range(len(numbers)))
    again.close()


def test_a_cut_last_line_is_cut_off_before_the_log_goes_on(tmp_path: Path) -> None:
    store = ToldRun(tmp_path)
    store.shop(1, T0)
    store.close()
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-25])
    again = ToldRun(tmp_path)
    assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:-1])
    again.run.resume()
    again.see(T0 + 60 * S)
    again.close()
    assert [line for line in lines(path) if not line.endswith(b"}\n")] == []
    assert ToldRun(tmp_path).run.fold.visits["visit-s1"].charge is not None


def test_a_scan_whose_opening_a_power_cut_took_is_taken_again(tmp_path: Path) -> None:
    store = ToldRun(tmp_path)
    store.scan("s1", T0)
    store.see(T0 + S)
    store.close()
    (path,) = segments(tmp_path)
    path.write_bytes(lines(path)[0])  # of scan and opening the scan alone
    again = ToldRun(tmp_path)
    again.scan("s1", T0)
    again.see(T0 + 2 * S)
    assert list(again.run.fold.visits) == ["visit-s1"]
    again.close()
    assert [type(event) for event in restored_events(tmp_path)][:2] == [GateScanned, VisitOpened]


def test_damage_before_the_end_is_named(tmp_path: Path) -> None:
    store = ToldRun(tmp_path)
    store.shop(1, T0)
    store.close()
    (path,) = segments(tmp_path)
    path.write_bytes(b"rubbish\n" + path.read_bytes())
    with pytest.raises(EventLogError, match="line 1"):
        ToldRun(tmp_path)


def test_the_log_goes_on_in_another_file_once_no_visit_is_open(tmp_path: Path) -> None:
    store = ToldRun(tmp_path, DAILY)
    store.tend(T0)
    store.shop(1, T0)
    store.scan("s2", T0 + HOUR)
    store.see(T0 + HOUR + S, GateCrossing(2, "door", "in", T0 + HOUR))
    store.tend(T0 + HOUR + 5 * S)
    assert len(segments(tmp_path)) == 1  # somebody is inside
    store.see(T0 + HOUR + 9 * S, GateCrossing(2, "door", "out", T0 + HOUR + 9 * S))
    store.see(T0 + HOUR + 20 * S)
    store.tend(T0 + HOUR + 20 * S)
    assert len(segments(tmp_path)) == 2
    carried = next(iter(read_events(segments(tmp_path)[1])))
    assert isinstance(carried, LogCarried)
    assert (carried.last_person_id, carried.visits_opened) == (2, 2)
    store.close()
    again = ToldRun(tmp_path, DAILY)
    assert again.run.fold.visits == {}
    again.scan("s2", T0 + HOUR)  # is known: it opened a visit two files ago
    again.shop(3, T0 + HOUR + 60 * S)
    assert [visit.number for visit in again.run.fold.visits.values()] == [2]
    again.close()
    events = [event.event_id for event in restored_events(tmp_path) if isinstance(event, CartEvent)]
    assert events == ["cart-000001", "cart-000002"]


def test_a_visit_that_is_not_paid_keeps_its_file(tmp_path: Path) -> None:
    store = ToldRun(tmp_path, DAILY)
    store.tend(T0)
    store.billing.is_away = True
    store.shop(1, T0)
    store.tend(T0 + 2 * HOUR)
    assert len(segments(tmp_path)) == 1
    store.close()
    again = ToldRun(tmp_path, DAILY)
    again.run.resume()  # billing is back, and asked again
    again.run.poll()
    again.tend(T0 + 2 * HOUR)
    assert len(segments(tmp_path)) == 2
    again.close()


def test_old_files_are_deleted(tmp_path: Path) -> None:
    store = ToldRun(tmp_path, DAILY)
    for number in range(1, 60):
        store.shop(number, T0 + number * HOUR)
        store.tend(T0 + number * HOUR + 40 * S)
    store.close()
    assert 24 <= len(segments(tmp_path)) <= 27
    assert len({scan.scan_id for scan in restored_events(tmp_path) if isinstance(scan, GateScanned)}) <= 27


def test_a_run_that_goes_on_for_days_does_not_grow(tmp_path: Path) -> None:
    store = ToldRun(tmp_path)
    for number in range(1, 200):
        at_ns = T0 + number * 60 * S
        store.shop(number, at_ns)
        store.run.forget(at_ns - HOUR, at_ns - 10 * 60 * S)
    fold, state = store.run.fold, store.checkout.state
    for grows in (
        fold.visits, fold.scans, fold.visit_of_person, fold.interactions, fold.cart_events, state.final_visits,
        state.persons, fold._decisions, fold._bound_ns,
    ):  # fmt: skip
        assert len(grows) <= 63  # type: ignore[arg-type]
    for deeds in (fold.interactions, fold.cart_events, fold._decisions):
        assert 1 <= len(deeds) <= 13  # type: ignore[arg-type]
    assert fold.visits_opened == 199
    assert max(visit.number for visit in fold.visits.values()) == 198
    store.close()


def test_forgetting_leaves_what_is_not_paid(tmp_path: Path) -> None:
    store = ToldRun(tmp_path)
    store.billing.is_away = True
    store.shop(1, T0)
    store.run.forget(T0 + 10 * HOUR, T0 + 10 * HOUR)
    assert list(store.run.fold.visits) == ["visit-s1"]
    assert list(store.run.fold.scans) == ["s1"]
    store.close()
