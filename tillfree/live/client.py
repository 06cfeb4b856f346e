"""Asks a store's machine over HTTP: what the commands, and readers without a network stack of their own, go through."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import httpx2

from store_layout.errors import InputError
from tillfree.errors import OutOfReach

NODE_KEY = "TILLFREE_NODE_KEY"
"""The environment variable with the key of a store's machine: a secret has no place on a command line."""

NODE_URL = "http://127.0.0.1:8400"
"""Where a store's machine listens unless it is told otherwise."""

_TIMEOUT_S = 5.0
"""A gate answers within 0.3 s; whoever types a command waits a little longer."""

_MENDS = {
    401: f"set {NODE_KEY} to a key that the machine knows",
    403: "take a key with the scope that this needs: gate for scans, operator for reviews",
    404: "see `tillfree reviews list`, or the layout for gates",
    409: "see `tillfree reviews list`",
}


class NodeClient:
    """A store's machine at ``url``."""

    def __init__(self, url: str, key: str | None = None, *, transport: httpx2.BaseTransport | None = None) -> None:
        """Without ``key`` it is that of the environment. Raises InputError where there is none, or ``url`` is none."""
        key = key or os.environ.get(NODE_KEY)
        if not key:
            mend = "set it to a key of `tillfree gate keys add`, or of `tillfree billing keys add` for embedded billing"
            raise InputError("the machine's key is missing", field=NODE_KEY, mend=mend)
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{url!r} is no URL", field="--url", mend=f"write one such as {NODE_URL}")
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def scan(
        self,
        gate_id: str,
        *,
        entry_pass: str | None = None,
        token: str | None = None,
        party_size: int = 1,
        scan_id: str | None = None,
    ) -> dict[str, Any]:
        """Return what the gate is to do. With ``scan_id`` it may be asked again."""
        body = {"entry_pass": entry_pass, "token": token, "party_size": party_size, "scan_id": scan_id}
        return self._ask(
            "POST", f"/v1/gates/{quote(gate_id, safe='')}/scans", {k: v for k, v in body.items() if v is not None}
        )

    def reviews(self) -> list[dict[str, Any]]:
        """Return the open reviews."""
        found: list[dict[str, Any]] = self._ask("GET", "/v1/reviews")["items"]
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Return what else an operator should look into, oldest first."""
        found: list[dict[str, Any]] = self._ask("GET", "/v1/reviews").get("alerts", [])
        return found

    def answer(self, review_id: str, **answer: Any) -> None:
        """Answer a review: by ``candidate``, or ``visit_id``, ``sku`` and ``quantity``."""
        self._ask(
            "POST",
            f"/v1/reviews/{quote(review_id, safe='')}/answer",
            {k: v for k, v in answer.items() if v is not None},
        )

    def health(self) -> dict[str, Any]:
        """Return how the parts of the store are."""
        return self._ask("GET", "/v1/health")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return an answer's JSON. Raises OutOfReach without an answer, InputError where the machine refuses."""
        where = self._http.base_url
        try:
            response = self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise OutOfReach(f"the store's machine at {where} is out of reach ({reason}): is it running?") from error
        if response.status_code >= 500:
            raise OutOfReach(f"the store's machine at {where} answers {response.status_code}: {_detail(response)}")
        if not response.is_success:
            mend = _MENDS.get(response.status_code, "see docs/gates.md")
            raise InputError(f"the store's machine refuses: {_detail(response)}", mend=mend)
        try:
            said: dict[str, Any] = response.json()
        except ValueError as error:
            raise OutOfReach(f"{where} is no machine of a store: it answers no JSON") from error
        return said


def _detail(response: httpx2.Response) -> str:
    try:
        said = response.json()
    except ValueError:
        return response.text[:200]
    return str(said.get("detail", said)) if isinstance(said, dict) else str(said)
