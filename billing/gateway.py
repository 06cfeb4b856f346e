"""The payment gateway's port, and a sandbox that misbehaves on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from billing.errors import GatewayRefused, GatewayTimeout, KeyConflict
from billing.journal import recall, write_down
from billing.money import Money
from billing.types import PaymentAction, PaymentState


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """Ask for ``action``, once per ``key``. ``digest`` is that of what it is for.

    Holds and charges take from whoever ``token`` stands for; captures, voids and refunds name by ``of`` the gateway's
    own reference of the hold, or of the capture or charge.
    """

    key: str
    action: PaymentAction
    amount: Money
    digest: str
    token: str
    of: str | None = None
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """What became of a request; ``reference`` is the gateway's own number for it.

    ``digest`` is that of the request, so that the asker knows it is their own. ``state`` is never UNKNOWN.
    ``expires_at_ns`` is when a hold lapses.
    """

    key: str
    digest: str
    action: PaymentAction
    amount: Money
    state: PaymentState
    reference: str
    reason: str | None = None
    expires_at_ns: int | None = None


EXPIRED = "hold expired"
"""Reason of a capture that was declined because its hold had lapsed: the money is charged without one."""

GIVEN_UP = "not confirmed in time"
"""Reason of a hold or charge that was declined because it was cancelled while it waited for the shopper."""


class Gateway(Protocol):
    """What billing needs of a payment provider. The contract suite in tests/billing holds every adapter to it."""

    def send(self, request: GatewayRequest) -> GatewayAnswer:
        """Do it, once per key: the same request again, at whatever time, gives the same answer.

        A capture lets the rest of its hold go. Raises KeyConflict for a known key with another digest or amount,
        GatewayRefused for what can never be done (an amount that is not positive, more than the hold or what is left to
        refund, a hold that was captured or voided), GatewayTimeout where no answer came.
        """
        ...

    def find(self, key: str) -> GatewayAnswer | None:
        """Return how ``key`` stands now, None where no such request ever arrived. Raises GatewayTimeout."""
        ...

    def cancel(self, key: str) -> GatewayAnswer:
        """Give up a hold or charge that waits for the shopper: it is DECLINED as GIVEN_UP and can never take money.

        One that was authenticated meanwhile is DONE, and a settled request answers as it stands. May be asked again.
        Raises GatewayRefused for a key that the gateway does not know, and for nothing else; GatewayTimeout where no
        answer came, so that the request may still take money.
        """
        ...

    def smallest(self, currency: str) -> Money:
        """Return the smallest amount that can be charged."""
        ...

    def listing(self) -> tuple[GatewayAnswer, ...]:
        """Return all requests that arrived, in order: what daily books are compared with. Raises GatewayTimeout."""
        ...


Behaviour = Literal["ok", "decline", "needs_shopper", "timeout", "lost_answer", "duplicate"]
"""What a sandbox does with a request: take it; decline it; ask the shopper to authenticate; never get it; take it
and lose the answer; get it twice over a bad line. A cancellation heeds ``timeout`` and ``lost_answer`` alone."""

SANDBOX_CARD = "sandbox-card-"
"""How tokens of ``SandboxCardDesk`` begin."""

SANDBOX_DECLINED = f"{SANDBOX_CARD}declined-"
"""How those begin whose holds and charges the sandbox declines."""

SANDBOX_ASKS = f"{SANDBOX_CARD}asks-"
"""How those begin whose charges, though not their holds, wait for the shopper to authenticate."""

_GIVING = (PaymentAction.HOLD, PaymentAction.CHARGE)


@dataclass(slots=True)
class _Held:
    """What is left of a hold, or of a capture or charge that can be refunded."""

    left: Money
    expires_at_ns: int | None = None
    open: bool = True


class SandboxGateway:
    """A gateway in memory. ``script`` says what happens to each ``send`` and ``cancel`` in turn, then all is well.

    The script may have no end. ``declined_tokens`` are cards without money, beside those that begin with
    SANDBOX_DECLINED. Holds lapse after ``hold_ns``. ``on_file`` tells whether a token of a ``SandboxCardDesk`` is kept
    there (pass the desk's own ``on_file``): others of the desk's form are refused, and without it none is. With a
    ``journal`` (a file of JSON lines) it remembers what it did when it is opened again. Safe to use from several threads,
    and a journal from one process.
    """

    def __init__(
        self,
        script: Iterable[Behaviour] = (),
        declined_tokens: Iterable[str] = (),
        hold_ns: int = 7 * 86_400 * 10**9,
        smallest_minor: int = 1,
        journal: Path | None = None,
        on_file: Callable[[str], bool] | None = None,
    ) -> None:
        self._script = iter(script)
        self._declined = frozenset(declined_tokens)
        self._hold_ns, self._smallest_minor = hold_ns, smallest_minor
        self._done: dict[str, tuple[GatewayRequest, GatewayAnswer]] = {}
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._on_file = on_file
        self._journal = journal
        if journal is not None:
            recall(journal, lambda said: self._remember(*_from_journal(said)))

    def send(self, request: GatewayRequest) -> GatewayAnswer:
        """See ``Gateway.send``."""
        with self._lock:
            behaviour: Behaviour = next(self._script, "ok")
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

    def cancel(self, key: str) -> GatewayAnswer:
        """See ``Gateway.cancel``."""
        with self._lock:
            behaviour = next(self._script, "ok")
            if behaviour == "timeout":
                raise GatewayTimeout(f"{key}: the sandbox was told not to get this cancellation")
            if key not in self._done:
                raise GatewayRefused(f"{key}: the gateway knows no such request")
            request, answer = self._done[key]
            if answer.state is PaymentState.NEEDS_SHOPPER:
                answer = self._keep(request, PaymentState.DECLINED, GIVEN_UP)
            if behaviour == "lost_answer":
                raise GatewayTimeout(f"{key}: the sandbox was told to lose its answer")
            return answer

    def smallest(self, currency: str) -> Money:
        """See ``Gateway.smallest``."""
        return Money(self._smallest_minor, currency)

    def listing(self) -> tuple[GatewayAnswer, ...]:
        """See ``Gateway.listing``."""
        with self._lock:
            return tuple(answer for _, answer in self._done.values())

    def authenticate(self, key: str) -> None:
        """Let the shopper authenticate the request ``key``, which asked for it: it is done now."""
        with self._lock:
            request, answer = self._done[key]
            if answer.state is PaymentState.NEEDS_SHOPPER:
                self._keep(request, PaymentState.DONE, None)

    def captured(self) -> tuple[GatewayRequest, ...]:
        """Return what was really taken, in order: the other side's books, for tests and demos."""
        taking = (PaymentAction.CAPTURE, PaymentAction.CHARGE)
        with self._lock:
            done = [request for request, answer in self._done.values() if answer.state is PaymentState.DONE]
            return tuple(request for request in done if request.action in taking)

    def _take(self, request: GatewayRequest, behaviour: Behaviour) -> GatewayAnswer:
        known = self._done.get(request.key)
        if known is not None:
            if (known[0].digest, known[0].amount, known[0].action) != (request.digest, request.amount, request.action):
                raise KeyConflict(f"{request.key}: the gateway knows this key for another request")
            return known[1]
        if request.amount.minor <= 0:
            raise GatewayRefused(f"{request.key}: {request.amount} cannot be moved")
        return self._keep(request, *self._judged(request, behaviour))

    def _judged(self, request: GatewayRequest, behaviour: Behaviour) -> tuple[PaymentState, str | None]:
        if request.action in _GIVING:
            return self._asked_of_card(request, behaviour)
        held = self._held.get(request.of or "")
        if held is None or not held.open or held.left.minor < request.amount.minor:
            raise GatewayRefused(f"{request.key}: {request.amount} is more than is left of {request.of}")
        if held.expires_at_ns is not None and request.at_ns >= held.expires_at_ns:
            return PaymentState.DECLINED, EXPIRED
        return (PaymentState.DECLINED, "declined") if behaviour == "decline" else (PaymentState.DONE, None)

    def _asked_of_card(self, request: GatewayRequest, behaviour: Behaviour) -> tuple[PaymentState, str | None]:
        token = request.token
        if self._on_file is not None and token.startswith(SANDBOX_CARD) and not self._on_file(token):
            raise GatewayRefused(f"{request.key}: the card is not on file")
        if behaviour == "decline" or token in self._declined or token.startswith(SANDBOX_DECLINED):
            return PaymentState.DECLINED, "card declined"
        asks = token.startswith(SANDBOX_ASKS) and request.action is PaymentAction.CHARGE
        if behaviour == "needs_shopper" or asks:
            return PaymentState.NEEDS_SHOPPER, "the card asks for authentication"
        return PaymentState.DONE, None

    def _keep(self, request: GatewayRequest, state: PaymentState, reason: str | None) -> GatewayAnswer:
        known = self._done.get(request.key)
        reference = f"sandbox-{len(self._done) + 1:06d}" if known is None else known[1].reference
        is_hold = state is PaymentState.DONE and request.action is PaymentAction.HOLD
        expires_at_ns = request.at_ns + self._hold_ns if is_hold else None
        answer = GatewayAnswer(
            request.key, request.digest, request.action, request.amount, state, reference, reason, expires_at_ns
        )
        if self._journal is not None:
            write_down(self._journal, {"request": asdict(request), "answer": asdict(answer)})
        self._remember(request, answer)
        return answer

    def _remember(self, request: GatewayRequest, answer: GatewayAnswer) -> None:
        self._done[request.key] = (request, answer)
        if answer.state is PaymentState.DONE:
            self._move(request, answer)

    def _move(self, request: GatewayRequest, answer: GatewayAnswer) -> None:
        """Count what a request that is done holds, takes or gives back."""
        if request.action in (PaymentAction.HOLD, PaymentAction.CAPTURE, PaymentAction.CHARGE):
            self._held[answer.reference] = _Held(request.amount, answer.expires_at_ns)
        if request.of is not None:
            source = self._held[request.of]
            source.left -= request.amount
            source.open = request.action is PaymentAction.REFUND


def _from_journal(said: Any) -> tuple[GatewayRequest, GatewayAnswer]:
    for part in said.values():
        part["amount"] = Money(**part["amount"])
        part["action"] = PaymentAction(part["action"])
    said["answer"]["state"] = PaymentState(said["answer"]["state"])
    return GatewayRequest(**said["request"]), GatewayAnswer(**said["answer"])
