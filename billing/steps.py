"""What a charge needs next: decided from what is written down, so that whoever comes after a crash goes on.

A charge takes from the visit's hold first and charges what that did not give; the order of its payments is
its whole state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    tried = {each.action for each in payments}
    is_held = hold is not None and hold.state is PaymentState.DONE
    if charge.amount.minor < smallest.minor:
        if hold is not None and is_held and PaymentAction.VOID not in tried:
            return Ask(PaymentAction.VOID, hold.amount, hold)
        return End(ChargeState.VOID if charge.amount.minor == 0 else ChargeState.WAIVED)
    rest = charge.amount - taken(payments, charge.amount.currency)
    if rest.minor == 0:
        return End(ChargeState.CAPTURED)
    if hold is not None and is_held and PaymentAction.CAPTURE not in tried:
        return Ask(PaymentAction.CAPTURE, min(rest, hold.amount, key=lambda each: each.minor), hold)
    if PaymentAction.CHARGE not in tried:
        return End(ChargeState.WAIVED) if rest.minor < smallest.minor else Ask(PaymentAction.CHARGE, rest)
    last = payments[-1]
    waits = last.state is PaymentState.NEEDS_SHOPPER
    return End(ChargeState.NEEDS_SHOPPER if waits else ChargeState.DECLINED, last.reason)


def taken(payments: Sequence[Payment], currency: str) -> Money:
    """Return what ``payments`` took from the shopper."""
    taking = (PaymentAction.CAPTURE, PaymentAction.CHARGE)
    done = [each.amount for each in payments if each.state is PaymentState.DONE and each.action in taking]
    return sum(done, Money.zero(currency))
