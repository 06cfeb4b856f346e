"""A shop with a page, for tests that look at it from phones, a gate, cameras and an operator."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from starlette.testclient import TestClient

from billing.access import Access, Scope
from billing.gateway import SandboxGateway
from billing.http.app import create_app
from billing.http.page.base import Page
from billing.keyring import Keyring
from billing.lookup import Lookup
from billing.money import Money
from billing.page_settings import PageSettings
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.promotions import MemberPrice
from billing.sandbox_cards import SandboxCardDesk
from billing.service import BillingService
from billing.shoppers import Shoppers
from billing.store import BillingStore

S = 10**9
NOW = int(dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC).timestamp()) * S
URL = "http://localhost:8300"


class Shop:
    """A shop that is served, seen from phones, a gate and an operator."""

    def __init__(
        self, store: BillingStore, book: PriceBook, url: str = URL, policy: BillingPolicy | None = None
    ) -> None:
        self.at_ns = NOW
        desk, keyring = SandboxCardDesk(), Keyring.generate()
        club = MemberPrice(promotion_id="club", name="Club price", skus=("bread",), price=Money(250, book.currency))
        book = dataclasses.replace(book, promotions=(*book.promotions, club))
        self.service = BillingService(book, store, SandboxGateway(on_file=desk.on_file), policy)
        settings = PageSettings(store_name="Corner & Sons")
        shoppers = Shoppers(store, desk, keyring, settings.passes, settings.session_days * 86_400)
        self.shoppers = shoppers
        lookup = Lookup(store, keyring.mark_key, settings.zone)
        page = Page(shoppers, lookup, desk, settings, url, keyring.form_key)
        self.app = create_app(self.service, store, lambda: self.at_ns, page=page)
        self.url, self.calls = url, 0
        self.keys = {scope: Access(store).add_client(scope, frozenset({scope}), NOW) for scope in Scope}

    def call(self, scope: Scope, method: str, path: str, **body: Any) -> Any:
        self.calls += 1
        headers = {"Authorization": f"Bearer {self.keys[scope]}", "Idempotency-Key": f"k{self.calls}"}
        with TestClient(self.app, self.url) as client:
            return client.request(method, f"/v1{path}", json=body, headers=headers)
