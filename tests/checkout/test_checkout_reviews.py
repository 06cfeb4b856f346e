from __future__ import annotations

from typing import Any

import pytest

from checkout.carts import count_oddities, fold_carts, fold_receipts
from checkout.checkout import Checkout
from checkout.settings import CheckoutPolicy, ReviewPolicy
from checkout.types import (
    CartEvent,
    CheckoutEvent,
    CheckoutInput,
    Dismissed,
    GateScanned,
    ReceiptDrafted,
    ReviewAnswered,
    ReviewClosed,
    ReviewOpened,
    ShelvesUnseen,
    Tick,
)
from vision.types import GateCrossing, Interaction, PersonCandidate, SkuCandidate

S = 1_000_000_000


def two_visits(*, b_leaves_s: int | None = None) -> list[CheckoutInput]:
    inputs: list[CheckoutInput] = [
        GateScanned("a", "door", 0, "ta", 1),
        GateCrossing(1, "door", "in", 1 * S),
        GateScanned("b", "door", 5 * S, "tb", 1),
        GateCrossing(2, "door", "in", 6 * S),
        Tick(10 * S),
    ]
    return inputs if b_leaves_s is None else [*inputs, GateCrossing(2, "door", "out", b_leaves_s * S)]


def reach(
    name: str,
    at_s: float,
    people: dict[int, float],
    change: int | None = -1,
    skus: dict[str, float] | None = None,
    sure: float = 1.0,
) -> Interaction:
    skus = {"cola": 1.0} if skus is None else skus
    return Interaction(
        interaction_id=name,
        shelf_id="g/a",
        slot_id="g/a/1",
        opened_at_ns=int(at_s * S) - S,
        closed_at_ns=int(at_s * S),
        change=change,
        change_probability=sure,
        sku_candidates=tuple(SkuCandidate(sku, p) for sku, p in skus.items()),
        person_candidates=tuple(PersonCandidate(number, p) for number, p in people.items()),
    )


def play(
    inputs: list[CheckoutInput], policy: CheckoutPolicy | None = None, end_s: int | None = 100
) -> list[CheckoutEvent]:
    checkout = Checkout(policy)
    events = [event for given in inputs for event in checkout.handle(given)]
    return events + ([] if end_s is None else list(checkout.finish(end_s * S)))


def only(events: list[CheckoutEvent], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def receipts(events: list[CheckoutEvent]) -> dict[str, dict[str, int]]:
    return {v: {line.sku: line.quantity for line in r.lines} for v, r in fold_receipts(events).items()}


def test_doubt_about_the_person_holds_both_receipts_and_times_out_to_the_likeliest() -> None:
    events = play(
        [*two_visits(), reach("i", 20, {1: 0.55, 2: 0.45}), GateCrossing(1, "door", "out", 22 * S), Tick(90 * S)]
    )
    (review,) = only(events, ReviewOpened)
    assert (review.reason, review.visit_ids, review.probability) == ("doubtful", ("visit-a", "visit-b"), 0.55)
    assert only(events, ReceiptDrafted)[0].open_review_ids == (review.review_id,)
    (closed,) = only(events, ReviewClosed)
    assert (closed.by, closed.visit_id, closed.at_ns) == ("timeout", "visit-a", 50 * S)
    final = fold_receipts(events)["visit-a"]
    assert (final.at_ns, final.reviewed) == (50 * S, True)
    assert receipts(events) == {"visit-a": {"cola": 1}, "visit-b": {}}


def test_policy_may_charge_nothing_for_an_unanswered_review() -> None:
    policy = CheckoutPolicy(reviews=ReviewPolicy(timeout_outcome="nothing"))
    events = play([*two_visits(), reach("i", 20, {1: 0.55, 2: 0.45})], policy)
    assert receipts(events) == {"visit-a": {}, "visit-b": {}}
    assert only(events, CartEvent) == []


def test_operator_decides() -> None:
    answer = ReviewAnswered("review-000001", 25 * S, "visit-b", "tea", 2)
    events = play([*two_visits(), reach("i", 20, {1: 0.55, 2: 0.45}), answer])
    assert receipts(events) == {"visit-a": {}, "visit-b": {"tea": 2}}
    assert [closed.by for closed in only(events, ReviewClosed)] == ["operator"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ReviewAnswered("review-000009", 25 * S, None, None, 0), "no_such_review"),
        (ReviewAnswered("review-000001", 25 * S, "visit-z", "cola", 1), "unknown_visit"),
        (ReviewAnswered("review-000001", 25 * S, "visit-a", "cola", -1), "not_held"),
    ],
)
def test_impossible_answers_are_refused_and_the_review_stays_open(answer: ReviewAnswered, reason: str) -> None:
    events = play([*two_visits(), reach("i", 20, {1: 0.55, 2: 0.45}), answer], end_s=None)
    assert [(d.what, d.reason) for d in only(events, Dismissed)] == [("answer", reason)]
    assert only(events, ReviewClosed) == []


