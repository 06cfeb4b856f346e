"""Forgetting what is over changes nothing of what comes; nor does a log that begins where another ended."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from checkout.checkout import Checkout
from checkout.settings import CheckoutPolicy
from checkout.types import CartEvent, CheckoutInput, GateScanned, ReviewAnswered, ShelvesUnseen, Tick
from tests.checkout.test_checkout_properties import POLICIES, S, stories
from vision.types import GateCrossing, Interaction, PersonCandidate, PersonRejoined, SkuCandidate

DAY = 100_000 * S


def later(story: list[CheckoutInput], shift_ns: int) -> list[CheckoutInput]:
    """Return the same story ``shift_ns`` later, told of other people, scans and interactions."""
    return [_moved(given_input, shift_ns) for given_input in story]


def _moved(given_input: CheckoutInput, shift_ns: int) -> CheckoutInput:
    if isinstance(given_input, Interaction):
        people = tuple(dataclasses.replace(c, person_id=c.person_id + 10) for c in given_input.person_candidates)
        return dataclasses.replace(
            given_input,
            interaction_id=f"b{given_input.interaction_id}",
            opened_at_ns=given_input.opened_at_ns + shift_ns,
            closed_at_ns=given_input.closed_at_ns + shift_ns,
            person_candidates=people,
        )
    if isinstance(given_input, ShelvesUnseen):
        visits = tuple(visit.replace("visit-", "visit-b") for visit in given_input.visit_ids)
        return ShelvesUnseen(given_input.from_ns + shift_ns, given_input.to_ns + shift_ns, visits)
    changes: dict[str, object] = {"at_ns": given_input.at_ns + shift_ns}
    if hasattr(given_input, "person_id"):
        changes["person_id"] = given_input.person_id + 10
    if isinstance(given_input, PersonRejoined):
        changes["former_id"] = given_input.former_id + 10
    if isinstance(given_input, GateScanned):
        changes["scan_id"] = f"b{given_input.scan_id}"
    if isinstance(given_input, ReviewAnswered) and given_input.visit_id is not None:
        changes["visit_id"] = given_input.visit_id.replace("visit-", "visit-b")
    return dataclasses.replace(given_input, **changes)


@settings(max_examples=15, deadline=None)
@given(stories(), stories(), POLICIES, st.integers(0, 130), st.booleans())
def test_forgetting_changes_no_later_event(
    before: list[CheckoutInput], after: list[CheckoutInput], policy: CheckoutPolicy, until_s: int, twice: bool
) -> None:
    kept, forgetful = Checkout(policy), Checkout(policy)
    for given_input in before:
        assert kept.handle(given_input) == forgetful.handle(given_input)
    forgetful.forget(until_s * S)
    if twice:
        forgetful.forget(until_s * S)
    for given_input in later(after, 130 * S):
        assert kept.handle(given_input) == forgetful.handle(given_input)
    assert kept.finish(400 * S) == forgetful.finish(400 * S)


@settings(max_examples=15, deadline=None)
@given(stories(), stories(), POLICIES, st.booleans())
def test_a_log_that_begins_with_what_was_carried_goes_on_alike(
    before: list[CheckoutInput], after: list[CheckoutInput], policy: CheckoutPolicy, forget: bool
) -> None:
    checkout = Checkout(policy)
    for given_input in [*before, Tick(DAY)]:  # nobody shops for so long: all visits have ended
        checkout.handle(given_input)
    if forget:
        checkout.forget(DAY)
    restored = Checkout.restore([], policy, carried=checkout.state.carried())
    assert vars(restored.state) == vars(checkout.state)
    for given_input in later(after, DAY):
        assert restored.handle(given_input) == checkout.handle(given_input)
    assert restored.finish(DAY + 400 * S) == checkout.finish(DAY + 400 * S)


@settings(max_examples=10, deadline=None)
@given(stories(), POLICIES)
def test_what_is_over_takes_no_room(story: list[CheckoutInput], policy: CheckoutPolicy) -> None:
    checkout = Checkout(policy)
    for given_input in [*story, Tick(DAY)]:
        checkout.handle(given_input)
    checkout.forget(DAY + 1)
    state = checkout.state
    assert state.final_visits == {}
    assert all(person.inside for person in state.persons.values())
    people = {None, *state.persons}
    assert {key[1] for key in state.entries} <= people
    assert set(state.unowned_ns) == set(state.entries)


def test_units_that_nobody_answers_for_can_still_be_brought_back() -> None:
    def change(number: int, person: int, count: int, at_ns: int) -> Interaction:
        sku, who = (SkuCandidate("cola", 1.0),), (PersonCandidate(person, 1.0),)
        return Interaction(f"i{number}", "g/a", "g/a/1", at_ns, at_ns, count, 1.0, sku, who)

    checkout = Checkout()
    for number, person in ((1, 1), (2, 2)):
        checkout.handle(change(number, person, -1, number * S))
        checkout.handle(GateCrossing(person, "door", "out", 10 * S))
    checkout.handle(Tick(DAY))
    checkout.forget(DAY)
    assert checkout.state.entries == {(None, None, "cola", None): 2}
    events = checkout.handle(change(3, 3, 2, DAY))
    assert [(each.kind, each.quantity_delta) for each in events if isinstance(each, CartEvent)] == [("returned", -2)]
