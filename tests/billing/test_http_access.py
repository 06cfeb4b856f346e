"""Who may do what: keys, sessions, limits and the audit log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from fastapi import FastAPI
from sqlalchemy import Engine, text

from billing import passwords
from billing.access import Access, Operator, RateLimiter, Scope
from billing.errors import AccessDenied, NotKnown
from billing.http.system import network
from billing.people import People
from billing.pricebook import PriceBook
from billing.store import BillingStore
from tests.billing.shop import COLA, NOON_NS, Shop

PASSWORD = "correct horse battery"
GATE, VISION, POS, OPERATOR, AUDITOR, VIEWER, ADMIN = Scope
_LOOK = {VISION, POS, OPERATOR, AUDITOR}
_COUNTER = {POS, OPERATOR, AUDITOR}

# Who may do what, written down by hand and not read from the routes; None is for everybody.
MATRIX: dict[tuple[str, str], set[Scope] | None] = {
    ("POST", "/v1/endpoints"): {ADMIN},
    ("GET", "/v1/endpoints"): {ADMIN, AUDITOR},
    ("POST", "/v1/endpoints/{endpoint_id}/disable"): {ADMIN},
    ("POST", "/v1/endpoints/{endpoint_id}/enable"): {ADMIN},
    ("POST", "/v1/endpoints/{endpoint_id}/replay"): {ADMIN},
    ("GET", "/v1/endpoints/{endpoint_id}/deliveries"): {ADMIN, AUDITOR},
    ("POST", "/v1/deliveries/{delivery_id}/replay"): {ADMIN},
    ("GET", "/v1/passes/keys"): {GATE},
    ("GET", "/v1/passes/refused"): {GATE},
    ("POST", "/v1/standing"): {GATE},
    ("POST", "/v1/visits"): {GATE},
    ("GET", "/v1/visits"): _LOOK,
    ("GET", "/v1/visits/{visit_id}"): _LOOK,
    ("POST", "/v1/visits/{visit_id}/joins"): {GATE},
    ("PUT", "/v1/visits/{visit_id}/draft"): {VISION},
    ("GET", "/v1/visits/{visit_id}/draft"): _LOOK,
    ("POST", "/v1/visits/{visit_id}/receipt"): {VISION},
    ("GET", "/v1/visits/{visit_id}/receipt"): _LOOK,
    ("GET", "/v1/visits/{visit_id}/receipt.html"): {POS, OPERATOR, AUDITOR},
    ("GET", "/v1/visits/{visit_id}/receipt.pdf"): {POS, OPERATOR, AUDITOR},
    ("GET", "/v1/visits/{visit_id}/charges"): _LOOK,
    ("POST", "/v1/visits/{visit_id}/charges"): {OPERATOR},
    ("POST", "/v1/visits/{visit_id}/cash"): {POS},
    ("POST", "/v1/visits/{visit_id}/corrections"): {OPERATOR},
    ("GET", "/v1/visits/{visit_id}/payments"): _LOOK,
    ("GET", "/v1/visits/{visit_id}/refunds"): _LOOK,
    ("GET", "/v1/visits/{visit_id}/disputes"): _LOOK,
    ("POST", "/v1/refunds"): {POS, OPERATOR},
    ("GET", "/v1/refunds/{refund_id}"): _COUNTER,
    ("POST", "/v1/refunds/{refund_id}/payouts"): {POS},
    ("POST", "/v1/disputes"): {POS, OPERATOR},
    ("GET", "/v1/disputes"): _COUNTER,
    ("GET", "/v1/disputes/{dispute_id}"): _COUNTER,
    ("POST", "/v1/disputes/{dispute_id}/evidence"): {OPERATOR},
    ("POST", "/v1/disputes/{dispute_id}/decision"): {OPERATOR},
    ("GET", "/v1/examples.jsonl"): {AUDITOR},
    ("POST", "/v1/resolve"): {OPERATOR},
    ("GET", "/v1/ledger/balances"): {AUDITOR},
    ("GET", "/v1/ledger/journal.csv"): {AUDITOR},
    ("GET", "/v1/receipts.csv"): {AUDITOR},
    ("GET", "/v1/reconcile"): {AUDITOR},
    ("GET", "/v1/audit"): {AUDITOR},
    ("GET", "/v1/events"): _COUNTER,
    ("DELETE", "/v1/sessions"): set(Scope),
    ("GET", "/metrics"): set(Scope),
    ("POST", "/v1/gateway/news"): None,  # the gateway signs them
    ("POST", "/v1/sessions"): None,
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/docs"): None,
}


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash passwords with little work, so that tests may try many."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()
    yield
    passwords._nobody.cache_clear()


@pytest.fixture
def shop(store: BillingStore, book: PriceBook) -> Shop:
    return Shop(store, book)


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Return the method and path of every call that an app answers."""
    return {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}


