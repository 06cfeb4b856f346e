"""A real browser goes the shopper's whole way, at the width of a phone."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from billing.access import Scope
from billing.http.page import shopping
from billing.pricebook import PriceBook
from billing.store import BillingStore
from tests.billing.page_shop import S, Shop

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
QUIET = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BOUGHT = [{"sku": "bread", "quantity": 2}, {"sku": "water", "quantity": 1}]

# What every field, picture and button of a screen must have; the list is empty where all is well.
NAMELESS = """() => {
  const named = (node) => node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim();
  const nodes = [...document.querySelectorAll("input:not([type=hidden]), select, button, a, summary, [role=img]")];
  const faults = nodes.filter((node) => !named(node) && !node.querySelector("title")).map((node) => node.outerHTML);
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  faults.push(...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `twice: ${id}`));
  for (const node of document.querySelectorAll("[aria-describedby]"))
    for (const id of node.getAttribute("aria-describedby").split(" "))
      if (!document.getElementById(id)) faults.push(`nothing is called ${id}`);
  for (const node of document.querySelectorAll("button, summary, .button, .tabs a, input:not([type=hidden]):not([type=checkbox]), select")) {
    const box = node.getBoundingClientRect();
    if (box.width && box.height < 43.5) faults.push(`${box.height} px: ${node.outerHTML}`);
  }
  if (document.querySelectorAll("h1").length !== 1 || !document.documentElement.lang || !document.title) faults.push("head");
  return faults;
}"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs a browser: the Debian package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def shop(migrated_sqlite: Path, tmp_path: Path, book: PriceBook, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Serve a shop on a port of its own, whose screens ask more often, so that nobody waits."""
    for name in ("_GATE_EVERY_MS", "_CART_EVERY_MS", "_RECEIPT_EVERY_MS", "_SETTLED_EVERY_MS"):
        monkeypatch.setattr(shopping, name, 300)
    with (
        socket.socket() as listening,
        contextlib.closing(BillingStore(shutil.copyfile(migrated_sqlite, tmp_path / "billing.sqlite"))) as store,
    ):
        listening.bind(("127.0.0.1", 0))
        shop = Shop(store, book, f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(shop.app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield shop
        server.should_exit = True
        thread.join()


class Phone:
    """A shopper's browser, which looks at each screen that it comes to as a careful tester does."""

    def __init__(self, browser: Browser, shop: Shop, locale: str) -> None:
        self.context = browser.new_context(viewport=PHONE, locale=locale, base_url=shop.url, device_scale_factor=2)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(8_000)
        self.shop, self.faults = shop, list[str]()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)

    def look(self) -> None:
        """Hold the screen against what every screen must be."""
        for width in (320, PHONE["width"]):
            self.page.set_viewport_size({"width": width, "height": PHONE["height"]})
            assert self.page.evaluate(WIDER) <= 0, f"{self.page.url} is too wide at {width}"
        assert self.page.evaluate(NAMELESS) == [], self.page.url

    def register(self, email: str) -> None:
        page = self.page
        page.goto("/")
        self.look()
        page.locator("a[href='/register']").click()
        self.look()
        page.fill("#email", email)
        page.fill("#password", "correct horse")
        page.locator("form.card button").click()
        page.wait_for_url("**/register/card")
        self.look()
        page.locator("a[href='/card/begin']").click()
        page.fill("#number", "4242 4242 4242 4242")
        page.fill("#expiry", "04/40")
        page.fill("#cvc", "123")
        page.locator("button[type=submit]").click()
        page.wait_for_url("**/card/back")
        self.look()
        page.locator("main a.button").click()

    def enter(self, visit_id: str) -> None:
        """Hold the screen to the gate's reader; the page goes on to the cart by itself."""
        self.page.wait_for_selector(".qr svg")
        seen = cv2.imdecode(np.frombuffer(self.page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        assert seen is not None
        shown, _, _ = cv2.QRCodeDetector().detectAndDecode(seen)
        answer = self.shop.call(Scope.GATE, "POST", "/visits", visit_id=visit_id, entry_pass=shown)
        assert answer.status_code == 201, answer.text
        assert self.shop.call(Scope.GATE, "POST", "/visits", visit_id="other", entry_pass=shown).status_code == 422
        self.page.wait_for_url(re.compile(r"^[^?]*/cart$"))

    def put_in_cart(self, visit_id: str) -> None:
        self.shop.call(Scope.VISION, "PUT", f"/visits/{visit_id}/draft", items=BOUGHT)

    def leave(self, visit_id: str) -> None:
        """Walk out; the page goes on to the receipt by itself."""
        self.shop.call(Scope.VISION, "POST", f"/visits/{visit_id}/receipt", items=BOUGHT)
        self.page.wait_for_url(f"**/receipts/{visit_id}")

    def ask(self, button: int) -> None:
        """Contest (0) or return (1) one unit of the first line, in two taps."""
        self.page.locator(".asks summary").nth(button).click()
        self.page.locator("details[open] button").click()
        self.page.wait_for_selector("#requests .pill.wait")

    def decide(self, state: str, note: str) -> None:
        """Let an operator decide the dispute that is open; the page shows it by itself."""
        self.shop.at_ns += S
        (dispute,) = self.shop.call(Scope.OPERATOR, "GET", "/disputes?state=open").json()["items"]
        path = f"/disputes/{dispute['dispute_id']}/decision"
        assert self.shop.call(Scope.OPERATOR, "POST", path, state=state, note=note).status_code == 200
        self.page.wait_for_selector(f"#requests :text('{note}')")


@contextlib.contextmanager
def a_phone(browser: Browser, shop: Shop, locale: str) -> Iterator[Phone]:
    """Yield a phone, and see afterwards that nothing went wrong that nobody saw."""
    phone = Phone(browser, shop, locale)
    yield phone
    phone.context.close()
    assert phone.faults == []


def test_a_shopper_goes_the_whole_way(browser: Browser, shop: Shop) -> None:
    with a_phone(browser, shop, "en") as phone:
        page = phone.page
        phone.register("ada@example.org")
        phone.look()
        phone.enter("v1")
        phone.look()
        phone.put_in_cart("v1")
        expect(page.locator(".lines").first).to_contain_text("Bread")
        expect(page.locator(".total")).to_contain_text("€6.24")
        expect(page.locator("#said")).to_have_text("Products: 3. Total: €6.24.")
        expect(page.locator("main")).to_contain_text("Charged so far: nothing.")
        phone.look()
        phone.leave("v1")
        expect(page.locator("#money")).to_contain_text("Paid: €6.24")
        phone.look()
        _asks_and_gets_back(phone)
        _signs_out_and_in(phone)
        _finds_the_receipt_as_a_stranger(browser, shop)
        _takes_the_data_and_leaves(phone)


def _asks_and_gets_back(phone: Phone) -> None:
    page = phone.page
    phone.ask(0)
    phone.look()
    phone.decide("upheld", "You put it back.")
    expect(page.locator("#money")).to_contain_text("Refunded to your card")
    expect(page.locator("#money")).to_contain_text("1 × Bread: you did not take it")
    expect(page.locator(".lines").first).to_contain_text("1 of 2 refunded")
    phone.shop.at_ns += S
    phone.ask(1)
    phone.decide("upheld", "It is back on the shelf.")
    expect(page.locator("#money")).to_contain_text("1 × Bread: you brought it back")
    expect(page.locator(".after")).to_contain_text("€1.24")
    phone.look()


def _signs_out_and_in(phone: Phone) -> None:
    page = phone.page
    for path in ("/receipts", "/debts", "/account/delete", "/find", "/account"):
        page.goto(path)
        phone.look()
    page.locator("form[action='/sign-out'] button").click()
    page.goto("/receipts")
    page.wait_for_url("**/sign-in?next=/receipts")
    phone.look()
    page.fill("#email", "ada@example.org")
    page.fill("#password", "correct horse")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^[^?]*/receipts$"))


def _finds_the_receipt_as_a_stranger(browser: Browser, shop: Shop) -> None:
    with a_phone(browser, shop, "en") as stranger:
        page = stranger.page
        page.goto("/find")
        page.fill("#last4", "4242")
        page.fill("#expiry", "04/40")
        page.fill("#day", "2026-11-22")
        page.locator("form.card button").click()
        expect(page.locator(".found")).to_contain_text("€6.24")
        assert "ada@" not in page.content()
        stranger.look()


def _takes_the_data_and_leaves(phone: Phone) -> None:
    page = phone.page
    page.goto("/account")
    with page.expect_download() as started:
        page.locator("a[href='/account/data.json']").click()
    told = json.loads(Path(started.value.path()).read_text(encoding="utf-8"))
    assert [visit["visit"]["visit_id"] for visit in told["visits"]] == ["v1"]
    page.locator("a[href='/account/delete']").click()
    page.fill("#word", "DELETE")
    page.locator("main form button").click()
    page.wait_for_url(re.compile(r"^[^?]*/goodbye$"))
    phone.look()
    page.goto("/receipts")
    page.wait_for_url("**/sign-in?next=/receipts")


@pytest.mark.slow
def test_the_same_in_french(browser: Browser, shop: Shop) -> None:
    with a_phone(browser, shop, "fr-FR") as phone:
        page = phone.page
        phone.register("ada@example.org")
        expect(page.locator("h1")).to_have_text("Pass d’entrée")
        phone.look()
        phone.enter("v1")
        phone.put_in_cart("v1")
        expect(page.locator(".total")).to_contain_text(re.compile(r"6,24\s€"))
        phone.leave("v1")
        expect(page.locator("#money")).to_contain_text(re.compile(r"Payé\s: 6,24\s€"))
        phone.ask(0)
        expect(page.locator("#requests")).to_contain_text("Nous l’examinons")
        phone.look()
        page.goto("/account/delete")
        page.fill("#word", "SUPPRIMER")
        page.locator("main form button").click()
        page.wait_for_url(re.compile(r"^[^?]*/goodbye$"))
        expect(page.locator("h1")).to_have_text("Votre compte est supprimé")


def test_the_page_works_without_scripts(browser: Browser, shop: Shop) -> None:
    context = browser.new_context(viewport=PHONE, base_url=shop.url, java_script_enabled=False, locale="en")
    page = context.new_page()
    page.goto("/register")
    page.fill("#email", "ada@example.org")
    page.fill("#password", "correct horse")
    page.locator("form.card button").click()
    page.locator("a[href='/card/begin']").click()
    page.fill("#number", "4242424242424242")
    page.fill("#expiry", "04/40")
    page.fill("#cvc", "123")
    page.locator("button[type=submit]").click()
    page.locator("main a.button").click()
    expect(page.locator(".qr svg")).to_be_visible()
    shown = shop.shoppers.issue_pass(_only_shopper(shop), shop.at_ns)
    shop.call(Scope.GATE, "POST", "/visits", visit_id="v1", entry_pass=shown)
    shop.call(Scope.VISION, "POST", "/visits/v1/receipt", items=BOUGHT)
    page.goto("/receipts/v1")
    page.locator(".asks summary").first.click()
    page.locator("details[open] button").click()
    expect(page.locator("#requests")).to_contain_text("You did not take: 1 × Bread")
    context.close()


def _only_shopper(shop: Shop) -> str:
    signed_in = shop.shoppers.sign_in("ada@example.org", "correct horse", shop.at_ns)[0]
    shopper = shop.shoppers.who(signed_in, shop.at_ns)
    assert shopper is not None
    return shopper.shopper_id
