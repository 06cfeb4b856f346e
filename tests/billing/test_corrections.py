"""Units that a final receipt lacks are charged after it: what they add to the whole cart, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from billing.errors import BillingError, ChargeStateError, CorrectionError, KeyConflict, PriceError, UnknownVisit
from billing.money import Money
from billing.pricebook import Price, PriceBook
from billing.promotions import MemberPrice, NForM
from billing.service import BillingService
from billing.types import (
    CASH,
    Charge,
    ChargeState,
    CorrectionRequest,
    ItemCount,
    LineKind,
    PaymentAction,
    ReceiptInput,
    RefundState,
)
from tests.billing.till import DAY_NS, Till

Tills = Callable[..., Till]


def counts(shop: Till) -> dict[str, int]:
    receipt = shop.service.receipt("visit-1")
    assert receipt is not None
    return {line.sku: line.quantity for line in receipt.lines if line.kind is LineKind.PRODUCT}


def told(charge: Charge) -> tuple[int, ChargeState, int, int]:
    return charge.number, charge.state, charge.amount.minor, charge.paid.minor


def test_a_quote_is_the_receipt_that_a_correction_makes_and_changes_nothing(till: Tills) -> None:
    shop = till()
    shop.leave(cola=1)
    asked = CorrectionRequest("c-1", "visit-1", (ItemCount("bread", 1),), "ada", 2_000)
    quote = shop.service.quote_correction(asked)
    assert counts(shop) == {"cola": 1}
    shop.correct(bread=1)
    assert shop.service.receipt("visit-1") == quote
    with pytest.raises(UnknownVisit):
        shop.service.quote_correction(replace(asked, visit_id="visit-9"))


def test_what_is_missing_is_the_next_charge(till: Tills) -> None:
    shop = till()
    first = shop.leave(cola=1)
    assert told(shop.correct(cola=1, bread=1)) == (2, ChargeState.CAPTURED, 438, 438)
    assert counts(shop) == {"cola": 2, "bread": 1}
    assert shop.service.charges("visit-1")[0] == first
    assert shop.owed() == 0
    assert shop.leave(cola=1) == first  # the exit tells its own cart again
    with pytest.raises(KeyConflict, match="visit-1:1 was made for receipt"):
        shop.leave(cola=2, bread=1)


def test_a_correction_is_made_once(till: Tills) -> None:
    shop = till()
    shop.leave(cola=1)
    first = shop.correct(bread=1, cola=1)
    assert shop.correct(cola=1, bread=1, at_ns=DAY_NS * 9) == first
    assert len(shop.gateway.captured()) == 2
    for other in ({"cola": 1}, {"cola": 1, "bread": 1, "by": "bob"}):
        with pytest.raises(KeyConflict, match="c-1 was used for another correction"):
            shop.correct(**other)  # type: ignore[arg-type]
    shop.leave("visit-2", cola=1)
    with pytest.raises(KeyConflict, match="c-1"):
        shop.service.correct(CorrectionRequest("c-1", "visit-2", (ItemCount("cola", 1),), "ada", 2_000))


def test_twice_and_each_by_its_own_id(till: Tills) -> None:
    shop = till()
    shop.leave(cola=1)
    first = shop.correct(cola=1)
    second = shop.correct("c-2", bread=1)
    assert told(second) == (3, ChargeState.CAPTURED, 289, 289)
    assert counts(shop) == {"cola": 2, "bread": 1}
    assert shop.correct(cola=1) == first
    assert shop.correct("c-2", bread=1) == second
    assert shop.leave(cola=1).number == 1


def test_deposits_and_tax_on_top_are_charged_with_their_units(till: Tills) -> None:
    shop = till()
    shop.leave(paper=1, water=1)
    assert shop.correct(paper=2, water=1).amount.minor == round(333 * 3 * 1.08875) - round(333 * 1.08875) + 124
    assert shop.balances()["deposits"] == -50
    shop.refund()
    assert (shop.owed(), shop.balances()["deposits"]) == (0, 0)


def test_an_empty_receipt_can_be_corrected(till: Tills) -> None:
    shop = till(hold_minor=300)
    shop.open()
    shop.leave()
    assert told(shop.correct(cola=1)) == (2, ChargeState.CAPTURED, 149, 149)
    assert [each.action for each in shop.service.payments("visit-1")] == [
        PaymentAction.HOLD,
        PaymentAction.VOID,
        PaymentAction.CHARGE,
    ]


def test_units_that_a_promotion_gives_away_are_no_correction(till: Tills) -> None:
    shop = till()
    shop.leave(juice=2)
    with pytest.raises(CorrectionError, match="costs no more with these units"):
        shop.correct(juice=1)
    assert counts(shop) == {"juice": 2}
    assert told(shop.correct(juice=2)) == (2, ChargeState.CAPTURED, 101, 101)
    assert shop.refund().amount.minor == 303


def test_a_promotion_holds_as_if_all_had_been_seen_at_once(till: Tills) -> None:
    shop = till()
    shop.leave(juice=2)
    assert shop.correct(juice=1, sweet=1).amount.minor == 3
    assert counts(shop) == {"juice": 3, "sweet": 1}


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ({}, CorrectionError, "costs no more"),
        ({"leaflet": 1}, CorrectionError, "costs no more"),
        ({"cola": -1}, BillingError, "quantity -1"),
        ({"ghost": 1}, PriceError, "ghost"),
        ({"cola": 1, "at_ns": 3 * DAY_NS}, CorrectionError, "older than 2 days"),
    ],
)
def test_what_is_no_correction(till: Tills, items: dict[str, int], error: type[BillingError], message: str) -> None:
    shop = till()
    shop.leave(cola=1)
    with pytest.raises(error, match=message):
        shop.correct(**items)  # type: ignore[arg-type]
    assert counts(shop) == {"cola": 1}
    assert len(shop.service.charges("visit-1")) == 1


def test_there_must_be_a_receipt(till: Tills) -> None:
    shop = till()
    shop.open()
    with pytest.raises(UnknownVisit, match="has no receipt"):
        shop.correct(cola=1)


# The gateway


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
@pytest.mark.parametrize("how", ["again", "resolve"])
def test_no_answer_is_asked_for_again(till: Tills, behaviour: str, how: str) -> None:
    shop = till("ok", behaviour)
    shop.leave(cola=1)
    assert shop.correct(cola=1).state is ChargeState.UNKNOWN
    shop.check()
    with pytest.raises(ChargeStateError, match="visit-1:2 is unknown"):
        shop.correct("c-2", bread=1)
    with pytest.raises(ChargeStateError, match="not settled yet"):
        shop.refund()
    charge = shop.correct(cola=1) if how == "again" else shop.service.resolve_unknown(4_000)[0]
    assert told(charge) == (2, ChargeState.CAPTURED, 149, 149)
    assert [each.amount.minor for each in shop.gateway.captured()] == [149, 149]


def test_a_declined_correction_is_a_debt(till: Tills) -> None:
    shop = till("ok", "decline")
    shop.leave(cola=1)
    assert told(shop.correct(bread=1)) == (2, ChargeState.DECLINED, 289, 0)
    assert shop.correct(bread=1).state is ChargeState.DECLINED
    assert shop.open("visit-2", at_ns=3_000).refused == "visit visit-1 is not paid"
    with pytest.raises(ChargeStateError, match="visit-1:2 is declined"):
        shop.correct("c-2", cola=1)
    again = shop.service.charge_again("visit-1", "card-2", 4_000)
    assert told(again) == (3, ChargeState.CAPTURED, 289, 289)
    assert shop.correct(bread=1) == again
    assert shop.correct("c-2", cola=1).token == "card-2"
    assert shop.leave(cola=1).number == 1


def test_a_debt_must_be_paid_before_a_correction(till: Tills) -> None:
    shop = till("decline")
    shop.leave(cola=1)
    with pytest.raises(ChargeStateError, match="visit-1:1 is declined"):
        shop.correct(cola=1)


def test_where_a_debt_was_given_back_or_written_off_a_correction_is_charged(till: Tills) -> None:
    shop = till("decline", write_off_days=1, debt_retry_hours=())
    shop.leave(cola=2, at_ns=0)
    shop.refund(cola=1, at_ns=10)
    shop.service.collect_debts(DAY_NS)
    assert (shop.owed(), shop.balances()["written_off"]) == (0, 149)
    assert told(shop.correct(at_ns=DAY_NS + 1, bread=1)) == (2, ChargeState.CAPTURED, 289, 289)
    assert shop.owed() == 0


def test_a_correction_that_the_bank_asks_about_waits(till: Tills) -> None:
    shop = till("ok", "needs_shopper")
    shop.leave(cola=1)
    assert shop.correct(cola=1).state is ChargeState.NEEDS_SHOPPER
    shop.check()
    shop.gateway.authenticate("visit-1:2:charge")
    assert shop.correct(cola=1).state is ChargeState.NEEDS_SHOPPER  # the gateway is asked by resolve_unknown alone
    assert [each.state for each in shop.service.resolve_unknown(5_000)] == [ChargeState.CAPTURED]
    assert shop.owed() == 0


def test_less_than_the_gateway_takes_is_waived(till: Tills) -> None:
    shop = till(smallest_minor=50)
    shop.leave(cola=1)
    assert told(shop.correct(sweet=1)) == (2, ChargeState.WAIVED, 3, 0)
    assert shop.owed() == 0
    assert told(shop.correct("c-2", bread=1)) == (3, ChargeState.CAPTURED, 289, 289)


# Refunds


def test_all_goes_back_after_a_correction(till: Tills) -> None:
    shop = till()
    shop.leave(cola=1)
    shop.correct(cola=1, bread=1)
    refund = shop.refund()
    assert (refund.state, refund.amount.minor) == (RefundState.DONE, 587)
    back = [(each.of, each.amount.minor) for each in shop.service.payments("visit-1") if each.claim == "r-1"]
    assert back == [("visit-1:2:charge", 438), ("visit-1:1:charge", 149)]


def test_what_went_back_before_a_correction_stays_given_back(till: Tills) -> None:
    shop = till()
    shop.leave(cola=2)
    assert shop.refund(cola=1).amount.minor == 149
    assert told(shop.correct(at_ns=4_000, bread=1)) == (2, ChargeState.CAPTURED, 289, 289)
    rest = shop.refund("r-2")
    assert (rest.items, rest.amount.minor) == ((ItemCount("bread", 1), ItemCount("cola", 1)), 438)
    assert shop.owed() == 0


def test_a_unit_that_was_given_back_is_taken_after_all(till: Tills) -> None:
    shop = till()
    shop.leave(cola=1)
    shop.refund()
    assert told(shop.correct(at_ns=4_000, cola=1)) == (2, ChargeState.CAPTURED, 149, 149)
    assert shop.owed() == 0
    assert shop.refund("r-2").amount.minor == 149


def test_what_was_given_back_cannot_become_cheaper(till: Tills) -> None:
    shop = till()
    shop.leave(juice=2)
    shop.refund(juice=2)
    with pytest.raises(CorrectionError, match="units of 'juice' were given back for more"):
        shop.correct(at_ns=4_000, juice=2)
    assert shop.correct(at_ns=4_000, cola=1).state is ChargeState.CAPTURED


def test_a_correction_is_not_set_off_against_what_was_waived_and_given_back(till: Tills) -> None:
    shop = till("decline", smallest_minor=50)
    shop.leave(sweet=2)
    shop.refund()
    assert shop.owed() == 0
    shop.check()
    assert told(shop.correct(at_ns=4_000, cola=1)) == (2, ChargeState.DECLINED, 149, 0)
    assert shop.owed() == 149
    assert told(shop.service.charge_again("visit-1", "card-2", 5_000)) == (3, ChargeState.CAPTURED, 149, 149)


def test_a_refund_that_is_owed_and_a_correction_go_their_own_ways(till: Tills) -> None:
    shop = till("ok", "decline")
    shop.leave(cola=2)
    assert shop.refund(cola=1).state is RefundState.OWED
    assert told(shop.correct(at_ns=4_000, bread=1)) == (2, ChargeState.CAPTURED, 289, 289)
    assert shop.owed() == -149
    shop.check()
    assert shop.refund(cola=1).state is RefundState.DONE
    assert shop.owed() == 0


def test_who_paid_cash_pays_the_correction_at_the_till(till: Tills) -> None:
    shop = till(token=CASH)
    shop.leave(cola=1)
    with pytest.raises(ChargeStateError, match="is needs_shopper"):
        shop.correct(cola=1)
    shop.service.pay_cash("visit-1", "cash-1", "ada", 1_500)
    assert shop.correct(cola=1).state is ChargeState.NEEDS_SHOPPER
    assert shop.service.pay_cash("visit-1", "cash-2", "ada", 2_500).paid.minor == 149


# Prices


def with_promotion(book: PriceBook, *promotions: NForM | MemberPrice) -> PriceBook:
    wine = Price("wine", "Wine", Money(599, "EUR"), "standard", Decimal("19"), True)
    soda = Price("soda", "Soda", Money(100, "EUR"), "standard", Decimal("19"), True)
    return PriceBook.of("EUR", [wine, soda], promotions)


def on(shop: Till, book: PriceBook) -> Till:
    return replace(shop, service=BillingService(book, shop.store, shop.gateway, shop.service.policy))


@pytest.mark.parametrize("told_at", ["gate", "exit"])
def test_members_have_their_prices(till: Tills, book: PriceBook, told_at: str) -> None:
    club = MemberPrice(promotion_id="club", name="Club", skus=("wine",), price=Money(499, "EUR"))
    shop = on(till(), with_promotion(book, club))
    shop.open(is_member=told_at == "gate")
    shop.service.finalise(
        ReceiptInput("visit-1", "card-1", 1_000, (ItemCount("wine", 1),), is_member=told_at == "exit")
    )
    assert shop.correct(wine=1).amount.minor == 499


def test_refunds_after_a_correction_never_take_from_the_shopper(till: Tills, book: PriceBook) -> None:
    """Were it let through, four given back at 1.00 and five for 2.00 together would make a refund below zero."""
    five_for_two = NForM(promotion_id="soda", name="5 for 2", skus=("soda",), take=5, pay=2)
    shop = on(till(), with_promotion(book, five_for_two))
    shop.leave(soda=4)
    shop.refund(soda=3)
    with pytest.raises(CorrectionError, match="units of 'soda'"):
        shop.correct(at_ns=4_000, soda=1, wine=1)
    shop.correct("c-2", at_ns=4_000, wine=1)
    assert shop.refund("r-2", soda=1).amount.minor == 100