def test_answer_for_a_final_receipt_is_refused() -> None:
    inputs = [
        *two_visits(b_leaves_s=11),
        reach("i", 20, {}),
        ReviewAnswered("review-000001", 25 * S, "visit-b", "cola", 1),
    ]
    events = play(inputs, end_s=None)
    assert only(events, Dismissed)[0].reason == "visit_final"


def test_doubt_is_the_product_of_person_product_and_change() -> None:
    sure = play([*two_visits(), reach("i", 20, {1: 0.9}, skus={"cola": 0.9}, sure=0.9)])
    assert only(sure, CartEvent)[0].probability == 0.729
    unsure = play([*two_visits(), reach("i", 20, {1: 0.8}, skus={"cola": 0.8}, sure=0.8)])
    assert only(unsure, ReviewOpened)[0].probability == 0.512


def test_doubt_within_a_party_is_none() -> None:
    party: list[CheckoutInput] = [
        GateScanned("a", "door", 0, "ta", 2),
        GateCrossing(1, "door", "in", 1 * S),
        GateCrossing(2, "door", "in", 2 * S),
        Tick(9 * S),
    ]
    events = play([*party, reach("i", 20, {1: 0.5, 2: 0.5})])
    assert only(events, ReviewOpened) == []
    assert receipts(events) == {"visit-a": {"cola": 1}}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (reach("i", 20, {1: 1.0}, change=0), "no_change"),
        (reach("i", 20, {1: 1.0}, change=None, sure=0.2), "unknown_change"),
        (reach("i", 20, {1: 1.0}, sure=0.01), "improbable"),
        (reach("i", 20, {1: 1.0}, change=1, sure=0.01), "improbable"),
    ],
)
def test_what_is_not_worth_asking_is_dismissed_and_counted(given: Interaction, reason: str) -> None:
    events = play([*two_visits(), given])
    assert count_oddities(events) == {f"dismissed:{reason}": 1}
    assert only(events, CartEvent) == []


def test_unknown_change_is_asked_or_ignored_by_policy() -> None:
    given = reach("i", 20, {1: 1.0}, change=None, sure=0.9)
    (review,) = only(play([*two_visits(), given]), ReviewOpened)
    assert (review.reason, review.timeout_quantity_delta, review.visit_ids) == ("unknown_change", 0, ("visit-a",))
    ignoring = CheckoutPolicy(reviews=ReviewPolicy(unknown_change="ignore"))
    assert only(play([*two_visits(), given], ignoring), ReviewOpened) == []


def test_unknown_product_is_asked() -> None:
    events = play([*two_visits(), reach("i", 20, {1: 1.0}, skus={})])
    assert only(events, ReviewOpened)[0].reason == "unknown_product"


