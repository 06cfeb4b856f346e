"""Who works in the store takes for nothing, who has no card pays at the till."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from billing.errors import ChargeStateError, KeyConflict, UnknownVisit
from billing.gateway import GIVEN_UP
from billing.steps import AT_THE_TILL
from billing.types import CASH, STAFF, ChargeState, OpenVisit, PaymentAction, RefundState, VisitKind
from tests.billing.till import DAY_NS, HOUR_NS, Till

Tills = Callable[..., Till]


def paid(shop: Till, key: str = "cash-1", by: str = "ada", at_ns: int = 2_000) -> tuple[ChargeState, int]:
    charge = shop.service.pay_cash("visit-1", key, by, at_ns)
    return charge.state, charge.paid.minor


# Staff


def test_staff_are_neither_held_for_nor_billed(till: Tills) -> None:
    shop = till(token=STAFF, hold_minor=300)
    admission = shop.open()
    assert (admission.refused, admission.hold) == (None, None)
    assert shop.join("scan-2").hold is None
    charge = shop.leave(cola=3)
    assert (charge.state, charge.amount.minor) == (ChargeState.VOID, 0)
    assert shop.leave(cola=3) == charge
    receipt = shop.service.receipt("visit-1")
    assert receipt is not None
    assert receipt.lines == ()
    assert shop.gateway.listing() == ()
    assert shop.service.balances() == {}


def test_staff_are_not_billed_either_where_their_opening_was_lost(till: Tills) -> None:
    shop = till(token=STAFF)
    assert shop.leave(cola=3).state is ChargeState.VOID
    assert shop.gateway.listing() == ()


def test_a_cart_of_staff_is_kept_and_costs_nothing(till: Tills) -> None:
    shop = till(token=STAFF)
    shop.open()
    draft, priced = shop.service.put_draft("visit-1", (), 1)
    assert (draft.version, priced.total.minor) == (1, 0)


def test_nothing_of_staff_can_be_corrected_or_refunded(till: Tills) -> None:
    shop = till(token=STAFF)
    shop.leave(cola=1)
    with pytest.raises(ValueError, match="costs no more"):
        shop.correct(cola=1)
    with pytest.raises(ValueError, match="nothing of visit-1 is left"):
        shop.refund()


@pytest.mark.parametrize(
    ("token", "kind"), [("card-1", VisitKind.STAFF), ("card-1", VisitKind.CASH), (STAFF, VisitKind.SHOPPER)]
)
def test_a_token_is_that_of_its_kind(token: str, kind: VisitKind) -> None:
    with pytest.raises(ValueError, match="cannot have the token"):
        OpenVisit("visit-1", token, 0, kind)
    with pytest.raises(ValueError, match="party_size is 0"):
        OpenVisit("visit-1", "card-1", 0, party_size=0)


def test_a_debt_is_not_charged_to_staff(till: Tills) -> None:
    shop = till("decline")
    shop.leave(cola=1)
    with pytest.raises(ChargeStateError, match="name a card"):
        shop.service.charge_again("visit-1", STAFF, 2_000)


# Cash


def test_who_pays_cash_waits_for_the_till_and_no_gateway_is_asked(till: Tills) -> None:
    shop = till(token=CASH, hold_minor=300)
    admission = shop.open()
    assert (admission.refused, admission.hold) == (None, None)
    charge = shop.leave(cola=2)
    assert (charge.state, charge.decline_reason, charge.paid.minor) == (ChargeState.NEEDS_SHOPPER, AT_THE_TILL, 0)
    assert shop.leave(cola=2) == charge
    assert shop.service.resolve_unknown(1_500) == ()
    assert shop.owed() == 298
    shop.check()
    assert paid(shop) == (ChargeState.CAPTURED, 298)
    assert (shop.owed(), shop.balances()["cash:till"]) == (0, 298)
    assert shop.gateway.listing() == ()


def test_an_empty_cart_owes_the_till_nothing(till: Tills) -> None:
    shop = till(token=CASH)
    assert shop.leave(leaflet=1).state is ChargeState.VOID
    with pytest.raises(ChargeStateError, match="nothing is owed"):
        paid(shop)


def test_money_at_the_till_is_taken_once(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=2)
    shop.leave("visit-2", cola=1)
    first = shop.service.pay_cash("visit-1", "cash-1", "ada", 2_000)
    assert shop.service.pay_cash("visit-1", "cash-1", "ada", 9_000) == first
    with pytest.raises(ChargeStateError, match="nothing is owed"):
        paid(shop, "cash-2")
    with pytest.raises(KeyConflict, match="cash-1 was used for other money"):
        paid(shop, by="bob")
    with pytest.raises(KeyConflict, match="cash-1 was used for other money"):
        shop.service.pay_cash("visit-2", "cash-1", "ada", 2_000)
    with pytest.raises(UnknownVisit, match="visit-9"):
        shop.service.pay_cash("visit-9", "cash-3", "ada", 2_000)
    assert shop.service.balances()["cash:till", "EUR"] == 298


def test_what_was_paid_in_cash_is_paid_out_at_the_till(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=2)
    paid(shop)
    refund = shop.refund(cola=1)
    assert (refund.state, shop.owed()) == (RefundState.OWED, -149)
    assert shop.refund(cola=1).state is RefundState.OWED  # no gateway can give it back
    assert shop.service.pay_out("r-1", "out-1", "ada", 4_000).state is RefundState.DONE
    assert shop.service.pay_out("r-1", "out-1", "ada", 5_000).state is RefundState.DONE
    assert (shop.owed(), shop.balances()["cash:till"]) == (0, 149)
    with pytest.raises(ChargeStateError, match="nothing is to be paid out"):
        shop.service.pay_out("r-1", "out-2", "ada", 6_000)


def test_a_key_pays_out_or_takes_one_sum(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=2)
    paid(shop)
    shop.refund(cola=1)
    with pytest.raises(KeyConflict, match="cash-1 was used"):
        shop.service.pay_out("r-1", "cash-1", "ada", 4_000)
    shop.service.pay_out("r-1", "out-1", "ada", 4_000)
    with pytest.raises(KeyConflict, match="out-1 was used"):
        paid(shop, "out-1")
    with pytest.raises(KeyConflict, match="out-1 was used"):
        shop.service.pay_out("r-1", "out-1", "bob", 4_000)
    with pytest.raises(UnknownVisit, match="no refund 'r-9'"):
        shop.service.pay_out("r-9", "out-9", "ada", 4_000)


def test_what_goes_back_before_it_is_paid_is_not_owed(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=2)
    assert shop.refund(cola=1).state is RefundState.DONE
    assert paid(shop) == (ChargeState.CAPTURED, 149)


def test_a_cart_that_goes_back_before_it_is_paid_waits_for_no_till(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=2)
    shop.refund()
    with pytest.raises(ChargeStateError, match="nothing is owed"):
        paid(shop)
    assert [each.state for each in shop.service.resolve_unknown(4_000)] == [ChargeState.VOID]
    assert shop.service.resolve_unknown(5_000) == ()


def test_a_correction_uses_up_what_was_to_be_paid_out(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=2, at_ns=0)
    paid(shop)
    shop.refund(cola=2, at_ns=2_500)
    charge = shop.correct(at_ns=3_000, bread=2)
    assert (charge.state, charge.amount.minor, shop.owed()) == (ChargeState.NEEDS_SHOPPER, 578, 280)
    assert paid(shop, "cash-2") == (ChargeState.CAPTURED, 280)
    assert shop.service.refunds("visit-1")[0].state is RefundState.DONE
    assert shop.balances()["cash:till"] == 578


def test_a_correction_that_costs_what_was_to_be_paid_out_waits_for_nobody(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=2, at_ns=0)
    paid(shop)
    shop.refund(cola=2, at_ns=2_500)
    assert shop.correct(at_ns=3_000, cola=1).state is ChargeState.VOID
    assert shop.owed() == -149
    assert shop.service.pay_out("r-1", "out-1", "ada", 4_000).state is RefundState.DONE


# Card and cash


def part_paid(till: Tills) -> Till:
    """Return a visit of 447 of which the card's hold paid 300 and the till 147."""
    shop = till("ok", "ok", "decline", hold_minor=300)
    shop.open()
    assert shop.leave(cola=3).state is ChargeState.DECLINED
    assert paid(shop) == (ChargeState.CAPTURED, 147)
    return shop


