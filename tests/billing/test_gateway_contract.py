"""Every gateway adapter must pass these. A new adapter joins ``ADAPTERS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from billing.errors import GatewayRefused, GatewayTimeout, KeyConflict
from billing.gateway import Behaviour, CaptureRequest, Gateway, SandboxGateway
from billing.money import Money

REQUEST = CaptureRequest("visit-1:1", "d" * 64, "card-1", Money(500, "EUR"))
ADAPTERS: list[Callable[[], Gateway]] = [SandboxGateway]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
def gateway(request: pytest.FixtureRequest) -> Gateway:
    return request.param()


def test_the_same_request_gives_the_same_answer(gateway: Gateway) -> None:
    first = gateway.capture(REQUEST)
    assert first.status == "captured"
    assert (first.key, first.receipt_digest) == (REQUEST.key, REQUEST.receipt_digest)
    assert gateway.capture(REQUEST) == first


def test_what_was_captured_is_found_and_nothing_else(gateway: Gateway) -> None:
    assert gateway.find(REQUEST.key) is None
    answer = gateway.capture(REQUEST)
    assert gateway.find(REQUEST.key) == answer
    assert gateway.find("visit-2:1") is None


@pytest.mark.parametrize(
    "other", [{"receipt_digest": "e" * 64}, {"amount": Money(501, "EUR")}, {"amount": Money(500, "USD")}]
)
def test_a_key_stands_for_one_receipt(gateway: Gateway, other: dict[str, object]) -> None:
    answer = gateway.capture(REQUEST)
    with pytest.raises(KeyConflict):
        gateway.capture(replace(REQUEST, **other))  # type: ignore[arg-type]
    assert gateway.find(REQUEST.key) == answer


@pytest.mark.parametrize("minor", [0, -1])
def test_only_positive_amounts(gateway: Gateway, minor: int) -> None:
    with pytest.raises(GatewayRefused):
        gateway.capture(replace(REQUEST, amount=Money(minor, "EUR")))
    assert gateway.find(REQUEST.key) is None


def test_different_keys_are_different_charges(gateway: Gateway) -> None:
    first, second = gateway.capture(REQUEST), gateway.capture(replace(REQUEST, key="visit-1:2"))
    assert first.reference != second.reference


@pytest.mark.parametrize(
    ("behaviour", "answered", "taken"),
    [("ok", True, 1), ("decline", True, 0), ("timeout", False, 0), ("lost_answer", False, 1), ("duplicate", True, 1)],
)
def test_sandbox_misbehaves_as_told(behaviour: Behaviour, answered: bool, taken: int) -> None:
    gateway = SandboxGateway(script=[behaviour])
    if answered:
        assert gateway.capture(REQUEST).status == ("declined" if behaviour == "decline" else "captured")
    else:
        with pytest.raises(GatewayTimeout):
            gateway.capture(REQUEST)
    assert len(gateway.captured()) == taken


def test_sandbox_declines_tokens_without_money() -> None:
    gateway = SandboxGateway(declined_tokens=["card-1"])
    assert gateway.capture(REQUEST).status == "declined"
    assert gateway.capture(replace(REQUEST, key="v:1", token="card-2")).status == "captured"
