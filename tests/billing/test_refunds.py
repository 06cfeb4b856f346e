"""Refunds in full, by product and by quantity: once, and never more than was paid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import ChargeStateError, KeyConflict, RefundError, UnknownVisit
from billing.gateway import SandboxGateway
from billing.money import Money, Rounding
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.receipt import make_receipt
from billing.refunds import refund_taxes
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import (
    ItemCount,
    OpenVisit,
    ReceiptInput,
    Refund,
    RefundReason,
    RefundRequest,
    RefundState,
)

DAY_NS = 86_400 * 10**9


def request(refund_id: str = "r-1", at_ns: int = 2_000, **items: int) -> RefundRequest:
    counts = tuple(ItemCount(sku, n) for sku, n in items.items())
    return RefundRequest(refund_id, "visit-1", RefundReason.NOT_TAKEN, at_ns, counts)


def bought(
    book: PriceBook, store: BillingStore, gateway: SandboxGateway, hold_minor: int = 0, **items: int
) -> BillingService:
    service = BillingService(book, store, gateway, BillingPolicy(hold_minor=hold_minor))
    service.open_visit(OpenVisit("visit-1", "card-1", 0))
    service.finalise(ReceiptInput("visit-1", "card-1", 1_000, tuple(ItemCount(sku, n) for sku, n in items.items())))
    return service


def test_all_of_a_receipt(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(), cola=2, bread=1)
    refund = service.refund(request())
    assert (refund.state, refund.amount) == (RefundState.DONE, Money(587, "EUR"))
    balances = service.balances()
    assert (balances["clearing:gateway", "EUR"], balances["receivable:shopper", "EUR"]) == (0, 0)
    assert balances["tax:standard", "EUR"] == balances["tax:reduced", "EUR"] == 0


def test_a_quote_is_what_a_refund_comes_to_and_changes_nothing(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(), cola=2, bread=1)
    for refund_id, items in (("r-1", {"cola": 1}), ("r-2", {})):
        balances = service.balances()
        quote = service.quote_refund(request(refund_id, **items))
        assert (service.balances(), service.quote_refund(request(refund_id, **items))) == (balances, quote)
        refund = service.refund(request(refund_id, **items))
        assert (quote.items, quote.amount, quote.taxes) == (refund.items, refund.amount, refund.taxes)
    with pytest.raises(RefundError, match="nothing of visit-1 is left"):
        service.quote_refund(request("r-3"))


def test_by_quantity_and_then_the_rest(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(), cola=2, bread=1)
    assert service.refund(request(cola=1)).amount.minor == 149
    rest = service.refund(request("r-2"))
    assert rest.items == (ItemCount("bread", 1), ItemCount("cola", 1))
    assert rest.amount.minor == 149 + 289
    with pytest.raises(RefundError, match="nothing of visit-1 is left"):
        service.refund(request("r-3"))


def test_the_same_refund_is_done_once(book: PriceBook, store: BillingStore) -> None:
    gateway = SandboxGateway()
    service = bought(book, store, gateway, cola=2)
    first = service.refund(request(cola=1))
    assert service.refund(request(cola=1, at_ns=9_000)) == first
    assert len(gateway.listing()) == 2
    with pytest.raises(KeyConflict, match="r-1"):
        service.refund(request(cola=2))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request(cola=3), "3 of 'cola' asked for, 2 left"),
        (request(bread=1), "1 of 'bread' asked for, 0 left"),
        (request(cola=0), "quantity 0"),
        (request(at_ns=31 * DAY_NS), "older than 30 days"),
        (RefundRequest("r-1", "visit-9", RefundReason.RETURNED, 0), "has no receipt"),
    ],
)
def test_what_cannot_be_refunded(book: PriceBook, store: BillingStore, asked: RefundRequest, message: str) -> None:
    service = bought(book, store, SandboxGateway(), cola=2)
    with pytest.raises((RefundError, UnknownVisit), match=message):
        service.refund(asked)
    assert service.refunds("visit-1") == ()


def test_it_goes_back_to_the_latest_payment_first(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(), hold_minor=300, cola=3)
    service.refund(request(cola=2))
    back = [(each.of, each.amount.minor) for each in service.payments("visit-1") if each.claim == "r-1"]
    assert back == [("visit-1:1:charge", 147), ("visit-1:1:capture", 151)]


def test_a_bottle_goes_back_with_its_deposit_and_a_discount_is_not_paid_out(
    book: PriceBook, store: BillingStore
) -> None:
    service = bought(book, store, SandboxGateway(), water=2, juice=3)
    assert service.balances()["deposits", "EUR"] == -50
    assert service.refund(request(water=1)).amount.minor == 99 + 25
    assert service.refund(request("r-2", juice=1)).amount.minor in (67, 68)  # 202 for three
    service.refund(request("r-3"))
    assert [service.balances()[name, "EUR"] for name in ("deposits", "clearing:gateway", "tax:reduced")] == [0, 0, 0]


def test_what_was_not_paid_is_no_longer_owed(book: PriceBook, store: BillingStore) -> None:
    gateway = SandboxGateway(declined_tokens=["card-1"])
    service = bought(book, store, gateway, cola=2)
    assert service.refund(request(cola=1)).state is RefundState.DONE
    assert service.balances()["receivable:shopper", "EUR"] == 149
    assert service.charge_again("visit-1", "card-2", 3_000).amount.minor == 149


def test_units_that_were_waived_give_nothing_back(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(smallest_minor=50), sweet=5)
    for k in range(5):
        service.refund(request(f"r-{k}", sweet=1))
    balances = service.balances()
    assert [balances[account, "EUR"] for account in ("receivable:shopper", "written_off", "tax:standard")] == [0, 0, 0]
    assert ("clearing:gateway", "EUR") not in balances


def test_before_the_charge_is_settled_it_must_wait(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(script=["timeout"]), cola=2)
    with pytest.raises(ChargeStateError, match="not settled"):
        service.refund(request())


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_no_answer_is_unknown_until_the_gateway_is_asked_again(
    book: PriceBook, store: BillingStore, behaviour: str
) -> None:
    gateway = SandboxGateway(script=["ok", behaviour])  # type: ignore[list-item]
    service = bought(book, store, gateway, cola=2)
    assert service.refund(request()).state is RefundState.UNKNOWN
    service.resolve_unknown(3_000)
    assert service.refunds("visit-1")[0].state is RefundState.DONE
    assert service.balances()["clearing:gateway", "EUR"] == 0


def test_a_refund_that_the_gateway_declines_is_owed_and_tried_with_the_next(
    book: PriceBook, store: BillingStore
) -> None:
    service = bought(book, store, SandboxGateway(script=["ok", "decline"]), cola=2)
    assert service.refund(request(cola=1)).state is RefundState.OWED
    assert service.balances()["receivable:shopper", "EUR"] == -149
    assert service.refund(request("r-2", cola=1)).state is RefundState.DONE
    assert [refund.state for refund in service.refunds("visit-1")] == [RefundState.DONE, RefundState.DONE]
    balances = service.balances()
    assert (balances["receivable:shopper", "EUR"], balances["clearing:gateway", "EUR"]) == (0, 0)


def test_a_refund_that_is_owed_is_asked_for_again_by_its_own_id(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(script=["ok", "decline", "decline"]), cola=2)
    asked = [service.refund(request()).state for _ in range(4)]
    assert asked == [RefundState.OWED, RefundState.OWED, RefundState.DONE, RefundState.DONE]
    balances = service.balances()
    assert (balances["receivable:shopper", "EUR"], balances["clearing:gateway", "EUR"]) == (0, 0)


def test_a_refund_may_be_named_as_a_charge(book: PriceBook, store: BillingStore) -> None:
    service = bought(book, store, SandboxGateway(smallest_minor=50), sweet=2)
    assert service.refund(request("visit-1:1")).state is RefundState.DONE


@given(
    cart=st.dictionaries(
        st.sampled_from(["cola", "bread", "sweet", "paper", "leaflet", "water", "juice"]), st.integers(1, 7), min_size=1
    ),
    data=st.data(),
)
def test_refunds_of_all_units_in_any_portions_are_the_receipt(
    book: PriceBook, cart: dict[str, int], data: st.DataObject
) -> None:
    receipt = make_receipt(ReceiptInput("v", "t", 0, tuple(ItemCount(sku, n) for sku, n in cart.items())), book)
    units = data.draw(st.permutations([sku for sku, n in cart.items() for _ in range(n)]))
    earlier: list[Refund] = []
    while units:
        size = data.draw(st.integers(1, len(units)))
        portion, units = units[:size], units[size:]
        items = tuple(ItemCount(sku, portion.count(sku)) for sku in sorted(set(portion)))
        taxes, untaxed = refund_taxes(receipt, earlier, items, data.draw(st.sampled_from(Rounding)))
        amount = sum((tax.gross for tax in taxes), untaxed)
        assert amount.minor >= -len(receipt.taxes)  # a cent a class where the rule changed in between
        earlier.append(Refund("r", "v", "", RefundReason.RETURNED, items, taxes, untaxed, amount, RefundState.DONE, 0))
    assert sum((each.amount for each in earlier), Money.zero("EUR")) == receipt.total
    assert sum((tax.tax for each in earlier for tax in each.taxes), Money.zero("EUR")) == receipt.tax
