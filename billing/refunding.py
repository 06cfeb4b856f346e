"""Giving money back: agreed and booked at once, paid out by the gateway, or at the till."""

from __future__ import annotations

from dataclasses import dataclass, replace

from billing.charging import is_in_flight
from billing.db.books import Books
from billing.errors import ChargeStateError, KeyConflict, RefundError, UnknownVisit
from billing.gateway import Gateway
from billing.ledger import refund_posting, waiver_set_off, waiver_taken_back
from billing.money import Money, Rounding
from billing.news import refund_news
from billing.policy import BillingPolicy
from billing.refunds import refund_digest, refund_parts, refund_taxes, refunded_items
from billing.standing import Standing, standing
from billing.steps import taken
from billing.store import BillingStore
from billing.teller import Order, ask, orders, settle_all
from billing.types import (
    Charge,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    Refund,
    RefundRequest,
    RefundState,
)

_NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Refunding:
    """Refunds on a database and a gateway, rounded as the price book says."""

    store: BillingStore
    gateway: Gateway
    policy: BillingPolicy
    rounding: Rounding

    def refund(self, request: RefundRequest) -> Refund:
        """See ``BillingService.refund``."""
        with self.store.transaction(request.visit_id) as books:
            known = books.refund(request.refund_id)
            if known is None:
                self.begin(books, request)
            elif known.digest != refund_digest(request):
                raise KeyConflict(f"{request.refund_id} was used for another refund")
            elif known.state is RefundState.OWED:
                _try_again(books, known)
            asked = _orders(books, request.refund_id, request.visit_id, request.at_ns, fresh=known is None)
        return self.drive(request.refund_id, request.visit_id, asked, request.at_ns)

    def quote(self, request: RefundRequest) -> Refund:
        """See ``BillingService.quote_refund``."""
        with self.store.reading() as books:
            receipt = self._refundable(books, request, request.at_ns)
            return self._new(request, receipt, books.refunds(request.visit_id))

    def advance(self, refund: Refund, at_ns: int) -> Refund:
        """Ask for what of a refund was not answered."""
        with self.store.reading() as books:
            asked = _orders(books, refund.key, refund.visit_id, at_ns, fresh=False)
        return self.drive(refund.key, refund.visit_id, asked, at_ns)

    def drive(self, key: str, visit_id: str, asked: tuple[Order, ...], at_ns: int) -> Refund:
        """Send what is ``asked``; write how the refund came out once all is known."""
        answers = [ask(self.gateway, each) for each in asked]
        with self.store.transaction(visit_id) as books:
            settle_all(books, answers, at_ns)
            settle_refunds(books, visit_id, at_ns)
            refund = books.refund(key)
        assert refund is not None  # refunds are never deleted
        return refund

    def begin(self, books: Books, request: RefundRequest, asked_at_ns: int | None = None) -> None:
        """Agree to a refund: write it, book it, and write the payments that carry it out.

        ``asked_at_ns`` is when the shopper asked for it, where that was earlier: it decides whether it is too late.
        """
        receipt = self._refundable(books, request, request.at_ns if asked_at_ns is None else asked_at_ns)
        refund = self._new(request, receipt, books.refunds(request.visit_id))
        books.add_refund(refund)
        books.tell(*refund_news(refund, request.at_ns))
        for payment in _payments_back(books, refund, receipt):
            books.add_payment(payment)
        in_vain = standing(books, receipt).forgiven_in_vain
        waived = waiver_taken_back(refund, in_vain) if in_vain.minor > 0 else None
        for posting in (refund_posting(refund), waived):
            if posting is not None:
                books.post(posting)

    def _refundable(self, books: Books, request: RefundRequest, asked_at_ns: int) -> Receipt:
        receipt = books.receipt(request.visit_id)
        if receipt is None:
            raise UnknownVisit(f"{request.refund_id}: visit {request.visit_id!r} has no receipt")
        if asked_at_ns - receipt.issued_at_ns > self.policy.refund_window_days * _NS_PER_DAY:
            days = f"{self.policy.refund_window_days:g}"
            raise RefundError(f"{request.refund_id}: the receipt of {request.visit_id} is older than {days} days")
        if any(is_in_flight(charge) for charge in books.charges(request.visit_id)):
            raise ChargeStateError(f"{request.refund_id}: the charge of {request.visit_id} is not settled yet")
        return receipt

    def _new(self, request: RefundRequest, receipt: Receipt, earlier: tuple[Refund, ...]) -> Refund:
        items = refunded_items(request, receipt, earlier)
        taxes, untaxed = refund_taxes(receipt, earlier, items, self.rounding)
        return Refund(
            key=request.refund_id,
            visit_id=request.visit_id,
            digest=refund_digest(request),
            reason=request.reason,
            items=items,
            taxes=taxes,
            untaxed=untaxed,
            amount=sum((tax.gross for tax in taxes), untaxed),
            state=RefundState.UNKNOWN,
            created_at_ns=request.at_ns,
        )