def test_every_route_is_in_the_matrix(shop: Shop) -> None:
    assert routes_of(shop.app) == set(MATRIX)


def test_each_scope_may_do_what_it_may(shop: Shop) -> None:
    clients = {scope: shop.client_with(scope) for scope in Scope}
    stranger = shop.client_of(None)
    for (method, template), allowed in MATRIX.items():
        path = re.sub(r"\{\w+\}", "x1", template)
        headers = {"Idempotency-Key": "k"}
        nobody = stranger.request(method, path, headers=headers, json={})
        assert (nobody.status_code == 401) is (allowed is not None), (method, template)
        for scope, client in clients.items():
            status = client.request(method, path, headers=headers, json={}).status_code
            assert (status == 403) is (allowed is not None and scope not in allowed), (method, template, scope)
            assert status not in (401, 429, 500), (method, template, scope)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer tf_000000000000_" + "A" * 43,
        "Bearer ts_nothing",
        "Bearer xx_1_2",
        "Bearer \u00e4",
    ],
)
def test_keys_that_nobody_has(shop: Shop, header: str) -> None:
    response = shop.client_of(None).get("/v1/visits", headers={"Authorization": header.encode()})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["type"] == "urn:tillfree:not-known"


def test_key_with_one_other_letter(shop: Shop) -> None:
    last = "A" if shop.key[-1] != "A" else "B"
    assert shop.client_of(shop.key[:-1] + last).get("/v1/visits").status_code == 401
    with pytest.raises(NotKnown):
        shop.access.who("tf_\x00_" + "A" * 43, NOON_NS)


def test_revoked_key_is_worth_nothing(shop: Shop) -> None:
    key = shop.access.add_client("gate-1", frozenset({GATE}), NOON_NS)
    client = shop.client_of(key)
    assert client.get("/metrics").status_code == 200
    shop.access.revoke_client("gate-1", NOON_NS + 5)
    shop.now_ns += 2 * 10**9  # a key that was good is not looked up again for a second
    assert client.get("/metrics").json()["detail"] == "this key was revoked"
    again = shop.access.add_client("gate-1", frozenset({GATE}), NOON_NS + 6)
    assert again != key
    assert shop.client_of(again).get("/metrics").status_code == 200
    assert client.get("/metrics").status_code == 401
    with pytest.raises(AccessDenied, match="no key named"):
        shop.access.revoke_client("gate-2", NOON_NS)


def test_keys_are_long_random_and_kept_as_hashes(shop: Shop, raw: Engine) -> None:
    keys = {shop.access.add_client(f"c{n}", frozenset({POS}), NOON_NS) for n in range(20)}
    assert {len(key.split("_", 2)[2]) for key in keys} == {43}  # 256 bits in base64
    assert len(keys) == 20
    with raw.connect() as connection:
        kept = {str(row) for row in connection.execute(text("SELECT * FROM clients"))}
    assert not [key for key in keys if any(key.split("_", 2)[2] in row for row in kept)]
    assert all(any(hashlib.sha256(key.encode()).hexdigest() in row for row in kept) for key in keys)


@pytest.mark.parametrize("name", ["", " ", "a b", "a\nb", "-gate", "x" * 81, "gate\x00", "ворота"])
def test_names_that_could_be_mistaken(shop: Shop, name: str) -> None:
    with pytest.raises(AccessDenied, match="no name"):
        shop.access.add_client(name, frozenset({GATE}), NOON_NS)
    with pytest.raises(AccessDenied, match="no name"):
        shop.access.add_operator(name, PASSWORD, frozenset({OPERATOR}), NOON_NS)


def test_names_are_taken_once(shop: Shop) -> None:
    with pytest.raises(AccessDenied, match="there is a key named 'all'"):
        shop.access.add_client("all", frozenset({GATE}), NOON_NS)
    shop.access.add_operator("anna", PASSWORD, frozenset({OPERATOR}), NOON_NS)
    with pytest.raises(AccessDenied, match="there is an operator named 'anna'"):
        shop.access.add_operator("anna", PASSWORD, frozenset({OPERATOR}), NOON_NS)


def signed_in(shop: Shop, login: str = "anna", password: str = PASSWORD, host: str = "till.example") -> Any:
    return shop.client_of(None, host).post("/v1/sessions", json={"login": login, "password": password})


def test_operator_signs_in_works_and_signs_out(shop: Shop, raw: Engine) -> None:
    shop.access.add_operator("anna", PASSWORD, frozenset({OPERATOR}), NOON_NS)
    said = signed_in(shop).json()
    assert said["expires_at"] == "2026-03-02T21:00:00.123456789Z"
    client = shop.client_of(said["token"])
    assert client.get("/v1/visits").status_code == 200
    assert client.get("/v1/audit").status_code == 403
    with raw.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM sessions")).all())
        password = connection.execute(text("SELECT password_hash FROM operators")).scalar()
    assert said["token"] not in kept
    assert str(password).startswith("$argon2id$")
    assert client.delete("/v1/sessions").status_code == 204
    assert client.get("/v1/visits").status_code == 401
    assert client.delete("/v1/sessions").status_code == 401


