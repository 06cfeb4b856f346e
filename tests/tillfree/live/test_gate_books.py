"""Billing elsewhere as a gate knows it: asked over HTTP, kept on the disk, and told of a pass afterwards."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from billing.access import Access, Scope
from billing.errors import PassUsed, UnknownVisit
from billing.http.app import create_app
from billing.http.page.base import Page
from billing.keyring import Keyring
from billing.lookup import Lookup
from billing.page_settings import PageSettings
from billing.passes import PassPolicy, PassPublicKey
from billing.types import ChargeState, ItemCount, OpenVisit, ReceiptInput, Refusal
from store_layout.errors import InputError
from tests.tillfree.live.node_shop import NOW, NodeShop, S, reasons
from tests.tillfree.serving import served
from tillfree.live.errors import BooksAway
from tillfree.live.gate_books import GateBooks, GateUpkeep
from tillfree.live.pass_billing import PassBilling
from tillfree.live.passkeys import KeptPassKeys
from tillfree.live.standing import RefusedList, TimedStanding, who_of
from tillfree.live.tokens import pass_of, pass_token, token_name
from tillfree.remote_billing import RemoteBilling

HOUR_NS = 3_600 * S
DISK = OSError(28, "No space left on device")


@pytest.fixture
def url(node_shop: NodeShop) -> Iterator[str]:
    """Serve the shop's billing with its page; give the URL."""
    page_settings = PageSettings()
    page = Page(
        node_shop.shoppers,
        Lookup(node_shop.store, node_shop.keyring.mark_key, page_settings.zone),
        node_shop.desk,
        page_settings,
        "http://localhost:8300",
        node_shop.keyring.form_key,
    )
    with served(create_app(node_shop.service, node_shop.store, lambda: node_shop.at_ns, page=page)) as url:
        yield url


@pytest.fixture
def books(node_shop: NodeShop, url: str) -> Iterator[GateBooks]:
    key = Access(node_shop.store).add_client("gate", frozenset({Scope.GATE}), NOW)
    with contextlib.closing(GateBooks(url, key, limit_ms=5_000)) as books:
        yield books


def answering(answer: Callable[[httpx2.Request], httpx2.Response]) -> GateBooks:
    return GateBooks("http://billing.example", "tf_a_b", transport=httpx2.MockTransport(answer))


def test_standing_over_http_is_that_of_the_books(node_shop: NodeShop, books: GateBooks) -> None:
    who = node_shop.shopper()
    assert books.refused(pass_token(node_shop.entry_pass(who)), NOW) is None
    node_shop.in_debt("card-9")
    assert [books.refused(token, NOW) for token in ("card-1", "card-9", "staff")] == [None, Refusal.DEBTOR, None]
    card = node_shop.shoppers.get(who).card
    assert card is not None
    node_shop.in_debt(card.token, who)
    assert books.refused(pass_token(node_shop.entry_pass(who)), NOW) is Refusal.DEBTOR
    with pytest.raises(BooksAway, match="answers 422"):
        books.refused(pass_token("7"), NOW)


def test_a_gate_of_a_store_whose_billing_is_elsewhere(node_shop: NodeShop, books: GateBooks, tmp_path: Path) -> None:
    paying, owing = node_shop.shopper(), node_shop.shopper("5555555555554444")
    card = node_shop.shoppers.get(owing).card
    assert card is not None
    node_shop.in_debt(card.token, owing)
    node_shop.standing, node_shop.pass_keys = books, (keys := KeptPassKeys(tmp_path / "keys.json", books.pass_keys))
    assert node_shop.scan(keeper=node_shop.make(), entry_pass=node_shop.entry_pass(paying)).reason == "welcome"
    GateUpkeep(books, keys, node_shop.refused, 600.0)(NOW)
    books.close()  # the network is away, and the machine starts again

    class Away:
        def refused(self, token: str, at_ns: int) -> Refusal | None:
            raise BooksAway("no network")

    node_shop.standing = Away()
    node_shop.restart()
    node_shop.pass_keys = KeptPassKeys(tmp_path / "keys.json", books.pass_keys)
    keeper = node_shop.make(offline="admit")
    said = [node_shop.scan(keeper=keeper, entry_pass=node_shop.entry_pass(who)) for who in (paying, owing)]
    assert reasons(said) == ["unchecked", "debtor"]


