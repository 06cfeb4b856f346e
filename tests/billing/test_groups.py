"""Several people on one card: a hold for each, one receipt, and no hold is forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.charging import new_charge
from billing.errors import KeyConflict, UnknownVisit
from billing.gateway import EXPIRED
from billing.money import Money
from billing.pricebook import PriceBook
from billing.receipt import make_receipt
from billing.steps import Ask, End, next_step, taken
from billing.types import (
    Charge,
    ChargeState,
    ItemCount,
    JoinVisit,
    Payment,
    PaymentAction,
    PaymentState,
    ReceiptInput,
)
from tests.billing.till import Till

Tills = Callable[..., Till]


def asked(till: Till) -> list[tuple[str, int, PaymentState]]:
    return [(each.key, each.amount.minor, each.state) for each in till.service.payments("visit-1")]


def test_a_party_is_held_money_for_at_once(till: Tills) -> None:
    shop = till(hold_minor=300)
    admission = shop.open(party_size=3)
    assert admission.hold is not None
    assert admission.hold.amount == Money(900, "EUR")
    assert shop.leave(cola=5).paid.minor == 745
    assert asked(shop)[1:] == [("visit-1:1:capture", 745, PaymentState.DONE)]


def test_a_visit_is_opened_for_one_number_of_people(till: Tills) -> None:
    shop = till(hold_minor=300)
    first = shop.open(party_size=2)
    assert shop.open(party_size=2, at_ns=5) == first
    with pytest.raises(KeyConflict, match="visit-1 was opened for 2 people"):
        shop.open(party_size=3)


def test_holds_are_taken_from_in_turn_and_what_exceeds_them_is_charged(till: Tills) -> None:
    shop = till(hold_minor=300)
    shop.open()
    shop.join("scan-2")
    charge = shop.leave(cola=5)
    assert (charge.state, charge.paid.minor) == (ChargeState.CAPTURED, 745)
    assert asked(shop) == [
        ("visit-1:hold", 300, PaymentState.DONE),
        ("visit-1:hold:scan-2", 300, PaymentState.DONE),
        ("visit-1:1:capture", 300, PaymentState.DONE),
        ("visit-1:1:capture:2", 300, PaymentState.DONE),
        ("visit-1:1:charge", 145, PaymentState.DONE),
    ]


@pytest.mark.parametrize(("items", "voided"), [({"cola": 1}, 2), ({"cola": 3}, 1), ({}, 3)])
def test_holds_that_are_not_needed_are_let_go(till: Tills, items: dict[str, int], voided: int) -> None:
    shop = till(hold_minor=300)
    shop.open()
    shop.join("scan-2")
    shop.join("scan-3")
    shop.leave(**items)
    voids = [each for each in shop.service.payments("visit-1") if each.action is PaymentAction.VOID]
    assert [each.state for each in voids] == [PaymentState.DONE] * voided


def test_a_scan_is_held_for_once(till: Tills) -> None:
    shop = till(hold_minor=300)
    shop.open()
    assert shop.join("scan-2") == shop.join("scan-2", at_ns=99)
    assert len(shop.gateway.listing()) == 2
    with pytest.raises(KeyConflict, match="another token"):
        shop.service.join_visit(JoinVisit("visit-1", "scan-2", "card-9", 10))
    with pytest.raises(UnknownVisit, match="visit-2"):
        shop.join("scan-2", "visit-2")
    shop.leave(cola=1)


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_a_second_hold_without_an_answer_is_asked_for_again(till: Tills, behaviour: str) -> None:
    shop = till("ok", behaviour, hold_minor=300)
    shop.open()
    first = shop.join("scan-2")
    assert first.refused is None
    assert first.hold is not None
    assert first.hold.state is PaymentState.UNKNOWN
    again = shop.join("scan-2", at_ns=20)
    assert again.hold is not None
    assert again.hold.state is PaymentState.DONE
    assert [answer.key for answer in shop.gateway.listing()] == ["visit-1:hold", "visit-1:hold:scan-2"]
    shop.leave(cola=4)
    assert shop.service.charges("visit-1")[0].paid.minor == 596


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_a_hold_without_an_answer_is_asked_for_before_the_capture(till: Tills, behaviour: str) -> None:
    shop = till("ok", behaviour, hold_minor=300)
    shop.open()
    shop.join("scan-2")
    assert shop.leave(cola=4).state is ChargeState.CAPTURED
    assert {state for _, _, state in asked(shop)} == {PaymentState.DONE}


def test_a_second_hold_that_is_declined_refuses_that_person_alone(till: Tills) -> None:
    shop = till("ok", "decline", hold_minor=300)
    assert shop.open().refused is None
    assert shop.join("scan-2").refused == "card declined"
    assert shop.leave(cola=3).state is ChargeState.CAPTURED
    assert asked(shop)[2:] == [
        ("visit-1:1:capture", 300, PaymentState.DONE),
        ("visit-1:1:charge", 147, PaymentState.DONE),
    ]


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_a_second_capture_without_an_answer_is_not_made_twice(till: Tills, behaviour: str) -> None:
    shop = till("ok", "ok", "ok", behaviour, hold_minor=300)
    shop.open()
    shop.join("scan-2")
    assert shop.leave(cola=4).state is ChargeState.UNKNOWN
    assert [each.state for each in shop.service.resolve_unknown(5_000)] == [ChargeState.CAPTURED]
    assert sum(each.amount.minor for each in shop.gateway.captured()) == 596


def test_a_capture_that_is_declined_is_made_good_by_the_next_hold(till: Tills) -> None:
    shop = till("ok", "ok", "decline", hold_minor=300)
    shop.open()
    shop.join("scan-2")
    assert shop.leave(cola=3).state is ChargeState.CAPTURED
    assert asked(shop)[2:] == [
        ("visit-1:1:capture", 300, PaymentState.DECLINED),
        ("visit-1:1:capture:2", 300, PaymentState.DONE),
        ("visit-1:1:charge", 147, PaymentState.DONE),
        ("visit-1:1:void", 300, PaymentState.DONE),
    ]


def test_lapsed_holds_of_a_group_are_charged_without(till: Tills) -> None:
    shop = till(hold_minor=300, hold_ns=100)
    shop.open()
    shop.join("scan-2")
    assert shop.leave(cola=3).state is ChargeState.CAPTURED
    assert [reason for each in shop.service.payments("visit-1") if (reason := each.reason)] == [EXPIRED, EXPIRED]


def test_a_rest_below_the_least_is_waived_though_a_hold_is_left(till: Tills) -> None:
    shop = till(hold_minor=293, smallest_minor=50)
    shop.open()
    shop.join("scan-2")
    charge = shop.leave(cola=2)
    assert (charge.state, charge.paid.minor, shop.owed()) == (ChargeState.WAIVED, 293, 0)


def test_who_joins_after_the_receipt_is_refused(till: Tills) -> None:
    shop = till(hold_minor=300)
    shop.open()
    before = shop.join("scan-2")
    shop.leave(cola=1)
    assert shop.join("scan-3").refused == "visit visit-1 is over"
    again = shop.join("scan-2", at_ns=5_000)
    assert (again.refused, again.hold) == (None, before.hold)
    assert len(shop.gateway.listing()) == 4  # two holds, a capture, a void


def test_nobody_joins_a_debtor_and_no_hold_is_made_without_a_policy(till: Tills) -> None:
    shop = till("decline")
    shop.leave("visit-0", cola=1)
    assert shop.open().refused == "visit visit-0 is not paid"
    joined = shop.join("scan-2")
    assert (joined.refused, joined.hold) == ("visit visit-0 is not paid", None)


def test_a_group_is_refunded_to_the_latest_capture_first(till: Tills) -> None:
    shop = till(hold_minor=300)
    shop.open()
    shop.join("scan-2")
    shop.leave(cola=4)
    shop.refund(cola=3)
    back = [(each.of, each.amount.minor) for each in shop.service.payments("visit-1") if each.claim == "r-1"]
    assert back == [("visit-1:1:capture:2", 296), ("visit-1:1:capture", 151)]


AMOUNTS = st.integers(1, 400)
HOLDS = st.lists(st.tuples(AMOUNTS, st.sampled_from(PaymentState)), max_size=5)


def payment(key: str, step: Ask, state: PaymentState, claim: str | None = "visit-1:1") -> Payment:
    of = None if step.of is None else step.of.key
    return Payment(key, "visit-1", claim, step.action, "d", "card-1", step.amount, of, state, 0)


def charge_of(total_minor: int, book: PriceBook) -> Charge:
    receipt = make_receipt(ReceiptInput("visit-1", "card-1", 0, (ItemCount("cola", 1),)), book)
    return new_charge(receipt, Money(total_minor, "EUR"), 1, "card-1", 0)


@given(total_minor=st.integers(0, 2_000), held=HOLDS, smallest_minor=st.integers(1, 60), data=st.data())
def test_whatever_the_holds_no_more_than_the_receipt_is_taken_and_no_hold_forgotten(
    book: PriceBook, total_minor: int, held: list[tuple[int, PaymentState]], smallest_minor: int, data: st.DataObject
) -> None:
    holds = [
        payment(f"hold-{k}", Ask(PaymentAction.HOLD, Money(minor, "EUR")), state, None)
        for k, (minor, state) in enumerate(held)
    ]
    charge, smallest, made = charge_of(total_minor, book), Money(smallest_minor, "EUR"), list[Payment]()
    while isinstance(step := next_step(charge, holds, made, smallest), Ask):
        assert len(made) <= 2 * len(holds) + 1
        assert step.amount.minor <= (total_minor if step.of is None else step.of.amount.minor)
        answer = data.draw(st.sampled_from([PaymentState.DONE, PaymentState.DONE, PaymentState.DECLINED]))
        made.append(payment(f"p-{len(made)}", step, answer))
    paid_minor = taken(made, "EUR").minor
    assert paid_minor <= total_minor
    assert {hold.key for hold in holds if hold.state is PaymentState.DONE} == {each.of for each in made if each.of}
    captured = [each.of for each in made if each.action is PaymentAction.CAPTURE and each.state is PaymentState.DONE]
    voided = [each.of for each in made if each.action is PaymentAction.VOID]
    assert set(captured).isdisjoint(voided)
    assert len(voided) == len(set(voided))
    check_end(step, total_minor - paid_minor, smallest_minor, made)


def check_end(end: End, rest_minor: int, smallest_minor: int, made: list[Payment]) -> None:
    match end.state:
        case ChargeState.CAPTURED | ChargeState.VOID:
            assert rest_minor == 0
        case ChargeState.WAIVED:
            assert 0 < rest_minor < smallest_minor
        case _:
            assert end.state is ChargeState.DECLINED
            assert any(each.action is PaymentAction.CHARGE and each.state is PaymentState.DECLINED for each in made)
