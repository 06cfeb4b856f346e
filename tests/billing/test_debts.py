"""What is not paid: asked for again on a schedule, given up when nobody confirms, written off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from billing.errors import ChargeStateError
from billing.gateway import GIVEN_UP
from billing.policy import BillingPolicy
from billing.types import Charge, ChargeState, PaymentAction, PaymentState, RefundState
from tests.billing.till import DAY_NS, HOUR_NS, Till

Tills = Callable[..., Till]


def collected(shop: Till, hours: float) -> list[tuple[int, ChargeState]]:
    return [(each.number, each.state) for each in shop.service.collect_debts(round(hours * HOUR_NS))]


def states(shop: Till, visit: str = "visit-1") -> list[ChargeState]:
    return [each.state for each in shop.service.charges(visit)]


def indebted(till: Tills, *script: str, **settings: object) -> Till:
    """Return a debt of 298 since time 0."""
    shop = till(*(script or ("decline",)), **settings)
    assert shop.leave(cola=2, at_ns=0).state is ChargeState.DECLINED
    return shop


# The schedule


def test_a_card_is_asked_again_by_the_schedule_and_then_written_off(till: Tills) -> None:
    shop = indebted(till, *["decline"] * 9)
    asked_at = [h for h in range(0, 24 * 185, 6) if collected(shop, h)]
    assert asked_at == [24, 72, 168, 24 * 180]
    assert states(shop) == [ChargeState.DECLINED] * 4
    assert (shop.owed(), shop.balances()["written_off"]) == (0, 298)
    with shop.store.reading() as books:
        assert [(each.charge_key, each.amount.minor) for each in books.write_offs("visit-1")] == [("visit-1:4", 298)]
    assert shop.topics().count("charge.written_off") == 1


def test_what_is_paid_is_asked_for_no_more(till: Tills) -> None:
    shop = indebted(till)
    assert collected(shop, 24) == [(2, ChargeState.CAPTURED)]
    assert [collected(shop, hours) for hours in (72, 168, 24 * 200)] == [[], [], []]
    assert shop.open("visit-2", at_ns=25 * HOUR_NS).refused is None


def test_a_late_collector_does_not_ask_twice_at_once(till: Tills) -> None:
    shop = indebted(till, *["decline"] * 5)
    found = [collected(shop, hours) for hours in (170, 171, 171 + 48, 171 + 96, 171 + 144)]
    assert [len(each) for each in found] == [1, 0, 1, 0, 1]


def test_a_debt_counts_from_its_own_first_decline(till: Tills) -> None:
    """A debt that was paid, and a correction that was declined a day later: the schedule begins anew."""
    shop = indebted(till, "decline", "ok", "decline", "decline")
    assert shop.service.charge_again("visit-1", "card-1", 10 * HOUR_NS).state is ChargeState.CAPTURED
    assert shop.correct(bread=1, at_ns=40 * HOUR_NS).state is ChargeState.DECLINED
    assert [collected(shop, hours) for hours in (48, 63, 64)] == [[], [], [(4, ChargeState.DECLINED)]]
    assert shop.owed() == 289


def test_each_debtor_is_asked_for_themselves(till: Tills) -> None:
    shop = indebted(till, "decline", "decline")
    shop.leave("visit-2", at_ns=10 * HOUR_NS, bread=1)
    assert [each.visit_id for each in shop.service.collect_debts(24 * HOUR_NS)] == ["visit-1"]
    assert [each.visit_id for each in shop.service.collect_debts(34 * HOUR_NS)] == ["visit-2"]


def test_without_a_schedule_a_debt_waits_for_its_write_off(till: Tills) -> None:
    shop = indebted(till, debt_retry_hours=(), write_off_days=10)
    assert [collected(shop, hours) for hours in (24, 239, 240, 480)] == [[], [], [(1, ChargeState.DECLINED)], []]


def test_a_schedule_grows() -> None:
    with pytest.raises(ValidationError, match="later than the one before"):
        BillingPolicy(debt_retry_hours=(24.0, 24.0))


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_a_try_without_an_answer_is_resolved_and_not_repeated(till: Tills, behaviour: str) -> None:
    shop = indebted(till, "decline", behaviour)
    assert collected(shop, 24) == [(2, ChargeState.UNKNOWN)]
    assert collected(shop, 72) == []
    assert [each.state for each in shop.service.resolve_unknown(73 * HOUR_NS)] == [ChargeState.CAPTURED]
    assert collected(shop, 168) == []
    assert len(shop.gateway.captured()) == 1


def test_a_try_that_the_bank_asks_about_is_no_further_try(till: Tills) -> None:
    shop = indebted(till, "decline", "needs_shopper")
    assert collected(shop, 24) == [(2, ChargeState.NEEDS_SHOPPER)]
    assert collected(shop, 72) == []
    shop.gateway.authenticate("visit-1:2:charge")
    shop.service.resolve_unknown(80 * HOUR_NS)
    assert (states(shop)[-1], shop.owed()) == (ChargeState.CAPTURED, 0)


# Refunds


def test_of_a_debt_only_what_was_kept_is_asked_for(till: Tills) -> None:
    shop = indebted(till)
    assert shop.refund(cola=1).state is RefundState.DONE
    assert collected(shop, 24) == [(2, ChargeState.CAPTURED)]
    assert shop.service.charges("visit-1")[1].paid.minor == 149


def test_a_debt_that_was_given_back_is_asked_for_no_more(till: Tills) -> None:
    shop = indebted(till)
    shop.refund()
    assert [collected(shop, hours) for hours in (24, 24 * 200)] == [[], []]
    with pytest.raises(ChargeStateError, match="nothing is owed any more"):
        shop.service.charge_again("visit-1", "card-1", 4_000)


def test_a_rest_below_the_least_is_waived(till: Tills) -> None:
    shop = till("ok", "ok", "decline", hold_minor=149, smallest_minor=5)
    shop.open()
    assert shop.leave(cola=1, sweet=2, at_ns=0).state is ChargeState.DECLINED
    shop.refund(sweet=1)
    assert shop.owed() == 3
    assert collected(shop, 24) == [(2, ChargeState.WAIVED)]
    assert (shop.owed(), shop.balances()["written_off"]) == (0, 3)


@pytest.mark.parametrize(("units", "owed_minor", "written_off"), [(1, 0, 149), (2, 0, 0)])
def test_what_was_written_off_goes_back_without_a_cent(
    till: Tills, units: int, owed_minor: int, written_off: int
) -> None:
    shop = indebted(till, debt_retry_hours=(), write_off_days=1)
    shop.service.collect_debts(DAY_NS)
    refund = shop.refund(cola=units)
    assert (refund.state, shop.owed()) == (RefundState.DONE, owed_minor)
    assert shop.balances()["written_off"] == written_off
    assert [each.action for each in shop.gateway.listing()] == [PaymentAction.CHARGE]


def test_of_a_part_that_was_written_off_the_paid_part_goes_back(till: Tills) -> None:
    shop = till("ok", "ok", "decline", hold_minor=300, debt_retry_hours=(), write_off_days=1)
    shop.open()
    shop.leave(cola=3, at_ns=0)
    shop.service.collect_debts(DAY_NS)
    shop.refund(cola=1)
    assert (shop.balances()["written_off"], shop.balances()["clearing:gateway"]) == (0, 298)
    shop.refund("r-2")
    assert (shop.owed(), shop.balances()["clearing:gateway"]) == (0, 0)


def test_of_what_was_waived_a_refund_takes_the_waiver_back_first(till: Tills) -> None:
    shop = till("ok", "ok", "decline", hold_minor=300, smallest_minor=4)
    shop.open()
    charge = shop.leave(cola=2, sweet=1)
    assert (charge.state, charge.paid.minor) == (ChargeState.WAIVED, 300)
    assert shop.refund(cola=1).state is RefundState.OWED
    assert (shop.owed(), shop.balances()["written_off"]) == (-148, 0)
    assert shop.refund("r-2").state is RefundState.DONE
    assert shop.owed() == 0


def test_a_written_off_debt_is_no_longer_asked_for_by_anybody(till: Tills) -> None:
    shop = indebted(till, debt_retry_hours=(), write_off_days=1)
    assert shop.open("visit-2").refused == "visit visit-1 is not paid"
    shop.service.collect_debts(DAY_NS)
    assert shop.open("visit-3", at_ns=DAY_NS).refused is None
    with pytest.raises(ChargeStateError, match="nothing is owed"):
        shop.service.pay_cash("visit-1", "cash-1", "ada", 2 * DAY_NS)
    with pytest.raises(ChargeStateError, match="nothing is owed"):
        shop.service.charge_again("visit-1", "card-2", 2 * DAY_NS)


# Confirmations that do not come


def given_up(shop: Till, hours: float) -> list[tuple[int, ChargeState]]:
    return [(each.number, each.state) for each in shop.service.give_up_waiting(round(hours * HOUR_NS))]


def last(shop: Till) -> Charge:
    return shop.service.charges("visit-1")[-1]


def test_what_nobody_confirms_becomes_a_debt_in_time(till: Tills) -> None:
    shop = till("needs_shopper")
    shop.leave(cola=1, at_ns=0)
    assert given_up(shop, 71) == []
    assert shop.open("visit-2", at_ns=HOUR_NS).refused == "visit visit-1 is not paid"
    assert given_up(shop, 72) == [(1, ChargeState.DECLINED)]
    assert last(shop).decline_reason == GIVEN_UP
    assert shop.owed() == 149
    assert given_up(shop, 73) == []
    assert [collected(shop, hours) for hours in (72, 95, 96)] == [[], [], [(2, ChargeState.CAPTURED)]]


def test_what_was_confirmed_meanwhile_is_paid(till: Tills) -> None:
    shop = till("needs_shopper")
    shop.leave(cola=1, at_ns=0)
    shop.gateway.authenticate("visit-1:1:charge")
    assert given_up(shop, 72) == [(1, ChargeState.CAPTURED)]
    assert shop.owed() == 0


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_a_cancellation_without_an_answer_is_asked_for_again(till: Tills, behaviour: str) -> None:
    shop = till("needs_shopper", behaviour)
    shop.leave(cola=1, at_ns=0)
    assert given_up(shop, 72) == []
    assert last(shop).state is ChargeState.NEEDS_SHOPPER
    assert given_up(shop, 73) == [(1, ChargeState.DECLINED)]
    assert shop.gateway.captured() == ()


def test_a_hold_that_nobody_confirmed_is_given_up_when_the_visit_is_over(till: Tills) -> None:
    shop = till("needs_shopper", hold_minor=300)
    shop.open()
    assert given_up(shop, 1) == []
    assert shop.leave(cola=1, at_ns=HOUR_NS).state is ChargeState.CAPTURED
    assert given_up(shop, 1) == []  # a hold is no charge
    hold = shop.service.payments("visit-1")[0]
    assert (hold.state, hold.reason) == (PaymentState.DECLINED, GIVEN_UP)


def test_what_was_held_is_captured_and_the_rest_given_up(till: Tills) -> None:
    shop = till("ok", "ok", "needs_shopper", hold_minor=300)
    shop.open()
    assert shop.leave(cola=3, at_ns=0).state is ChargeState.NEEDS_SHOPPER
    assert given_up(shop, 72) == [(1, ChargeState.DECLINED)]
    assert (last(shop).paid.minor, shop.owed()) == (300, 147)
    assert shop.service.pay_cash("visit-1", "cash-1", "ada", 73 * HOUR_NS).paid.minor == 147
