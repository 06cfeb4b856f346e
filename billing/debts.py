"""What is not paid: asked for again, given up when nobody confirms, paid at the till, written off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile

from billing.charging import OPEN, Charging, is_in_flight, let_go, new_charge
from billing.db.books import Books
from billing.errors import ChargeStateError, GatewayRefused, GatewayTimeout, KeyConflict, UnknownVisit
from billing.ledger import cash_posting, write_off_posting
from billing.money import Money
from billing.news import charge_news, write_off_news
from billing.policy import BillingPolicy
from billing.refunding import settle_refunds
from billing.standing import standing
from billing.store import BillingStore
from billing.teller import answered, settle
from billing.types import (
    CASH,
    STAFF,
    CashMove,
    Charge,
    ChargeState,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    Refund,
    WriteOff,
)

NOT_PAID = "not paid at the till"
"""Why a charge in cash was given up."""

_HOUR_NS = 3_600 * 10**9
_DAY_NS = 24 * _HOUR_NS


@dataclass(frozen=True, slots=True)
class Debts:
    """Debts on a database and a gateway, by policy."""

    store: BillingStore
    charging: Charging
    policy: BillingPolicy

    def charge_again(self, visit_id: str, token: str, at_ns: int) -> Charge:
        """See ``BillingService.charge_again``."""
        with self.store.transaction(visit_id) as books:
            known = _made_then(books.charges(visit_id), token, at_ns)
            charge = known or _next_charge(books, visit_id, token, at_ns)
            charge, orders = self.charging.go_on(books, charge, at_ns)
        return self.charging.drive(charge, orders, at_ns)

    def collect(self, at_ns: int) -> tuple[Charge, ...]:
        """Ask the cards of debtors again whose time has come, and write off what is too old; return the charges."""
        with self.store.reading() as books:
            unpaid = books.unpaid_charges()
        return tuple(charge for last in unpaid if (charge := self._collect_one(last, at_ns)) is not None)

    def give_up_waiting(self, at_ns: int) -> tuple[Charge, ...]:
        """Give up what the shopper has not confirmed in time: the charges among it become debts."""
        with self.store.reading() as books:
            waiting = [each for each in books.open_payments() if self._is_too_late(books, each, at_ns)]
        given_up = [each for each in waiting if self._give_up(each, at_ns)]
        charges = {each.claim for each in given_up if each.claim is not None}
        with self.store.reading() as books:
            found = [charge for key in sorted(charges) if (charge := books.charge(key)) is not None]
        return tuple(self.charging.advance(charge, at_ns) for charge in found)

    def pay_cash(self, visit_id: str, key: str, by: str, at_ns: int) -> Charge:
        """See ``BillingService.pay_cash``."""
        with self.store.transaction(visit_id) as books:
            known = books.cash_move(key)
            if known is not None:
                charge = books.charge(known.claim)
                if charge is None or (known.visit_id, known.taken_by) != (visit_id, by):
                    raise KeyConflict(f"{key} was used for other money at the till")
                return charge
            charge, owed = _due_in_cash(books, visit_id, at_ns)
            _move_cash(books, CashMove(key, visit_id, charge.key, owed, by, at_ns))
            paid = replace(charge, state=ChargeState.CAPTURED, paid=owed, settled_at_ns=at_ns, decline_reason=None)
            books.settle_charge(paid)
            books.tell(*charge_news(paid, at_ns))
            settle_refunds(books, visit_id, at_ns)  # what was to be paid out may have been paid with
            return paid

    def pay_out(self, refund_key: str, key: str, by: str, at_ns: int) -> Refund:
        """See ``BillingService.pay_out``."""
        with self.store.reading() as books:
            refund = books.refund(refund_key)
        if refund is None:
            raise UnknownVisit(f"there is no refund {refund_key!r}")
        with self.store.transaction(refund.visit_id) as books:
            known = books.cash_move(key)
            if known is not None and (known.claim, known.taken_by) != (refund_key, by):
                raise KeyConflict(f"{key} was used for other money at the till")
            if known is None:
                receipt = _receipt(books, refund.visit_id)
                back = standing(books, receipt).cash_back
                if back.minor <= 0:
                    raise ChargeStateError(f"{refund_key}: nothing is to be paid out at the till")
                _move_cash(books, CashMove(key, refund.visit_id, refund_key, -back, by, at_ns))
                settle_refunds(books, refund.visit_id, at_ns)
            return books.refund(refund_key) or refund

    def _collect_one(self, last: Charge, at_ns: int) -> Charge | None:
        with self.store.transaction(last.visit_id) as books:
            charges = books.charges(last.visit_id)
            owed = standing(books, _receipt(books, last.visit_id)).owed
            if charges[-1] != last or owed.minor <= 0:
                return None
            tries = _tries(charges)
            if last.token != CASH and self._is_due(tries, at_ns):
                charge = _next_charge(books, last.visit_id, last.token, at_ns)
                charge, orders = self.charging.go_on(books, charge, at_ns)
            elif at_ns - _failed_ns(tries[0]) >= self.policy.write_off_days * _DAY_NS:
                return _write_off(books, last, owed, at_ns)
            else:
                return None
        return self.charging.drive(charge, orders, at_ns)

    def _is_due(self, tries: list[Charge], at_ns: int) -> bool:
        """Tell whether a card is to be asked again: by the schedule since the first decline, and never two tries at once."""
        hours, count = (0.0, *self.policy.debt_retry_hours), len(tries)
        if count >= len(hours):
            return False
        since_last_ns = at_ns - _failed_ns(tries[-1])
        is_apart = since_last_ns >= (hours[count] - hours[count - 1]) * _HOUR_NS
        return is_apart and at_ns - _failed_ns(tries[0]) >= hours[count] * _HOUR_NS

    def _is_too_late(self, books: Books, payment: Payment, at_ns: int) -> bool:
        """Tell whether to give a payment up: it waited too long, or is a hold of a visit that ended."""
        if payment.state is not PaymentState.NEEDS_SHOPPER:
            return False
        charges = books.charges(payment.visit_id)
        is_over = payment.action is PaymentAction.HOLD and bool(charges) and charges[-1].state not in OPEN
        return is_over or at_ns - payment.created_at_ns >= self.policy.confirm_hours * _HOUR_NS

    def _give_up(self, payment: Payment, at_ns: int) -> bool:
        """Cancel a payment at the gateway; say whether it answered."""
        try:
            answer = self.charging.gateway.cancel(payment.key)
        except GatewayTimeout:
            return False
        except (GatewayRefused, KeyConflict) as refusal:
            given = replace(payment, state=PaymentState.DECLINED, reason=str(refusal))
        else:
            given = answered(payment, answer)
        with self.store.transaction(payment.visit_id) as books:
            if settle(books, given, at_ns):
                let_go(books, given, at_ns)  # confirmed meanwhile: resolve_unknown sends the void
        return True


def _receipt(books: Books, visit_id: str) -> Receipt:
    receipt = books.receipt(visit_id)
    if receipt is None:
        raise UnknownVisit(f"visit {visit_id!r} has no receipt")
    return receipt


def _tries(charges: tuple[Charge, ...]) -> list[Charge]:
    """Return the charges since a visit's last payment, none of which was paid: the first is when the debt began."""
    unpaid = (ChargeState.DECLINED, ChargeState.NEEDS_SHOPPER)
    return list(takewhile(lambda charge: charge.state in unpaid, reversed(charges)))[::-1]


