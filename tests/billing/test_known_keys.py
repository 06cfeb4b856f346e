from __future__ import annotations

import pytest

from billing.access import Access, Scope
from billing.errors import NotKnown
from billing.store import BillingStore

S = 10**9


def test_a_good_key_is_remembered_for_a_second(store: BillingStore) -> None:
    access = Access(store)
    key = access.add_client("gate-1", frozenset({Scope.GATE}), 0)
    assert access.remembered(key, 5 * S) is None
    who = access.who(key, 5 * S)
    assert access.remembered(key, 6 * S - 1) == who
    assert access.remembered(key, 6 * S) is None
    assert access.remembered(key, 5 * S - 1) is None  # the clock went back
    assert access.remembered(key[:-1], 5 * S) is None


def test_a_revoked_key_is_worth_nothing_a_second_later(store: BillingStore) -> None:
    here, elsewhere = Access(store), Access(store)
    key = here.add_client("gate-1", frozenset({Scope.GATE}), 0)
    here.who(key, 5 * S)
    elsewhere.who(key, 5 * S)
    here.revoke_client("gate-1", 5 * S)
    assert here.remembered(key, 5 * S) is None
    assert elsewhere.remembered(key, 6 * S) is None
    with pytest.raises(NotKnown):
        elsewhere.who(key, 6 * S)


def test_what_is_remembered_has_a_bound(store: BillingStore) -> None:
    access = Access(store)
    key = access.add_client("gate-1", frozenset({Scope.GATE}), 0)
    access._remembered.update({str(number): (access.who(key, S), S) for number in range(1_000)})
    access.who(key, S)
    assert len(access._remembered) == 1
    assert access.remembered(key, S) is not None