def test_a_debt_of_a_card_is_paid_at_the_till(till: Tills) -> None:
    shop = part_paid(till)
    charges = shop.service.charges("visit-1")
    assert [(each.token, each.state, each.paid.minor) for each in charges] == [
        ("card-1", ChargeState.DECLINED, 300),
        (CASH, ChargeState.CAPTURED, 147),
    ]
    assert shop.open("visit-2", at_ns=3_000).refused is None


@pytest.mark.parametrize(("units", "by_card", "in_cash"), [(1, 2, 147), (2, 151, 147), (3, 300, 147)])
def test_what_card_and_till_paid_goes_back_to_the_till_first(
    till: Tills, units: int, by_card: int, in_cash: int
) -> None:
    shop = part_paid(till)
    assert shop.refund(cola=units).state is RefundState.OWED
    assert shop.balances()["clearing:gateway"] == 300 - by_card
    assert shop.service.pay_out("r-1", "out-1", "ada", 4_000).state is RefundState.DONE
    assert shop.balances()["cash:till"] == 147 - in_cash
    assert shop.owed() == 0


def test_a_card_that_takes_nothing_back_leaves_its_share_owed(till: Tills) -> None:
    shop = till("ok", "ok", "decline", "decline", hold_minor=300)
    shop.open()
    shop.leave(cola=3)
    paid(shop)
    shop.refund(cola=2)
    assert shop.service.pay_out("r-1", "out-1", "ada", 4_000).state is RefundState.OWED
    assert shop.owed() == -151
    shop.check()
    assert shop.refund(cola=2).state is RefundState.DONE
    assert shop.owed() == 0


