"""What a charge needs next: decided from what is written down, so that whoever comes after a crash goes on.

A charge takes from the visit's holds first and charges what that did not give; the order of its payments is
its whole state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing.gateway import EXPIRED
from billing.money import Money
from billing.types import Charge, ChargeState, Payment, PaymentAction, PaymentState

AT_THE_TILL = "to be paid at the till"
"""Why a charge in cash waits for the shopper."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the gateway for ``action`` of ``amount``; ``of`` is the hold."""

    action: PaymentAction
    amount: Money
    of: Payment | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The charge has come to ``state``."""

    state: ChargeState
    reason: str | None = None


def next_step(charge: Charge, holds: Sequence[Payment], payments: Sequence[Payment], smallest: Money) -> Ask | End:
    """Return what ``charge``, which no till takes, needs after its ``payments``, none of which is UNKNOWN.

    ``holds`` are those of the visit from which no other charge took, and which none let go.
    """
    waiting = next((each for each in payments if each.state is PaymentState.NEEDS_SHOPPER), None)
    if waiting is not None:  # it may still be paid: whatever else is taken meanwhile is taken twice
        return End(ChargeState.NEEDS_SHOPPER, waiting.reason)
    held = [hold for hold in holds if hold.state is PaymentState.DONE]
    rest = charge.amount - taken(payments, charge.amount.currency)
    if rest.minor > 0 and rest.minor >= smallest.minor:
        for hold in held:
            if not _was_asked(payments, PaymentAction.CAPTURE, hold):
                return Ask(PaymentAction.CAPTURE, min(rest, hold.amount, key=lambda each: each.minor), hold)
        if PaymentAction.CHARGE not in {each.action for each in payments}:
            return Ask(PaymentAction.CHARGE, rest)
    for hold in held:
        if not _was_asked(payments, PaymentAction.VOID, hold) and not _let_go(payments, hold):
            return Ask(PaymentAction.VOID, hold.amount, hold)
    return _end(charge, rest, payments)


def _was_asked(payments: Sequence[Payment], action: PaymentAction, hold: Payment) -> bool:
    return any(each.action is action and each.of == hold.key for each in payments)


def _let_go(payments: Sequence[Payment], hold: Payment) -> bool:
    """Tell whether ``hold`` was captured, or was found to have lapsed."""
    captures = [each for each in payments if each.action is PaymentAction.CAPTURE and each.of == hold.key]
    return any(each.state is PaymentState.DONE or each.reason == EXPIRED for each in captures)


def _end(charge: Charge, rest: Money, payments: Sequence[Payment]) -> End:
    if charge.amount.minor == 0:
        return End(ChargeState.VOID)
    if rest.minor == 0:
        return End(ChargeState.CAPTURED)
    charges = [each for each in payments if each.action is PaymentAction.CHARGE]
    return End(ChargeState.DECLINED, charges[-1].reason) if charges else End(ChargeState.WAIVED)


def taken(payments: Sequence[Payment], currency: str) -> Money:
    """Return what ``payments`` took from the shopper."""
    taking = (PaymentAction.CAPTURE, PaymentAction.CHARGE)
    done = [each.amount for each in payments if each.state is PaymentState.DONE and each.action in taking]
    return sum(done, Money.zero(currency))
