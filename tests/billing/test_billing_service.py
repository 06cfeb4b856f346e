from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from billing.errors import ChargeStateError, GatewayTimeout, KeyConflict, PriceError
from billing.gateway import GatewayAnswer, GatewayRequest, SandboxGateway
from billing.money import Money
from billing.pricebook import Price, PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import BillingPort, ChargeState, ItemCount, PaymentAction, ReceiptInput


def price_book() -> PriceBook:
    rows = [
        ("cola", 149, "standard", "19", True),
        ("bread", 289, "reduced", "7", True),
        ("leaflet", 0, "standard", "19", True),
    ]
    return PriceBook.of(
        "EUR",
        (
            Price(sku, sku.title(), Money(minor, "EUR"), tax, Decimal(rate), inclusive)
            for sku, minor, tax, rate, inclusive in rows
        ),
    )


def final_cart(visit: str = "visit-1", **items: int) -> ReceiptInput:
    return ReceiptInput(visit, "card-1", 1_000, tuple(ItemCount(sku, n) for sku, n in items.items()))


def test_captured_once_and_booked_once(store: BillingStore) -> None:
    gateway = SandboxGateway()
    service: BillingPort = BillingService(price_book(), store, gateway)
    first = service.finalise(final_cart(cola=2, bread=1))
    again = service.finalise(final_cart(cola=2, bread=1))
    assert first == again
    assert (first.state, first.amount, first.key) == (ChargeState.CAPTURED, Money(587, "EUR"), "visit-1:1")
    assert [request.amount for request in gateway.captured()] == [Money(587, "EUR")]
    assert BillingService(price_book(), store, gateway).balances() == {
        ("clearing:gateway", "EUR"): 587,
        ("receivable:shopper", "EUR"): 0,
        ("sales:reduced", "EUR"): -(289 - 19),
        ("sales:standard", "EUR"): -(298 - 48),
        ("tax:reduced", "EUR"): -19,
        ("tax:standard", "EUR"): -48,
    }


