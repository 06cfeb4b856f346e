from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from billing import passwords
from billing.access import Scope
from billing.http.page.base import inside
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.store import BillingStore
from tests.billing.page_shop import URL, S, Shop

PASSWORD = "correct horse"
GOOD, DECLINED = "4242424242424242", "4000000000000341"


class Phone:
    """A browser that has a look at forms before it sends them."""

    def __init__(self, client: TestClient, shop: Shop) -> None:
        self.client, self.shop, self.text, self.path, self.status = client, shop, "", "", 0

    def _seen(self, answer: Any) -> Phone:
        self.text, self.path, self.status = html.unescape(answer.text), answer.url.path, answer.status_code
        return self

    def get(self, path: str) -> Phone:
        return self._seen(self.client.get(path))

    def send(self, path: str, /, **fields: Any) -> Phone:
        """Send a form from the page that is open, with its secret."""
        csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.text)
        assert csrf is not None
        return self._seen(self.client.post(path, data={"csrf": csrf[1], **fields}))

    def register(self, email: str = "ada@example.org", card: str = GOOD) -> Phone:
        self.get("/register").send("/register", email=email, password=PASSWORD, name="<Ada>", is_member="true")
        assert self.path == "/register/card"
        return self.add_card(card)

    def add_card(self, card: str = GOOD) -> Phone:
        self.get("/card/begin")
        assert self.path.startswith("/sandbox/card/")
        return self._seen(self.client.post(self.path, data={"number": card, "expiry": "04/40", "cvc": "123"}))

    def enter(self, visit_id: str) -> Any:
        """Show the pass to the gate."""
        shopper = self.shop.shoppers.who(self.client.cookies["till_session"], self.shop.at_ns)
        assert shopper is not None
        shown = self.shop.shoppers.issue_pass(shopper.shopper_id, self.shop.at_ns)
        return self.shop.call(Scope.GATE, "POST", "/visits", visit_id=visit_id, entry_pass=shown)

    def buy(self, visit_id: str, **items: int) -> Phone:
        assert self.enter(visit_id).status_code == 201
        counts = [{"sku": sku, "quantity": quantity} for sku, quantity in items.items()]
        assert self.shop.call(Scope.VISION, "POST", f"/visits/{visit_id}/receipt", items=counts).status_code == 201
        return self.get(f"/receipts/{visit_id}")

    def contest(self, visit_id: str, sku: str, kind: str, quantity: int = 1) -> Phone:
        (request_id, *_) = re.findall(
            rf'value="([0-9a-f]{{16}})">\s*<input type="hidden" name="sku" value="{sku}"', self.text
        )
        return self.send(
            f"/receipts/{visit_id}/disputes", request_id=request_id, sku=sku, kind=kind, quantity=str(quantity)
        )


def a_phone(shop: Shop, language: str = "en") -> Phone:
    return Phone(TestClient(shop.app, shop.url, headers={"Accept-Language": language}), shop)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with little work: the library's settings are meant to take long."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def shop(store: BillingStore, book: PriceBook) -> Shop:
    return Shop(store, book)


@pytest.fixture
def phone(shop: Shop) -> Phone:
    return a_phone(shop)


def test_registering_leads_from_account_to_card_to_pass(phone: Phone) -> None:
    assert "Nothing is ever charged that this page does not show." in phone.get("/").text
    assert "€20.00 for each person" in phone.text
    phone.register()
    assert phone.path == "/card/back"
    assert "Visa •••• 4242" in phone.text
    assert "<svg" in phone.get("/").text
    assert phone.client.get("/live/pass").text != phone.client.get("/live/pass").text


def test_what_is_wrong_stands_beside_its_field(phone: Phone) -> None:
    phone.get("/register").send("/register", email="ada", password="short", name="Ada")
    assert phone.status == 422
    assert 'id="email-flaw"' in phone.text
    assert 'aria-describedby="password-hint password-flaw"' in phone.text
    assert "This is not an e-mail address." in phone.text
    assert 'value="Ada"' in phone.text
    assert "short" not in re.findall(r'type="password" value="([^"]*)"', phone.text)


def test_all_text_is_escaped(phone: Phone) -> None:
    phone.register()
    raw = phone.client.get("/account").text
    assert "&lt;Ada&gt;" in raw
    assert "<Ada>" not in raw
    assert "Corner &amp; Sons" in raw


