"""From a shopper at the gate to money and back: once, whatever breaks in between.

The order of writes is the whole trick. A request to the gateway is written down as UNKNOWN before it is sent; its
answer and the ledger posting are written together afterwards. Whatever dies in between leaves UNKNOWN, and asking
the gateway again by the same key tells. What comes next is decided from what is written (``steps``), so that
whoever finds a charge half-way goes on where it stands.
"""

from __future__ import annotations

from dataclasses import replace

from billing.errors import ChargeStateError, GatewayRefused, GatewayTimeout, KeyConflict, RefundError
from billing.gateway import Gateway, GatewayAnswer, GatewayRequest
from billing.ledger import payment_posting, refund_posting, sale_posting, waiver_posting, waiver_taken_back
from billing.money import Money
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.receipt import make_receipt
from billing.reconcile import Difference, differences
from billing.refunds import paid_back_left, refund_digest, refund_parts, refund_taxes, refunded_items
from billing.steps import Ask, End, next_step, taken
from billing.store import BillingStore, Books
from billing.types import (
    Admission,
    Charge,
    ChargeState,
    OpenVisit,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    ReceiptInput,
    Refund,
    RefundRequest,
    RefundState,
    charge_key,
)

_NS_PER_DAY = 86_400 * 10**9
_OPEN = (ChargeState.UNKNOWN, ChargeState.NEEDS_SHOPPER)


