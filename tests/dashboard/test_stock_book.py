"""The stock's book: only added to, written once, and made anew from the log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from checkout.types import VisitOpened
from dashboard.errors import NotFound, Refused
from dashboard.stock.book import BookError, StockBook
from dashboard.stock.types import Counted, Units
from tests.dashboard.desk_rig import Clock, S
from tests.dashboard.stock_rig import CHERRY, COLA, NOON_NS, H, Said, cart, moved, shop_day, stock, touch


def test_nothing_is_changed_or_deleted(tmp_path: Path) -> None:
    book = StockBook(tmp_path / "stock.sqlite")
    book.add([moved(1, S, -1)])
    book.add_count(Counted(S, "ada", COLA, "fizzo-cola", 3))
    book.close()
    file = sqlite3.connect(tmp_path / "stock.sqlite")
    for statement in ("UPDATE counts SET units = 1", "DELETE FROM counts", "DELETE FROM happenings"):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            file.execute(statement)
    file.close()
    assert [each.name for each in tmp_path.iterdir()] == ["stock.sqlite"]
    assert (tmp_path / "stock.sqlite").stat().st_mode & 0o077 == 0


def test_what_is_there_already_is_not_added_again(tmp_path: Path) -> None:
    book = StockBook(tmp_path / "stock.sqlite")
    assert len(book.add([moved(1, S, -1), moved(2, S, -1)])) == 2
    assert book.add([moved(2, S, -1), moved(3, S, -1)]) == (moved(3, S, -1),)
    assert book.taken(0) == {(COLA, "fizzo-cola"): 3}
    book.close()


def test_only_what_came_after_a_count_is_read_again(tmp_path: Path) -> None:
    book = StockBook(tmp_path / "stock.sqlite")
    book.add([moved(1, S, -1), moved(2, 3 * S, -1), moved(3, S, -1, slot_id=CHERRY)])
    said = Counted(2 * S, "ada", COLA, "fizzo-cola", 3, (Units("kornia-oats", 2),), 8)
    book.add_count(Counted(S, "ada", COLA, "fizzo-cola", 7))
    book.add_count(said)
    assert list(book.happened()) == [moved(2, 3 * S, -1), moved(3, S, -1, slot_id=CHERRY)]
    assert book.counts() == (said,)
    assert [each.units for each in book.counts_of(COLA, 9)] == [3, 7]
    book.close()


@pytest.mark.parametrize("text", ["no database, and longer than the head of one" * 9, ""])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "stock.sqlite").write_text(text)
    with pytest.raises(BookError, match=r"stock\.sqlite"):
        StockBook(tmp_path / "stock.sqlite", read_only=True)
    if text:
        with pytest.raises(BookError, match=r"stock\.sqlite"):
            StockBook(tmp_path / "stock.sqlite")


def test_a_restart_knows_the_same(tmp_path: Path) -> None:
    clock = Clock(NOON_NS + 6 * H)
    with stock(tmp_path, clock) as desk:
        shop_day(desk, NOON_NS)
        desk.count("ada", CHERRY, 4)
        before = desk.now()
        assert {each.slot_id: each.level for each in before.slots}[COLA] == 2
    with stock(tmp_path, clock) as desk:
        assert desk.now() == before


def test_a_new_book_is_made_from_the_log_and_an_old_one_takes_what_it_lacks(tmp_path: Path) -> None:
    one, two = touch(1, S, -1), touch(2, 2 * S, -2)
    first = (VisitOpened("v-1", S, "s", "t", 1), one, cart(1, one, 1))
    with stock(tmp_path, Clock()) as desk:
        desk.begin(Said(first, first))
        assert desk.slot(COLA).level == 8
    with stock(tmp_path, Clock()) as desk:
        desk.begin(Said((), (*first, two, cart(2, two, 2))))
        assert desk.slot(COLA).level == 6
        desk.written(cart(3, two, -1, "corrected", at_ns=9 * S))  # the interaction is remembered
        assert desk.slot(COLA).level == 7


def test_a_book_that_cannot_be_written_is_told_and_caught_up_with(tmp_path: Path) -> None:
    with stock(tmp_path, Clock()) as desk:
        locker = sqlite3.connect(tmp_path / "stock.sqlite", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        seen = touch(1, S, -1)
        desk.written(seen)
        desk.written(cart(1, seen, 1))
        assert "locked" in desk.now().problem
        assert desk.slot(COLA).level == 9
        locker.execute("ROLLBACK")
        locker.close()
        desk.written(VisitOpened("v-1", S, "s", "t", 1))
        assert desk.now().problem == ""
        assert desk.slot(COLA).level == 8


def test_counting(tmp_path: Path) -> None:
    clock = Clock(NOON_NS)
    with stock(tmp_path, clock) as desk:
        odd = touch(1, NOON_NS - S, 1, "kornia-oats")
        desk.written(odd)
        desk.written(cart(1, odd, -1, "moved", "kornia-oats"))
        assert desk.count("ada", COLA, 3).was == 9
        assert (desk.slot(COLA).level, desk.slot(COLA).misplaced_units) == (3, 1)
        clock.now_ns += S
        assert desk.count("ada", COLA, None).units == 8  # one place is taken by what does not belong there
        assert desk.count("ada", COLA, None, is_tidy=True).units == 9
        assert desk.slot(COLA).misplaced == ()
        with pytest.raises(NotFound):
            desk.count("ada", "drinks/low/s9", 1)
        with pytest.raises(Refused):
            desk.count("ada", COLA, 10_000)
