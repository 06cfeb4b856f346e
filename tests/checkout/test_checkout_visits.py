from __future__ import annotations

import pytest

from checkout.carts import fold_carts, fold_receipts
from checkout.checkout import Checkout
from checkout.log import CheckoutError
from checkout.settings import CheckoutPolicy
from checkout.types import (
    CartEvent,
    CartLine,
    CheckoutEvent,
    GateScanned,
    PersonBound,
    ReceiptDrafted,
    ReceiptFinalised,
    ReviewAnswered,
    ReviewClosed,
    ReviewOpened,
    Tick,
    VisitClosed,
    VisitReopened,
)
from store_layout.model import Camera, Gate, Gondola, Shelf, Slot, Store
from vision.types import (
    DeedsWaiting,
    GateCrossing,
    Interaction,
    PersonCandidate,
    PersonRejoined,
    PersonVanished,
    SkuCandidate,
    VisionEvent,
)

S = 1_000_000_000


def store() -> Store:
    slots = (Slot(id="1", sku="cola", from_m=0, to_m=0.2), Slot(id="2", sku="tea", from_m=0.2, to_m=0.4))
    shelf = Shelf(id="a", height_m=1, clearance_m=0.3, slots=slots)
    gondola = Gondola(id="g", front_left_m=(2, 2), facing_deg=0, width_m=1, depth_m=0.4, height_m=1.5, shelves=(shelf,))
    camera = Camera(id="c", resolution_px=(64, 48), fps=10, position_m=(0, 0, 2), look_at_m=(2, 2, 0), focal_px=50)
    return Store(
        version=1,
        name="corner",
        currency="EUR",
        tax_classes={},
        floor_m=((0, 0), (5, 0), (5, 5), (0, 5)),
        gates=(Gate(id="door", line_m=((1, 0), (0, 0))),),
        cameras=(camera,),
        gondolas=(gondola,),
    )


def scan(name: str, at_s: float, party: int = 1) -> GateScanned:
    return GateScanned(name, "door", int(at_s * S), f"token-{name}", party)


def came_in(person: int, at_s: float) -> GateCrossing:
    return GateCrossing(person, "door", "in", int(at_s * S))


def went_out(person: int, at_s: float) -> GateCrossing:
    return GateCrossing(person, "door", "out", int(at_s * S))


def reach(
    name: str,
    at_s: float,
    person: int | None,
    change: int | None = -1,
    sku: str = "cola",
    sure: float = 0.95,
    slot: str = "g/a/1",
) -> Interaction:
    people = () if person is None else (PersonCandidate(person, 1.0),)
    at_ns = int(at_s * S)
    return Interaction(name, "g/a", slot, at_ns - S, at_ns, change, sure, (SkuCandidate(sku, 1.0),), people)


def play(
    *inputs: GateScanned | VisionEvent | Tick | ReviewAnswered,
    end_s: float | None = None,
    policy: CheckoutPolicy | None = None,
) -> list[CheckoutEvent]:
    checkout = Checkout(policy, store())
    events = [event for given in inputs for event in checkout.handle(given)]
    return events + ([] if end_s is None else list(checkout.finish(int(end_s * S))))


