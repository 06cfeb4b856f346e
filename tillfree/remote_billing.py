"""Billing that runs as a service elsewhere, asked over HTTP: the same port as the embedded one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx2

from billing.edge import ReceiptModel
from billing.http.times import rfc3339, unix_ns
from billing.money import Money
from billing.types import (
    Admission,
    Charge,
    ChargeState,
    Draft,
    ItemCount,
    OpenVisit,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    ReceiptInput,
)
from store_layout.errors import InputError
from tillfree.errors import OutOfReach
from tillfree.live.tokens import pass_of

_TRIES = 3
"""Times that one call is sent before the service counts as out of reach: each waits ``timeout_s``."""

_OPEN = (ChargeState.UNKNOWN, ChargeState.NEEDS_SHOPPER)

_INPUT = {
    401: "give a key that the service knows, in TILLFREE_BILLING_KEY",
    403: "give a key with the scopes gate and vision",
}


class ServiceRefused(InputError):
    """The service will not do what it was asked. ``kind`` is its name for the reason, in kebab case; ``status`` that of HTTP."""

    def __init__(self, response: httpx2.Response, said: dict[str, Any]) -> None:
        self.status = response.status_code
        self.kind = str(said.get("type", "")).rpartition(":")[2] or f"status-{self.status}"
        mend = _INPUT.get(self.status, "see what the service says, and docs/billing.md")
        super().__init__(f"billing refuses: {said.get('detail', response.text)}", field=str(response.url), mend=mend)


class RemoteBilling:
    """The ``BillingPort`` of one run on a service at ``url``.

    Visits are called ``run:visit`` there, because many runs may share a service: the same run again asks for the very
    same, and is charged once.
    """

    def __init__(
        self, url: str, key: str, run: str, *, timeout_s: float = 10.0, transport: httpx2.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self._run = run
        self._tokens: dict[str, str] = {}
        self._open: set[str] = set()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def open_visit(self, given: OpenVisit) -> Admission:
        """See ``BillingPort.open_visit``. A token may be a pass (``tillfree.live.tokens``) that a gate saw at ``at_ns``."""
        self._tokens[given.visit_id] = given.token
        entry_pass = pass_of(given.token)
        body = {
            "visit_id": self._there(given.visit_id),
            **({"token": given.token} if entry_pass is None else {"entry_pass": entry_pass}),
            "kind": given.kind,
            "party_size": given.party_size,
            "at": rfc3339(given.at_ns),
        }
        said = self._send("POST", "/v1/visits", body)
        hold = None if said["hold"] is None else self._payment(said["hold"], given)
        return Admission(given.visit_id, unix_ns(said["at"]), said["refused"], hold)

    def put_draft(self, visit_id: str, items: tuple[ItemCount, ...], at_ns: int) -> tuple[Draft, Receipt]:
        """See ``BillingPort.put_draft``."""
        body = {"items": _counts(items), "at": rfc3339(at_ns)}
        said = self._send("PUT", f"/v1/visits/{self._there(visit_id)}/draft", body)
        return Draft(visit_id, said["version"], at_ns, items), _receipt(said["receipt"])

    def finalise(self, given: ReceiptInput) -> Charge:
        """See ``BillingPort.finalise``."""
        self._tokens[given.visit_id] = given.token
        body = {"items": _counts(given.items), "at": rfc3339(given.final_at_ns)}
        said = self._send("POST", f"/v1/visits/{self._there(given.visit_id)}/receipt", body)
        return self._charge(said, given.visit_id)

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        """Return this run's open charges as they now stand: the service itself asks about what is unknown."""
        del at_ns
        return tuple(charge for visit_id in sorted(self._open) for charge in self.charges(visit_id))

    def receipt(self, visit_id: str) -> Receipt | None:
        """See ``BillingPort.receipt``. Its ``visit_id``, which its digest is over, is that of the service."""
        response = self._answer("GET", f"/v1/visits/{self._there(visit_id)}/receipt", None)
        return None if response.status_code == 404 else _receipt(_checked(response))

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """See ``BillingPort.charges``."""
        response = self._answer("GET", f"/v1/visits/{self._there(visit_id)}/charges", None)
        if response.status_code == 404:
            return ()
        return tuple(self._charge(each, visit_id) for each in _checked(response)["items"])

    def _there(self, visit_id: str) -> str:
        return f"{self._run}:{visit_id}"

    def _send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _checked(self._answer(method, path, body))

    def _answer(self, method: str, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        """Send a call until it is answered. Its key is made from the call itself, so sending it again is safe."""
        text = None if body is None else json.dumps(body, sort_keys=True)
        headers = (
            {} if text is None else {"Idempotency-Key": _key(method, path, text), "Content-Type": "application/json"}
        )
        for _ in range(_TRIES):
            try:
                response = self._http.request(method, path, content=text, headers=headers)
            except httpx2.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if response.status_code < 500:
                return response
            problem = f"it answers {response.status_code}"
        raise OutOfReach(f"billing at {self._http.base_url} is out of reach ({problem})")

    def _charge(self, said: dict[str, Any], visit_id: str) -> Charge:
        number: int = said["number"]
        state = ChargeState(said["state"])
        (self._open.add if state in _OPEN else self._open.discard)(visit_id)
        return Charge(
            key=f"{visit_id}:{number}",
            visit_id=visit_id,
            number=number,
            receipt_digest=said["receipt_digest"],
            token=self._tokens[visit_id],
            amount=Money(said["amount_minor"], said["currency"]),
            paid=Money(said["paid_minor"], said["currency"]),
            state=state,
            created_at_ns=unix_ns(said["created_at"]),
            settled_at_ns=_maybe(said["settled_at"]),
            gateway_reference=said["gateway_reference"],
            decline_reason=said["decline_reason"],
        )

    def _payment(self, said: dict[str, Any], given: OpenVisit) -> Payment:
        return Payment(
            key=said["key"],
            visit_id=given.visit_id,
            claim=None,
            action=PaymentAction(said["action"]),
            digest=given.visit_id,
            token=given.token,
            amount=Money(said["amount_minor"], said["currency"]),
            of=said["of"],
            state=PaymentState(said["state"]),
            created_at_ns=unix_ns(said["created_at"]),
            settled_at_ns=_maybe(said["settled_at"]),
            reference=said["reference"],
            reason=said["reason"],
            expires_at_ns=_maybe(said["expires_at"]),
        )


def _receipt(said: dict[str, Any]) -> Receipt:
    rest = {name: value for name, value in said.items() if name != "issued_at"}
    return ReceiptModel(issued_at_ns=unix_ns(said["issued_at"]), **rest).receipt()


def _maybe(text: str | None) -> int | None:
    return None if text is None else unix_ns(text)


def _counts(items: tuple[ItemCount, ...]) -> list[dict[str, object]]:
    return [{"sku": item.sku, "quantity": item.quantity} for item in items]


def _key(method: str, path: str, text: str) -> str:
    return hashlib.sha256(f"{method} {path}\n{text}".encode()).hexdigest()


def _checked(response: httpx2.Response) -> dict[str, Any]:
    """Return an answer's JSON. Raises ServiceRefused, with the service's own words, where it refused."""
    try:
        said = response.json()
    except ValueError as error:  # something else answers there, such as a network that wants a password
        raise OutOfReach(f"billing is out of reach ({response.url} is no billing)") from error
    if not isinstance(said, dict):
        raise OutOfReach(f"billing is out of reach ({response.url} is no billing)")
    if not response.is_success:
        raise ServiceRefused(response, said)
    return said