class BillingService:
    """The ``BillingPort`` on a database and a gateway. Safe to use from several threads and processes."""

    def __init__(
        self, book: PriceBook, store: BillingStore, gateway: Gateway, policy: BillingPolicy | None = None
    ) -> None:
        """Raises GatewayRefused where the gateway does not take the book's currency."""
        self._book, self._store, self._gateway = book, store, gateway
        self._policy = policy or BillingPolicy()
        self._smallest = gateway.smallest(book.currency)

    def open_visit(self, given: OpenVisit) -> Admission:
        """See ``BillingPort.open_visit``. A gateway without an answer refuses nobody."""
        with self._store.transaction(given.visit_id) as books:
            known = books.visit(given.visit_id)
            if known is None:
                refused = self._debt_of(books, given.token)
                books.add_visit(given, refused)
                is_over = books.receipt(given.visit_id) is not None
                if refused is None and self._policy.hold_minor > 0 and not is_over:
                    books.add_payment(_hold(given, Money(self._policy.hold_minor, self._book.currency)))
            elif known[0].token != given.token:
                raise KeyConflict(f"{given.visit_id} was opened with another token")
            opened, refused = known or (given, refused)
            hold = books.payment(_hold_key(given.visit_id))
        if hold is not None and hold.state is PaymentState.UNKNOWN:
            hold = self._ask(hold, given.at_ns, fresh=known is None)
        if hold is not None and hold.state in (PaymentState.DECLINED, PaymentState.NEEDS_SHOPPER):
            refused = hold.reason
        return Admission(given.visit_id, opened.at_ns, refused, hold)

    def finalise(self, given: ReceiptInput) -> Charge:
        """See ``BillingPort.finalise``."""
        receipt = make_receipt(given, self._book)
        with self._store.transaction(given.visit_id) as books:
            opened = books.visit(given.visit_id)
            if opened is not None and opened[0].token != given.token:
                raise KeyConflict(f"{given.visit_id} was opened with another token")
            charge = _known_charge(books, receipt) or _first_charge(books, receipt, given)
        return self._advance(charge, given.final_at_ns)

    def charge_again(self, visit_id: str, token: str, at_ns: int) -> Charge:
        """Charge what is still owed to ``token``, as the visit's next charge.

        Raises ChargeStateError unless the visit's last charge was declined and something is owed.
        """
        with self._store.transaction(visit_id) as books:
            receipt, known = books.receipt(visit_id), books.charges(visit_id)
            if receipt is None or not known or known[-1].state is not ChargeState.DECLINED:
                raise ChargeStateError(f"{visit_id}: only a declined charge can be tried again")
            owed = _owed(books, receipt)
            if owed.minor <= 0:
                raise ChargeStateError(f"{visit_id}: nothing is owed any more")
            charge = _new_charge(receipt, owed, len(known) + 1, token, at_ns)
            books.add_charge(charge)
        return self._advance(charge, at_ns)

    def refund(self, request: RefundRequest) -> Refund:
        """Give units of a receipt back, once per ``refund_id``.

        What was paid for them returns to the card, latest payment first; what was not paid is no longer owed. Asking again
        for one that is OWED asks the gateway again.

        Raises:
            RefundError: there is no such receipt, it is too old, or it does not hold these units (any more).
            KeyConflict: ``refund_id`` was used for something else.
            ChargeStateError: it is not known yet what was paid: ask again when the charge is settled.
        """
        with self._store.transaction(request.visit_id) as books:
            known = books.refund(request.refund_id)
            if known is None:
                self._begin_refund(books, request)
            elif known.digest != refund_digest(request):
                raise KeyConflict(f"{request.refund_id} was used for another refund")
            elif known.state is RefundState.OWED:
                _try_again(books, known)
        return self._advance_refund(request.refund_id, request.at_ns)

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        """See ``BillingPort.resolve_unknown``. A request that never arrived is sent again by the same key.

        Refunds without an answer are asked for too.
        """
        with self._store.transaction() as books:
            waiting, charges, refunds = books.open_payments(), books.open_charges(), books.open_refunds()
        for payment in waiting:
            self._ask(payment, at_ns, fresh=False)
        for refund in refunds:
            self._advance_refund(refund.key, at_ns)
        return tuple(self._advance(charge, at_ns) for charge in charges)

    def receipt(self, visit_id: str) -> Receipt | None:
        """See ``BillingPort.receipt``."""
        with self._store.transaction() as books:
            return books.receipt(visit_id)

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """See ``BillingPort.charges``."""
        with self._store.transaction() as books:
            return books.charges(visit_id)

    def payments(self, visit_id: str) -> tuple[Payment, ...]:
        """Return all requests to the gateway for a visit, in order."""
        with self._store.transaction() as books:
            return books.payments(visit_id)

    def refunds(self, visit_id: str) -> tuple[Refund, ...]:
        """Return a visit's refunds, in order."""
        with self._store.transaction() as books:
            return books.refunds(visit_id)

    def reconcile(self) -> tuple[Difference, ...]:
        """Return where our payments and the gateway's list differ; none when all is well. Raises GatewayTimeout."""
        listing = self._gateway.listing()
        with self._store.transaction() as books:
            return differences(books.all_payments(), listing)

    def balances(self) -> dict[tuple[str, str], int]:
        """Return the ledger's balances in minor units by (account, currency)."""
        with self._store.transaction() as books:
            return books.balances()

    def _debt_of(self, books: Books, token: str) -> str | None:
        """Return why ``token`` is refused: the visit that it has not paid for."""
        if not self._policy.refuse_debtors:
            return None
        for visit_id in books.unpaid_visits_of(token):
            receipt = books.receipt(visit_id)
            if receipt is not None and _owed(books, receipt).minor > 0:
                return f"visit {visit_id} is not paid"
        return None

    def _advance(self, charge: Charge, at_ns: int) -> Charge:
        """Carry a charge on until it is settled, or waits for an answer."""
        while True:
            with self._store.transaction(charge.visit_id) as books:
                charge = books.charge(charge.key) or charge
                waiting = _unanswered(books, charge)
                fresh = not waiting and charge.state in _OPEN
                if fresh:
                    waiting = self._write_step(books, charge, at_ns)
                    charge = books.charge(charge.key) or charge
            if charge.state not in _OPEN or not waiting:
                return charge
            answers = [self._ask(payment, at_ns, fresh=fresh) for payment in waiting]
            if any(answer.state is PaymentState.UNKNOWN for answer in answers):
                return charge

    def _write_step(self, books: Books, charge: Charge, at_ns: int) -> tuple[Payment, ...]:
        """Write what a charge needs next, and return the payment to be sent, if any."""
        payments = books.payments(charge.visit_id)
        mine = [payment for payment in payments if payment.claim == charge.key]
        step = next_step(charge, _free_hold(payments, charge), mine, self._smallest)
        if isinstance(step, End):
            _end(books, charge, step, mine, at_ns)
            return ()
        payment = _payment_of(charge, step, at_ns)
        books.add_payment(payment)
        return (payment,)

    def _begin_refund(self, books: Books, request: RefundRequest) -> None:
        receipt = books.receipt(request.visit_id)
        if receipt is None:
            raise RefundError(f"{request.refund_id}: visit {request.visit_id!r} has no receipt")
        if request.at_ns - receipt.issued_at_ns > self._policy.refund_window_days * _NS_PER_DAY:
            days = f"{self._policy.refund_window_days:g}"
            raise RefundError(f"{request.refund_id}: the receipt of {request.visit_id} is older than {days} days")
        if any(charge.state in _OPEN for charge in books.charges(request.visit_id)):
            raise ChargeStateError(f"{request.refund_id}: the charge of {request.visit_id} is not settled yet")
        owed_before = _owed(books, receipt)
        refund = self._new_refund(request, receipt, books.refunds(request.visit_id))
        books.add_refund(refund)
        for payment in _payments_back(books, refund, receipt):
            books.add_payment(payment)
        short_minor = max(0, -_owed(books, receipt).minor) - max(0, -owed_before.minor)
        waived = waiver_taken_back(refund, Money(short_minor, receipt.currency)) if short_minor > 0 else None
        for posting in (refund_posting(refund), waived):
            if posting is not None:
                books.post(posting)

    def _new_refund(self, request: RefundRequest, receipt: Receipt, earlier: tuple[Refund, ...]) -> Refund:
        items = refunded_items(request, receipt, earlier)
        taxes, untaxed = refund_taxes(receipt, earlier, items, self._book.rounding)
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

    def _advance_refund(self, key: str, at_ns: int) -> Refund:
        """Send what of a refund was not answered; write how it came out once all is known."""
        with self._store.transaction() as books:
            refund = books.refund(key)
            assert refund is not None  # refunds are never deleted
            parts = [payment for payment in books.payments(refund.visit_id) if payment.claim == key]
        for payment in parts:
            if payment.state is PaymentState.UNKNOWN:
                self._ask(payment, at_ns, fresh=False)
        with self._store.transaction(refund.visit_id) as books:
            _settle_refunds(books, refund.visit_id)
            return books.refund(key) or refund

    def _ask(self, payment: Payment, at_ns: int, *, fresh: bool) -> Payment:
        """Ask the gateway for ``payment`` and write its answer; one that is not ``fresh`` may be known there.

        A request that the gateway does not take moved no money: the payment is declined.
        """
        try:
            answer = None if fresh else self._gateway.find(payment.key)
            answer = answer or self._gateway.send(self._request(payment, at_ns))
        except GatewayTimeout:
            return payment
        except (GatewayRefused, KeyConflict) as refusal:
            return self._settle(replace(payment, state=PaymentState.DECLINED, reason=str(refusal)), at_ns)
        return self._settle(_answered(payment, answer), at_ns)

    def _request(self, payment: Payment, at_ns: int) -> GatewayRequest:
        of = None
        if payment.of is not None:
            with self._store.transaction() as books:
                source = books.payment(payment.of)
            of = None if source is None else source.reference
        return GatewayRequest(payment.key, payment.action, payment.amount, payment.digest, payment.token, of, at_ns)

    def _settle(self, payment: Payment, at_ns: int) -> Payment:
        """Write the gateway's answer and what it moves in the ledger, together and once."""
        with self._store.transaction(payment.visit_id) as books:
            changed = books.settle_payment(replace(payment, settled_at_ns=at_ns))
            posting = payment_posting(payment, at_ns)
            if changed and payment.state is PaymentState.DONE and posting is not None:
                books.post(posting)
            return books.payment(payment.key) or payment


