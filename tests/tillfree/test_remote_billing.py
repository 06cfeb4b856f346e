"""The billing port, embedded and over HTTP: one set of tests for both."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import uvicorn

from billing.access import Access, Scope
from billing.errors import KeyConflict
from billing.gateway import SandboxGateway
from billing.http.app import create_app
from billing.money import Money
from billing.pricebook import Price, PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import BillingPort, ChargeState, ItemCount, OpenVisit, PaymentState, ReceiptInput, VisitKind
from store_layout.errors import InputError
from tillfree.bootstrap import BILLING_KEY, open_remote_billing
from tillfree.errors import OutOfReach
from tillfree.remote_billing import RemoteBilling

NOON_NS = 1_772_442_000_123_456_789
BOOK = PriceBook.of("EUR", [Price("cola", "Cola", Money(149, "EUR"), "standard", Decimal("19"), True)])
TWO = (ItemCount("cola", 2),)


@contextlib.contextmanager
def served(service: BillingService, store: BillingStore) -> Iterator[str]:
    """Serve billing on a free port, and give its URL."""
    config = uvicorn.Config(create_app(service, store, lambda: NOON_NS), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def gateway() -> SandboxGateway:
    return SandboxGateway(script=["ok", "timeout"])


@pytest.fixture
def service(tmp_path: Path, gateway: SandboxGateway) -> Iterator[BillingService]:
    with contextlib.closing(BillingStore(tmp_path / "billing.sqlite")) as store:
        yield BillingService(BOOK, store, gateway)


@pytest.fixture(params=["embedded", "http"])
def billing(request: pytest.FixtureRequest, tmp_path: Path, service: BillingService) -> Iterator[BillingPort]:
    if request.param == "embedded":
        yield service
        return
    with contextlib.closing(BillingStore(tmp_path / "billing.sqlite")) as store, served(service, store) as url:
        key = Access(store).add_client("run", frozenset({Scope.GATE, Scope.VISION}), NOON_NS)
        with contextlib.closing(RemoteBilling(url, key, "run")) as remote:
            yield remote


def test_a_visit_from_gate_to_money(billing: BillingPort, service: BillingService, gateway: SandboxGateway) -> None:
    admission = billing.open_visit(OpenVisit("v-1", "card-1", NOON_NS, party_size=2))
    assert admission.refused is None
    assert admission.at_ns == NOON_NS
    assert admission.hold is not None
    assert (admission.hold.amount, admission.hold.state) == (Money(4_000, "EUR"), PaymentState.DONE)
    draft, priced = billing.put_draft("v-1", TWO, NOON_NS + 1)
    assert (draft.version, draft.items, priced.total) == (1, TWO, Money(298, "EUR"))
    assert billing.receipt("v-1") is None
    assert billing.charges("v-1") == ()
    final = ReceiptInput("v-1", "card-1", NOON_NS + 2, TWO)
    assert billing.finalise(final).state is ChargeState.UNKNOWN
    service.resolve_unknown(NOON_NS + 3)
    (charge,) = billing.charges("v-1")
    assert (charge.state, charge.amount, charge.token) == (ChargeState.CAPTURED, Money(298, "EUR"), "card-1")
    receipt = billing.receipt("v-1")
    assert receipt is not None
    assert (receipt.issued_at_ns, receipt.digest) == (NOON_NS + 2, charge.receipt_digest)
    assert billing.charges("v-1") == (charge,)
    assert [request.amount for request in gateway.captured()] == [Money(298, "EUR")]


def test_what_is_open_is_told_at_the_end(billing: BillingPort, service: BillingService) -> None:
    billing.open_visit(OpenVisit("v-1", "card-1", NOON_NS))
    billing.finalise(ReceiptInput("v-1", "card-1", NOON_NS + 2, TWO))
    if billing is not service:  # the service has a worker of its own
        service.resolve_unknown(NOON_NS + 3)
    assert [charge.state for charge in billing.resolve_unknown(NOON_NS + 3)] == [ChargeState.CAPTURED]
    assert billing.resolve_unknown(NOON_NS + 4) == ()


def test_staff_are_not_billed(billing: BillingPort) -> None:
    assert billing.open_visit(OpenVisit("v-1", "staff", NOON_NS, VisitKind.STAFF)).hold is None
    charge = billing.finalise(ReceiptInput("v-1", "staff", NOON_NS + 2, TWO))
    assert (charge.state, charge.amount.minor) == (ChargeState.VOID, 0)


def test_another_final_cart_is_refused(billing: BillingPort) -> None:
    billing.open_visit(OpenVisit("v-1", "card-1", NOON_NS))
    billing.finalise(ReceiptInput("v-1", "card-1", NOON_NS + 2, TWO))
    with pytest.raises((KeyConflict, InputError), match="a final receipt changes only by"):
        billing.finalise(ReceiptInput("v-1", "card-1", NOON_NS + 2, (ItemCount("cola", 3),)))


def test_a_service_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BILLING_KEY, raising=False)
    with pytest.raises(InputError, match=BILLING_KEY), open_remote_billing("http://127.0.0.1:9", "run"):
        pass
    monkeypatch.setenv(BILLING_KEY, "tf_a_b")
    with pytest.raises(InputError, match="is no URL"), open_remote_billing("billing", "run"):
        pass
    with open_remote_billing("http://127.0.0.1:9", "run") as remote, pytest.raises(OutOfReach, match="out of reach"):
        remote.charges("v-1")


def test_a_key_that_the_service_does_not_know(tmp_path: Path, service: BillingService) -> None:
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(BillingStore(tmp_path / "billing.sqlite")))
        url = stack.enter_context(served(service, store))
        remote = stack.enter_context(contextlib.closing(RemoteBilling(url, "tf_a_b", "run")))
        with pytest.raises(InputError, match="key"):
            remote.open_visit(OpenVisit("v-1", "card-1", NOON_NS))