def only(events: list[CheckoutEvent], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def receipts(events: list[CheckoutEvent]) -> dict[str, dict[str, int]]:
    return {
        visit: {line.sku: line.quantity for line in receipt.lines} for visit, receipt in fold_receipts(events).items()
    }


def test_one_shopper_buys_and_pays_soon_after_leaving() -> None:
    events = play(scan("a", 1), came_in(7, 2), reach("i1", 8, 7), went_out(7, 20), Tick(40 * S))
    assert receipts(events) == {"visit-a": {"cola": 1}}
    (bound,) = only(events, PersonBound)
    assert (bound.person_id, bound.visit_id, bound.at_ns) == (7, "visit-a", 4 * S)
    (closed,) = only(events, VisitClosed)
    assert (closed.reason, closed.at_ns) == ("exit", 20 * S)
    (final,) = only(events, ReceiptFinalised)
    assert (final.at_ns, final.reviewed) == (22_500_000_000, False)


def test_what_is_put_back_is_not_on_the_receipt_and_a_wrong_place_is_told() -> None:
    events = play(
        scan("a", 1),
        came_in(7, 2),
        reach("i1", 8, 7),
        reach("i2", 9, 7, sku="tea", slot="g/a/2"),
        reach("i3", 10, 7, change=1),
        reach("i4", 11, 7, change=1, sku="tea", slot="g/a/1"),
        went_out(7, 20),
        end_s=30,
    )
    assert receipts(events) == {"visit-a": {}}
    assert [event.kind for event in only(events, CartEvent)] == ["taken", "taken", "returned", "moved"]


def test_late_interaction_joins_the_draft_but_not_the_final_receipt() -> None:
    events = play(
        scan("a", 1),
        came_in(7, 2),
        went_out(7, 20),
        Tick(21 * S),
        reach("i1", 19, 7),
        Tick(24 * S),
        reach("i2", 19.5, 7),
    )
    assert receipts(events) == {"visit-a": {"cola": 1}}
    assert [draft.lines for draft in only(events, ReceiptDrafted)] == [(), (CartLine("cola", 1),)]
    assert fold_carts(events)[None].quantity("cola") == 1
    (review,) = only(events, ReviewOpened)
    assert review.reason == "after_final"


def waiting(at_s: float, *persons: int) -> DeedsWaiting:
    return DeedsWaiting(int(at_s * S), persons)


TOLD = reach("i1", 17, 7)


@pytest.mark.parametrize(
    ("before", "after", "final_s"),
    [
        ([waiting(19, 7)], [TOLD, waiting(21, 8)], 22.5),  # told before it would be final
        ([waiting(19, 7)], [TOLD, waiting(24)], 24),
        ([], [waiting(22, 7), waiting(23, 7, 8), TOLD, waiting(24, 8)], 24),
        ([], [waiting(22, 7)], 26),  # never told
        ([waiting(19, 8)], [], 22.5),  # somebody else's
        ([], [waiting(23, 7)], 22.5),  # is final already
    ],
)
def test_a_receipt_waits_for_what_a_shelf_is_about_to_tell(
    before: list[VisionEvent], after: list[VisionEvent], final_s: float
) -> None:
    come = (scan("a", 1), came_in(7, 2), scan("b", 3), came_in(8, 4))
    events = play(*come, *before, went_out(7, 20), *after, Tick(40 * S))
    (final,) = only(events, ReceiptFinalised)
    assert (final.visit_id, final.at_ns) == ("visit-a", final_s * S)
    assert final.lines == ((CartLine("cola", 1),) if TOLD in after else ())


def test_person_past_the_line_before_the_scan() -> None:
    events = play(came_in(7, 1), scan("a", 2), reach("i1", 8, 7), went_out(7, 20), end_s=30)
    assert receipts(events) == {"visit-a": {"cola": 1}}


def test_recording_that_starts_with_the_shopper_inside() -> None:
    events = play(scan("a", 0), reach("i1", 8, 7), went_out(7, 20), end_s=30)
    assert receipts(events) == {"visit-a": {"cola": 1}}
    assert only(events, VisitClosed)[0].reason == "exit"


def test_two_near_simultaneous_scans_go_in_order() -> None:
    events = play(
        scan("a", 0),
        scan("b", 1),
        came_in(1, 2),
        came_in(2, 8),
        reach("i1", 12, 1),
        reach("i2", 13, 2, sku="tea"),
        end_s=20,
    )
    assert receipts(events) == {"visit-a": {"cola": 1}, "visit-b": {"tea": 1}}


def test_tailgater_does_not_take_the_scan_of_the_next() -> None:
    events = play(scan("a", 0), came_in(1, 1), came_in(9, 6), scan("b", 8), came_in(2, 9), end_s=30)
    assert {bound.person_id: bound.visit_id for bound in only(events, PersonBound)} == {
        1: "visit-a",
        9: None,
        2: "visit-b",
    }


def test_scan_of_somebody_who_never_came_does_not_take_the_next_shopper() -> None:
    events = play(scan("a", 0), scan("b", 20), came_in(2, 21), reach("i1", 30, 2), end_s=40)
    assert receipts(events) == {"visit-a": {}, "visit-b": {"cola": 1}}


def test_person_who_never_scanned_is_kept_reported_and_reviewed() -> None:
    events = play(came_in(9, 1), reach("i1", 10, 9), went_out(9, 20), end_s=60)
    assert fold_carts(events)[None].quantity("cola") == 1
    (review,) = only(events, ReviewOpened)
    assert (review.reason, review.timeout_visit_id) == ("unscanned_person", None)
    assert receipts(events) == {}


def test_scan_without_a_person_closes_empty() -> None:
    events = play(scan("a", 1), Tick(200 * S))
    (closed,) = only(events, VisitClosed)
    assert (closed.reason, closed.at_ns) == ("no_person", 121 * S)
    assert receipts(events) == {"visit-a": {}}


def test_visit_that_never_ends_times_out() -> None:
    policy = CheckoutPolicy(visit_max_s=600)
    events = play(scan("a", 1), came_in(1, 2), reach("i1", 8, 1), Tick(700 * S), policy=policy)
    (closed,) = only(events, VisitClosed)
    assert (closed.reason, closed.at_ns) == ("timeout", 601 * S)
    assert receipts(events) == {"visit-a": {"cola": 1}}


def test_end_of_input_closes_what_is_open() -> None:
    events = play(scan("a", 1), came_in(1, 2), reach("i1", 8, 1), end_s=10)
    assert only(events, VisitClosed)[0].reason == "end_of_input"
    assert receipts(events) == {"visit-a": {"cola": 1}}


@pytest.mark.parametrize(("where", "at_s", "final_s"), [((0.5, 0.6), 12, 27), ((4, 4), 132, 147)])
def test_vanishing_near_the_exit_is_leaving_and_inside_it_is_waited_for(
    where: tuple[float, float], at_s: int, final_s: int
) -> None:
    events = play(scan("a", 1), came_in(1, 2), reach("i1", 8, 1), PersonVanished(1, 12 * S, where), Tick(300 * S))
    (closed,) = only(events, VisitClosed)
    assert (closed.reason, closed.at_ns) == ("vanished", at_s * S)
    assert only(events, ReceiptFinalised)[0].at_ns == final_s * S


def test_lost_next_to_the_gate_right_after_coming_in_is_not_leaving() -> None:
    events = play(
        scan("a", 1),
        came_in(1, 2),
        PersonVanished(1, 6 * S, (0.5, 0.6)),
        Tick(40 * S),
        reach("i1", 45, 5),
        went_out(5, 50),
        end_s=60,
    )
    assert receipts(events) == {"visit-a": {"cola": 1}}


def test_new_id_within_the_delay_takes_over_who_vanished_near_the_exit() -> None:
    events = play(
        scan("a", 1),
        came_in(1, 2),
        reach("i1", 8, 1),
        PersonVanished(1, 12 * S, (0.5, 0.6)),
        reach("i2", 20, 5, sku="tea"),
        went_out(5, 30),
        end_s=60,
    )
    assert receipts(events) == {"visit-a": {"cola": 1, "tea": 1}}


def test_new_id_takes_over_the_only_lost_person() -> None:
    events = play(
        scan("a", 1),
        came_in(1, 2),
        reach("i1", 8, 1),
        PersonVanished(1, 12 * S, (4, 4)),
        reach("i2", 20, 5, sku="tea"),
        went_out(5, 30),
        end_s=40,
    )
    assert receipts(events) == {"visit-a": {"cola": 1, "tea": 1}}
    assert only(events, VisitClosed)[0].reason == "exit"


def test_party_pays_together_and_ends_with_its_last_person() -> None:
    events = play(
        scan("a", 1, party=2),
        came_in(1, 2),
        came_in(2, 3),
        reach("i1", 10, 1),
        reach("i2", 12, 2, sku="tea"),
        went_out(1, 20),
        reach("i3", 25, 2, change=1),
        went_out(2, 30),
        end_s=40,
    )
    assert receipts(events) == {"visit-a": {"tea": 1}}
    (closed,) = only(events, VisitClosed)
    assert closed.at_ns == 30 * S


def test_leaving_and_coming_back_before_the_receipt_is_final_goes_on() -> None:
    events = play(
        scan("a", 1),
        came_in(1, 2),
        reach("i1", 8, 1),
        went_out(1, 10),
        came_in(1, 11.5),
        reach("i2", 20, 1),
        went_out(1, 30),
        end_s=40,
    )
    assert receipts(events) == {"visit-a": {"cola": 2}}
    assert len(only(events, VisitReopened)) == 1


def test_coming_back_later_on_a_new_scan_is_a_new_visit() -> None:
    events = play(
        scan("a", 1),
        came_in(1, 2),
        reach("i1", 8, 1),
        went_out(1, 10),
        scan("b", 30),
        came_in(1, 31),
        reach("i2", 40, 1),
        end_s=50,
    )
    assert receipts(events) == {"visit-a": {"cola": 1}, "visit-b": {"cola": 1}}


def test_coming_back_later_without_a_scan_is_nobodys() -> None:
    events = play(scan("a", 1), came_in(1, 2), went_out(1, 10), came_in(1, 31), reach("i2", 40, 1), end_s=50)
    assert receipts(events) == {"visit-a": {}}
    assert fold_carts(events)[None].quantity("cola") == 1


def test_rejoined_person_brings_what_was_nobodys() -> None:
    events = play(
        scan("a", 1),
        came_in(1, 2),
        came_in(9, 10),
        reach("i1", 20, 9),
        PersonRejoined(1, 9, 21 * S, 0.9),
        reach("i2", 25, 1, change=1),
        went_out(1, 30),
        end_s=60,
    )
    assert receipts(events) == {"visit-a": {}}
    (review,) = only(events, ReviewClosed)
    assert (review.by, review.visit_id) == ("evidence", "visit-a")


def test_rejoined_person_of_another_visit_moves_its_cart() -> None:
    events = play(
        scan("a", 1),
        came_in(1, 2),
        scan("b", 10),
        came_in(2, 11),
        reach("i1", 20, 2),
        reach("i2", 21, 1, sku="tea"),
        PersonRejoined(1, 2, 30 * S, 0.9),
        went_out(1, 40),
        end_s=60,
    )
    assert receipts(events) == {"visit-a": {"cola": 1, "tea": 1}, "visit-b": {}}


def test_passer_by_opens_nothing() -> None:
    assert play(went_out(3, 5), PersonVanished(3, 6 * S, (0, 0)), Tick(9 * S)) == []


def test_scan_after_the_last_frame_still_ends_in_order() -> None:
    events = play(scan("a", 100), end_s=50)
    (closed,) = only(events, VisitClosed)
    assert (closed.reason, closed.at_ns) == ("no_person", 100 * S)


def test_scan_twice_is_refused() -> None:
    with pytest.raises(CheckoutError, match="came twice"):
        play(scan("a", 1), scan("a", 2))