def test_a_form_of_another_page_changes_nothing(shop: Shop, phone: Phone) -> None:
    phone.register()
    foreign = a_phone(shop).get("/sign-in")
    secret = re.search(r'value="([0-9a-f]{64})"', foreign.text)
    assert secret is not None
    for csrf in ("", "0" * 64, secret[1]):
        answer = phone.client.post("/account/delete", data={"csrf": csrf, "word": "DELETE"})
        assert answer.status_code == 403
    assert phone.get("/account").status == 200


def test_screens_allow_nothing_inline_and_nothing_from_elsewhere(phone: Phone) -> None:
    phone.register()
    for path in ("/", "/cart", "/receipts", "/account", "/account/delete", "/debts", "/find"):
        answer = phone.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert re.findall(r"<style|\sstyle=|<script(?![^>]*src=)|\son[a-z]+=", answer.text) == []
        assert re.findall(r'(?:src|href|action)="(?:https?:)?//', answer.text) == []
    sheet = phone.client.get(re.findall(r'href="(/static/page\.css\?[^"]+)"', answer.text)[0])
    assert "immutable" in sheet.headers["cache-control"]
    assert phone.client.get("/static/..%2fbase.py").status_code == 404


@pytest.mark.parametrize(("url", "secure"), [(URL, False), ("https://shop.example", True)])
def test_the_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(
    store: BillingStore, book: PriceBook, url: str, secure: bool
) -> None:
    phone = a_phone(Shop(store, book, url))
    phone.get("/register")
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', phone.text)
    assert csrf is not None
    form = {"csrf": csrf[1], "email": "ada@example.org", "password": PASSWORD}
    answer = phone.client.post("/register", data=form, follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert ("Secure" in cookie) is secure
    assert "Max-Age=2592000" in cookie


def test_signing_in_goes_on_where_it_was_asked_for_and_nowhere_else(shop: Shop, phone: Phone) -> None:
    phone.register()
    other = a_phone(shop).get("/receipts")
    assert other.path == "/sign-in"
    assert 'name="next" value="/receipts"' in other.text
    other.send("/sign-in", email="ada@example.org", password="wrong horse")
    assert other.status == 401
    assert "E-mail or password is wrong." in other.text
    other.send("/sign-in", email="ada@example.org", password=PASSWORD, next="/receipts")
    assert other.path == "/receipts"
    other.send("/sign-out")
    assert other.get("/account").path == "/sign-in"


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a b", "evil", ""])
def test_a_path_leads_nowhere_else(path: str) -> None:
    assert inside(path) == "/"


def test_tries_to_sign_in_are_limited(shop: Shop, phone: Phone) -> None:
    codes = [phone.get("/sign-in").send("/sign-in", email="a@b.org", password="x" * 10).status for _ in range(11)]
    assert codes == [401] * 10 + [429]
    shop.at_ns += 6 * S
    assert phone.get("/sign-in").send("/sign-in", email="a@b.org", password="x" * 10).status == 401


def test_a_session_ends(shop: Shop, phone: Phone) -> None:
    phone.register()
    shop.at_ns += 30 * 86_400 * S
    assert phone.get("/account").path == "/sign-in"
    assert phone.client.get("/live/home").headers["x-next"] == "/sign-in"


def test_the_gate_takes_a_pass_once(shop: Shop, phone: Phone) -> None:
    phone.register()
    assert phone.client.get("/live/home").headers.get("x-next") is None
    answer = phone.enter("v1")
    assert answer.status_code == 201
    assert answer.json()["hold"]["amount_minor"] == 2_000
    assert phone.client.get("/live/home").headers["x-next"] == "/cart"
    used = shop.shoppers.issue_pass(_id(shop, phone), shop.at_ns)
    assert shop.call(Scope.GATE, "POST", "/visits", visit_id="v2", entry_pass=used).status_code == 201
    replay = shop.call(Scope.GATE, "POST", "/visits", visit_id="v3", entry_pass=used)
    assert (replay.status_code, replay.json()["type"]) == (422, "urn:tillfree:pass-used")
    shop.at_ns += 61 * S
    late = shop.call(Scope.GATE, "POST", "/visits", visit_id="v4", entry_pass=used)
    assert late.json()["type"] == "urn:tillfree:pass-expired"
    both = shop.call(Scope.GATE, "POST", "/visits", visit_id="v5", entry_pass=used, token="tok")
    assert both.json()["type"] == "urn:tillfree:missing-token"


def _id(shop: Shop, phone: Phone) -> str:
    shopper = shop.shoppers.who(phone.client.cookies["till_session"], shop.at_ns)
    assert shopper is not None
    return shopper.shopper_id


def test_the_cart_is_shown_as_it_is_with_member_prices(shop: Shop, phone: Phone) -> None:
    phone.register()
    assert "You are not in the store just now." in phone.get("/cart").text
    phone.enter("v1")
    assert "Your cart is empty." in phone.get("/cart").text
    shop.call(
        Scope.VISION,
        "PUT",
        "/visits/v1/draft",
        items=[{"sku": "bread", "quantity": 2}, {"sku": "water", "quantity": 1}],
    )
    now = html.unescape(phone.client.get("/live/cart?visit=v1").text)
    assert "Provisional" in now
    assert "Products: 3. Total: €6.24." in now
    assert "Club price (members)" in now
    assert "Deposit Water" in now
    assert "Held on Visa •••• 4242: €20.00. Charged so far: nothing." in now
    shop.call(Scope.VISION, "POST", "/visits/v1/receipt", items=[{"sku": "bread", "quantity": 2}])
    assert phone.client.get("/live/cart?visit=v1").headers["x-next"] == "/receipts/v1"


def test_a_receipt_shows_all_that_was_held_and_charged(phone: Phone) -> None:
    phone.register().buy("v1", bread=2)
    assert "Paid: €5.00" in phone.text
    assert "Held on your card" in phone.text
    assert "out of what was held; the other €15.00 were let go" in phone.text
    assert "You can contest or return until Dec 22, 2026." in phone.text
    pdf = phone.client.get("/receipts/v1/receipt.pdf")
    assert pdf.content.startswith(b"%PDF")
    assert "€5.00" in phone.get("/receipts").text


def test_a_line_is_contested_once_and_its_refund_is_explained(shop: Shop, phone: Phone) -> None:
    phone.register().buy("v1", bread=2)
    page = phone.text
    phone.contest("v1", "bread", "contest")
    assert "You did not take: 1 × Bread" in phone.text
    assert "1 of 2 being looked at" in phone.text
    phone.text = page
    phone.contest("v1", "bread", "contest")  # the same form again
    (dispute,) = shop.call(Scope.OPERATOR, "GET", "/disputes").json()["items"]
    shop.call(
        Scope.OPERATOR, "POST", f"/disputes/{dispute['dispute_id']}/decision", state="upheld", note="You put it back."
    )
    told = phone.get("/receipts/v1").text
    assert "Refunded to your card" in told
    assert "1 × Bread: you did not take it" in told
    assert "The store says: You put it back." in told
    assert "After refunds" in told
    assert "€2.50" in told
    shop.at_ns += S
    phone.contest("v1", "bread", "return", 2)
    assert phone.status == 422
    assert "Not possible any more" in phone.text
    phone.contest("v1", "bread", "return")
    assert "You bring back: 1 × Bread" in phone.text
    (asked, _) = shop.call(Scope.OPERATOR, "GET", "/disputes").json()["items"]
    shop.call(Scope.OPERATOR, "POST", f"/disputes/{asked['dispute_id']}/decision", state="rejected", note="")
    assert "Not accepted" in phone.get("/receipts/v1").text


def test_what_policy_trusts_is_given_back_at_once_if_it_is_paid(store: BillingStore, book: PriceBook) -> None:
    shop = Shop(store, book, policy=BillingPolicy(trust_up_to_minor=10_000))
    phone = a_phone(shop).register(card="4000002500003155").buy("v1", bread=10)
    assert "Your bank asks you to confirm this payment" in phone.text
    phone.contest("v1", "bread", "contest")
    assert "We are looking at it" in phone.text
    other = a_phone(shop).register("eve@example.org").buy("v2", bread=2)
    other.contest("v2", "bread", "contest")
    assert "Accepted" in other.text
    assert "After refunds" in other.text


def test_after_the_window_nothing_can_be_asked_for(shop: Shop, phone: Phone) -> None:
    phone.register().buy("v1", bread=1)
    page = phone.text
    shop.at_ns += 29 * 86_400 * S
    shop.at_ns += 86_400 * S + 1
    other = a_phone(shop)
    other.get("/sign-in").send("/sign-in", email="ada@example.org", password=PASSWORD)
    told = other.get("/receipts/v1").text
    assert "I did not take this" not in told
    (request_id, *_) = re.findall(r'name="request_id" value="([0-9a-f]{16})"', page)
    other.send("/receipts/v1/disputes", request_id=request_id, sku="bread", kind="contest")
    assert other.status == 422


def test_nobody_sees_anothers_visit(shop: Shop, phone: Phone) -> None:
    phone.register().buy("v1", bread=1)
    (request_id, *_) = re.findall(r'name="request_id" value="([0-9a-f]{16})"', phone.text)
    eve = a_phone(shop).register("eve@example.org")
    for path in ("/receipts/v1", "/live/receipts/v1", "/receipts/v1/receipt.pdf"):
        unknown = eve.client.get(path.replace("v1", "v9"))
        theirs = eve.client.get(path)
        assert (theirs.status_code, unknown.status_code) == (404, 404)
        strip = re.compile(r"v[19]|[0-9a-f]{64}")
        assert strip.sub("", theirs.text) == strip.sub("", unknown.text)
    eve.get("/account").send("/receipts/v1/disputes", request_id=request_id, sku="bread", kind="contest")
    assert eve.status == 404
    assert eve.get("/account").send("/receipts/v1/pay", number=1).status == 404
    assert a_phone(shop).get("/receipts/v1").path == "/sign-in"
    assert eve.client.get("/live/cart?visit=v1").headers.get("x-next") is None


def test_a_debt_is_shown_and_paid_with_another_card(shop: Shop, phone: Phone) -> None:
    phone.register(card=DECLINED)
    phone.enter("v1")
    assert "Not let in: your card was declined. Nothing was charged." in phone.get("/").text
    shop.call(Scope.VISION, "POST", "/visits/v1/receipt", items=[{"sku": "cola", "quantity": 1}])
    assert "the gate stays closed until it is" in phone.get("/").text
    assert "Pay €1.49 with Visa •••• 0341" in phone.get("/debts").text
    phone.send("/receipts/v1/pay", number=1)
    assert "Not paid: your card was declined: €1.49" in phone.text
    assert len(shop.service.charges("v1")) == 2
    phone.send("/receipts/v1/pay", number=1)  # of a page that is too old
    assert len(shop.service.charges("v1")) == 2
    phone.add_card()
    assert "Your card is changed." in phone.text
    phone.get("/debts").send("/receipts/v1/pay", number=2)
    assert "Paid: €1.49" in phone.text
    assert "Everything is paid." in phone.get("/debts").text


def test_a_refused_card_can_be_tried_again(phone: Phone) -> None:
    phone.register(card="4000000000000127")
    assert "The card was not taken." in phone.text
    assert phone.get("/").path == "/register/card"
    phone.add_card()
    assert phone.get("/").path == "/"


def test_going_back_without_a_card_is_no_error(phone: Phone) -> None:
    phone.get("/register").send("/register", email="ada@example.org", password=PASSWORD)
    phone.get("/card/begin")
    assert "No card was typed in yet." in phone.get("/card/back").text


def test_a_shopper_takes_their_data_away(phone: Phone) -> None:
    phone.register().buy("v1", bread=2)
    phone.contest("v1", "bread", "contest")
    answer = phone.client.get("/account/data.json")
    assert "attachment" in answer.headers["content-disposition"]
    told = json.loads(answer.text)
    assert told["account"]["email"] == "ada@example.org"
    assert told["account"]["card"]["last4"] == "4242"
    (visit,) = told["visits"]
    assert visit["receipt"]["total_minor"] == 500
    assert [each["action"] for each in visit["payments"]] == ["hold", "capture"]
    assert [each["kind"] for each in visit["disputes"]] == ["contest"]
    assert len(told["passes_used"]) == len(told["signed_in"]) == 1
    assert "password" not in answer.text


def test_an_account_is_deleted_by_a_word(shop: Shop, phone: Phone) -> None:
    phone.register().buy("v1", bread=1)
    phone.get("/account/delete").send("/account/delete", word="delet")
    assert phone.status == 422
    assert "Type the word DELETE." in phone.text
    phone.enter("v2")
    phone.get("/account/delete").send("/account/delete", word="delete")
    assert "You are in the store." in phone.text
    shop.call(Scope.VISION, "POST", "/visits/v2/receipt", items=[])
    phone.get("/account/delete").send("/account/delete", word="delete")
    assert phone.path == "/goodbye"
    assert phone.get("/account").path == "/sign-in"
    phone.send("/sign-in", email="ada@example.org", password=PASSWORD)
    assert phone.status == 401
    assert shop.call(Scope.OPERATOR, "GET", "/visits/v1/receipt").status_code == 200


def test_a_stranger_finds_a_receipt_and_nothing_about_its_shopper(shop: Shop, phone: Phone) -> None:
    phone.register().buy("v1", bread=1)
    asked = {"last4": "4242", "expiry": "04/40", "day": "2026-11-22"}
    found = a_phone(shop).get("/find").send("/find", **asked)
    assert "Bread" in found.text
    assert "€2.50" in found.text
    for secret in ("ada@", "<Ada>", "Visa", "sandbox", "v1/receipt"):
        assert secret not in found.text
    texts = set()
    for change in ({"last4": "4243"}, {"expiry": "05/40"}, {"day": "2026-11-23"}, {"day": "1999-01-01"}):
        stranger = a_phone(shop).get("/find").send("/find", **{**asked, **change})
        assert stranger.status == 200
        typed = re.compile(r'value="[^"]*"')
        texts.add(typed.sub("", stranger.text))
    assert len(texts) == 1
    wrong = a_phone(shop).get("/find").send("/find", last4="42", expiry="13/40", day="soon")
    assert (wrong.status, wrong.text.count('aria-invalid="true"')) == (422, 3)


def test_looking_for_receipts_is_limited_for_each_and_for_all(shop: Shop) -> None:
    asked = {"last4": "4242", "expiry": "04/40", "day": "2026-11-22"}
    phone = a_phone(shop)
    codes = [phone.get("/find").send("/find", **asked).status for _ in range(11)]
    assert codes == [200] * 10 + [429]
    codes = []
    for number in range(30):
        other = Phone(TestClient(shop.app, shop.url, client=(f"10.0.0.{number}", 1)), shop)
        codes.append(other.get("/find").send("/find", **asked).status)
    assert codes == [200] * 20 + [429] * 10


def test_the_page_speaks_french(shop: Shop) -> None:
    phone = a_phone(shop, "fr-CA, en;q=0.5")
    assert "Rien n’est jamais débité que cette page ne montre pas." in phone.get("/").text
    assert '<html lang="fr">' in phone.text
    phone.register().buy("v1", bread=1)
    assert "Payé\u00a0: 2,50\u00a0€" in phone.text
    phone.send("/language", locale="en", path="/receipts/v1")
    assert "Paid: €2.50" in phone.text
    assert "Paid: €2.50" in phone.get("/receipts/v1").text
    other = a_phone(shop, "fr").get("/sign-in").send("/sign-in", email="ada@example.org", password=PASSWORD)
    assert "Entry pass" in other.text  # the account's language, not the browser's
    other.send("/language", locale="xx", path="//evil.example")
    assert other.path == "/"


def test_details_are_changed(phone: Phone) -> None:
    phone.register().get("/account").send("/account", email="new@example.org", name="", locale="fr")
    assert "Enregistré." in phone.text
    assert "Vous avez les prix membres." not in phone.get("/").text
    phone.get("/account").send("/account", email="no", name="", locale="fr")
    assert (phone.status, "Ce n’est pas une adresse e-mail." in phone.text) == (422, True)
    phone.get("/account").send("/account/password", old="wrong", password="short")
    assert phone.text.count('aria-invalid="true"') == 2
    phone.get("/account").send("/account/password", old=PASSWORD, password="battery staple")
    assert "Votre mot de passe est changé." in phone.text


def test_visits_are_listed_in_pages(shop: Shop, phone: Phone) -> None:
    phone.register()
    for number in range(21):
        shop.at_ns += S
        phone.buy(f"v{number:02}", cola=1)
    shop.at_ns += S
    first = phone.get("/receipts").text
    assert first.count('class="row card"') == 20
    (older,) = re.findall(r'href="(/receipts\?cursor=[^"]+)"', first)
    second = phone.get(older).text
    assert (second.count('class="row card"'), "/receipts/v00" in second) == (1, True)
