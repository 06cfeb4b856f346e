"""A store's machine for tests: embedded billing, three gates, products, and an engine that is whatever a test says."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from billing.access import Access, Scope
from billing.gateway import SandboxGateway
from billing.keyring import Keyring
from billing.money import Money
from billing.passes import PassPolicy
from billing.pricebook import Price, PriceBook
from billing.sandbox_cards import SandboxCardDesk
from billing.service import BillingService
from billing.shoppers import Shoppers, Signup
from billing.store import BillingStore
from billing.types import ItemCount, OpenVisit
from checkout.types import GateScanned, ReviewOpened
from tillfree.live.api import create_app
from tillfree.live.decisions import GateDecision, ScanIn
from tillfree.live.gatekeeper import Gatekeeper
from tillfree.live.inbox import NodeInbox
from tillfree.live.memory import GateMemory
from tillfree.live.node import CameraRow, GateRow, NodeView, VisitRow, VisitState
from tillfree.live.passkeys import OwnPassKeys, PassKeys
from tillfree.live.settings import GateSettings, Shown
from tillfree.live.standing import BooksStanding, RefusedList, Standing
from vision.types import SkuCandidate

S = 10**9
NOW = int(dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC).timestamp()) * S
GATES: dict[str, Any] = {"door": "both", "side": "entry", "out": "exit"}
BOOK = PriceBook.of(
    "EUR",
    [
        Price(sku, sku.title(), Money(minor, "EUR"), "standard", Decimal("19"), True)
        for sku, minor in (("cola", 149), ("bread", 289))
    ],
)
ALL: tuple[Shown, ...] = ("pass", "card", "cash", "staff")


def open_view(at_ns: int = NOW, **changes: Any) -> NodeView:
    """Return a store that is open, and sees all its gates."""
    gates = tuple(GateRow(gate_id, True) for gate_id in GATES)
    cameras = (CameraRow("cam-1", True, 10.0, at_ns), CameraRow("cam-2", False, 0.0, None, "no frame for 9 s"))
    return dataclasses.replace(NodeView(at_ns, True, gates=gates, cameras=cameras), **changes)


def visit_row(number: int, **changes: Any) -> VisitRow:
    row = VisitRow(f"visit-s{number}", f"s{number}", f"card-{number}", VisitState.SHOPPING, NOW - S, 1, 1)
    return dataclasses.replace(row, **changes)


def review(number: int = 1, **changes: Any) -> ReviewOpened:
    made = ReviewOpened(
        review_id=f"review-{number:06d}",
        visit_ids=("visit-s1", "visit-s2"),
        interaction_id="i-1",
        reason="doubtful",
        at_ns=NOW - 4 * S,
        due_ns=NOW + 26 * S,
        timeout_visit_id="visit-s1",
        timeout_sku="cola",
        timeout_quantity_delta=1,
        slot_id="slot-1",
        change=-1,
        sku_candidates=(SkuCandidate("cola", 0.6), SkuCandidate("bread", 0.3)),
        probability=0.5,
    )
    return dataclasses.replace(made, **changes)


class NodeShop:
    """A store's machine; ``at_ns`` is its clock. ``reopened`` is what it is after a restart."""

    def __init__(self, place: Path, settings: GateSettings | None = None) -> None:
        self.place, self.at_ns = place, NOW
        self.store = BillingStore(place / "billing.sqlite")
        self.desk, self.keyring = SandboxCardDesk(), Keyring.generate()
        self.gateway = SandboxGateway(declined_tokens=["card-empty"], on_file=None)
        self.service = BillingService(BOOK, self.store, self.gateway)
        self.shoppers = Shoppers(self.store, self.desk, self.keyring, PassPolicy(), session_s=3_600)
        self.standing: Standing = BooksStanding(self.service, self.shoppers)
        self.pass_keys: PassKeys = OwnPassKeys(self.keyring, self.shoppers.passes)
        self.settings = settings or GateSettings(accepts=ALL)
        self.told: list[str] = []
        self.people = 0
        self._open()

    def _open(self) -> None:
        self.node = NodeInbox(self.place / "inbox.journal")
        self.node.publish(open_view(self.at_ns))
        self.memory = GateMemory(self.place / "gates.journal", self.settings.repeat_s * S)
        self.refused = RefusedList(self.place / "refused.json")
        self.gatekeeper = self.make()

    def make(self, **changes: Any) -> Gatekeeper:
        """Return a gatekeeper on the same node and memory, with other settings."""
        settings = self.settings.model_copy(update=changes)
        return Gatekeeper(
            self.node, GATES, self.pass_keys, self.standing, self.refused, self.memory, settings, self.told.append
        )

    def restart(self) -> None:
        """End the process and start it again; the engine has not had an instant since."""
        self.node.close()
        self.memory.close()
        self._open()

    def close(self) -> None:
        self.node.close()
        self.memory.close()
        self.store.close()

    def shopper(self, number: str = "4242424242424242") -> str:
        """Return the id of a new shopper with a card."""
        self.people += 1
        email = f"p{self.people}@example.org"
        who = self.shoppers.register(Signup(email, "correct horse", "", "en", is_member=False), NOW).shopper_id
        form = self.shoppers.begin_card(who, "https://shop.example/back")
        self.desk.submit(form.reference, number, "04/40", "123", NOW)
        self.shoppers.finish_card(who, NOW)
        return who

    def entry_pass(self, shopper_id: str | None = None, at_ns: int | None = None) -> str:
        return self.shoppers.issue_pass(shopper_id or self.shopper(), self.at_ns if at_ns is None else at_ns)

    def in_debt(self, token: str, shopper_id: str | None = None) -> None:
        """Let a card's holder take what it does not pay."""
        broke = BillingService(BOOK, self.store, SandboxGateway(declined_tokens=[token]))
        broke.open_visit(OpenVisit(f"debt-{token}", token, NOW, shopper_id=shopper_id))
        broke.finish(f"debt-{token}", (ItemCount("cola", 1),), NOW)

    def scan(self, gate_id: str = "door", keeper: Gatekeeper | None = None, **shown: Any) -> GateDecision:
        if not {"entry_pass", "token"} & set(shown):
            shown["token"] = "card-1"
        return (keeper or self.gatekeeper).decide(ScanIn(gate_id, **shown), self.at_ns)

    def queued(self) -> list[GateScanned]:
        """Return the scans that the engine is given now."""
        given = [each.given for each in self.node.take(self.at_ns + 3_600 * S)]
        return [each for each in given if isinstance(each, GateScanned)]

    def app(self, per_s: float = 1e6) -> FastAPI:
        return create_app(
            self.gatekeeper, self.node, Access(self.store), {"cola", "bread"}, lambda: self.at_ns, per_s=per_s
        )

    def key(self, *scopes: Scope) -> str:
        self.people += 1
        return Access(self.store).add_client(f"k{self.people}", frozenset(scopes or Scope), NOW)

    def client(self, *scopes: Scope, app: FastAPI | None = None, host: str = "reader.example") -> TestClient:
        headers = {"Authorization": f"Bearer {self.key(*scopes)}"}
        return TestClient(app or self.app(), headers=headers, raise_server_exceptions=False, client=(host, 50_000))


def reasons(decisions: Iterable[GateDecision]) -> list[str]:
    return [each.reason.value for each in decisions]
