"""The projection of visits: what events say, once however often they are told, and made anew from the log."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.dashboard_load.visit_events import Told, events_of, many
from billing.money import Money
from billing.types import ChargeState
from checkout.types import CartEvent, CartLine, PersonMerged, ReceiptFinalised, VisitClosed, VisitReopened
from dashboard.visits.feeding import Feeder
from dashboard.visits.finding import find, story
from dashboard.visits.notes import Notes
from dashboard.visits.projection import Projection
from dashboard.visits.types import Kind, News, Search, VisitRow, VisitState
from tests.dashboard.desk_rig import S
from tests.dashboard.visits_rig import GEOMETRY, NOW, MemoryLog, projection_of
from tillfree.carried import LogCarried
from tillfree.live.tokens import token_name

SKU, OTHER = sorted(product.sku for product in GEOMETRY.store.products)[:2]


def told(number: int = 1, **changes: object) -> Told:
    given_: dict[str, object] = {"token": "card-1", "items": {SKU: 2, OTHER: 1}, "price_minor": {SKU: 149, OTHER: 50}}
    return Told(number, NOW, **(given_ | changes))  # type: ignore[arg-type]


def log_of(*visits: Told) -> list[object]:
    return [event for each in visits for event in events_of(each, GEOMETRY)]


def row_of(folder: Path, events: list[object], visit_id: str = "visit-s1") -> VisitRow:
    found = projection_of(folder, events)
    said = story(found, visit_id)
    found.close()
    assert said is not None
    return said.row


def test_a_visit_from_gate_to_charge(tmp_path: Path) -> None:
    row = row_of(tmp_path, log_of(told()))
    assert row.state is VisitState.CHARGED
    assert (row.kind, row.shopper, row.number) == (Kind.CARD, token_name("card-1"), 1)
    assert row.lines == ((SKU, 2), (OTHER, 1))
    assert row.total == Money(348, "EUR")
    assert (row.opened_at_ns, row.left_at_ns) == (NOW, NOW + 30 * S)
    assert row.gate_id == GEOMETRY.gates[0].gate_id


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"is_over": False}, VisitState.SHOPPING),
        ({"is_over": False, "review": "open"}, VisitState.IN_REVIEW),
        ({"review": "open"}, VisitState.IN_REVIEW),
        ({"charge": None}, VisitState.CLOSED),
        ({"charge": ChargeState.UNKNOWN}, VisitState.CLOSED),
        ({"charge": ChargeState.DECLINED}, VisitState.UNPAID),
        ({"charge": ChargeState.VOID}, VisitState.CHARGED),
        ({"review": "closed"}, VisitState.CHARGED),
    ],
)
def test_states(tmp_path: Path, changes: dict[str, object], state: VisitState) -> None:
    assert row_of(tmp_path, log_of(told(**changes))).state is state


def test_a_story_has_its_parts_in_order(tmp_path: Path) -> None:
    found = projection_of(tmp_path, log_of(told(review="closed"), told(2, token="cash")))
    said = story(found, "visit-s1")
    assert said is not None
    kinds = [moment.kind for moment in said.moments]
    assert kinds == ["VisitOpened", "ReviewOpened", "CartEvent", "ReviewClosed", "CartEvent", "VisitClosed", "ReceiptFinalised", "Charge"]  # fmt: skip
    assert [each.body["slot_id"] is not None for each in said.interactions] == [True, True]
    assert [each.body["direction"] for each in said.crossings] == ["in", "out"]
    found.close()


def test_no_card_is_in_the_file(tmp_path: Path) -> None:
    projection_of(tmp_path, log_of(told(token="card-secret-4242"), told(2, token="pass:secret-4343"))).close()
    for file in tmp_path.iterdir():
        assert b"secret-4" not in file.read_bytes()


def test_a_cart_that_is_corrected_and_a_receipt_that_says_otherwise(tmp_path: Path) -> None:
    events = log_of(told(is_over=False))
    fixed = CartEvent("e-9", "corrected", "visit-s1", SKU, -2, NOW + 20 * S, None, 1.0, None)
    assert row_of(tmp_path, [*events, fixed]).lines == ((OTHER, 1),)
    final = ReceiptFinalised("visit-s1", NOW + 90 * S, (CartLine(SKU, 5),), reviewed=False)
    assert row_of(tmp_path, [*events, fixed, final]).lines == ((SKU, 5),)


def test_somebody_comes_back(tmp_path: Path) -> None:
    events = log_of(told(is_over=False))
    closed, again = VisitClosed("visit-s1", NOW + 50 * S, "exit"), VisitReopened("visit-s1", NOW + 51 * S)
    assert row_of(tmp_path, [*events, closed]).state is VisitState.CLOSED
    assert row_of(tmp_path, [*events, closed, again]).state is VisitState.SHOPPING


def test_whoever_was_two_people_is_of_one_visit(tmp_path: Path) -> None:
    events = log_of(told(is_over=False))
    merged = PersonMerged(77, 1, NOW + 40 * S)
    left = [event for event in log_of(told()) if type(event).__name__ == "GateCrossing"][-1]
    found = projection_of(tmp_path, [*events, merged, left.__class__(77, left.gate_id, "out", NOW + 60 * S)])  # type: ignore[attr-defined]
    said = story(found, "visit-s1")
    assert said is not None
    assert len(said.crossings) == 2
    found.close()


def test_twice_told_changes_nothing(tmp_path: Path) -> None:
    events = list(enumerate(log_of(*many(30, GEOMETRY, NOW))))
    found = projection_of(tmp_path)
    found.take(events)
    once = list(found.dump())
    found.take(events)
    found.take(events[-3:])
    assert list(found.dump()) == once
    found.close()


def test_in_any_pieces_it_comes_to_the_same(tmp_path: Path) -> None:
    events = list(enumerate(log_of(*many(12, GEOMETRY, NOW))))
    whole = projection_of(tmp_path)
    whole.take(events)
    for size in (1, 7):
        pieces = projection_of(tmp_path, name=f"by-{size}.sqlite")
        for start in range(0, len(events), size):
            pieces.take(events[max(0, start - 2) : start + size])
        assert list(pieces.dump()) == list(whole.dump())
        pieces.close()
    whole.close()


def fed(folder: Path, log: MemoryLog, news: list[News] | None = None, name: str = "dashboard.sqlite") -> list[str]:
    found = Projection(folder / name, token_name)
    feeder = Feeder(found, log, BooksOf(news or []), lambda: NOW)
    feeder.round(0)
    said = list(found.dump())
    found.close()
    return said


class BooksOf:
    def __init__(self, news: list[News]) -> None:
        self.news = news

    def after(self, number: int, limit: int) -> tuple[News, ...]:
        return tuple(each for each in self.news if each.number > number)[:limit]


def refund_news(number: int, visit_id: str, minor: int, state: str = "done", key: str = "r-1") -> News:
    return News(number, f"refund.{state}", visit_id, {"key": key, "amount_minor": minor, "state": state})


def test_deleted_and_started_again_it_has_the_same_rows(tmp_path: Path) -> None:
    log = MemoryLog(log_of(*many(40, GEOMETRY, NOW)))
    news = [refund_news(5, "visit-s3", 149), refund_news(6, "visit-s3", 149, key="r-2")]
    first = fed(tmp_path, log, news)
    for file in tmp_path.iterdir():
        file.unlink()
    assert fed(tmp_path, log, news) == first
    assert len(first) > 100


def test_live_and_from_the_log_are_the_same(tmp_path: Path) -> None:
    log = MemoryLog()
    found = Projection(tmp_path / "live.sqlite", token_name)
    feeder = Feeder(found, log, None, lambda: NOW)
    feeder.round(0)
    for event in log_of(*many(20, GEOMETRY, NOW)):
        log.events.append(event)
        feeder.heard(len(log.events) - 1, event)
    reads = log.reads
    while found.position < len(log.events):
        feeder.round(0)
    assert log.reads == reads  # nothing was read again
    assert list(found.dump()) == fed(tmp_path, log)
    found.close()


@pytest.mark.parametrize("most", [1, 3, 20])
def test_what_does_not_fit_is_read_from_the_log(tmp_path: Path, most: int) -> None:
    log = MemoryLog()
    found = Projection(tmp_path / "live.sqlite", token_name)
    feeder = Feeder(found, log, None, lambda: NOW, most_waiting=most)
    for event in log_of(*many(20, GEOMETRY, NOW)):
        log.events.append(event)
        feeder.heard(len(log.events) - 1, event)
    for _ in range(5):
        feeder.round(0)
    assert found.position == len(log.events)
    assert list(found.dump()) == fed(tmp_path, log)
    found.close()


def test_the_thread_ends_when_told_and_says_what_is_wrong(tmp_path: Path) -> None:
    class Broken(MemoryLog):
        def after(self, position: int) -> itertools.chain[tuple[int, object]]:
            raise OSError("no such disk")

    found = Projection(tmp_path / "live.sqlite", token_name)
    feeder, stopped = Feeder(found, Broken(), None, lambda: NOW), threading.Event()
    thread = threading.Thread(target=feeder.run, args=(stopped,))
    thread.start()
    while not feeder.problem:
        stopped.wait(0.01)
    stopped.set()
    thread.join(5)
    assert not thread.is_alive()
    assert "no such disk" in feeder.problem
    found.close()


def test_a_log_that_lost_its_end_is_read_anew(tmp_path: Path) -> None:
    log = MemoryLog(log_of(told(), told(2)))
    fed(tmp_path, log)
    cut = MemoryLog([*log.events[:-4], *log_of(told(3))])
    assert fed(tmp_path, cut) == fed(tmp_path, cut, name="fresh.sqlite")


def test_what_the_log_no_longer_has_is_forgotten(tmp_path: Path) -> None:
    log = MemoryLog(log_of(told(), told(2)))
    log.events.insert(15, LogCarried(NOW, 1, 1, 1, (), None))  # type: ignore[arg-type]
    log.events = [*log_of(told()), LogCarried(NOW, 1, 1, 1, (), None), *log_of(told(2))]  # type: ignore[arg-type]
    fed(tmp_path, log)
    log.begin = len(log_of(told()))
    kept = fed(tmp_path, log)
    assert not any("visit-s1" in line for line in kept)
    assert any("visit-s2" in line for line in kept)
    assert kept == fed(tmp_path, log, name="fresh.sqlite")  # the number goes on, too


def test_money_that_billing_tells_of(tmp_path: Path) -> None:
    found = projection_of(tmp_path, log_of(told(charge=ChargeState.UNKNOWN)))

    def state_after(*news: News) -> tuple[VisitState, int | None]:
        found.hear(news)
        said = story(found, "visit-s1")
        assert said is not None
        return said.row.state, said.row.refunded and said.row.refunded.minor

    charge = {"number": 1, "amount_minor": 348, "currency": "EUR", "state": "captured"}
    assert state_after(News(1, "charge.paid", "visit-s1", charge)) == (VisitState.CHARGED, None)
    assert state_after(refund_news(2, "visit-s1", 149, "agreed")) == (VisitState.REFUNDED, 149)
    assert state_after(refund_news(3, "visit-s1", 149)) == (VisitState.REFUNDED, 149)
    dispute = {"dispute_id": "d-1", "state": "open"}
    assert state_after(News(4, "review.needed", "visit-s1", dispute))[0] is VisitState.DISPUTED
    decided = {"dispute_id": "d-1", "state": "rejected"}
    assert state_after(News(5, "review.decided", "visit-s1", decided))[0] is VisitState.REFUNDED
    assert state_after(News(4, "review.needed", "visit-s1", dispute))[0] is VisitState.REFUNDED  # told again
    found.close()


def test_what_billing_tells_before_the_log_counts_too(tmp_path: Path) -> None:
    found = projection_of(tmp_path)
    found.hear([refund_news(1, "visit-s1", 10)])
    found.take(list(enumerate(log_of(told()))))
    said = story(found, "visit-s1")
    assert said is not None
    assert said.row.state is VisitState.REFUNDED
    found.close()


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_file_of_another_kind_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dashboard.sqlite").write_bytes(content * 100)
    assert row_of(tmp_path, log_of(told())).number == 1


def test_a_file_of_another_version_is_made_anew(tmp_path: Path) -> None:
    projection_of(tmp_path, log_of(told())).close()
    db = sqlite3.connect(tmp_path / "dashboard.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.execute("CREATE TABLE odd (a)")
    db.close()
    found = projection_of(tmp_path)
    assert (found.position, list(found.dump())) == (0, [])
    found.close()


def test_a_file_of_this_version_is_kept(tmp_path: Path) -> None:
    projection_of(tmp_path, log_of(told())).close()
    assert row_of(tmp_path, []).total == Money(348, "EUR")


def test_notes_are_kept_once_and_never_changed(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.sqlite")
    assert notes.add("visit-s1", 5, "anna", "was helped", "f1")
    assert not notes.add("visit-s1", 6, "anna", "was helped", "f1")
    assert notes.add("visit-s1", 7, "ben", "agreed", "f2")
    notes.close()
    notes = Notes(tmp_path / "notes.sqlite")
    assert [(note.who, note.text, note.at_ns) for note in notes.of("visit-s1")] == [("anna", "was helped", 5), ("ben", "agreed", 7)]  # fmt: skip
    assert notes.of("visit-s2") == ()
    notes.close()
    db = sqlite3.connect(tmp_path / "notes.sqlite")
    for statement in ("UPDATE notes SET text = 'x'", "DELETE FROM notes"):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
    db.close()


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Projection, tuple[VisitRow, ...]]:
    found = projection_of(tmp_path_factory.mktemp("crowd"), log_of(*many(120, GEOMETRY, NOW)))
    found.hear([refund_news(number, f"visit-s{number * 7}", 10, key=f"r-{number}") for number in range(1, 15)])
    return found, find(found, Search(limit=1_000)).rows


def suits(row: VisitRow, s: Search) -> bool:
    """Say in plain words what ``finding`` says in SQL."""
    return (
        (s.from_ns is None or row.opened_at_ns >= s.from_ns)
        and (s.to_ns is None or row.opened_at_ns < s.to_ns)
        and (s.kind is None or row.kind is s.kind)
        and row.shopper.startswith(s.shopper)
        and (s.skus is None or not {sku for sku, _ in row.lines}.isdisjoint(s.skus))
        and (s.least_minor is None or (row.total is not None and row.total.minor >= s.least_minor))
        and (s.most_minor is None or (row.total is not None and row.total.minor <= s.most_minor))
        and (not s.states or row.state in s.states)
    )


times = st.none() | st.integers(NOW - 160 * 120 * S, NOW)
amounts = st.none() | st.integers(0, 2_000)
searches = st.builds(
    Search,
    from_ns=times,
    to_ns=times,
    kind=st.none() | st.sampled_from(Kind),
    shopper=st.sampled_from(["", "card-", "pass-", "cash", token_name("card-7"), "card-%", "x"]),
    skus=st.none() | st.lists(st.sampled_from([SKU, OTHER, "nothing"]), max_size=3).map(tuple),
    least_minor=amounts,
    most_minor=amounts,
    states=st.lists(st.sampled_from(VisitState), max_size=2).map(tuple),
    limit=st.just(1_000),
)


@settings(max_examples=30, deadline=None)
@given(search=searches)
def test_what_is_found_is_what_was_asked(crowd: tuple[Projection, tuple[VisitRow, ...]], search: Search) -> None:
    projection, rows = crowd
    assert find(projection, search).rows == tuple(row for row in rows if suits(row, search))


@settings(max_examples=30, deadline=None)
@given(search=searches, limit=st.integers(1, 40))
def test_pages_have_no_gaps_and_no_doubles(
    crowd: tuple[Projection, tuple[VisitRow, ...]], search: Search, limit: int
) -> None:
    projection, rows = crowd
    wanted = [row.visit_id for row in rows if suits(row, search)]
    fields = {name: getattr(search, name) for name in Search.__dataclass_fields__ if name not in ("limit",)}
    there, page = [], find(projection, Search(**fields, limit=limit))
    pages = [page]
    there += [row.visit_id for row in page.rows]
    while page.has_older:
        page = find(projection, Search(**(fields | {"before": page.rows[-1].place}), limit=limit))
        pages.append(page)
        there += [row.visit_id for row in page.rows]
    assert there == wanted
    back = list(reversed(page.rows))
    while page.has_newer and page.rows:
        page = find(projection, Search(**(fields | {"after": page.rows[0].place}), limit=limit))
        back += reversed(page.rows)
    assert [row.visit_id for row in reversed(back)] == wanted


def test_states_are_all_there(crowd: tuple[Projection, tuple[VisitRow, ...]]) -> None:
    assert {row.state for row in crowd[1]} >= {
        VisitState.CHARGED, VisitState.UNPAID, VisitState.IN_REVIEW, VisitState.REFUNDED, VisitState.CLOSED, VisitState.SHOPPING,
    }  # fmt: skip
