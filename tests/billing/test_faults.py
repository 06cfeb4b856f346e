"""Whole days of visits while everything breaks (benchmarks/billing_faults.py), small enough for every run."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.billing_faults import WRONG, simulate
from billing import charging
from billing.db.books import Books
from billing.gateway import GatewayAnswer, SandboxGateway
from billing.ledger import Posting
from billing.steps import Ask, End, next_step
from billing.types import ChargeState, PaymentAction


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nobody_is_charged_twice_and_nothing_is_lost(seed: int) -> None:
    found = simulate(visits=40, crashes=20, seed=seed)
    assert found["crashes"] >= 15
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)


def test_the_same_seed_gives_the_same_books() -> None:
    first = simulate(visits=15, crashes=10, seed=7)
    assert first["crashes"] != 0
    assert first == simulate(visits=15, crashes=10, seed=7)


def test_a_gateway_that_forgets_keys_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: SandboxGateway, key: str) -> GatewayAnswer | None:
        self._done = {f"{kept}~" if kept == key else kept: value for kept, value in self._done.items()}
        return None

    monkeypatch.setattr(SandboxGateway, "find", forgetful)
    found = simulate(visits=40, crashes=20, seed=1)
    assert found["double_charged"] != 0 or found["gateway_differences"] != 0
    assert found["clearing_difference_minor"] != 0


@pytest.mark.parametrize("kind", ["sale", "payment", "refund", "waiver"])
def test_what_is_not_booked_is_noticed(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    post = Books.post

    def forgetful(self: Books, posting: Posting) -> None:
        if not posting.posting_id.startswith(f"{kind}:"):
            post(self, posting)

    monkeypatch.setattr(Books, "post", forgetful)
    assert simulate(visits=15, crashes=0, seed=1)["ledger_wrong"] != 0


@pytest.mark.parametrize(
    ("sabotage", "finding"),
    [(ChargeState.WAIVED, "unpaid_unexplained"), (ChargeState.DECLINED, "unpaid_unexplained")],
)
def test_a_charge_that_is_never_tried_is_noticed(
    monkeypatch: pytest.MonkeyPatch, sabotage: ChargeState, finding: str
) -> None:
    def lazy(*given: Any) -> Ask | End:
        step = next_step(*given)
        return End(sabotage) if isinstance(step, Ask) and step.action is PaymentAction.CHARGE else step

    monkeypatch.setattr(charging, "next_step", lazy)
    assert simulate(visits=15, crashes=0, seed=1)[finding] != 0


def test_a_hold_that_is_forgotten_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def lazy(*given: Any) -> Ask | End:
        step = next_step(*given)
        return End(ChargeState.VOID) if isinstance(step, Ask) and step.action is PaymentAction.VOID else step

    monkeypatch.setattr(charging, "next_step", lazy)
    assert simulate(visits=15, crashes=0, seed=1)["holds_forgotten"] != 0