def _answered(payment: Payment, answer: GatewayAnswer) -> Payment:
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


def _known_charge(books: Books, receipt: Receipt) -> Charge | None:
    """Return the visit's last charge if it has one for this very receipt. Raises KeyConflict for another."""
    known = books.charges(receipt.visit_id)
    if known and known[-1].receipt_digest != receipt.digest:
        raise KeyConflict(
            f"{known[-1].key} was made for receipt {known[-1].receipt_digest[:12]}, not {receipt.digest[:12]}: "
            "a final receipt changes only by a refund or a further charge"
        )
    return known[-1] if known else None


def _first_charge(books: Books, receipt: Receipt, given: ReceiptInput) -> Charge:
    charge = _new_charge(receipt, receipt.total, 1, given.token, given.final_at_ns)
    books.add_receipt(receipt)
    books.add_charge(charge)
    posting = sale_posting(receipt)
    if posting is not None:
        books.post(posting)
    return charge


def _new_charge(receipt: Receipt, amount: Money, number: int, token: str, at_ns: int) -> Charge:
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


def _hold_key(visit_id: str) -> str:
    return f"{visit_id}:hold"


def _hold(given: OpenVisit, amount: Money) -> Payment:
    return Payment(
        key=_hold_key(given.visit_id),
        visit_id=given.visit_id,
        claim=None,
        action=PaymentAction.HOLD,
        digest=given.visit_id,
        token=given.token,
        amount=amount,
        of=None,
        state=PaymentState.UNKNOWN,
        created_at_ns=given.at_ns,
    )