def test_upkeep_fetches_what_is_old(node_shop: NodeShop, books: GateBooks, tmp_path: Path) -> None:
    keys, refused = KeptPassKeys(tmp_path / "keys.json", books.pass_keys), RefusedList(tmp_path / "list.json")
    assert keys.current(NOW).policy is None
    upkeep = GateUpkeep(books, keys, refused, 600.0)
    upkeep(NOW)
    known = keys.current(NOW)
    assert (known.policy, known.fetched_at_ns) == (node_shop.shoppers.passes, NOW)
    assert [key.key_id for key in known.keys] == [node_shop.keyring.pass_key.public().key_id]
    owing = node_shop.shopper()
    card = node_shop.shoppers.get(owing).card
    assert card is not None
    node_shop.in_debt(card.token, owing)
    upkeep(NOW + 599 * S)
    assert not refused.has(owing)
    upkeep(NOW + 600 * S)
    assert refused.has(owing)
    assert (refused.fetched_at_ns, keys.current(NOW).fetched_at_ns) == (NOW + 600 * S, NOW + 600 * S)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx2.Response(503),
        lambda _: httpx2.Response(401, json={"detail": "no"}),
        lambda _: httpx2.Response(200, text="<html>Sign in to the hotel's network</html>"),
        lambda _: httpx2.Response(200, json=[1]),
        lambda _: httpx2.Response(200, json={"refused": "because", "keys": [{}], "shopper_ids": None}),
        lambda _: httpx2.Response(200, json={"keys": [{"public_key": "x"}]}),
        lambda _: (_ for _ in ()).throw(httpx2.ConnectError("refused")),
    ],
)
def test_billing_that_gives_no_usable_answer_is_away(answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
    with contextlib.closing(answering(answer)) as books:
        for ask in (lambda: books.refused("card-1", NOW), books.pass_keys, books.refused_shoppers):
            with pytest.raises(BooksAway):
                ask()


def test_keys_are_looked_for_again_now_and_then_only(tmp_path: Path) -> None:
    asked: list[int] = []
    key = Keyring.generate().pass_key.public()

    def fetch() -> tuple[tuple[PassPublicKey, ...], PassPolicy]:
        asked.append(1)
        if len(asked) == 1:
            raise BooksAway("no network")
        return (key,), PassPolicy()

    keys = KeptPassKeys(tmp_path / "keys.json", fetch)
    assert [keys.look_again(NOW + at * S) for at in (0, 29, 30, 31)] == [False, False, True, False]
    assert len(asked) == 2
    keys.close()
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1, "fetched_at_ns": 1, "keys": ["x"], "policy": null}'])
def test_files_that_hold_something_else(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="holds no keys of passes"):
        KeptPassKeys(file, lambda: ((), None))
    if text != "{}":
        with pytest.raises(InputError, match="is no list of refused"):
            RefusedList(file)


