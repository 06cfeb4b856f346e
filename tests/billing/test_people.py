"""People are asked in by a link, get roles, and go; somebody who may add others is always left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from billing import passwords
from billing.access import Access, Scope
from billing.errors import AccessDenied, LastManager, NotKnown
from billing.people import People, session_id
from billing.store import BillingStore

S = 10**9
NOW_NS = 1_772_442_000 * S
PASSWORD, OTHER = "a sentence that is long", "another sentence, longer"
MANAGER, VIEWER = frozenset({Scope.OPERATOR, Scope.ADMIN}), frozenset({Scope.VIEWER})


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash passwords with little work, so that tests may try many."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()
    yield
    passwords._nobody.cache_clear()


@pytest.fixture
def access(store: BillingStore) -> Access:
    return Access(store)


@pytest.fixture
def people(access: Access) -> People:
    """A store with one manager, anna."""
    access.add_operator("anna", PASSWORD, MANAGER, NOW_NS)
    return People(access)


def test_who_is_asked_in_chooses_a_password_once(access: Access, people: People) -> None:
    token = people.invite("bert", VIEWER, NOW_NS)
    member = people.one("bert", NOW_NS)
    assert not member.operator.has_password
    assert member.invited_until_ns == NOW_NS + 3 * 86_400 * S
    assert people.invited(token, NOW_NS) == "bert"
    for password in ("", "none yet", PASSWORD):
        with pytest.raises(NotKnown):
            access.sign_in("bert", password, NOW_NS)
    with pytest.raises(AccessDenied, match="characters"):
        people.accept(token, "short", NOW_NS)
    assert people.accept(token, PASSWORD, NOW_NS) == "bert"
    session, _ = access.sign_in("bert", PASSWORD, NOW_NS)
    assert access.who(session, NOW_NS).scopes == VIEWER
    with pytest.raises(NotKnown, match="used"):
        people.accept(token, OTHER, NOW_NS)
    assert people.one("bert", NOW_NS).invited_until_ns is None


def test_a_link_ends_and_a_later_one_takes_its_place(people: People) -> None:
    first = people.invite("bert", VIEWER, NOW_NS)
    with pytest.raises(NotKnown):
        people.invited(first, NOW_NS + 3 * 86_400 * S)
    second = people.link("bert", NOW_NS)
    with pytest.raises(NotKnown):
        people.invited(first, NOW_NS)
    assert people.invited(second, NOW_NS) == "bert"
    with pytest.raises(NotKnown):
        people.link("nobody", NOW_NS)


def test_a_link_is_no_session_and_a_session_no_link(access: Access, people: People) -> None:
    token, (session, _) = people.invite("bert", VIEWER, NOW_NS), access.sign_in("anna", PASSWORD, NOW_NS)
    for credential in (token, f"ts_{token}"):
        with pytest.raises(NotKnown):
            access.who(credential, NOW_NS)
    with pytest.raises(NotKnown):
        people.invited(session, NOW_NS)


def test_names_that_are_taken_or_none(people: People) -> None:
    for login in ("anna", "a b", ""):
        with pytest.raises(AccessDenied):
            people.invite(login, VIEWER, NOW_NS)


def test_a_forgotten_password_is_replaced_by_a_link(access: Access, people: People) -> None:
    session, _ = access.sign_in("anna", PASSWORD, NOW_NS)
    token = people.link("anna", NOW_NS)
    assert access.who(session, NOW_NS).name == "anna"  # until it is used
    people.accept(token, OTHER, NOW_NS)
    with pytest.raises(NotKnown):
        access.who(session, NOW_NS)
    access.sign_in("anna", OTHER, NOW_NS)


def test_ones_own_password_needs_the_old_one(access: Access, people: People) -> None:
    link, (session, _) = people.link("anna", NOW_NS), access.sign_in("anna", PASSWORD, NOW_NS)
    with pytest.raises(NotKnown):
        people.change_password("anna", OTHER, OTHER)
    with pytest.raises(AccessDenied, match="characters"):
        people.change_password("anna", PASSWORD, "short")
    assert access.who(session, NOW_NS).name == "anna"
    people.change_password("anna", PASSWORD, OTHER)
    access.sign_in("anna", OTHER, NOW_NS)
    with pytest.raises(NotKnown):
        access.who(session, NOW_NS)
    with pytest.raises(NotKnown):
        people.invited(link, NOW_NS)


def test_sessions_are_listed_and_ended_but_ones_own(access: Access, people: People) -> None:
    mine, _ = access.sign_in("anna", PASSWORD, NOW_NS)
    access.sign_in("anna", PASSWORD, NOW_NS + S)
    sessions = people.one("anna", NOW_NS + S).sessions
    assert [each.began_ns for each in sessions] == [NOW_NS, NOW_NS + S]
    assert people.end_sessions("anna", mine) == 1
    assert [each.session_id for each in people.one("anna", NOW_NS + S).sessions] == [session_id(mine)]
    assert people.end_sessions("anna") == 1
    assert people.one("anna", NOW_NS).sessions == ()


def test_a_role_changes_and_sessions_of_before_end(access: Access, people: People) -> None:
    people.accept(people.invite("bert", VIEWER, NOW_NS), PASSWORD, NOW_NS)
    session, _ = access.sign_in("bert", PASSWORD, NOW_NS)
    people.change_scopes("bert", MANAGER)
    with pytest.raises(NotKnown):
        access.who(session, NOW_NS)
    assert people.one("bert", NOW_NS).operator.scopes == MANAGER
    with pytest.raises(NotKnown):
        people.change_scopes("nobody", MANAGER)


def test_who_was_sent_away_is_nobody_until_asked_back(access: Access, people: People) -> None:
    people.accept(people.invite("bert", VIEWER, NOW_NS), PASSWORD, NOW_NS)
    link = people.link("bert", NOW_NS)
    people.deactivate("bert", NOW_NS)
    with pytest.raises(NotKnown):
        access.sign_in("bert", PASSWORD, NOW_NS)
    with pytest.raises(NotKnown):
        people.invited(link, NOW_NS)
    with pytest.raises(AccessDenied):
        people.link("bert", NOW_NS)
    people.activate("bert")
    access.sign_in("bert", PASSWORD, NOW_NS)
    with pytest.raises(NotKnown):
        people.invited(link, NOW_NS)


def test_the_last_manager_stays(people: People) -> None:
    link = people.invite("bert", MANAGER, NOW_NS)  # counts once they have a password
    with pytest.raises(LastManager):
        people.change_scopes("anna", VIEWER)
    with pytest.raises(LastManager):
        people.deactivate("anna", NOW_NS)
    people.accept(link, PASSWORD, NOW_NS)
    people.deactivate("anna", NOW_NS)
    with pytest.raises(LastManager):
        people.change_scopes("bert", VIEWER)
    people.change_scopes("bert", MANAGER)


def test_two_who_send_each_other_away_at_once_do_not_both(people: People) -> None:
    people.accept(people.invite("bert", MANAGER, NOW_NS), PASSWORD, NOW_NS)
    refused: list[str] = []

    def send_away(login: str) -> None:
        try:
            people.deactivate(login, NOW_NS)
        except LastManager:
            refused.append(login)

    both = [threading.Thread(target=send_away, args=(login,)) for login in ("anna", "bert")]
    for each in both:
        each.start()
    for each in both:
        each.join(10)
    assert len(refused) == 1
