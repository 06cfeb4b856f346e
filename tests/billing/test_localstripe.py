"""The Stripe adapter against a fake that others wrote: localstripe (``pip install localstripe``; in no extra, it is old)."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from billing.errors import GatewayRefused, KeyConflict
from billing.gateway import GIVEN_UP, GatewayRequest
from billing.money import Money
from billing.stripe_cards import StripeCardDesk
from billing.stripe_gateway import StripeGateway
from billing.types import PaymentAction, PaymentState

PYTHON = os.environ.get("TILLFREE_LOCALSTRIPE", sys.executable)
CARDS = {"ok": "4242424242424242", "declined": "4000000000000341", "asks": "4000002500003155"}

pytestmark = pytest.mark.skipif(
    sys.executable == PYTHON and importlib.util.find_spec("localstripe") is None,
    reason="needs localstripe: pip install it, or name a Python that has it in TILLFREE_LOCALSTRIPE",
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [PYTHON, "-u", str(Path(__file__).with_name("run_localstripe.py")), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert "Running on" in server.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture
def gateway(url: str) -> Iterator[StripeGateway]:
    with closing(StripeGateway("sk_test_12345", api_base=url)) as gateway:
        yield gateway


def made(url: str, path: str, **form: str) -> str:
    """Make an object and return its id."""
    request = urllib.request.Request(f"{url}/v1/{path}", urlencode(form).encode())
    request.add_header("Authorization", "Bearer sk_test_12345")
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["id"])


@pytest.fixture
def customer(url: str) -> str:
    return made(url, "customers", description="a shopper")


def request(url: str, customer: str, action: PaymentAction, minor: int, card: str = "ok") -> GatewayRequest:
    number = {"card[number]": CARDS[card], "card[exp_month]": "1", "card[exp_year]": "2030", "card[cvc]": "123"}
    method = made(url, "payment_methods", type="card", **number)
    made(url, f"payment_methods/{method}/attach", customer=customer)
    return GatewayRequest(f"{customer}:{action}", action, Money(minor, "EUR"), "d" * 64, f"{customer}/{method}")


def after(hold: GatewayRequest, action: PaymentAction, minor: int, of: str) -> GatewayRequest:
    return GatewayRequest(f"{hold.key}:{action}", action, Money(minor, "EUR"), "e" * 64, hold.token, of)


def test_hold_capture_refund(url: str, customer: str, gateway: StripeGateway) -> None:
    asked = request(url, customer, PaymentAction.HOLD, 1_000)
    hold = gateway.send(asked)
    capture = after(asked, PaymentAction.CAPTURE, 400, hold.reference)
    refund = after(asked, PaymentAction.REFUND, 100, hold.reference)
    for each in (asked, capture, refund):
        answer = gateway.send(each)
        assert answer.state is PaymentState.DONE
        assert gateway.send(each) == answer
    with pytest.raises(GatewayRefused):
        gateway.send(after(capture, PaymentAction.CAPTURE, 400, hold.reference))


def test_hold_void(url: str, customer: str, gateway: StripeGateway) -> None:
    asked = request(url, customer, PaymentAction.HOLD, 1_000)
    void = after(asked, PaymentAction.VOID, 1_000, gateway.send(asked).reference)
    assert gateway.send(void).state is PaymentState.DONE
    assert gateway.send(void) == gateway.send(void)


@pytest.mark.parametrize(
    ("card", "state"),
    [("ok", PaymentState.DONE), ("declined", PaymentState.DECLINED), ("asks", PaymentState.NEEDS_SHOPPER)],
)
def test_charges(url: str, customer: str, gateway: StripeGateway, card: str, state: PaymentState) -> None:
    asked = request(url, customer, PaymentAction.CHARGE, 777, card)
    answer = gateway.send(asked)
    assert answer.state is state
    assert gateway.send(asked) == answer
    with pytest.raises(KeyConflict):
        gateway.send(GatewayRequest(asked.key, asked.action, Money(778, "EUR"), asked.digest, asked.token))


@pytest.mark.parametrize("action", [PaymentAction.HOLD, PaymentAction.CHARGE])
def test_giving_up(url: str, customer: str, gateway: StripeGateway, action: PaymentAction) -> None:
    asked = request(url, customer, action, 777, "asks")
    waiting = gateway.send(asked)
    assert waiting.state is PaymentState.NEEDS_SHOPPER
    given_up = gateway.cancel(asked.key)
    assert (given_up.state, given_up.reason) == (PaymentState.DECLINED, GIVEN_UP)
    assert gateway.cancel(asked.key) == gateway.send(asked) == given_up
    with pytest.raises(GatewayRefused):
        gateway.cancel(f"{asked.key}:other")


def test_forgetting_a_card(url: str, customer: str, gateway: StripeGateway) -> None:
    """It has no Checkout Sessions, so this is all of the card desk that it can show."""
    asked = request(url, customer, PaymentAction.CHARGE, 777)
    with closing(StripeCardDesk("sk_test_12345", api_base=url)) as desk:
        with pytest.raises(GatewayRefused):
            desk.forget(asked.token.replace(customer, made(url, "customers", description="another shopper")))
        assert gateway.send(asked).state is PaymentState.DONE
        for _ in range(2):
            desk.forget(asked.token)
        with pytest.raises(GatewayRefused):
            desk.forget(f"{customer}/pm_unknown")