def test_told_twice_counts_once() -> None:
    events = play([*two_visits(), reach("i", 20, {1: 1.0}), reach("i", 20, {1: 1.0})])
    assert receipts(events)["visit-a"] == {"cola": 1}
    assert count_oddities(events) == {"dismissed:duplicate": 1}


def test_impossible_return_is_reviewed_counted_and_never_repaired() -> None:
    events = play([*two_visits(), reach("i", 20, {1: 1.0}, change=1)])
    (review,) = only(events, ReviewOpened)
    assert (review.reason, review.timeout_visit_id, review.timeout_quantity_delta) == ("impossible_return", None, 0)
    assert only(events, CartEvent) == []
    assert count_oddities(events) == {"review:impossible_return": 1}


def test_return_of_more_than_is_held_is_impossible() -> None:
    events = play([*two_visits(), reach("i", 20, {1: 1.0}), reach("j", 21, {1: 1.0}, change=2)])
    assert receipts(events)["visit-a"] == {"cola": 1}
    assert only(events, ReviewOpened)[0].reason == "impossible_return"


def test_take_that_becomes_known_late_explains_the_return() -> None:
    events = play([*two_visits(), reach("back", 20, {1: 1.0}, change=1), reach("take", 18, {1: 1.0})])
    assert [(c.by, c.visit_id, c.quantity_delta) for c in only(events, ReviewClosed)] == [("evidence", "visit-a", -1)]
    assert receipts(events)["visit-a"] == {}


def test_of_look_alikes_the_one_that_is_held_is_put_back() -> None:
    looks = {"cola": 0.6, "cola-zero": 0.4}
    events = play(
        [
            *two_visits(),
            reach("i", 20, {1: 1.0}, skus={"cola-zero": 1.0}),
            reach("j", 25, {1: 1.0}, change=1, skus=looks),
        ]
    )
    assert receipts(events)["visit-a"] == {}
    assert only(events, ReviewOpened) == []


def test_who_holds_it_is_who_puts_it_back() -> None:
    events = play([*two_visits(), reach("i", 20, {2: 1.0}), reach("j", 25, {2: 0.8, 1: 0.2}, change=1)])
    assert receipts(events) == {"visit-a": {}, "visit-b": {}}


HANDED = [*two_visits(), reach("i", 20, {1: 1.0}), reach("j", 25, {2: 1.0}, change=1)]


def test_hand_over_first_taker_is_relieved_when_another_puts_it_back() -> None:
    events = play(HANDED, CheckoutPolicy(hand_over="first_taker"))
    assert [(e.kind, e.visit_id, e.quantity_delta) for e in only(events, CartEvent)] == [
        ("taken", "visit-a", 1),
        ("returned", "visit-a", -1),
    ]


def test_hand_over_last_holder_takes_it_over_first() -> None:
    events = play(HANDED, CheckoutPolicy(hand_over="last_holder"))
    assert [(e.kind, e.visit_id, e.quantity_delta) for e in only(events, CartEvent)] == [
        ("taken", "visit-a", 1),
        ("handed_over", "visit-a", -1),
        ("handed_over", "visit-b", 1),
        ("returned", "visit-b", -1),
    ]


def test_hand_over_ask_asks_both() -> None:
    events = play(HANDED, CheckoutPolicy(hand_over="ask"))
    (review,) = only(events, ReviewOpened)
    assert (review.reason, review.visit_ids, review.timeout_visit_id) == (
        "handed_over",
        ("visit-b", "visit-a"),
        "visit-a",
    )
    assert receipts(events) == {"visit-a": {}, "visit-b": {}}


def test_hand_over_is_asked_where_two_others_hold_it() -> None:
    third: list[CheckoutInput] = [
        GateScanned("c", "door", 11 * S, "tc", 1),
        GateCrossing(3, "door", "in", 12 * S),
        Tick(15 * S),
    ]
    inputs = [
        *two_visits(),
        *third,
        reach("i", 20, {1: 1.0}),
        reach("j", 21, {2: 1.0}),
        reach("k", 25, {3: 1.0}, change=1),
    ]
    (review,) = only(play(inputs), ReviewOpened)
    assert (review.reason, review.visit_ids) == ("handed_over", ("visit-c", "visit-a"))