def test_who_is_refused_is_remembered_by_person_and_by_card(tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    listed = RefusedList(file, most_learned=2)
    card = who_of("card-1", None)
    assert "card-1" not in card
    for who in ("ada", card):
        listed.note(who, True)
    assert [RefusedList(file).has(who) for who in ("ada", card, "bob")] == [True, True, False]
    listed.replace(("bob",), NOW)
    assert [RefusedList(file).has(who) for who in ("ada", card, "bob")] == [False, True, True]
    listed.note("bob", False)
    assert not RefusedList(file).has("bob")
    listed.note("eve", True)  # no more than two are learned: the card's is forgotten
    assert [listed.has(who) for who in (card, "eve")] == [False, True]


def test_a_list_that_cannot_be_written_keeps_nobody_out(node_shop: NodeShop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: object) -> None:
        raise DISK

    node_shop.in_debt("card-9")
    monkeypatch.setattr("tillfree.live.standing.write_whole", full)
    assert reasons(node_shop.scan(token=token) for token in ("card-1", "card-9")) == ["welcome", "debtor"]
    assert "cannot be written" in node_shop.told[0]


def test_a_visit_by_pass_is_opened_after_the_fact_over_http(node_shop: NodeShop, url: str) -> None:
    node_shop.scan(entry_pass=node_shop.entry_pass(), party_size=2)
    (scan,) = node_shop.queued()
    node_shop.at_ns += 5 * HOUR_NS
    key = Access(node_shop.store).add_client("run", frozenset({Scope.GATE, Scope.VISION}), NOW)
    with contextlib.closing(RemoteBilling(url, key, "run")) as billing:
        given = OpenVisit("v-1", scan.token, scan.at_ns, party_size=2)
        first, again = billing.open_visit(given), billing.open_visit(given)
        assert first == again
        assert (first.refused, first.at_ns) == (None, scan.at_ns)
        assert first.hold is not None
        charge = billing.finalise(ReceiptInput("v-1", scan.token, NOW + 6 * HOUR_NS, (ItemCount("cola", 1),)))
        assert (charge.state, charge.paid.minor) == (ChargeState.CAPTURED, 149)


def test_a_visit_by_pass_is_opened_after_the_fact_by_embedded_billing(node_shop: NodeShop) -> None:
    who = node_shop.shopper()
    node_shop.scan(entry_pass=node_shop.entry_pass(who))
    (scan,) = node_shop.queued()
    node_shop.at_ns += 5 * HOUR_NS
    billing = PassBilling(node_shop.service, node_shop.shoppers, lambda: node_shop.at_ns)
    given = OpenVisit("v-1", scan.token, scan.at_ns)
    assert billing.open_visit(given) == billing.open_visit(given)
    card = node_shop.shoppers.get(who).card
    stored = node_shop.service.visit("v-1")
    assert card is not None
    assert stored is not None
    assert (stored.opened.token, stored.opened.shopper_id) == (card.token, who)
    billing.put_draft("v-1", (ItemCount("cola", 1),), NOW)
    charge = billing.finalise(ReceiptInput("v-1", scan.token, NOW + S, (ItemCount("cola", 1),)))
    assert (charge.state, charge.token) == (ChargeState.CAPTURED, card.token)
    assert billing.charges("v-1") == (charge,)
    assert billing.receipt("v-1") is not None
    assert billing.resolve_unknown(NOW) == ()
    with pytest.raises(PassUsed):
        billing.open_visit(OpenVisit("v-2", scan.token, scan.at_ns))
    with pytest.raises(UnknownVisit):
        billing.finalise(ReceiptInput("v-2", scan.token, NOW + S, ()))


def test_embedded_billing_takes_bare_tokens_as_before(node_shop: NodeShop) -> None:
    billing = PassBilling(node_shop.service, node_shop.shoppers, lambda: node_shop.at_ns)
    assert billing.open_visit(OpenVisit("v-1", "card-1", NOW)).hold is not None
    assert billing.finalise(ReceiptInput("v-1", "card-1", NOW + S, (ItemCount("cola", 1),))).token == "card-1"


def test_a_question_ends_when_its_time_is_up(node_shop: NodeShop) -> None:
    timed = TimedStanding(node_shop.standing, 10_000)
    assert timed.refused("card-1", NOW) is None
    timed.close()


def test_tokens_of_passes() -> None:
    token = pass_token("7" * 246)
    assert (len(token) <= 255, pass_of(token), pass_of("card-1")) == (True, "7" * 246, None)
    assert (token_name("cash"), token_name("staff")) == ("cash", "staff")
    assert token_name(token).startswith("pass-")
    assert "777" not in token_name(token)
    assert token_name("card-1") != token_name("card-2")


def test_keys_that_come_late_are_not_waited_for(tmp_path: Path) -> None:
    key, released = Keyring.generate().pass_key.public(), threading.Event()

    def fetch() -> tuple[tuple[PassPublicKey, ...], PassPolicy]:
        released.wait()
        return (key,), PassPolicy()

    keys = KeptPassKeys(tmp_path / "keys.json", fetch)
    assert not keys.look_again(NOW)
    assert keys.current(NOW).keys == ()
    released.set()
    keys.close()
    while not keys.current(NOW).keys:  # it goes on by itself
        assert threading.active_count() > 1
        released.wait(0.01)
    assert keys.current(NOW).keys == (key,)