def test_many_threads_charge_once(store: BillingStore) -> None:
    gateway = SandboxGateway()
    service = BillingService(price_book(), store, gateway)
    barrier = threading.Barrier(8)
    charges = []

    def work() -> None:
        barrier.wait()
        charges.append(service.finalise(final_cart(cola=1)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(charges) == 8
    assert {charge.state for charge in charges} == {ChargeState.CAPTURED}
    assert len(gateway.captured()) == 1
    assert service.balances()["clearing:gateway", "EUR"] == 149


@pytest.mark.parametrize("items", [{}, {"leaflet": 3}])
def test_nothing_to_pay_is_void_without_asking_the_gateway(store: BillingStore, items: dict[str, int]) -> None:
    gateway = SandboxGateway(script=["timeout"])
    service = BillingService(price_book(), store, gateway)
    charge = service.finalise(final_cart(**items))
    assert (charge.state, charge.amount.minor) == (ChargeState.VOID, 0)
    assert service.receipt("visit-1") is not None
    assert service.balances() == {}
    assert service.finalise(final_cart(**items)) == charge


def test_declined_is_kept_and_another_card_is_the_next_charge(store: BillingStore) -> None:
    gateway = SandboxGateway(script=["decline"])
    service = BillingService(price_book(), store, gateway)
    declined = service.finalise(final_cart(cola=1))
    assert (declined.state, declined.decline_reason) == (ChargeState.DECLINED, "card declined")
    assert service.finalise(final_cart(cola=1)) == declined
    assert service.balances()["receivable:shopper", "EUR"] == 149
    paid = service.charge_again("visit-1", "card-2", 2_000)
    assert (paid.key, paid.state, paid.token) == ("visit-1:2", ChargeState.CAPTURED, "card-2")
    assert service.charges("visit-1") == (declined, paid)
    with pytest.raises(ChargeStateError, match="only a declined charge"):
        service.charge_again("visit-1", "card-3", 3_000)


@pytest.mark.parametrize("behaviour", ["timeout", "lost_answer"])
def test_no_answer_is_unknown_until_the_gateway_is_asked_again(store: BillingStore, behaviour: str) -> None:
    gateway = SandboxGateway(script=[behaviour])  # type: ignore[list-item]
    service = BillingService(price_book(), store, gateway)
    assert service.finalise(final_cart(cola=1)).state is ChargeState.UNKNOWN
    assert ("clearing:gateway", "EUR") not in service.balances()
    (settled,) = service.resolve_unknown(9_000)
    assert (settled.state, settled.settled_at_ns) == (ChargeState.CAPTURED, 9_000)
    assert service.resolve_unknown(9_001) == ()
    assert len(gateway.captured()) == 1
    assert service.balances()["clearing:gateway", "EUR"] == 149


def test_lost_answer_then_finalise_again_charges_once(store: BillingStore) -> None:
    gateway = SandboxGateway(script=["lost_answer", "duplicate"])
    service = BillingService(price_book(), store, gateway)
    assert service.finalise(final_cart(cola=1)).state is ChargeState.UNKNOWN
    assert service.finalise(final_cart(cola=1)).state is ChargeState.CAPTURED
    assert len(gateway.captured()) == 1


class CrashError(RuntimeError):
    """The process dies here."""


class DyingGateway:
    """Takes the money by ``inner`` and dies before or after."""

    def __init__(self, inner: SandboxGateway, after: bool) -> None:
        self.inner, self.after = inner, after

    def send(self, request: GatewayRequest) -> GatewayAnswer:
        if self.after:
            self.inner.send(request)
        raise CrashError

    def smallest(self, currency: str) -> Money:
        return self.inner.smallest(currency)

    def listing(self) -> tuple[GatewayAnswer, ...]:
        raise GatewayTimeout("listing")

    def find(self, key: str) -> GatewayAnswer | None:
        raise GatewayTimeout(key)

    def cancel(self, key: str) -> GatewayAnswer:
        raise GatewayTimeout(key)


@pytest.mark.parametrize("after", [False, True])
def test_crash_between_writes_is_settled_by_the_next_process(database: Path | str, after: bool) -> None:
    gateway = SandboxGateway()
    first = BillingStore(database)
    with pytest.raises(CrashError):
        BillingService(price_book(), first, DyingGateway(gateway, after)).finalise(final_cart(cola=1))
    first.close()
    second = BillingStore(database)
    service = BillingService(price_book(), second, gateway)
    assert service.charges("visit-1")[0].state is ChargeState.UNKNOWN
    assert [charge.state for charge in service.resolve_unknown(5_000)] == [ChargeState.CAPTURED]
    assert len(gateway.captured()) == 1
    assert service.balances()["clearing:gateway", "EUR"] == 149
    second.close()


def test_gateway_still_silent_leaves_it_unknown(store: BillingStore) -> None:
    gateway = DyingGateway(SandboxGateway(), after=False)
    service = BillingService(price_book(), store, gateway)
    with pytest.raises(CrashError):
        service.finalise(final_cart(cola=1))
    assert [charge.state for charge in service.resolve_unknown(5_000)] == [ChargeState.UNKNOWN]


def test_same_visit_with_another_cart_is_refused(store: BillingStore) -> None:
    service = BillingService(price_book(), store, SandboxGateway())
    service.finalise(final_cart(cola=1))
    with pytest.raises(KeyConflict, match="visit-1:1"):
        service.finalise(final_cart(cola=2))
    assert len(service.charges("visit-1")) == 1


def test_gateway_that_knows_the_key_for_another_receipt_is_not_believed(store: BillingStore) -> None:
    gateway = SandboxGateway()
    gateway.send(
        GatewayRequest("visit-1:1:charge", PaymentAction.CHARGE, Money(5, "EUR"), "another store's receipt", "card-9")
    )
    service = BillingService(price_book(), store, gateway)
    charge = service.finalise(final_cart(cola=1))
    assert charge.state is ChargeState.DECLINED
    assert "another request" in (charge.decline_reason or "")
    assert service.balances()["receivable:shopper", "EUR"] == 149
    assert service.charge_again("visit-1", "card-1", 2_000).state is ChargeState.CAPTURED


def test_unknown_charge_is_not_settled_by_another_receipts_answer(store: BillingStore) -> None:
    gateway = SandboxGateway(script=["timeout"])
    service = BillingService(price_book(), store, gateway)
    service.finalise(final_cart(cola=1))
    gateway.send(
        GatewayRequest("visit-1:1:charge", PaymentAction.CHARGE, Money(5, "EUR"), "another store's receipt", "card-9")
    )
    (charge,) = service.resolve_unknown(2_000)
    assert (charge.state, charge.gateway_reference) == (ChargeState.DECLINED, None)
    assert ("clearing:gateway", "EUR") not in service.balances()


def test_product_without_price_leaves_nothing_behind(store: BillingStore) -> None:
    service = BillingService(price_book(), store, SandboxGateway())
    with pytest.raises(PriceError, match="ghost"):
        service.finalise(final_cart(ghost=1))
    assert service.charges("visit-1") == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE receipts SET body = '{}'",
        "DELETE FROM receipts",
        "UPDATE charges SET amount_minor = 1",
        "INSERT INTO entries (posting_id, account, amount_minor, currency) VALUES ('sale:visit-1', 'sales', 0, 'EUR')",
        "UPDATE entries SET amount_minor = 0",
        "DELETE FROM entries",
        "DELETE FROM postings",
        "UPDATE postings SET at_ns = 0",
        "INSERT INTO postings (posting_id, visit_id, at_ns, sealed) VALUES ('sale:visit-2', 'visit-2', 0, 1)",
        "UPDATE payments SET amount_minor = 1",
        "UPDATE payments SET state = 'unknown'",
        "DELETE FROM payments",
    ],
)
def test_database_refuses_to_rewrite_history(store: BillingStore, raw: Engine, statement: str) -> None:
    BillingService(price_book(), store, SandboxGateway()).finalise(final_cart(cola=1))
    with raw.connect() as connection, pytest.raises((IntegrityError, OperationalError)):
        connection.execute(text(statement))


def test_database_refuses_an_unbalanced_posting(store: BillingStore, raw: Engine) -> None:
    service = BillingService(price_book(), store, SandboxGateway(script=["lost_answer"]))
    service.finalise(final_cart(cola=1))
    with raw.connect() as connection:
        connection.execute(text("INSERT INTO postings (posting_id, visit_id, at_ns, sealed) VALUES ('p', 'v', 0, 0)"))
        for amount in (149, -148):
            connection.execute(
                text("INSERT INTO entries (posting_id, account, amount_minor, currency) VALUES ('p', 'x', :a, 'EUR')"),
                {"a": amount},
            )
        with pytest.raises(IntegrityError, match="sums to zero"):
            connection.execute(text("UPDATE postings SET sealed = 1 WHERE posting_id = 'p'"))
