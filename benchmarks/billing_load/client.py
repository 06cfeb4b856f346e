"""What a gate and a vision node ask of billing over HTTP, and whether the answers are right."""

from __future__ import annotations

import http.client
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.billing_load.shop import PRICES_MINOR, items_of, total_minor


class WrongAnswer(Exception):
    """The service said something else than it should."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, with its idempotency key and the least that its answer must hold."""

    name: str
    method: str
    path: str
    key: str
    body: bytes
    status: int
    expected: dict[str, object]

    def check(self, status: int, answer: dict[str, Any]) -> None:
        """Raise WrongAnswer unless the answer is as expected; ``a.b`` means the ``b`` of the ``a``."""
        found: dict[str, object] = {"status": status}
        for name in self.expected:
            value: Any = answer
            for part in name.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            found[name] = value
        if found != {"status": self.status, **self.expected}:
            raise WrongAnswer(f"{self.method} {self.path}: {found}, not {self.status} {self.expected}: {answer}")


class Client:
    """One connection to the service, which is kept open, with one machine's key."""

    def __init__(self, port: int, key: str, timeout_s: float = 30.0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def send(self, call: Call) -> tuple[int, dict[str, Any]]:
        """Return status and body. Raises OSError or HTTPException where there is no answer; the next try connects anew."""
        try:
            self._connection.request(call.method, call.path, call.body, {**self._headers, "Idempotency-Key": call.key})
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        found: dict[str, Any] = json.loads(text)
        return response.status, found

    def get(self, path: str) -> dict[str, Any]:
        """Return what is read at a path. Raises WrongAnswer where it is not there."""
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        found: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            raise WrongAnswer(f"GET {path}: {response.status} {found}")
        return found

    def ask(self, call: Call) -> dict[str, Any]:
        """Return the answer, once it is checked. Raises WrongAnswer."""
        status, found = self.send(call)
        call.check(status, found)
        return found

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def visit_calls(visit_id: str, taken: Mapping[str, int], drafts: int = 1) -> Iterator[Call]:
    """Yield the calls of a visit: open, ``drafts`` of a cart that grows to what is taken, finish."""
    minor, items = total_minor(taken), items_of(taken)
    token = f"card-{visit_id}"
    yield _call("open", "POST", "/v1/visits", visit_id, {"visit_id": visit_id, "token": token}, 201, _HELD)
    path = f"/v1/visits/{visit_id}"
    for step in range(1, drafts + 1):
        so_far = dict(list(taken.items())[: math.ceil(len(taken) * step / drafts)])
        key = visit_id if step == drafts else f"{visit_id}-{step}"
        cost = {"receipt.total_minor": total_minor(so_far)}
        yield _call("draft", "PUT", f"{path}/draft", key, {"items": items_of(so_far)}, 200, cost)
    paid = {"state": "captured", "amount_minor": minor, "paid_minor": minor}
    yield _call("finish", "POST", f"{path}/receipt", visit_id, {"items": items}, 201, paid)


def refund_call(visit_id: str, taken: Mapping[str, int], rng: random.Random) -> Call:
    """Return the call that gives one unit of a visit's products back, or all that it holds."""
    sku = rng.choice(sorted(taken))
    items = [] if rng.random() < 0.3 else [{"sku": sku, "quantity": 1}]
    minor = PRICES_MINOR[sku] if items else total_minor(taken)
    body = {"refund_id": f"refund-{visit_id}", "visit_id": visit_id, "reason": "returned", "items": items}
    return _call("refund", "POST", "/v1/refunds", visit_id, body, 201, {"state": "done", "amount_minor": minor})


_HELD = {"refused": None, "hold.state": "done", "hold.amount_minor": 2_000}


def _call(
    name: str, method: str, path: str, visit_id: str, body: dict[str, Any], status: int, expected: dict[str, Any]
) -> Call:
    return Call(name, method, path, f"{name}-{visit_id}", json.dumps(body).encode(), status, expected)
