"""What slots seem to hold: the fold, and what events mean for it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from checkout.types import CartLine, Dismissed, ReceiptFinalised, VisitOpened
from dashboard.stock.hearing import Listener
from dashboard.stock.levels import StockFold
from dashboard.stock.types import Counted, Happening, Kind, SlotPlan, Units
from tests.dashboard.desk_rig import S
from tests.dashboard.stock_rig import CHERRY, COLA, asked, cart, closed, moved, touch

PLAN = (SlotPlan(COLA, "fizzo-cola", 9), SlotPlan(CHERRY, "fizzo-cherry", 9))
SKUS = ("fizzo-cola", "fizzo-cherry", "kornia-oats")


def fold(*happened: Happening, is_full: bool = True) -> StockFold:
    found = StockFold(PLAN, 0.9, is_full=is_full)
    for each in happened:
        found.apply(each)
    return found


def told(*events: object) -> StockFold:
    """Return the fold of what the log says."""
    listener = Listener(PLAN)
    return fold(*(line for event in events for line in listener.hear(event)))


def level(found: StockFold, slot_id: str = COLA) -> int:
    slot = found.slot(slot_id)
    assert slot is not None
    return slot.level


def test_a_slot_is_full_until_something_is_taken() -> None:
    taken = touch(1, S, -2)
    assert level(told()) == 9
    assert level(fold(is_full=False)) == 0
    assert level(told(taken, cart(1, taken, 2))) == 7


def test_what_is_put_back_is_there_again() -> None:
    taken, back = touch(1, S, -2), touch(2, 2 * S, 1)
    assert level(told(taken, cart(1, taken, 2), back, cart(2, back, -1, "returned"))) == 8


def test_what_goes_from_cart_to_cart_changes_no_slot() -> None:
    taken = touch(1, S, -1)
    legs = (cart(2, taken, -1, "corrected", at_ns=9 * S), cart(3, taken, 1, "corrected", at_ns=9 * S))
    loose = cart(4, None, 1, "corrected", at_ns=9 * S)
    assert level(told(taken, cart(1, taken, 1), *legs, loose)) == 8


def test_handing_over_before_putting_back_is_one_unit() -> None:
    back = touch(1, S, 1)
    found = told(back, cart(1, back, -1, "handed_over"), cart(2, back, 1, "handed_over"), cart(3, back, -1, "returned"))
    assert level(found) == 10


def test_a_thing_of_another_slot_is_misplaced_until_it_is_taken() -> None:
    put, again = touch(1, S, 1, "fizzo-cola", CHERRY), touch(2, 2 * S, -1, "fizzo-cola", CHERRY)
    found = told(put, cart(1, put, -1, "moved"))
    slot = found.slot(CHERRY)
    assert slot is not None
    assert (slot.level, slot.misplaced) == (9, (Units("fizzo-cola", 1),))
    found = told(put, cart(1, put, -1, "moved"), again, cart(2, again, 1))
    slot = found.slot(CHERRY)
    assert slot is not None
    assert (slot.level, slot.misplaced, slot.doubt_units) == (9, (), 0)


def test_an_operators_answer_counts_when_it_happened_and_is_sure() -> None:
    seen = touch(1, S, -1, sure=0.5)
    late = cart(1, seen, 1, at_ns=90 * S)
    waiting = told(seen, asked(1, seen)).slot(COLA)
    assert waiting is not None
    assert (waiting.level, waiting.asked_units, waiting.doubt_units) == (9, 1, 1)
    answered = told(seen, asked(1, seen), closed(1, 90 * S), late)
    answered.count(Counted(2 * S, "ada", COLA, "fizzo-cola", 5))
    slot = answered.slot(COLA)
    assert slot is not None
    assert (slot.level, slot.doubt_units) == (5, 0)  # it was taken before the count
    lapsed = told(seen, asked(1, seen), closed(1, 90 * S, "timeout"), late).slot(COLA)
    assert lapsed is not None
    assert (lapsed.level, lapsed.unsure_units) == (8, 1)


def test_an_answer_corrects_what_stood_in_a_cart() -> None:
    seen = touch(1, S, -2, sure=0.6)
    right = (cart(2, seen, -2, "corrected", at_ns=9 * S), cart(3, seen, 1, "corrected", at_ns=9 * S))
    slot = told(seen, cart(1, seen, 2), asked(1, seen), closed(1, 9 * S), *right).slot(COLA)
    assert slot is not None
    assert (slot.level, slot.doubt_units) == (8, 0)


def test_hands_that_were_not_read_are_doubt() -> None:
    seen, still = touch(1, S, None), touch(2, 2 * S, 0)
    dismissed = (Dismissed("interaction", "i-1", "unknown_change", S), Dismissed("interaction", "i-2", "no_change", S))
    slot = told(seen, still, *dismissed).slot(COLA)
    assert slot is not None
    assert (slot.level, slot.unread, slot.doubt_units) == (9, 1, 1)


def test_where_only_the_shelf_is_known_it_is_the_products_own_slot_and_unsure() -> None:
    seen = touch(1, S, -1, slot_id=None)
    slot = told(seen, cart(1, seen, 1)).slot(COLA)
    assert slot is not None
    assert (slot.level, slot.unsure_units) == (8, 1)
    answered = told(cart(1, None, 2, at_ns=S))  # an operator's, for shelves that nobody saw
    assert level(answered) == 7


def test_what_nobody_can_place_is_told_until_its_slot_is_counted() -> None:
    seen = touch(1, S, -1, "kornia-oats", slot_id=None)
    found = told(seen, cart(1, seen, 1, sku="kornia-oats"), cart(2, None, -1, "returned", at_ns=S))
    assert found.unplaced() == (Units("fizzo-cola", 1), Units("kornia-oats", -1))
    found.count(Counted(2 * S, "ada", COLA, "fizzo-cola", 5))
    assert found.unplaced() == (Units("kornia-oats", -1),)


def test_taking_what_is_not_there_shows_that_it_was() -> None:
    slot = fold(moved(1, S, -1), moved(2, 2 * S, 1), is_full=False).slot(COLA)
    assert slot is not None
    assert (slot.level, slot.unexplained_units) == (1, 1)


def test_a_count_says_all_and_a_later_one_undoes_it() -> None:
    found = fold(moved(1, S, -1, sure=0.3), moved(2, 2 * S, 1, "kornia-oats"))
    found.count(Counted(3 * S, "ada", COLA, "fizzo-cola", 40, (Units("kornia-oats", 1),)))
    slot = found.slot(COLA)
    assert slot is not None
    assert (slot.level, slot.misplaced_units, slot.doubt_units, slot.counted_by) == (40, 1, 0, "ada")
    found.count(Counted(4 * S, "bob", COLA, "fizzo-cola", 4))
    found.count(Counted(2 * S, "old", COLA, "fizzo-cola", 1))
    slot = found.slot(COLA)
    assert slot is not None
    assert (slot.level, slot.misplaced, slot.counted_by) == (4, (), "bob")


def test_receipts_and_hours_are_told_without_people() -> None:
    listener = Listener(PLAN)
    sold = listener.hear(ReceiptFinalised("v-1", 5 * S, (CartLine("fizzo-cola", 2),), reviewed=False))
    assert [(each.kind, each.sku, each.units) for each in sold] == [(Kind.SOLD, "fizzo-cola", 2)]
    assert "v-1" not in repr(sold)
    assert len(listener.hear(VisitOpened("v-2", 5 * S, "s", "t", 1))) == 1
    assert listener.hear(VisitOpened("v-3", 6 * S, "s", "t", 1)) == ()


def test_old_moves_are_added_up() -> None:
    found = fold(*(moved(number, number * S, -1 if number % 2 else 1) for number in range(1, 5_001)))
    assert level(found) == 9


MOVES = st.lists(
    st.builds(
        moved,
        st.integers(1, 30),
        st.integers(1, 50).map(lambda second: second * S),
        st.integers(-4, 4),
        st.sampled_from(SKUS),
        st.sampled_from((COLA, CHERRY)),
        st.sampled_from((0.5, 1.0)),
    ),
    max_size=25,
    unique_by=lambda each: each.reference,
)
COUNTS = st.lists(
    st.builds(
        Counted,
        st.integers(1, 50).map(lambda second: second * S),
        st.just("ada"),
        st.just(COLA),
        st.just("fizzo-cola"),
        st.integers(0, 20),
    ),
    max_size=3,
    unique_by=lambda each: each.at_ns,
)


@settings(max_examples=40)
@given(MOVES)
def test_no_level_is_below_nothing_and_units_are_conserved(moves: list[Happening]) -> None:
    found = fold(*moves)
    net: Counter[str] = Counter()
    for each in moves:
        assert each.slot_id is not None
        net[each.slot_id] += each.units
    for slot in found.slots():
        assert slot.level >= 0
        assert all(each.units > 0 for each in slot.misplaced)
        there = slot.level + slot.misplaced_units
        assert there == slot.capacity + net[slot.slot_id] + slot.unexplained_units


@settings(max_examples=40)
@given(MOVES, COUNTS, st.randoms(use_true_random=False))
def test_what_comes_first_does_not_matter(moves: list[Happening], counts: list[Counted], dice: object) -> None:
    one, other = fold(*moves), StockFold(PLAN, 0.9)
    for said in counts:
        one.count(said)
    mixed: list[Happening | Counted] = [*moves, *counts]
    dice.shuffle(mixed)  # type: ignore[attr-defined]
    for each in mixed:
        other.count(each) if isinstance(each, Counted) else other.apply(each)
    same_time = {each.at_ns for each in moves}
    if len(same_time) == len(moves):
        assert one.slots() == other.slots()
    assert [slot.counted_at_ns for slot in one.slots()] == [slot.counted_at_ns for slot in other.slots()]


@settings(max_examples=40)
@given(MOVES, st.data())
def test_what_is_taken_back_leaves_nothing_behind(moves: list[Happening], data: st.DataObject) -> None:
    back = data.draw(st.sets(st.sampled_from([each.reference for each in moves]))) if moves else set()
    undone = [
        Happening(f"u-{each.event_id}", 99 * S, Kind.MOVED, each.reference, each.slot_id, each.sku, -each.units)
        for each in moves
        if each.reference in back
    ]
    found = fold(*moves, *undone)
    without = fold(*(each for each in moves if each.reference not in back))
    assert [(slot.level, slot.misplaced) for slot in found.slots()] == [
        (slot.level, slot.misplaced) for slot in without.slots()
    ]
