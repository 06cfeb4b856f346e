"""Whole days of visits while everything breaks (benchmarks/billing_faults.py), small enough for every run."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.billing_faults import WRONG, DyingGateway, simulate
from billing import charging
from billing.db.books import Books
from billing.gateway import GatewayAnswer
from billing.ledger import Posting
from billing.steps import Ask, End, next_step
from billing.types import ChargeState, PaymentAction


@pytest.mark.parametrize(
    "seed", [1, 2, 3]
)  # each found waivers that were forgiven once more, now in test_odd_orders.py
def test_nobody_is_charged_twice_and_nothing_is_lost(seed: int) -> None:
    found = simulate(visits=60, crashes=20, seed=seed)
    assert found["crashes"] >= 15
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)


def test_the_same_seed_gives_the_same_books() -> None:
    first = simulate(visits=15, crashes=10, seed=7)
    assert first["crashes"] != 0
    assert first == simulate(visits=15, crashes=10, seed=7)


def test_a_gateway_that_forgets_keys_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: DyingGateway, key: str) -> GatewayAnswer | None:
        done = self.inner._done
        self.inner._done = {f"{kept}~" if kept == key else kept: value for kept, value in done.items()}
        return None

    monkeypatch.setattr(DyingGateway, "find", forgetful)
    found = simulate(visits=40, crashes=20, seed=1)
    assert found["double_charged"] != 0 or found["gateway_differences"] != 0
    assert found["clearing_difference_minor"] != 0


@pytest.mark.parametrize(
    ("kind", "visits", "finding"),
    [
        ("sale:", 15, "ledger_wrong"),
        ("payment:", 15, "ledger_wrong"),
        ("refund:", 15, "ledger_wrong"),
        ("correction:", 30, "ledger_wrong"),
        ("cash:", 30, "ledger_wrong"),
        ("waiver:", 30, "unpaid_unexplained"),
        (("waiver-back:", "set-off:"), 30, "unpaid_unexplained"),
        ("write-off:", 40, "unpaid_unexplained"),
    ],
)
def test_what_is_not_booked_is_noticed(
    monkeypatch: pytest.MonkeyPatch, kind: str | tuple[str, ...], visits: int, finding: str
) -> None:
    post = Books.post

    def forgetful(self: Books, posting: Posting) -> None:
        if not posting.posting_id.startswith(kind):
            post(self, posting)

    monkeypatch.setattr(Books, "post", forgetful)
    assert simulate(visits=visits, crashes=0, seed=1)[finding] != 0


@pytest.mark.parametrize(
    ("topic", "times"), [("receipt.final", 2), ("charge.paid", 0), ("refund.done", 0), ("review.decided", 2)]
)
def test_an_event_that_is_not_told_or_told_twice_is_noticed(
    monkeypatch: pytest.MonkeyPatch, topic: str, times: int
) -> None:
    tell = Books.tell

    def stuttering(self: Books, told: str, *given: Any) -> None:
        for _ in range(times if told == topic else 1):
            tell(self, told, *given)

    monkeypatch.setattr(Books, "tell", stuttering)
    assert simulate(visits=15, crashes=0, seed=1)["events_wrong"] != 0


def test_what_was_forgiven_and_went_back_is_noticed_where_it_is_forgiven_still(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Books, visit_id: str, account: str) -> int:
        waived = [each for each in self.charges(visit_id) if each.state is ChargeState.WAIVED]
        written_off = sum(each.amount.minor for each in self.write_offs(visit_id))
        return written_off + sum(each.amount.minor - each.paid.minor for each in waived)

    monkeypatch.setattr(Books, "balance", careless)
    assert simulate(visits=60, crashes=20, seed=3)["owed_wrong"] != 0


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