def test_the_till_waits_while_the_card_may_still_pay(till: Tills) -> None:
    shop = till("needs_shopper")
    shop.leave(cola=1)
    with pytest.raises(ChargeStateError, match="the card may still pay"):
        paid(shop)
    (given_up,) = shop.service.give_up_waiting(73 * HOUR_NS)
    assert (given_up.state, given_up.decline_reason) == (ChargeState.DECLINED, GIVEN_UP)
    assert paid(shop) == (ChargeState.CAPTURED, 149)


def test_a_debt_may_be_put_on_the_till_and_is_still_a_debt_of_the_card(till: Tills) -> None:
    shop = till("decline")
    shop.leave(cola=1)
    waiting = shop.service.charge_again("visit-1", CASH, 2_000)
    assert (waiting.state, waiting.decline_reason) == (ChargeState.NEEDS_SHOPPER, AT_THE_TILL)
    assert shop.open("visit-2", at_ns=2_000).refused == "visit visit-1 is not paid"
    assert paid(shop) == (ChargeState.CAPTURED, 149)
    assert [answer.action for answer in shop.gateway.listing()] == [PaymentAction.CHARGE]


def test_who_does_not_pay_at_the_till_is_written_off(till: Tills) -> None:
    shop = till(token=CASH, write_off_days=10)
    shop.leave(cola=1)
    assert shop.service.collect_debts(9 * DAY_NS) == ()
    (charge,) = shop.service.collect_debts(11 * DAY_NS)
    assert (charge.state, charge.decline_reason) == (ChargeState.DECLINED, "not paid at the till")
    assert (shop.owed(), shop.balances()["written_off"]) == (0, 149)
    assert shop.service.collect_debts(30 * DAY_NS) == ()
    assert shop.service.resolve_unknown(30 * DAY_NS) == ()
    assert shop.gateway.listing() == ()


def test_nobody_is_a_debtor_by_the_word_cash(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=1)
    assert shop.open("visit-2").refused is None
    assert replace(shop, token=STAFF).open("visit-3").refused is None
