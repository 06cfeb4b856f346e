"""What billing tells gates that decide by themselves, and what it takes from them afterwards."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

import pytest

from billing.access import Scope
from billing.admission import refusal_of_pass, refused_shoppers
from billing.errors import PassExpired, PassFromFuture
from billing.gateway import SandboxGateway
from billing.passes import PassKey, PassPolicy, PassPublicKey, Replays, check, issue, random_nonce
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.shoppers import Signup
from billing.store import BillingStore
from billing.types import ItemCount, OpenVisit, Refusal
from tests.billing.page_shop import NOW, S, Shop

ADA = Signup("ada@example.org", "correct horse", "Ada", "en", is_member=False)
HOUR_NS = 3_600 * S


@pytest.fixture
def shop(store: BillingStore, book: PriceBook) -> Shop:
    return Shop(store, book)


def with_card(shop: Shop, email: str = ADA.email, number: str = "4242424242424242") -> str:
    shopper_id = shop.shoppers.register(dataclasses.replace(ADA, email=email), NOW).shopper_id
    desk: Any = shop.shoppers.desk
    form = shop.shoppers.begin_card(shopper_id, "https://shop.example/back")
    desk.submit(form.reference, number, "04/40", "123", NOW)
    shop.shoppers.finish_card(shopper_id, NOW)
    return shopper_id


def in_debt(shop: Shop, shopper_id: str) -> str:
    """Let a shopper take what their card does not pay; return the card's token."""
    card = shop.shoppers.get(shopper_id).card
    assert card is not None
    broke = BillingService(shop.service.book, shop.service.store, SandboxGateway(declined_tokens=[card.token]))
    broke.open_visit(OpenVisit(f"debt-{shopper_id}", card.token, NOW, shopper_id=shopper_id))
    broke.finish(f"debt-{shopper_id}", (ItemCount("cola", 1),), NOW)
    return card.token


def ask(shop: Shop, **body: Any) -> Any:
    return shop.call(Scope.GATE, "POST", "/standing", **body)


def test_a_gate_is_given_what_it_checks_passes_by(shop: Shop) -> None:
    said = shop.call(Scope.GATE, "GET", "/passes/keys").json()
    (key,) = [PassPublicKey.load(each["public_key"].encode()) for each in said["keys"]]
    assert key.key_id == said["keys"][0]["key_id"]
    rules = PassPolicy(**said["rules"])
    assert rules == shop.shoppers.passes
    shopper_id = with_card(shop)
    entry = check(shop.shoppers.issue_pass(shopper_id, NOW), (key,), NOW, rules)
    assert str(entry.shopper_id) == shopper_id


def test_standing_by_pass(shop: Shop) -> None:
    shopper_id = with_card(shop)
    assert ask(shop, entry_pass=shop.shoppers.issue_pass(shopper_id, NOW)).json() == {"refused": None}
    in_debt(shop, shopper_id)
    owing = shop.shoppers.issue_pass(shopper_id, NOW)
    assert ask(shop, entry_pass=owing).json() == {"refused": "debtor"}
    bare = shop.shoppers.register(dataclasses.replace(ADA, email="bare@example.org"), NOW).shopper_id
    key = shop.shoppers.keyring.pass_key
    assert ask(shop, entry_pass=issue(key, UUID(bare), random_nonce(), NOW)).json() == {"refused": "no_card"}
    shop.shoppers.delete(bare, NOW)
    assert ask(shop, entry_pass=issue(key, UUID(bare), random_nonce(), NOW)).json() == {"refused": "no_account"}
    nobody = issue(key, UUID(int=7), random_nonce(), NOW)
    assert ask(shop, entry_pass=nobody).json() == {"refused": "no_account"}


def test_a_pass_that_opened_a_visit_is_used(shop: Shop) -> None:
    text = shop.shoppers.issue_pass(with_card(shop), NOW)
    shop.shoppers.admit(text, "v-1", 1, NOW)
    assert ask(shop, entry_pass=text).json() == {"refused": "pass_used"}


def test_standing_by_token(shop: Shop) -> None:
    token = in_debt(shop, with_card(shop))
    assert ask(shop, token=token).json() == {"refused": "debtor"}
    assert [ask(shop, token=each).json()["refused"] for each in ("card-1", "cash", "staff")] == [None] * 3


def test_standing_asks_for_one_thing_that_is_good(shop: Shop) -> None:
    text = shop.shoppers.issue_pass(with_card(shop), NOW)
    assert ask(shop).json()["type"] == "urn:tillfree:missing-token"
    assert ask(shop, token="card-1", entry_pass=text).json()["type"] == "urn:tillfree:missing-token"
    assert ask(shop, entry_pass="7").json()["type"] == "urn:tillfree:pass-malformed"
    shop.at_ns += 61 * S
    assert ask(shop, entry_pass=text).json()["type"] == "urn:tillfree:pass-expired"


