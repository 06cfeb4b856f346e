"""The payment gateway's port, and a sandbox that misbehaves on demand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from billing.errors import GatewayRefused, GatewayTimeout, KeyConflict
from billing.money import Money


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take ``amount`` from whoever ``token`` stands for, once per ``key``."""

    key: str
    receipt_digest: str
    token: str
    amount: Money


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """What became of a request; ``reference`` is the gateway's own number for it.

    ``receipt_digest`` is that of the request, so that the asker knows it is their own.
    """

    key: str
    receipt_digest: str
    status: Literal["captured", "declined"]
    reference: str
    reason: str | None = None


class Gateway(Protocol):
    """What billing needs of a payment provider. The contract suite in tests/billing holds every adapter to it."""

    def capture(self, request: CaptureRequest) -> GatewayAnswer:
        """Take the money, once per key: the same request again gives the same answer.

        Raises KeyConflict for a known key with another digest or amount, GatewayRefused for an amount
        that is not positive, GatewayTimeout where no answer came.
        """
        ...

    def find(self, key: str) -> GatewayAnswer | None:
        """Return what became of ``key``, None where no such request ever arrived. Raises GatewayTimeout."""
        ...


Behaviour = Literal["ok", "decline", "timeout", "lost_answer", "duplicate"]
"""What a sandbox does with a request: take it; decline it; never get it; take it and lose the
answer; get it twice over a bad line."""


class SandboxGateway:
    """A gateway in memory. ``script`` says what happens to each capture call in turn, then all is well.

    ``declined_tokens`` are cards without money. Safe to use from several threads.
    """

    def __init__(self, script: Iterable[Behaviour] = (), declined_tokens: Iterable[str] = ()) -> None:
        self._script = deque(script)
        self._declined = frozenset(declined_tokens)
        self._done: dict[str, tuple[CaptureRequest, GatewayAnswer]] = {}
        self._lock = threading.Lock()

    def capture(self, request: CaptureRequest) -> GatewayAnswer:
        """See ``Gateway.capture``."""
        with self._lock:
            behaviour = self._script.popleft() if self._script else "ok"
            if behaviour == "timeout":
                raise GatewayTimeout(f"{request.key}: the sandbox was told not to get this request")
            if behaviour == "duplicate":
                self._take(request, behaviour)
            answer = self._take(request, behaviour)
            if behaviour == "lost_answer":
                raise GatewayTimeout(f"{request.key}: the sandbox was told to lose its answer")
            return answer

    def find(self, key: str) -> GatewayAnswer | None:
        """See ``Gateway.find``."""
        with self._lock:
            done = self._done.get(key)
            return None if done is None else done[1]

    def captured(self) -> tuple[CaptureRequest, ...]:
        """Return what was really taken, in order: the other side's books, for tests and demos."""
        with self._lock:
            return tuple(request for request, answer in self._done.values() if answer.status == "captured")

    def _take(self, request: CaptureRequest, behaviour: Behaviour) -> GatewayAnswer:
        known = self._done.get(request.key)
        if known is not None:
            if known[0] != request:
                raise KeyConflict(f"{request.key}: the gateway knows this key for another receipt")
            return known[1]
        if request.amount.minor <= 0:
            raise GatewayRefused(f"{request.key}: {request.amount} cannot be captured")
        reference = f"sandbox-{len(self._done) + 1:06d}"
        declined = behaviour == "decline" or request.token in self._declined
        answer = GatewayAnswer(
            key=request.key,
            receipt_digest=request.receipt_digest,
            status="declined" if declined else "captured",
            reference=reference,
            reason="card declined" if declined else None,
        )
        self._done[request.key] = (request, answer)
        return answer
