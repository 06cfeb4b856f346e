"""A billing service over HTTP without a network: a clock that stands still, and a client for each scope."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from billing.access import Access, Scope
from billing.gateway import SandboxGateway
from billing.http.app import create_app
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore

NOON_NS = 1_772_442_000_123_456_789
NOON = "2026-03-02T09:00:00.123456789Z"
COLA = [{"sku": "cola", "quantity": 2}]
DECLINED = "card-empty"


class Shop:
    """An app, what is behind it, and clients by name; ``now_ns`` is its clock."""

    def __init__(
        self, store: BillingStore, book: PriceBook, *, policy: BillingPolicy | None = None, per_s: float = 500.0
    ) -> None:
        self.store, self.now_ns = store, NOON_NS
        self.gateway = SandboxGateway(declined_tokens=[DECLINED])
        self.service = BillingService(book, store, self.gateway, policy)
        self.access = Access(store)
        self.app: FastAPI = create_app(self.service, store, lambda: self.now_ns, per_s=per_s)
        self._numbers = itertools.count()
        self.key = self.access.add_client("all", frozenset(Scope), self.now_ns)
        self.client = self.client_of(self.key)

    def client_of(self, key: str | None, host: str = "till.example") -> TestClient:
        """Return a client with a key, at an address."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return TestClient(self.app, headers=headers, raise_server_exceptions=False, client=(host, 50_000))

    def client_with(self, *scopes: Scope) -> TestClient:
        """Return a client with a key of its own."""
        return self.client_of(self.access.add_client(f"k{next(self._numbers)}", frozenset(scopes), self.now_ns))

    def do(
        self,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        method: str = "POST",
        client: TestClient | None = None,
    ) -> Response:
        """Ask for a change, by an idempotency key of its own unless there is one."""
        headers = {"Idempotency-Key": key or f"key-{next(self._numbers)}"}
        return (client or self.client).request(method, path, json=body, headers=headers)

    def get(self, path: str, **query: Any) -> Any:
        """Return what a GET is answered, which must be 200."""
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def opened(self, visit_id: str = "v1", token: str = "card-1", **more: Any) -> None:
        """Open a visit."""
        assert self.do("/v1/visits", {"visit_id": visit_id, "token": token, **more}).status_code == 201

    def final(
        self, visit_id: str = "v1", token: str = "card-1", items: Iterable[dict[str, Any]] = COLA
    ) -> dict[str, Any]:
        """Open a visit and finish it; return its charge."""
        kind = {"kind": "cash"} if token == "cash" else {"token": token}
        assert self.do("/v1/visits", {"visit_id": visit_id, **kind}).status_code == 201
        response = self.do(f"/v1/visits/{visit_id}/receipt", {"items": list(items)})
        assert response.status_code == 201, response.text
        charge: dict[str, Any] = response.json()
        return charge

    def captured_minor(self) -> list[int]:
        """Return what the gateway really took, in order."""
        return [request.amount.minor for request in self.gateway.captured()]