def test_nothing_is_written_by_asking(shop: Shop) -> None:
    text = shop.shoppers.issue_pass(with_card(shop), NOW)
    before = list(shop.service.store.dump())
    ask(shop, entry_pass=text)
    ask(shop, token="card-1")
    shop.call(Scope.GATE, "GET", "/passes/refused")
    assert list(shop.service.store.dump()) == before


def test_who_is_refused_for_debts(shop: Shop) -> None:
    paying, owing = with_card(shop), with_card(shop, "bob@example.org")
    in_debt(shop, owing)
    said = shop.call(Scope.GATE, "GET", "/passes/refused").json()
    assert (said["shopper_ids"], said["is_all"]) == ([owing], True)
    third = with_card(shop, "eve@example.org", "4000000000000341")
    in_debt(shop, third)
    assert set(refused_shoppers(shop.service, 10)) == {owing, third}
    assert len(refused_shoppers(shop.service, 1)) == 1
    assert paying not in refused_shoppers(shop.service, 10)
    lax = BillingService(shop.service.book, shop.service.store, SandboxGateway(), BillingPolicy(refuse_debtors=False))
    assert refused_shoppers(lax, 10) == ()
    entry = check(
        shop.shoppers.issue_pass(owing, NOW),
        (shop.shoppers.keyring.pass_key.public(),),
        NOW,
        shop.shoppers.passes,
    )
    assert refusal_of_pass(lax, entry) is None
    assert refusal_of_pass(shop.service, entry) is Refusal.DEBTOR


def test_a_gate_tells_late_of_a_pass_that_it_saw_in_time(shop: Shop) -> None:
    text, seen = shop.shoppers.issue_pass(with_card(shop), NOW), "2026-11-22T12:00:30Z"
    shop.at_ns = NOW + 8 * HOUR_NS
    assert ask(shop, entry_pass=text).json()["type"] == "urn:tillfree:pass-expired"
    told = {"visit_id": "v-1", "entry_pass": text, "at": seen}
    said = shop.call(Scope.GATE, "POST", "/visits", **told)
    assert (said.status_code, said.json()["at"][:19]) == (201, seen[:19])
    shop.at_ns += 30 * HOUR_NS  # longer than a day: whoever did not hear the answer may ask again all the same
    again = shop.call(Scope.GATE, "POST", "/visits", **told)
    assert (again.status_code, again.json()["hold"]) == (201, said.json()["hold"])


def test_a_gate_is_believed_for_a_bounded_time(shop: Shop) -> None:
    text = shop.shoppers.issue_pass(with_card(shop), NOW)
    seen_ns, day_ns = NOW + 30 * S, shop.shoppers.passes.offline_s * S
    with pytest.raises(PassExpired, match="the gate saw the pass 86401 s ago"):
        shop.shoppers.admit(text, "v-1", 1, seen_ns, seen_ns + day_ns + S)
    with pytest.raises(PassFromFuture, match="set its clock"):
        shop.shoppers.admit(text, "v-1", 1, seen_ns, seen_ns - 11 * S)
    assert shop.shoppers.admit(text, "v-1", 1, seen_ns, seen_ns + day_ns).at_ns == seen_ns


def test_a_pass_that_was_not_valid_when_it_was_seen(shop: Shop) -> None:
    text = shop.shoppers.issue_pass(with_card(shop), NOW)
    shop.at_ns = NOW + HOUR_NS
    for at, kind in (("2026-11-22T12:01:00Z", "pass-expired"), ("2026-11-22T11:59:49Z", "pass-from-future")):
        said = shop.call(Scope.GATE, "POST", "/visits", visit_id="v-1", entry_pass=text, at=at)
        assert said.json()["type"] == f"urn:tillfree:{kind}"


def test_replays_go_on_with_what_was_forgotten() -> None:
    policy = PassPolicy()
    first = Replays(most=1)
    key = PassKey.generate()
    entries = [
        check(issue(key, UUID(int=1), random_nonce(), NOW + n * S), (key.public(),), NOW + n * S, policy)
        for n in range(3)
    ]
    assert first.forgotten_ns == -1
    assert [first.first(entry, NOW + 3 * S) for entry in entries] == [True, True, True]
    assert first.forgotten_ns == NOW + S
    later = Replays(forgotten_ns=first.forgotten_ns)
    assert [later.first(entry, NOW + 3 * S) for entry in entries] == [False, False, True]