def settle_refunds(books: Books, visit_id: str, at_ns: int) -> None:
    """Write how a visit's refunds stand, once all answers are there: done where nothing more is to be given back.

    A charge under way may still take what a refund would otherwise be set off against: the refund is owed until then.
    """
    receipt, payments = books.receipt(visit_id), books.payments(visit_id)
    unknown = {each.claim for each in payments if each.state is PaymentState.UNKNOWN}
    refunds = books.refunds(visit_id)
    if receipt is None or any(refund.key in unknown for refund in refunds):
        return
    stands = standing(books, receipt, payments)
    paid = stands.by_gateway + stands.in_cash + _under_way(books.charges(visit_id), payments, receipt.currency)
    state = RefundState.OWED if paid.minor > stands.kept.minor else RefundState.DONE
    changed = [refund for refund in refunds if refund.state not in (RefundState.DONE, state)]
    for refund in changed:
        settled = replace(refund, state=state)
        books.settle_refund(settled)
        books.tell(*refund_news(settled, at_ns))
    if changed and state is RefundState.DONE and stands.forgiven_in_vain.minor > 0:
        books.post(waiver_set_off(changed[-1], stands.forgiven_in_vain, at_ns))


def _under_way(charges: tuple[Charge, ...], payments: tuple[Payment, ...], currency: str) -> Money:
    """Return what the gateway may still take for a visit's charges."""
    rests = [
        charge.amount - taken([each for each in payments if each.claim == charge.key], currency)
        for charge in charges
        if is_in_flight(charge)
    ]
    return sum(rests, Money.zero(currency))


def _orders(books: Books, key: str, visit_id: str, at_ns: int, *, fresh: bool) -> tuple[Order, ...]:
    """Return what of a refund is to be sent."""
    payments = books.payments(visit_id)
    unknown = [each for each in payments if each.claim == key and each.state is PaymentState.UNKNOWN]
    return orders(payments, unknown, at_ns, fresh=fresh)


def _try_again(books: Books, refund: Refund) -> None:
    """Write new payments for what the gateway declined to give back."""
    receipt = books.receipt(refund.visit_id)
    assert receipt is not None  # the database's foreign key holds it
    payments = _payments_back(books, refund, receipt)
    for payment in payments:
        books.add_payment(payment)
    if payments:
        books.settle_refund(replace(refund, state=RefundState.UNKNOWN))


def _parts(payments: tuple[Payment, ...], stands: Standing) -> list[tuple[Payment, Money]]:
    """Return what the gateway is to give back of which payment: cash that was taken is paid out first."""
    return refund_parts(payments, stands.kept - (stands.in_cash - stands.cash_back))


def _payments_back(books: Books, refund: Refund, receipt: Receipt) -> list[Payment]:
    """Return the payments that give back what was paid for the units of ``refund``."""
    payments = books.payments(refund.visit_id)
    tries = sum(payment.claim == refund.key for payment in payments)
    again = f"{tries}:" if tries else ""
    return [
        Payment(
            key=f"refund:{refund.key}:{again}{source.key}",
            visit_id=refund.visit_id,
            claim=refund.key,
            action=PaymentAction.REFUND,
            digest=refund.digest,
            token=source.token,
            amount=amount,
            of=source.key,
            state=PaymentState.UNKNOWN,
            created_at_ns=refund.created_at_ns,
        )
        for source, amount in _parts(payments, standing(books, receipt, payments))
    ]
