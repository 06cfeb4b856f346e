from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, text

from billing import passwords
from billing.cards import CardOnFile
from billing.db import shoppers as rows
from billing.errors import (
    AccountBusy,
    CardDeclined,
    GatewayTimeout,
    KeyConflict,
    NoCard,
    NotKnown,
    PassExpired,
    PassForged,
    PassRefused,
    PassUsed,
    ShopperError,
)
from billing.gateway import SandboxGateway
from billing.keyring import Keyring, open_keyring
from billing.passes import PassPolicy
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.sandbox_cards import SandboxCardDesk
from billing.service import BillingService
from billing.shoppers import LONGEST_VISIT_NS, Shoppers, Signup
from billing.store import BillingStore
from billing.types import (
    DisputeKind,
    DisputeRequest,
    DisputeState,
    ItemCount,
    OpenVisit,
    ReceiptInput,
    VisitKind,
)
from store_layout.errors import InputError

S = 10**9
NOW = 1_800_000_000 * S
BACK = "https://shop.example/card/back"
ADA = Signup("Ada@Example.org ", "correct horse", " Ada ", "en", is_member=True)


class Shop:
    """Accounts beside a service, both on one database."""

    def __init__(self, store: BillingStore, book: PriceBook, hold_minor: int = 2_000) -> None:
        self.desk = SandboxCardDesk()
        self.store = store
        gateway = SandboxGateway(on_file=self.desk.on_file)
        self.service = BillingService(book, store, gateway, BillingPolicy(hold_minor=hold_minor))
        self.shoppers = Shoppers(store, self.desk, Keyring.generate(), PassPolicy(), session_s=3_600)

    def with_card(self, number: str = "4242424242424242", email: str = "ada@example.org") -> str:
        """Return the id of a new shopper with a card."""
        shopper = self.shoppers.register(dataclasses.replace(ADA, email=email), NOW)
        self.give_card(shopper.shopper_id, number)
        return shopper.shopper_id

    def give_card(self, shopper_id: str, number: str = "4242424242424242") -> CardOnFile | None:
        form = self.shoppers.begin_card(shopper_id, BACK)
        self.desk.submit(form.reference, number, "04/40", "123", NOW)
        return self.shoppers.finish_card(shopper_id, NOW)

    def enter(self, shopper_id: str, visit_id: str, at_ns: int = NOW) -> OpenVisit:
        """Let a shopper in by their pass."""
        opened = self.shoppers.admit(self.shoppers.issue_pass(shopper_id, at_ns), visit_id, 1, at_ns)
        self.service.open_visit(opened)
        return opened

    def leave(self, opened: OpenVisit, *items: ItemCount) -> None:
        self.service.finalise(ReceiptInput(opened.visit_id, opened.token, opened.at_ns + 60 * S, items))


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with little work: the library's settings are meant to take long."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def shop(store: BillingStore, book: PriceBook) -> Shop:
    return Shop(store, book)


def test_who_registers_can_sign_in_and_out(shop: Shop) -> None:
    made = shop.shoppers.register(ADA, NOW)
    assert (made.email, made.name, made.is_member, made.card) == ("ada@example.org", "Ada", True, None)
    token, ends_ns = shop.shoppers.sign_in("ADA@example.org", "correct horse", NOW)
    assert ends_ns == NOW + 3_600 * S
    assert shop.shoppers.who(token, ends_ns - 1) == shop.shoppers.get(made.shopper_id)
    assert shop.shoppers.who(token, ends_ns) is None
    shop.shoppers.sign_out(token)
    assert shop.shoppers.who(token, NOW) is None


def test_neither_password_nor_session_is_kept_as_it_is(shop: Shop, raw: Engine) -> None:
    shop.shoppers.register(ADA, NOW)
    token, _ = shop.shoppers.sign_in("ada@example.org", "correct horse", NOW)
    with raw.connect() as connection:
        told = str(list(connection.execute(text("SELECT * FROM shoppers")).all()))
        digests = connection.execute(text("SELECT digest FROM sessions")).scalars().all()
    assert "correct horse" not in told
    assert digests == [hashlib.sha256(token.encode()).hexdigest()]


@pytest.mark.parametrize(
    ("email", "password"), [("ada@example.org", "correct hors"), ("eve@example.org", "correct horse")]
)
def test_a_wrong_password_and_an_unknown_address_look_alike(shop: Shop, email: str, password: str) -> None:
    shop.shoppers.register(ADA, NOW)
    with pytest.raises(NotKnown, match="e-mail or password is wrong"):
        shop.shoppers.sign_in(email, password, NOW)


