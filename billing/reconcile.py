"""Our books beside the gateway's own list: where they differ, somebody must look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from billing.gateway import GatewayAnswer
from billing.types import Payment, PaymentState


@dataclass(frozen=True, slots=True)
class Difference:
    """One request of which the two sides say different things; ``mend`` tells what to do."""

    key: str
    problem: str
    mend: str


def differences(payments: Iterable[Payment], listing: Iterable[GatewayAnswer]) -> tuple[Difference, ...]:
    """Return where ``payments`` and the gateway's ``listing`` differ, in order of their keys."""
    ours = {payment.key: payment for payment in payments}
    theirs = {answer.key: answer for answer in listing}
    found = [_compared(key, ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys())]
    return tuple(each for each in found if each is not None)


def _compared(key: str, ours: Payment | None, theirs: GatewayAnswer | None) -> Difference | None:
    if ours is None:
        return Difference(
            key, "the gateway has it, our books do not", "find who else uses this account; refund it there"
        )
    if theirs is None:
        # A request that never arrived moved nothing; we only think otherwise where it is down as done.
        if ours.state is PaymentState.DONE:
            return Difference(
                key, "our books have it done, the gateway never got it", "ask the gateway; correct by hand"
            )
        return None
    if (ours.amount, ours.action) != (theirs.amount, theirs.action):
        what = f"ours is {ours.action} of {ours.amount}, the gateway's {theirs.action} of {theirs.amount}"
        return Difference(key, what, "ask the gateway; correct by hand")
    if ours.state is not theirs.state:
        waits = ours.state in (PaymentState.UNKNOWN, PaymentState.NEEDS_SHOPPER)
        mend = "resolve unknown charges" if waits else "ask the gateway; correct by hand"
        return Difference(key, f"ours is {ours.state}, the gateway's {theirs.state}", mend)
    return None
