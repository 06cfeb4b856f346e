"""Whole days of visits while everything breaks (benchmarks/billing_faults.py), small enough for every run."""

from __future__ import annotations

import pytest

from benchmarks.billing_faults import WRONG, simulate
from billing.gateway import GatewayAnswer, SandboxGateway
from billing.ledger import Posting
from billing.store import Books


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nobody_is_charged_twice_and_nothing_is_lost(seed: int) -> None:
    found = simulate(visits=40, crashes=20, seed=seed)
    assert found["crashes"] >= 15
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)


def test_the_same_seed_gives_the_same_books() -> None:
    assert simulate(visits=25, crashes=10, seed=7) == simulate(visits=25, crashes=10, seed=7)


def test_a_gateway_that_forgets_keys_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: SandboxGateway, key: str) -> GatewayAnswer | None:
        self._done = {f"{kept}~" if kept == key else kept: value for kept, value in self._done.items()}
        return None

    monkeypatch.setattr(SandboxGateway, "find", forgetful)
    found = simulate(visits=60, crashes=20, seed=1)
    assert found["double_charged"] != 0 or found["gateway_differences"] != 0
    assert found["clearing_difference_minor"] != 0


def test_a_payment_that_is_not_booked_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    unbooked: list[Posting] = []

    def post(self: Books, posting: Posting, inner=Books.post) -> None:  # type: ignore[no-untyped-def]
        if posting.posting_id.startswith("payment:") and not unbooked:
            unbooked.append(posting)
            return
        inner(self, posting)

    monkeypatch.setattr(Books, "post", post)
    assert simulate(visits=20, crashes=0, seed=1)["clearing_difference_minor"] != 0
