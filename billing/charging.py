"""Carrying a charge out, step by step, until it is settled or waits for an answer.

What comes next is decided from what is written (``steps``), so that whoever finds a charge half-way goes on where it
stands. The next payment is written together with the answer to the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from billing.db.books import Books
from billing.gateway import Gateway
from billing.ledger import waiver_posting
from billing.money import Money
from billing.news import charge_news
from billing.standing import standing
from billing.steps import AT_THE_TILL, Ask, End, next_step, taken
from billing.store import BillingStore
from billing.teller import Order, ask, orders, settle_all
from billing.types import CASH, Charge, ChargeState, Payment, PaymentAction, PaymentState, Receipt, charge_key

OPEN = (ChargeState.UNKNOWN, ChargeState.NEEDS_SHOPPER)
"""States of a charge that may change."""


@dataclass(frozen=True, slots=True)
class Charging:
    """Carries charges out on a database and a gateway, which takes nothing below ``smallest``."""

    store: BillingStore
    gateway: Gateway
    smallest: Money

    def advance(self, charge: Charge, at_ns: int) -> Charge:
        """Go on with a charge, wherever it stands."""
        with self.store.transaction(charge.visit_id) as books:
            charge, asked = self.go_on(books, books.charge(charge.key) or charge, at_ns)
        return self.drive(charge, asked, at_ns)

    def drive(self, charge: Charge, asked: tuple[Order, ...], at_ns: int) -> Charge:
        """Send what is ``asked`` and all that follows from it."""
        while asked:
            answers = [ask(self.gateway, each) for each in asked]
            with self.store.transaction(charge.visit_id) as books:
                charge = books.charge(charge.key) or charge
                if not settle_all(books, answers, at_ns):
                    return charge
                charge, asked = self.go_on(books, charge, at_ns)
        return charge

    def go_on(self, books: Books, charge: Charge, at_ns: int) -> tuple[Charge, tuple[Order, ...]]:
        """Write what a charge, as it stands in ``books``, needs next; return how it stands, and what is to be sent."""
        if charge.state not in OPEN:
            return charge, ()
        if charge.token == CASH and charge.amount.minor > 0:
            return _end(books, charge, _at_the_till(books, charge), [], at_ns), ()
        payments = books.payments(charge.visit_id)
        waiting = _unanswered(payments, charge)
        if waiting:
            return charge, orders(payments, waiting, at_ns, fresh=False)
        mine = [payment for payment in payments if payment.claim == charge.key]
        step = next_step(charge, _free_holds(payments, charge), mine, self.smallest)
        if isinstance(step, End):
            return _end(books, charge, step, mine, at_ns), ()
        payment = _payment_of(charge, step, mine, at_ns)
        books.add_payment(payment)
        return charge, orders(payments, [payment], at_ns, fresh=True)


def new_charge(receipt: Receipt, amount: Money, number: int, token: str, at_ns: int) -> Charge:
    """Return a claim of ``amount`` on whoever ``token`` stands for."""
    return Charge(
        key=charge_key(receipt.visit_id, number),
        visit_id=receipt.visit_id,
        number=number,
        receipt_digest=receipt.digest,
        token=token,
        amount=amount,
        paid=Money.zero(receipt.currency),
        state=ChargeState.UNKNOWN,
        created_at_ns=at_ns,
    )


def let_go(books: Books, hold: Payment, at_ns: int) -> Payment | None:
    """Write the void of a hold that came about after its visit was charged; None for whatever else it is."""
    if hold.action is not PaymentAction.HOLD or hold.state is not PaymentState.DONE:
        return None
    charges = books.charges(hold.visit_id)
    if not charges or any(is_in_flight(charge) and charge.token == hold.token for charge in charges):
        return None  # a charge is to come, or on its way, that takes from it or lets it go
    void = replace(
        hold,
        key=f"{hold.key}:void",
        action=PaymentAction.VOID,
        of=hold.key,
        state=PaymentState.UNKNOWN,
        created_at_ns=at_ns,
        settled_at_ns=None,
        reference=None,
        reason=None,
        expires_at_ns=None,
    )
    books.add_payment(void)
    return void


def is_in_flight(charge: Charge) -> bool:
    """Tell whether the gateway may still take money for ``charge``."""
    return charge.state in OPEN and charge.token != CASH


def _payment_of(charge: Charge, step: Ask, mine: list[Payment], at_ns: int) -> Payment:
    """Return the payment of a step; a second one of its kind, from another hold, has a number."""
    earlier = sum(each.action is step.action for each in mine)
    return Payment(
        key=f"{charge.key}:{step.action.value}" + (f":{earlier + 1}" if earlier else ""),
        visit_id=charge.visit_id,
        claim=charge.key,
        action=step.action,
        digest=charge.receipt_digest,
        token=charge.token,
        amount=step.amount,
        of=None if step.of is None else step.of.key,
        state=PaymentState.UNKNOWN,
        created_at_ns=at_ns,
    )


def _unanswered(payments: tuple[Payment, ...], charge: Charge) -> tuple[Payment, ...]:
    """Return what must be known before a charge goes on: its own payments, and the visit's holds."""
    mine = [each for each in payments if each.claim == charge.key or each.action is PaymentAction.HOLD]
    return tuple(each for each in mine if each.state is PaymentState.UNKNOWN)


def _free_holds(payments: tuple[Payment, ...], charge: Charge) -> list[Payment]:
    """Return the visit's holds, but for those of another card, and that another charge took from or let go."""
    used = {each.of for each in payments if each.claim != charge.key}
    holds = [each for each in payments if each.action is PaymentAction.HOLD and each.token == charge.token]
    return [hold for hold in holds if hold.key not in used]


def _at_the_till(books: Books, charge: Charge) -> End:
    """Return how a charge in cash stands: it waits, unless refunds left nothing to be paid."""
    receipt = books.receipt(charge.visit_id)
    assert receipt is not None  # the database's foreign key holds it
    is_owed = standing(books, receipt).owed.minor > 0
    return End(ChargeState.NEEDS_SHOPPER, AT_THE_TILL) if is_owed else End(ChargeState.VOID)


def _end(books: Books, charge: Charge, step: End, payments: list[Payment], at_ns: int) -> Charge:
    """Write how a charge came out, and what it moves to waive its rest."""
    paid = taken(payments, charge.amount.currency)
    last = payments[-1] if payments else None
    ended = replace(
        charge,
        state=step.state,
        paid=paid,
        settled_at_ns=None if step.state is ChargeState.NEEDS_SHOPPER else at_ns,
        gateway_reference=None if last is None else last.reference,
        decline_reason=step.reason,
    )
    if ended == charge:
        return charge
    books.settle_charge(ended)
    books.tell(*charge_news(ended, at_ns))
    if step.state is ChargeState.WAIVED:
        books.post(waiver_posting(charge, charge.amount - paid, at_ns))
    return ended