@pytest.mark.parametrize(
    ("change", "flaws"),
    [
        ({"email": " "}, {"email": "missing"}),
        ({"email": "ada@example"}, {"email": "invalid"}),
        ({"email": "a da@example.org"}, {"email": "invalid"}),
        ({"email": "a" * 250 + "@b.org"}, {"email": "invalid"}),
        ({"password": "too short"}, {"password": "short"}),
        ({"password": "x" * 201}, {"password": "long"}),
        ({"name": "x" * 81}, {"name": "long"}),
        ({"email": "", "password": ""}, {"email": "missing", "password": "short"}),
    ],
)
def test_what_is_wrong_is_said_by_field(shop: Shop, change: dict[str, str], flaws: dict[str, str]) -> None:
    with pytest.raises(ShopperError) as told:
        shop.shoppers.register(dataclasses.replace(ADA, **change), NOW)
    assert told.value.flaws == flaws


def test_an_address_has_one_account(shop: Shop) -> None:
    shop.shoppers.register(ADA, NOW)
    eve = shop.shoppers.register(dataclasses.replace(ADA, email="eve@example.org"), NOW)
    with pytest.raises(ShopperError, match="taken"):
        shop.shoppers.register(ADA, NOW)
    with pytest.raises(ShopperError, match="taken"):
        shop.shoppers.change(eve.shopper_id, email="ADA@example.org", name="", locale="fr", is_member=False)
    shop.shoppers.change(eve.shopper_id, email="eve@example.org", name="", locale="fr", is_member=False)
    changed = shop.shoppers.get(eve.shopper_id)
    assert (changed.name, changed.locale, changed.is_member) == (None, "fr", False)


def test_a_new_password_signs_other_phones_out(shop: Shop) -> None:
    me = shop.shoppers.register(ADA, NOW).shopper_id
    mine, other = (shop.shoppers.start_session(me, NOW)[0] for _ in range(2))
    with pytest.raises(ShopperError) as told:
        shop.shoppers.change_password(me, "wrong", "short", mine)
    assert told.value.flaws == {"old": "wrong", "password": "short"}
    shop.shoppers.change_password(me, "correct horse", "battery staple", mine)
    assert shop.shoppers.who(mine, NOW) is not None
    assert shop.shoppers.who(other, NOW) is None
    shop.shoppers.sign_in("ada@example.org", "battery staple", NOW)


def test_a_card_comes_from_the_gateways_form(shop: Shop) -> None:
    me = shop.shoppers.register(ADA, NOW).shopper_id
    with pytest.raises(NoCard):
        shop.shoppers.issue_pass(me, NOW)
    form = shop.shoppers.begin_card(me, BACK)
    assert shop.shoppers.begin_card(me, BACK) == form
    assert shop.shoppers.finish_card(me, NOW) is None
    shop.desk.submit(form.reference, "4242424242424242", "04/40", "123", NOW)
    card = shop.shoppers.finish_card(me, NOW)
    assert card is not None
    assert (card.brand, card.last4, card.expires) == ("visa", "4242", "2040-04")
    assert shop.shoppers.finish_card(me, NOW) == card == shop.shoppers.get(me).card


def test_a_page_that_moved_begins_another_form(shop: Shop) -> None:
    me = shop.shoppers.register(ADA, NOW).shopper_id
    before = shop.shoppers.begin_card(me, "https://old.example/card/back")
    assert shop.shoppers.begin_card(me, BACK) != before
    assert shop.give_card(me) is not None


def test_after_a_refused_card_another_form_is_begun(shop: Shop) -> None:
    me = shop.shoppers.register(ADA, NOW).shopper_id
    first = shop.shoppers.begin_card(me, BACK)
    with pytest.raises(CardDeclined):
        shop.give_card(me, "4000000000000127")
    assert shop.shoppers.begin_card(me, BACK) != first
    assert shop.give_card(me) is not None


def test_another_card_lets_the_one_before_be_forgotten(shop: Shop) -> None:
    me = shop.with_card()
    before = shop.shoppers.get(me).card
    after = shop.give_card(me, "5555555555554444")
    assert before is not None
    assert after is not None
    assert not shop.desk.on_file(before.token)
    assert shop.desk.on_file(after.token)