def test_session_ends_by_itself(shop: Shop) -> None:
    shop.access.add_operator("anna", PASSWORD, frozenset({OPERATOR}), NOON_NS)
    client = shop.client_of(signed_in(shop).json()["token"])
    shop.now_ns += 12 * 3_600 * 10**9 - 1
    assert client.get("/v1/visits").status_code == 200
    shop.now_ns += 1
    assert client.get("/v1/visits").json()["detail"] == "this session has ended: sign in again"


def test_signing_out_with_a_key_leaves_the_key(shop: Shop) -> None:
    assert shop.client.delete("/v1/sessions").status_code == 204
    assert shop.client.get("/v1/visits").status_code == 200


@pytest.mark.parametrize(
    ("login", "password"), [("anna", "wrong horse battery"), ("otto", PASSWORD), ("anna", ""), ("anna", "x" * 200)]
)
def test_sign_in_does_not_say_what_was_wrong(shop: Shop, login: str, password: str) -> None:
    shop.access.add_operator("anna", PASSWORD, frozenset({OPERATOR}), NOON_NS)
    response = signed_in(shop, login, password)
    assert response.status_code == 401
    assert response.json()["detail"] == "login or password is wrong"


@pytest.mark.parametrize("password", ["short", "x" * 201])
def test_passwords_that_are_too_short_or_too_long(shop: Shop, password: str) -> None:
    with pytest.raises(AccessDenied, match="10 to 200"):
        shop.access.add_operator("anna", password, frozenset({OPERATOR}), NOON_NS)


