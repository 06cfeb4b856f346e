"""What a charge needs next: decided from what is written down, so that whoever comes after a crash goes on.

A charge takes from the visit's hold first and charges what that did not give; the order of its payments is
its whole state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing.gateway import EXPIRED
from billing.money import Money
from billing.types import Charge, ChargeState, Payment, PaymentAction, PaymentState


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


def next_step(charge: Charge, hold: Payment | None, payments: Sequence[Payment], smallest: Money) -> Ask | End:
    """Return what ``charge`` needs after its ``payments``, none of which is UNKNOWN.

    ``hold`` is the visit's if nothing took from it or let it go before this charge.
    """
    waiting = next((each for each in payments if each.state is PaymentState.NEEDS_SHOPPER), None)
    if waiting is not None:  # it may still be paid: whatever else is taken meanwhile is taken twice
        return End(ChargeState.NEEDS_SHOPPER, waiting.reason)
    tried = {each.action for each in payments}
    held = hold if hold is not None and hold.state is PaymentState.DONE else None
    rest = charge.amount - taken(payments, charge.amount.currency)
    is_worth_it = charge.amount.minor >= smallest.minor and rest.minor > 0
    if is_worth_it and held is not None and PaymentAction.CAPTURE not in tried:
        return Ask(PaymentAction.CAPTURE, min(rest, held.amount, key=lambda each: each.minor), held)
    if rest.minor >= smallest.minor and PaymentAction.CHARGE not in tried:
        return Ask(PaymentAction.CHARGE, rest)
    if held is not None and PaymentAction.VOID not in tried and not _let_go(payments):
        return Ask(PaymentAction.VOID, held.amount, held)
    return _end(charge, rest, payments)


def _let_go(payments: Sequence[Payment]) -> bool:
    """Tell whether the hold was captured, or was found to have lapsed."""
    captures = [each for each in payments if each.action is PaymentAction.CAPTURE]
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