def _failed_ns(charge: Charge) -> int:
    """Return when a charge was declined, or began to wait at the till."""
    return charge.created_at_ns if charge.settled_at_ns is None else charge.settled_at_ns


def _made_then(charges: tuple[Charge, ...], token: str, at_ns: int) -> Charge | None:
    """Return the charge that this very call made before it died: the same card at the same nanosecond."""
    return next((each for each in charges[1:] if (each.token, each.created_at_ns) == (token, at_ns)), None)


def _next_charge(books: Books, visit_id: str, token: str, at_ns: int) -> Charge:
    """Write the charge for what is still owed. Raises ChargeStateError unless the last was declined."""
    if token == STAFF:
        raise ChargeStateError(f"{visit_id}: {STAFF!r} stands for nobody's money: name a card, or {CASH!r}")
    receipt, known = _receipt(books, visit_id), books.charges(visit_id)
    if not known or known[-1].state is not ChargeState.DECLINED:
        raise ChargeStateError(f"{visit_id}: only a declined charge can be tried again")
    owed = standing(books, receipt).owed
    if owed.minor <= 0:
        raise ChargeStateError(f"{visit_id}: nothing is owed any more")
    charge = new_charge(receipt, owed, len(known) + 1, token, at_ns)
    books.add_charge(charge)
    return charge


def _due_in_cash(books: Books, visit_id: str, at_ns: int) -> tuple[Charge, Money]:
    """Return the charge that the till is about to take, and how much. Raises ChargeStateError where nothing is due."""
    receipt, charges = _receipt(books, visit_id), books.charges(visit_id)
    if any(is_in_flight(charge) for charge in charges):
        raise ChargeStateError(f"{visit_id}: the card may still pay; wait for its answer or give it up first")
    owed = standing(books, receipt).owed
    if owed.minor <= 0:
        raise ChargeStateError(f"{visit_id}: nothing is owed")
    if charges[-1].state is ChargeState.NEEDS_SHOPPER:
        return charges[-1], owed
    return _next_charge(books, visit_id, CASH, at_ns), owed


def _move_cash(books: Books, move: CashMove) -> None:
    books.add_cash(move)
    books.post(cash_posting(move))


def _write_off(books: Books, charge: Charge, owed: Money, at_ns: int) -> Charge:
    """Ask for a debt no longer; a charge that waits at the till waits no longer."""
    if charge.state is ChargeState.NEEDS_SHOPPER:
        charge = replace(charge, state=ChargeState.DECLINED, settled_at_ns=at_ns, decline_reason=NOT_PAID)
        books.settle_charge(charge)
        books.tell(*charge_news(charge, at_ns))
    write_off = WriteOff(charge.key, charge.visit_id, owed, at_ns)
    books.add_write_off(write_off)
    books.post(write_off_posting(write_off))
    books.tell(*write_off_news(charge, at_ns))
    return charge