def _payment_of(charge: Charge, step: Ask, at_ns: int) -> Payment:
    return Payment(
        key=f"{charge.key}:{step.action.value}",
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


def _unanswered(books: Books, charge: Charge) -> tuple[Payment, ...]:
    """Return what must be known before a charge goes on: its own payments, and the visit's hold."""
    if charge.state not in _OPEN:
        return ()
    payments = books.payments(charge.visit_id)
    mine = [each for each in payments if each.claim == charge.key or each.action is PaymentAction.HOLD]
    return tuple(each for each in mine if each.state is PaymentState.UNKNOWN)


def _free_hold(payments: tuple[Payment, ...], charge: Charge) -> Payment | None:
    """Return the visit's hold, unless another charge took from it, let it go, or is of another card."""
    holds = [each for each in payments if each.action is PaymentAction.HOLD and each.token == charge.token]
    used = {each.of for each in payments if each.claim != charge.key}
    return next((hold for hold in holds if hold.key not in used), None)


def _end(books: Books, charge: Charge, step: End, payments: list[Payment], at_ns: int) -> None:
    """Write how a charge came out, and what it moves to waive its rest."""
    paid = taken(payments, charge.amount.currency)
    last = payments[-1] if payments else None
    books.settle_charge(
        replace(
            charge,
            state=step.state,
            paid=paid,
            settled_at_ns=None if step.state is ChargeState.NEEDS_SHOPPER else at_ns,
            gateway_reference=None if last is None else last.reference,
            decline_reason=step.reason,
        )
    )
    if step.state is ChargeState.WAIVED:
        books.post(waiver_posting(charge, charge.amount - paid, at_ns))


def _owed(books: Books, receipt: Receipt) -> Money:
    """Return what of a receipt was neither given back nor paid; what was waived is not owed."""
    zero = Money.zero(receipt.currency)
    refunded = sum((refund.amount for refund in books.refunds(receipt.visit_id)), zero)
    paid = sum((amount for _, amount in paid_back_left(books.payments(receipt.visit_id))), zero)
    charges = books.charges(receipt.visit_id)
    waived = sum((each.amount - each.paid for each in charges if each.state is ChargeState.WAIVED), zero)
    return receipt.total - refunded - paid - waived


def _try_again(books: Books, refund: Refund) -> None:
    """Write new payments for what the gateway declined to give back."""
    receipt = books.receipt(refund.visit_id)
    assert receipt is not None  # the database's foreign key holds it
    payments = _payments_back(books, refund, receipt)
    for payment in payments:
        books.add_payment(payment)
    if payments:
        books.settle_refund(replace(refund, state=RefundState.UNKNOWN))


def _settle_refunds(books: Books, visit_id: str) -> None:
    """Write how a visit's refunds stand, once all answers are there: done where nothing more is to be given back."""
    receipt, payments = books.receipt(visit_id), books.payments(visit_id)
    unknown = {each.claim for each in payments if each.state is PaymentState.UNKNOWN}
    refunds = books.refunds(visit_id)
    if receipt is None or any(refund.key in unknown for refund in refunds):
        return
    is_owed = bool(refund_parts(payments, _kept(receipt, refunds)))
    for refund in refunds:
        if refund.state is not RefundState.DONE:
            books.settle_refund(replace(refund, state=RefundState.OWED if is_owed else RefundState.DONE))


def _kept(receipt: Receipt, refunds: tuple[Refund, ...]) -> Money:
    """Return what a receipt comes to after its refunds."""
    return receipt.total - sum((refund.amount for refund in refunds), Money.zero(receipt.currency))


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
        for source, amount in refund_parts(payments, _kept(receipt, books.refunds(refund.visit_id)))
    ]
