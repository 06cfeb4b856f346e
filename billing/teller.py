"""Asking the gateway, and writing down what it says.

The order of writes is the whole trick. A payment is written as UNKNOWN before it is sent; its answer and the ledger
posting are written together afterwards. Whatever dies in between leaves UNKNOWN, and asking the gateway again by the
same key tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from billing.db.books import Books
from billing.errors import GatewayRefused, GatewayTimeout, KeyConflict
from billing.gateway import Gateway, GatewayAnswer, GatewayRequest
from billing.ledger import payment_posting
from billing.types import Payment, PaymentState


@dataclass(frozen=True, slots=True)
class Order:
    """A payment that is written, and how to send it. One that is not ``fresh`` may be known at the gateway."""

    payment: Payment
    request: GatewayRequest
    fresh: bool


def order(source: Payment | None, payment: Payment, at_ns: int, *, fresh: bool) -> Order:
    """Make a payment ready to be sent. The gateway knows ``source``, the one that it is ``of``, by its own reference."""
    of = None if source is None else source.reference
    request = GatewayRequest(payment.key, payment.action, payment.amount, payment.digest, payment.token, of, at_ns)
    return Order(payment, request, fresh)


def ask(gateway: Gateway, asked: Order) -> Payment | None:
    """Return the payment as the gateway has it, None where there is no answer.

    A request that the gateway does not take moved no money: the payment is declined.
    """
    payment = asked.payment
    try:
        answer = None if asked.fresh else gateway.find(payment.key)
        answer = answer or gateway.send(asked.request)
    except GatewayTimeout:
        return None
    except (GatewayRefused, KeyConflict) as refusal:
        return replace(payment, state=PaymentState.DECLINED, reason=str(refusal))
    return answered(payment, answer)


def answered(payment: Payment, answer: GatewayAnswer) -> Payment:
    """Return the payment with the gateway's answer; one to another request is not believed."""
    asked = (payment.digest, payment.action, payment.amount)
    if (answer.digest, answer.action, answer.amount) != asked:
        return replace(payment, state=PaymentState.DECLINED, reason="the gateway knows this key for another request")
    return replace(
        payment,
        state=answer.state,
        reference=answer.reference,
        reason=answer.reason,
        expires_at_ns=answer.expires_at_ns,
    )


def settle(books: Books, payment: Payment, at_ns: int) -> bool:
    """Write the gateway's answer and what it moves in the ledger, together and once; say whether this call was the one."""
    changed = books.settle_payment(replace(payment, settled_at_ns=at_ns))
    posting = payment_posting(payment, at_ns)
    if changed and payment.state is PaymentState.DONE and posting is not None:
        books.post(posting)
    return changed


def orders(payments: Sequence[Payment], which: Iterable[Payment], at_ns: int, *, fresh: bool) -> tuple[Order, ...]:
    """Make some of a visit's ``payments`` ready to be sent."""
    by_key = {payment.key: payment for payment in payments}
    return tuple(order(by_key.get(each.of or ""), each, at_ns, fresh=fresh) for each in which)


def settle_all(books: Books, answers: Iterable[Payment | None], at_ns: int) -> bool:
    """Write all answers; say whether each was one."""
    given = list(answers)
    for payment in given:
        if payment is not None:
            settle(books, payment, at_ns)
    return all(payment is not None for payment in given)
