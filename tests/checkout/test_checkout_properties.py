from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from checkout.carts import fold_carts, fold_receipts
from checkout.checkout import Checkout
from checkout.settings import CheckoutPolicy
from checkout.types import (
    CartEvent,
    CheckoutEvent,
    CheckoutInput,
    GateScanned,
    ReviewAnswered,
    ReviewClosed,
    ShelvesUnseen,
    Tick,
    VisitClosed,
    VisitOpened,
    VisitReopened,
)
from vision.types import (
    DeedsWaiting,
    GateCrossing,
    Interaction,
    PersonCandidate,
    PersonRejoined,
    PersonVanished,
    SkuCandidate,
)

S = 1_000_000_000
PERSONS = st.integers(1, 4)
SKUS = ("cola", "tea", "milk")


@st.composite
def candidates(draw: st.DrawFn, values: list, kind: type) -> tuple:
    chosen = draw(
        st.lists(st.sampled_from(values), unique=True, min_size=draw(st.sampled_from([1, 1, 1, 0])), max_size=2)
    )
    first = draw(st.sampled_from([1.0, 1.0, 0.9, 0.5]))
    shares = [first, round(1 - first, 6)][: len(chosen)]
    return tuple(kind(value, share) for value, share in zip(chosen, shares, strict=True))


@st.composite
def stories(draw: st.DrawFn, late: bool = True, waits: bool = True) -> list[CheckoutInput]:
    """Anything that vision, gates and operators may say, in any order; times never run backwards.

    Up to three shoppers are in before it starts.
    """
    inputs: list[CheckoutInput] = draw(early_ones())
    now_ns = 5 * S if inputs else 0
    for index in range(draw(st.integers(0, 30))):
        now_ns += draw(st.integers(0, 8)) * S // 2
        kind = draw(st.sampled_from("siorvtttttttpppppaTu" + "ww" * waits))
        person = draw(PERSONS)
        match kind:
            case "s":
                inputs.append(GateScanned(f"s{index}", "door", now_ns, "t", draw(st.integers(1, 2))))
            case "i" | "o":
                inputs.append(GateCrossing(person, "door", "in" if kind == "i" else "out", now_ns))
            case "r":
                other = draw(PERSONS.filter(lambda number, me=person: number != me))
                inputs.append(PersonRejoined(person, other, now_ns, 0.9))
            case "v":
                inputs.append(PersonVanished(person, now_ns, (3.0, 3.0)))
            case "t" | "p":
                inputs.append(draw(interactions(index, now_ns, "-" if kind == "t" else "+", late)))
            case "w":
                inputs.append(DeedsWaiting(now_ns, tuple(sorted(draw(st.sets(PERSONS, max_size=2))))))
            case "u":
                inputs.append(draw(gaps(index, now_ns)))
            case "a":
                inputs.append(draw(answers(index, now_ns)))
            case _:
                inputs.append(Tick(now_ns))
    return inputs


@st.composite
def early_ones(draw: st.DrawFn) -> list[CheckoutInput]:
    inputs: list[CheckoutInput] = []
    for number in range(1, draw(st.integers(0, 3)) + 1):
        inputs.append(GateScanned(f"early{number}", "door", 0, "t", draw(st.integers(1, 2))))
        inputs.append(GateCrossing(number, "door", "in", 0))
    return inputs


@st.composite
def answers(draw: st.DrawFn, index: int, now_ns: int) -> ReviewAnswered:
    visits = [None, "visit-early1", "visit-early2", *(f"visit-s{i}" for i in range(index))]
    sku, delta = draw(st.sampled_from([(None, 0), ("cola", 1), ("tea", -1)]))
    return ReviewAnswered(f"review-{draw(st.integers(1, 4)):06d}", now_ns, draw(st.sampled_from(visits)), sku, delta)


@st.composite
def gaps(draw: st.DrawFn, index: int, now_ns: int) -> ShelvesUnseen:
    visits = draw(st.lists(st.sampled_from(["visit-early1", "visit-early2", f"visit-s{index - 1}"])))
    return ShelvesUnseen(max(0, now_ns - draw(st.integers(0, 5)) * S), now_ns, tuple(visits))


@st.composite
def interactions(draw: st.DrawFn, index: int, now_ns: int, sign: str, late: bool) -> Interaction:
    closed_ns = max(0, now_ns - (draw(st.integers(0, 3)) * S if late else 0))
    return Interaction(
        interaction_id=f"i{index}",
        shelf_id="g/a",
        slot_id=draw(st.sampled_from(["g/a/1", None])),
        opened_at_ns=max(0, closed_ns - S),
        closed_at_ns=closed_ns,
        change=draw(st.sampled_from([-2, -1, -1] if sign == "-" else [2, 1, 1, None, 0])),
        change_probability=draw(st.sampled_from([1.0, 1.0, 0.8, 0.3, 0.02])),
        sku_candidates=draw(candidates(list(SKUS), SkuCandidate)),
        person_candidates=draw(candidates([1, 2, 3, 4], PersonCandidate)),
    )