def test_nobody_seen_is_kept_and_an_operator_can_give_it_to_a_visit() -> None:
    inputs = [*two_visits(), reach("i", 20, {})]
    events = play(inputs)
    assert fold_carts(events)[None].quantity("cola") == 1
    (review,) = only(events, ReviewOpened)
    assert (review.reason, review.visit_ids) == ("nobody_seen", ())
    answered = play([*inputs, ReviewAnswered(review.review_id, 25 * S, "visit-a", "cola", 1)])
    assert receipts(answered)["visit-a"] == {"cola": 1}
    assert fold_carts(answered)[None].lines == ()


def test_nobody_can_put_back_what_nobody_took() -> None:
    events = play([*two_visits(), reach("i", 20, {}), reach("j", 22, {}, change=1), reach("k", 24, {}, change=1)])
    assert fold_carts(events)[None].lines == ()
    assert count_oddities(events)["review:impossible_return"] == 1


def test_time_out_that_became_impossible_is_told() -> None:
    doubt = reach("j", 22, {1: 0.55, 2: 0.45}, change=1)
    events = play([*two_visits(), reach("i", 20, {1: 1.0}), doubt, reach("k", 30, {1: 1.0}, change=1)])
    assert receipts(events)["visit-a"] == {}
    assert count_oddities(events) == {"review:doubtful": 1, "dismissed:not_held": 1}
    assert only(events, ReviewClosed)[0].quantity_delta == 0


def unseen(from_s: float, to_s: float, *visits: str) -> ShelvesUnseen:
    return ShelvesUnseen(int(from_s * S), int(to_s * S), visits)


def test_what_nobody_saw_is_asked_of_each_visit_and_comes_to_nothing_unanswered() -> None:
    out = GateCrossing(1, "door", "out", 30 * S)
    events = play([*two_visits(), unseen(12, 20, "visit-a", "visit-b"), out, Tick(300 * S)], end_s=None)
    opened = only(events, ReviewOpened)
    assert [(each.visit_ids, each.reason, each.due_ns) for each in opened] == [
        (("visit-a",), "unseen_shelves", 140 * S),
        (("visit-b",), "unseen_shelves", 140 * S),
    ]
    assert [(each.by, each.sku, each.at_ns) for each in only(events, ReviewClosed)] == [("timeout", None, 140 * S)] * 2
    final = fold_receipts(events)["visit-a"]
    assert (final.at_ns, final.reviewed, final.lines) == (140 * S, True, ())


def test_an_operator_says_what_was_taken_while_nobody_looked() -> None:
    answer = ReviewAnswered("review-000001", 25 * S, "visit-a", "cola", 2)
    out = GateCrossing(1, "door", "out", 30 * S)
    events = play([*two_visits(), unseen(12, 20, "visit-a"), answer, out, Tick(60 * S)])
    assert receipts(events)["visit-a"] == {"cola": 2}
    assert fold_receipts(events)["visit-a"].at_ns == 32_500_000_000
    (taken,) = only(events, CartEvent)
    assert (taken.kind, taken.interaction_id, taken.person_id) == ("taken", None, None)


def test_short_times_left_visits_and_a_second_time_are_not_asked_about() -> None:
    out = GateCrossing(2, "door", "out", 11 * S)
    asked = [unseen(12, 13.9, "visit-a"), unseen(14, 18, "visit-a", "visit-b", "visit-x"), unseen(20, 30, "visit-a")]
    events = play([*two_visits(), out, *asked], end_s=None)
    assert [each.visit_ids for each in only(events, ReviewOpened)] == [("visit-a",)]
