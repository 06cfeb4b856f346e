"""Every gateway adapter must pass these. A new adapter joins ``ADAPTERS``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from billing.errors import BillingError, GatewayRefused, GatewayTimeout, KeyConflict
from billing.gateway import (
    EXPIRED,
    GIVEN_UP,
    SANDBOX_ASKS,
    SANDBOX_CARD,
    SANDBOX_DECLINED,
    Behaviour,
    Gateway,
    GatewayAnswer,
    GatewayRequest,
    SandboxGateway,
)
from billing.money import Money
from billing.stripe_gateway import StripeGateway
from billing.types import PaymentAction, PaymentState
from tests.billing.fake_stripe import FakeStripe

REQUEST = GatewayRequest("visit-1:1:charge", PaymentAction.CHARGE, Money(500, "EUR"), "d" * 64, "cus_1/pm_1")
HOLD = GatewayRequest("visit-1:hold", PaymentAction.HOLD, Money(1_000, "EUR"), "visit-1", "cus_1/pm_1")


@dataclass
class Bench:
    """A gateway, and what the other side does: ``send_asking`` meets a card that asks the shopper, who may ``confirm``.

    ``lose`` makes the gateway do the next thing and lose its answer.
    """

    gateway: Gateway
    send_asking: Callable[[GatewayRequest], GatewayAnswer]
    confirm: Callable[[GatewayAnswer], None]
    lose: Callable[[], None]


@contextmanager
def sandbox() -> Iterator[Bench]:
    script: deque[Behaviour] = deque()
    gateway = SandboxGateway(script=iter(lambda: script.popleft() if script else "ok", None))

    def send_asking(request: GatewayRequest) -> GatewayAnswer:
        script.append("needs_shopper")
        return gateway.send(request)

    yield Bench(
        gateway, send_asking, lambda answer: gateway.authenticate(answer.key), lambda: script.append("lost_answer")
    )


@contextmanager
def stripe(page: int = 100, forgets: bool = False, search_is_behind: bool = False) -> Iterator[Bench]:
    with (
        FakeStripe(page=page, forgets=forgets, search_is_behind=search_is_behind) as fake,
        closing(StripeGateway("sk_test_1", api_base=fake.url)) as gateway,
    ):
        yield Bench(
            gateway,
            lambda request: gateway.send(replace(request, token="cus_1/pm_asks")),
            lambda answer: fake.authenticate(answer.reference),
            lambda: fake.troubles.append("lost_answer"),
        )


@contextmanager
def forgetful_stripe() -> Iterator[Bench]:
    """Stripe whose pages are short and which prunes each idempotency key at once."""
    with stripe(page=1, forgets=True) as bench:
        yield bench


ADAPTERS: list[Callable[[], AbstractContextManager[Bench]]] = [sandbox, stripe, forgetful_stripe]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with request.param() as bench:
        yield bench


@pytest.fixture
def gateway(bench: Bench) -> Gateway:
    return bench.gateway


def test_the_same_request_gives_the_same_answer(gateway: Gateway) -> None:
    first = gateway.send(REQUEST)
    assert first.state is PaymentState.DONE
    assert (first.key, first.digest, first.action) == (REQUEST.key, REQUEST.digest, REQUEST.action)
    assert gateway.send(REQUEST) == first


def test_what_was_captured_is_found_and_nothing_else(gateway: Gateway) -> None:
    assert gateway.find(REQUEST.key) is None
    answer = gateway.send(REQUEST)
    assert gateway.find(REQUEST.key) == answer
    assert gateway.find("visit-2:1") is None


@pytest.mark.parametrize("other", [{"digest": "e" * 64}, {"amount": Money(501, "EUR")}, {"amount": Money(500, "USD")}])
def test_a_key_stands_for_one_receipt(gateway: Gateway, other: dict[str, object]) -> None:
    answer = gateway.send(REQUEST)
    with pytest.raises(KeyConflict):
        gateway.send(replace(REQUEST, **other))  # type: ignore[arg-type]
    assert gateway.find(REQUEST.key) == answer


@pytest.mark.parametrize("minor", [0, -1])
def test_only_positive_amounts(gateway: Gateway, minor: int) -> None:
    with pytest.raises(GatewayRefused):
        gateway.send(replace(REQUEST, amount=Money(minor, "EUR")))
    assert gateway.find(REQUEST.key) is None


def test_different_keys_are_different_charges(gateway: Gateway) -> None:
    first, second = gateway.send(REQUEST), gateway.send(replace(REQUEST, key="visit-1:2"))
    assert first.reference != second.reference


def taking(key: str, action: PaymentAction, minor: int, of: str, at_ns: int = 0) -> GatewayRequest:
    return GatewayRequest(key, action, Money(minor, "EUR"), "d" * 64, "cus_1/pm_1", of, at_ns)


def test_a_capture_takes_from_a_hold_and_lets_the_rest_go(gateway: Gateway) -> None:
    hold = gateway.send(HOLD)
    assert hold.expires_at_ns is not None
    first = gateway.send(taking("c:1", PaymentAction.CAPTURE, 400, hold.reference))
    assert first.state is PaymentState.DONE
    with pytest.raises(GatewayRefused):
        gateway.send(taking("c:2", PaymentAction.CAPTURE, 400, hold.reference))
    assert gateway.send(taking("c:1", PaymentAction.CAPTURE, 400, hold.reference)) == first


def test_no_more_than_the_hold(gateway: Gateway) -> None:
    hold = gateway.send(HOLD)
    with pytest.raises(GatewayRefused):
        gateway.send(taking("c:1", PaymentAction.CAPTURE, 1_001, hold.reference))


def test_a_voided_hold_gives_nothing(gateway: Gateway) -> None:
    hold = gateway.send(HOLD)
    assert gateway.send(taking("v:1", PaymentAction.VOID, 1_000, hold.reference)).state is PaymentState.DONE
    with pytest.raises(GatewayRefused):
        gateway.send(taking("c:1", PaymentAction.CAPTURE, 400, hold.reference))


def test_a_hold_lapses(gateway: Gateway) -> None:
    hold = gateway.send(HOLD)
    assert hold.expires_at_ns is not None
    late = gateway.send(taking("c:1", PaymentAction.CAPTURE, 400, hold.reference, hold.expires_at_ns))
    assert (late.state, late.reason) == (PaymentState.DECLINED, EXPIRED)


def test_refunds_never_exceed_what_was_taken(gateway: Gateway) -> None:
    charge = gateway.send(REQUEST)
    for key, minor in (("r:1", 200), ("r:2", 300)):
        assert gateway.send(taking(key, PaymentAction.REFUND, minor, charge.reference)).state is PaymentState.DONE
    with pytest.raises(GatewayRefused):
        gateway.send(taking("r:3", PaymentAction.REFUND, 1, charge.reference))


def test_the_listing_holds_every_request_once_in_order(gateway: Gateway) -> None:
    hold = gateway.send(HOLD)
    answers = [hold, gateway.send(taking("c:1", PaymentAction.CAPTURE, 400, hold.reference)), gateway.send(REQUEST)]
    gateway.send(REQUEST)
    assert list(gateway.listing()) == answers


def test_the_smallest_amount_can_be_charged(gateway: Gateway) -> None:
    assert gateway.send(replace(REQUEST, amount=gateway.smallest("EUR"))).state is PaymentState.DONE


@pytest.mark.parametrize("request_", [HOLD, REQUEST], ids=["hold", "charge"])
def test_what_is_given_up_never_takes_money(bench: Bench, request_: GatewayRequest) -> None:
    gateway = bench.gateway
    waiting = bench.send_asking(request_)
    assert waiting.state is PaymentState.NEEDS_SHOPPER
    given_up = gateway.cancel(request_.key)
    assert given_up == replace(waiting, state=PaymentState.DECLINED, reason=GIVEN_UP)
    bench.confirm(waiting)
    assert gateway.cancel(request_.key) == gateway.find(request_.key) == bench.send_asking(request_) == given_up
    assert gateway.listing() == (given_up,)
    for action in (PaymentAction.CAPTURE, PaymentAction.VOID, PaymentAction.REFUND):
        with pytest.raises(GatewayRefused):
            gateway.send(taking(f"of:{action}", action, 400, waiting.reference))


@pytest.mark.parametrize("request_", [HOLD, REQUEST], ids=["hold", "charge"])
def test_what_was_confirmed_is_not_given_up(bench: Bench, request_: GatewayRequest) -> None:
    waiting = bench.send_asking(request_)
    bench.confirm(waiting)
    done = bench.gateway.cancel(request_.key)
    assert (done.state, done.reason, done.reference) == (PaymentState.DONE, None, waiting.reference)
    assert bench.gateway.find(request_.key) == done


def test_what_is_settled_is_not_given_up(gateway: Gateway) -> None:
    hold, charge = gateway.send(HOLD), gateway.send(REQUEST)
    capture = gateway.send(taking("c:1", PaymentAction.CAPTURE, 400, hold.reference))
    refund = gateway.send(taking("r:1", PaymentAction.REFUND, 100, charge.reference))
    for answer in (hold, charge, capture, refund):
        assert gateway.cancel(answer.key) == answer
    other = gateway.send(replace(HOLD, key="visit-2:hold"))
    void = gateway.send(taking("v:1", PaymentAction.VOID, 1_000, other.reference))
    assert [gateway.cancel(each.key) for each in (other, void)] == [other, void]


def test_only_what_was_asked_can_be_given_up(gateway: Gateway) -> None:
    gateway.send(REQUEST)
    with pytest.raises(GatewayRefused):
        gateway.cancel("visit-2:1:charge")


def test_a_lost_answer_of_giving_up_is_found_by_asking_again(bench: Bench) -> None:
    waiting = bench.send_asking(REQUEST)
    bench.lose()
    with pytest.raises(GatewayTimeout):
        bench.gateway.cancel(REQUEST.key)
    bench.confirm(waiting)
    assert bench.gateway.cancel(REQUEST.key).reason == GIVEN_UP


@pytest.mark.parametrize(
    ("behaviour", "answered", "taken"),
    [("ok", True, 1), ("decline", True, 0), ("timeout", False, 0), ("lost_answer", False, 1), ("duplicate", True, 1)],
)
def test_sandbox_misbehaves_as_told(behaviour: Behaviour, answered: bool, taken: int) -> None:
    gateway = SandboxGateway(script=[behaviour])
    if answered:
        assert gateway.send(REQUEST).state is (PaymentState.DECLINED if behaviour == "decline" else PaymentState.DONE)
    else:
        with pytest.raises(GatewayTimeout):
            gateway.send(REQUEST)
    assert len(gateway.captured()) == taken


def test_sandbox_declines_tokens_without_money() -> None:
    gateway = SandboxGateway(declined_tokens=["cus_1/pm_1"])
    assert gateway.send(REQUEST).state is PaymentState.DECLINED
    assert gateway.send(replace(REQUEST, key="v:1", token="card-2")).state is PaymentState.DONE


def test_sandbox_knows_its_desks_test_cards() -> None:
    gateway = SandboxGateway()
    declined = replace(REQUEST, token=f"{SANDBOX_DECLINED}1")
    asks = replace(REQUEST, key="v:2", token=f"{SANDBOX_ASKS}1")
    assert gateway.send(declined).state is PaymentState.DECLINED
    assert gateway.send(asks).state is PaymentState.NEEDS_SHOPPER
    assert gateway.send(replace(HOLD, token=asks.token)).state is PaymentState.DONE


def test_sandbox_refuses_cards_that_are_not_on_file() -> None:
    kept = {f"{SANDBOX_CARD}1"}
    gateway = SandboxGateway(on_file=kept.__contains__)
    done = gateway.send(replace(REQUEST, token=f"{SANDBOX_CARD}1"))
    kept.clear()
    with pytest.raises(GatewayRefused):
        gateway.send(replace(HOLD, token=f"{SANDBOX_CARD}1"))
    assert gateway.send(taking("r:1", PaymentAction.REFUND, 500, done.reference)).state is PaymentState.DONE
    assert gateway.send(replace(HOLD, token="card-1")).state is PaymentState.DONE


def test_sandbox_may_not_get_what_is_given_up() -> None:
    gateway = SandboxGateway(script=["needs_shopper", "timeout"])
    gateway.send(REQUEST)
    with pytest.raises(GatewayTimeout):
        gateway.cancel(REQUEST.key)
    gateway.authenticate(REQUEST.key)
    assert gateway.cancel(REQUEST.key).state is PaymentState.DONE


def test_sandbox_remembers_what_was_given_up(tmp_path: Path) -> None:
    first = SandboxGateway(script=["needs_shopper"], journal=tmp_path / "sandbox.jsonl")
    first.send(REQUEST)
    given_up = first.cancel(REQUEST.key)
    second = SandboxGateway(journal=tmp_path / "sandbox.jsonl")
    second.authenticate(REQUEST.key)
    assert second.listing() == (given_up,)


def test_sandbox_remembers_by_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "sandbox.jsonl"
    first = SandboxGateway(script=["ok", "needs_shopper"], journal=journal)
    hold, charge = first.send(HOLD), first.send(REQUEST)
    first.authenticate(REQUEST.key)
    second = SandboxGateway(journal=journal)
    assert second.listing() == first.listing()
    assert second.send(REQUEST).state is PaymentState.DONE
    assert second.send(taking("c:1", PaymentAction.CAPTURE, 400, hold.reference)).state is PaymentState.DONE
    assert second.send(taking("r:1", PaymentAction.REFUND, 500, charge.reference)).state is PaymentState.DONE
    with pytest.raises(GatewayRefused):
        SandboxGateway(journal=journal).send(taking("r:2", PaymentAction.REFUND, 1, charge.reference))


def test_a_journal_that_was_cut_off_loses_what_was_never_answered(tmp_path: Path) -> None:
    journal = tmp_path / "sandbox.jsonl"
    first = SandboxGateway(journal=journal)
    first.send(HOLD)
    before = first.listing()
    journal.write_bytes(journal.read_bytes() + b'{"request":{"key"')
    second = SandboxGateway(journal=journal)
    assert second.listing() == before
    second.send(REQUEST)
    assert len(SandboxGateway(journal=journal).listing()) == 2


@pytest.mark.parametrize("text", ["milk\neggs\n", "[]\n", "\n", '{"request":{}}\n', "\xff\n"])
def test_a_file_that_is_no_journal_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "notes.txt").write_text(text, encoding="latin-1")
    with pytest.raises(BillingError, match=r"notes\.txt, line 1"):
        SandboxGateway(journal=tmp_path / "notes.txt")


def test_sandbox_waits_for_the_shopper() -> None:
    gateway = SandboxGateway(script=["needs_shopper"])
    assert gateway.send(REQUEST).state is PaymentState.NEEDS_SHOPPER
    assert gateway.captured() == ()
    gateway.authenticate(REQUEST.key)
    found = gateway.find(REQUEST.key)
    assert found is not None
    assert found.state is PaymentState.DONE
    assert gateway.captured() == (REQUEST,)