def test_sign_in_is_limited_by_address(shop: Shop) -> None:
    statuses = [signed_in(shop, host="192.0.2.1").status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    limited = signed_in(shop, host="192.0.2.1")
    assert (limited.headers["Retry-After"], limited.json()["type"]) == ("6", "urn:tillfree:too-many-requests")
    assert signed_in(shop, host="192.0.2.2").status_code == 401
    shop.now_ns += 6 * 10**9
    assert signed_in(shop, host="192.0.2.1").status_code == 401
    assert signed_in(shop, host="192.0.2.1").status_code == 429


def test_addresses_of_one_network_are_one() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1") == "2001:db8::/64"
    assert network("2001:db8:0:1::1") != network("2001:db8::1")
    assert (network("192.0.2.1"), network("testclient")) == ("192.0.2.1", "testclient")


def test_each_client_has_its_own_limit(store: BillingStore, book: PriceBook) -> None:
    shop = Shop(store, book, per_s=0.2)
    other = shop.client_with(POS)
    assert [shop.client.get("/v1/visits").status_code for _ in range(4)] == [200, 200, 429, 429]
    limited = shop.client.get("/v1/visits")
    assert limited.headers["Retry-After"] == "5"
    assert other.get("/v1/visits").status_code == 200
    shop.now_ns += 5 * 10**9
    assert shop.client.get("/v1/visits").status_code == 200


def test_machine_and_person_of_one_name_are_two(shop: Shop) -> None:
    """They neither hear each other's answers nor use up each other's limit."""
    shop.access.add_operator("till", PASSWORD, frozenset({POS}), NOON_NS)
    person = shop.client_of(signed_in(shop, "till").json()["token"])
    machine = shop.client_of(shop.access.add_client("till", frozenset({POS}), NOON_NS))
    for visit in ("v1", "v2"):
        shop.final(visit, "cash")
    for client, visit in ((person, "v1"), (machine, "v2")):
        paid = shop.do(f"/v1/visits/{visit}/cash", {"cash_id": f"cash-{visit}"}, key="k", client=client)
        assert paid.json()["visit_id"] == visit
    who = [each["who"] for each in shop.get("/v1/audit")["items"] if each["action"].endswith("/cash")]
    assert who == ["client:till", "operator:till"]


def test_limiter_with_a_clock_that_goes_back() -> None:
    limiter = RateLimiter(1.0, 2)
    assert [limiter.wait_s("a", 10**10), limiter.wait_s("a", 10**9), limiter.wait_s("a", 10**9)] == [0.0, 0.0, 1.0]
    assert limiter.wait_s("a", 11 * 10**9) == 0.0


def test_limiter_forgets_who_came_longest_ago() -> None:
    limiter = RateLimiter(1.0, 1, most=2)
    assert [limiter.wait_s(name, 0) for name in ("a", "b", "b", "c", "a")] == [0.0, 0.0, 1.0, 0.0, 0.0]


def test_audit_log_says_who_did_what(shop: Shop) -> None:
    shop.access.add_operator("anna", PASSWORD, frozenset({AUDITOR}), NOON_NS)
    token = signed_in(shop).json()["token"]
    signed_in(shop, password="wrong horse battery")
    shop.final("v1", "cus_7/pm_4242")
    gate = shop.client_with(GATE)
    shop.do("/v1/visits/v1/receipt", {"items": COLA}, client=gate)
    gate.get("/v1/audit")
    shop.do("/v1/visits/none/draft", {"items": COLA}, method="PUT")
    shop.client_of(token).delete("/v1/sessions")
    rows = shop.get("/v1/audit")["items"]
    assert [(each["who"], each["action"], each["status"]) for each in reversed(rows)] == [
        ("operator:anna", "POST /v1/sessions", 201),
        ("operator:anna", "POST /v1/sessions", 401),
        ("client:all", "POST /v1/visits", 201),
        ("client:all", "POST /v1/visits/{visit_id}/receipt", 201),
        ("client:k2", "POST /v1/visits/{visit_id}/receipt", 403),
        ("client:k2", "GET /v1/audit", 403),
        ("client:all", "PUT /v1/visits/{visit_id}/draft", 404),
        ("operator:anna", "DELETE /v1/sessions", 204),
    ]
    assert [each["subject"] for each in rows][1] == "/v1/visits/none/draft"
    kept = str(rows)
    for secret in (token, shop.key, PASSWORD, "wrong horse battery", "4242"):
        assert secret not in kept


def test_audit_log_takes_any_path(shop: Shop) -> None:
    gate = shop.client_with(AUDITOR)
    for path in ("/v1/visits/%00/receipt", "/v1/visits/%ff%fe/receipt", f"/v1/visits/{'x' * 5_000}/receipt"):
        assert shop.do(path, {"items": []}, client=gate).status_code == 403
    assert {len(each["subject"]) <= 300 for each in shop.get("/v1/audit")["items"]} == {True}


def test_replayed_request_is_in_the_audit_log_once(shop: Shop) -> None:
    for _ in range(3):
        shop.do("/v1/visits", {"visit_id": "v1", "token": "card"}, key="k")
    assert len(shop.get("/v1/audit")["items"]) == 1


def test_disabled_operator_is_nobody(shop: Shop) -> None:
    shop.access.add_operator("anna", PASSWORD, frozenset({OPERATOR}), NOON_NS)
    client = shop.client_of(signed_in(shop).json()["token"])
    People(shop.access).deactivate("anna", NOON_NS)
    assert client.get("/v1/visits").status_code == 401
    assert signed_in(shop).status_code == 401
    assert shop.access.operators() == (Operator("anna", frozenset({OPERATOR}), NOON_NS, NOON_NS),)
    People(shop.access).activate("anna")
    assert client.get("/v1/visits").status_code == 401  # that session has ended for good
    assert signed_in(shop).status_code == 201


def test_another_password_ends_sessions(shop: Shop) -> None:
    for login in ("anna", "berta"):
        shop.access.add_operator(login, PASSWORD, frozenset({OPERATOR}), NOON_NS)
    client = shop.client_of(signed_in(shop).json()["token"])
    token, _ = shop.access.sign_in("berta", PASSWORD, NOON_NS)
    shop.access.change_password("anna", f"another {PASSWORD}")
    assert client.get("/v1/visits").status_code == 401
    assert signed_in(shop).status_code == 401
    assert shop.access.sign_in("anna", f"another {PASSWORD}", NOON_NS)
    assert shop.client_of(token).get("/v1/visits").status_code == 200  # others stay


def test_operators_that_cannot_be_changed(shop: Shop) -> None:
    shop.access.add_operator("anna", PASSWORD, frozenset({OPERATOR}), NOON_NS)
    with pytest.raises(AccessDenied, match="10 to 200"):
        shop.access.change_password("anna", "short")
    assert signed_in(shop).status_code == 201
    with pytest.raises(AccessDenied, match="no operator named 'berta'"):
        People(shop.access).deactivate("berta", NOON_NS)


def test_clients_are_listed_without_secrets(shop: Shop) -> None:
    (client,) = Access(shop.store).clients()
    assert (client.name, client.scopes, client.revoked_at_ns) == ("all", frozenset(Scope), None)
    assert shop.key not in str(client)


def test_passwords_cost_what_rfc_9106_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    kept = passwords.hash_password(PASSWORD)
    assert extract_parameters(kept) == RFC_9106_LOW_MEMORY
    assert passwords.is_password(PASSWORD, kept)
    assert not passwords.is_password(PASSWORD + "!", kept)
    assert not passwords.is_password(PASSWORD, None)
    assert not passwords.is_password(PASSWORD, "no hash")