def test_a_card_stays_while_it_is_to_pay_a_visit(shop: Shop) -> None:
    me = shop.with_card()
    opened = shop.enter(me, "v1")
    with pytest.raises(AccountBusy, match="visit_open"):
        shop.give_card(me, "5555555555554444")
    shop.leave(opened, ItemCount("cola", 1))
    card = shop.shoppers.finish_card(me, NOW + 120 * S)
    assert card is not None
    assert card.last4 == "4444"
    assert [each.state for each in shop.service.charges("v1")] == ["captured"]


def test_the_gateway_is_asked_again_to_forget_a_card(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    me = shop.with_card()
    card = shop.shoppers.get(me).card
    assert card is not None

    def away(token: str) -> None:
        raise GatewayTimeout(token)

    with monkeypatch.context() as patch:
        patch.setattr(shop.desk, "forget", away)
        shop.shoppers.delete(me, NOW)
    assert shop.desk.on_file(card.token)
    shop.shoppers.forget_cards(NOW)
    assert not shop.desk.on_file(card.token)
    with shop.store.reading() as books:
        assert rows.cards_to_forget(books) == ()


def test_a_pass_opens_one_visit(shop: Shop) -> None:
    me = shop.with_card()
    shown = shop.shoppers.issue_pass(me, NOW)
    opened = shop.shoppers.admit(shown, "v1", 2, NOW)
    card = shop.shoppers.get(me).card
    assert card is not None
    assert (opened.token, opened.shopper_id, opened.is_member, opened.party_size) == (card.token, me, True, 2)
    assert opened.kind is VisitKind.SHOPPER
    assert opened.card_mark is not None
    assert shop.shoppers.admit(shown, "v1", 2, NOW + S) == dataclasses.replace(opened, at_ns=NOW + S)
    shop.service.open_visit(opened)
    assert shop.shoppers.admit(shown, "v1", 2, NOW + S) == opened
    with pytest.raises(PassUsed):
        shop.shoppers.admit(shown, "v2", 1, NOW)
    with pytest.raises(PassExpired):
        shop.shoppers.admit(shop.shoppers.issue_pass(me, NOW), "v3", 1, NOW + 60 * S)


def test_a_pass_does_not_open_anothers_visit(shop: Shop) -> None:
    shop.enter(shop.with_card(), "v1")
    eve = shop.with_card(email="eve@example.org")
    with pytest.raises(KeyConflict):
        shop.shoppers.admit(shop.shoppers.issue_pass(eve, NOW), "v1", 1, NOW)


def test_a_pass_of_another_store_or_a_gone_account_opens_nothing(shop: Shop) -> None:
    me = shop.with_card()
    shown = shop.shoppers.issue_pass(me, NOW)
    forged = shown[:-1] + str((int(shown[-1]) + 1) % 10)
    with pytest.raises(PassForged):
        shop.shoppers.admit(forged, "v1", 1, NOW)
    shop.shoppers.delete(me, NOW)
    with pytest.raises(PassRefused):
        shop.shoppers.admit(shown, "v1", 1, NOW)


def test_another_card_does_not_let_a_debtor_in(shop: Shop) -> None:
    me = shop.with_card("4000000000000341")
    opened = shop.enter(me, "v1")
    shop.leave(opened, ItemCount("cola", 1))
    shop.give_card(me)
    again = shop.shoppers.admit(shop.shoppers.issue_pass(me, NOW), "v2", 1, NOW)
    assert shop.service.open_visit(again).refused == "visit v1 is not paid"
    assert shop.shoppers.debts(me) == ("v1",)
    shop.service.charge_again("v1", again.token, NOW + 120 * S)
    assert shop.shoppers.debts(me) == ()


def test_the_visit_under_way_is_the_latest_that_was_let_in(shop: Shop) -> None:
    me = shop.with_card()
    assert shop.shoppers.current_visit(me, NOW) is None
    shop.enter(me, "v1")
    second = shop.enter(me, "v2", NOW + S)
    found = shop.shoppers.current_visit(me, NOW + 2 * S)
    assert found is not None
    assert found.opened == second
    shop.leave(second)
    left = shop.shoppers.current_visit(me, NOW + 2 * S)
    assert left is not None
    assert left.opened.visit_id == "v1"
    assert shop.shoppers.current_visit(me, NOW + LONGEST_VISIT_NS) is None


def test_whose_hold_was_declined_is_not_in_the_store(shop: Shop) -> None:
    me = shop.with_card("4000000000000341")
    shop.enter(me, "v1")
    assert shop.shoppers.current_visit(me, NOW) is None
    shop.shoppers.delete(me, NOW)


def test_a_deleted_account_leaves_nothing_that_leads_to_anybody(shop: Shop, raw: Engine) -> None:
    me = shop.with_card()
    card = shop.shoppers.get(me).card
    token, _ = shop.shoppers.start_session(me, NOW)
    opened = shop.enter(me, "v1")
    shop.leave(opened, ItemCount("cola", 2))
    for number, state in ((1, DisputeState.REJECTED), (2, None)):
        items = (ItemCount("cola", 1),)
        asked = DisputeRequest(f"d{number}", "v1", DisputeKind.CONTEST, items, "", NOW + 120 * S, shopper_id=me)
        shop.service.contest(asked)
        if state is not None:
            shop.service.decide(f"d{number}", state, "olga", "seen", NOW + 130 * S)
    shop.shoppers.delete(me, NOW + 140 * S)
    assert card is not None
    assert not shop.desk.on_file(card.token)
    assert shop.shoppers.who(token, NOW) is None
    with pytest.raises(NotKnown):
        shop.shoppers.get(me)
    with raw.connect() as connection:
        row = connection.execute(text("SELECT * FROM shoppers")).mappings().one()
        kept = {name for name, value in row.items() if value is not None}
        told = [
            connection.execute(text(f"SELECT count(*) FROM {table} WHERE shopper_id IS NOT NULL")).scalar_one()
            for table in ("visits", "disputes", "pass_uses")
        ]
        marks = connection.execute(text("SELECT count(*) FROM visits WHERE card_mark IS NOT NULL")).scalar_one()
    assert kept == {"shopper_id", "locale", "is_member", "created_at_ns", "deleted_at_ns", "version"}
    assert (told, marks) == ([0, 0, 0], 0)
    assert shop.service.receipt("v1") is not None
    shop.shoppers.register(ADA, NOW)


def test_an_account_stays_while_a_visit_is_open_or_unpaid(shop: Shop) -> None:
    me = shop.with_card()
    shop.shoppers.admit(shop.shoppers.issue_pass(me, NOW), "v0", 1, NOW)
    with pytest.raises(AccountBusy, match="visit_open"):  # between the gate and the visit
        shop.shoppers.delete(me, NOW)
    later = NOW + 700 * S
    opened = shop.enter(me, "v1", later)
    with pytest.raises(AccountBusy, match="visit_open"):
        shop.shoppers.delete(me, later)
    shop.leave(opened)
    shop.shoppers.delete(me, later)
    debtor = shop.with_card("4000000000000341", "eve@example.org")
    shop.leave(shop.enter(debtor, "v2"), ItemCount("cola", 1))
    with pytest.raises(AccountBusy, match="unpaid"):
        shop.shoppers.delete(debtor, NOW)
    waiting = shop.with_card("4000002500003155", "joe@example.org")
    shop.leave(shop.enter(waiting, "v3"), ItemCount("bread", 20))
    with pytest.raises(AccountBusy, match="settling"):
        shop.shoppers.delete(waiting, NOW)


def test_members_have_their_prices(shop: Shop) -> None:
    me = shop.with_card()
    assert shop.enter(me, "v1").is_member
    shop.shoppers.change(me, email="ada@example.org", name="", locale="en", is_member=False)
    assert not shop.enter(me, "v2").is_member


def test_secrets_are_made_once_and_read_by_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "billing.sqlite.secrets"
    first, again = open_keyring(file), open_keyring(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert (first.mark_key, first.form_key) == (again.mark_key, again.form_key)
    assert first.pass_key.dump() == again.pass_key.dump()
    assert first.mark_key != first.form_key
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert first.mark_key.hex() not in repr(first)
    file.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        open_keyring(file)


@pytest.mark.parametrize("told", ["", "{}", '{"version": 1, "pass_key": "no", "mark_key": "00", "form_key": "00"}'])
def test_a_file_that_holds_no_secrets_is_refused(tmp_path: Path, told: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(told, encoding="utf-8")
    os.chmod(file, 0o600)  # noqa: PTH101 - as an operator does
    with pytest.raises(InputError, match="holds no secrets"):
        open_keyring(file)