POLICIES = st.builds(
    CheckoutPolicy, hand_over=st.sampled_from(["first_taker", "last_holder", "ask"]), lost_timeout_s=st.just(20.0)
)


def play(inputs: list[CheckoutInput], policy: CheckoutPolicy, end_ns: int = 200 * S) -> list[CheckoutEvent]:
    checkout = Checkout(policy)
    events = [event for given in inputs for event in checkout.handle(given)]
    return [*events, *checkout.finish(end_ns)]


@settings(max_examples=60, deadline=None)
@given(stories(), POLICIES)
def test_no_cart_is_ever_below_zero_and_every_visit_ends_with_one_receipt(
    inputs: list[CheckoutInput], policy: CheckoutPolicy
) -> None:
    events = play(inputs, policy)
    carts = fold_carts(events)  # raises where any prefix is below zero
    receipts = fold_receipts(events)
    opened = [event.visit_id for event in events if isinstance(event, VisitOpened)]
    assert sorted(receipts) == sorted(opened)
    for visit_id, receipt in receipts.items():
        assert receipt.lines == (carts[visit_id].lines if visit_id in carts else ())
    closings = Counter(event.visit_id for event in events if isinstance(event, VisitClosed))
    closings.subtract(event.visit_id for event in events if isinstance(event, VisitReopened))
    assert all(closings[visit_id] == 1 for visit_id in opened)


@settings(max_examples=60, deadline=None)
@given(stories(), POLICIES)
def test_units_are_conserved(inputs: list[CheckoutInput], policy: CheckoutPolicy) -> None:
    """Carts together hold what left the slots: each accepted change once, wherever it was moved to."""
    events = play(inputs, policy)
    changes = {given.interaction_id: given.change for given in inputs if isinstance(given, Interaction)}
    nets: Counter[str | None] = Counter()
    for event in events:
        if isinstance(event, CartEvent):
            nets[event.interaction_id] += event.quantity_delta
    answered: Counter[str | None] = Counter()
    reviewed = {event.review_id: event.interaction_id for event in events if hasattr(event, "due_ns")}
    for event in events:
        if isinstance(event, ReviewClosed) and event.by == "operator":
            answered[reviewed[event.review_id]] += event.quantity_delta
    unseen = nets.pop(None, 0)
    assert unseen == answered.pop(None, 0)  # what operators say of times in which nobody looked
    for interaction_id, net in nets.items():
        if interaction_id in answered:
            assert net == answered[interaction_id]
        else:
            assert net == -(changes[interaction_id] or 0)
    total = sum(line.quantity for cart in fold_carts(events).values() for line in cart.lines)
    assert total == sum(nets.values()) + unseen


@settings(max_examples=40, deadline=None)
@given(stories(waits=False), POLICIES, st.data())
def test_restored_from_its_log_it_goes_on_as_if_nothing_had_happened(
    inputs: list[CheckoutInput], policy: CheckoutPolicy, data: st.DataObject
) -> None:
    """What shelves are about to tell is not in the log: a restart asks about visits under way instead."""
    cut = data.draw(st.integers(0, len(inputs)))
    checkout = Checkout(policy)
    log = [event for given in inputs[:cut] for event in checkout.handle(given)]
    restored = Checkout.restore(log, policy)
    if checkout.state.now_ns is not None:
        assert restored.handle(Tick(checkout.state.now_ns)) == ()
    assert vars(restored.state) == vars(checkout.state)
    for given_input in inputs[cut:]:
        assert restored.handle(given_input) == checkout.handle(given_input)
    assert restored.finish(200 * S) == checkout.finish(200 * S)


@settings(max_examples=30, deadline=None)
@given(stories(), POLICIES)
def test_a_log_folded_twice_over_is_the_same_carts(inputs: list[CheckoutInput], policy: CheckoutPolicy) -> None:
    events = play(inputs, policy)
    assert fold_carts([*events, *events]) == fold_carts(events)
    assert play(inputs, policy) == events


@settings(max_examples=40, deadline=None)
@given(stories(late=False), POLICIES)
def test_how_often_time_is_told_changes_nothing(inputs: list[CheckoutInput], policy: CheckoutPolicy) -> None:
    ticked: list[CheckoutInput] = []
    last_ns = 0
    for item in inputs:
        at_ns = item.closed_at_ns if isinstance(item, Interaction) else item.at_ns
        ticked += [Tick(t) for t in range(last_ns, at_ns, S)]
        ticked.append(item)
        last_ns = at_ns
    assert play(ticked, policy) == play(inputs, policy)
