"""From a shopper at the gate to money and back: once, whatever breaks in between.

Each step is written before it is sent (``teller``), and what comes next is decided from what is written
(``charging``), so everything here may be asked for again by whoever does not know how it came out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

from billing.charging import OPEN, Charging, is_in_flight, let_go, new_charge
from billing.db.books import Books
from billing.debts import Debts
from billing.disputing import Disputing
from billing.errors import ChargeStateError, CorrectionError, KeyConflict, UnknownVisit, VersionConflict
from billing.gateway import Gateway
from billing.ledger import correction_posting, sale_posting
from billing.money import Money
from billing.news import correction_news, draft_news, receipt_news, visit_news
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.receipt import make_receipt
from billing.reconcile import Difference, differences
from billing.refunding import Refunding
from billing.refunds import cheapened
from billing.standing import first_unpaid, standing
from billing.store import BillingStore
from billing.teller import Order, ask, order, settle
from billing.types import (
    CASH,
    STAFF,
    Admission,
    Charge,
    ChargeState,
    CorrectionRequest,
    Dispute,
    DisputeRequest,
    DisputeState,
    Draft,
    Evidence,
    ItemCount,
    JoinVisit,
    LineKind,
    OpenVisit,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    ReceiptInput,
    Refund,
    RefundRequest,
    RefundState,
    StoredVisit,
    VisitKind,
)

_DAY_NS = 86_400 * 10**9


class BillingService:
    """The ``BillingPort`` on a database and a gateway. Safe to use from several threads and processes."""

    def __init__(
        self, book: PriceBook, store: BillingStore, gateway: Gateway, policy: BillingPolicy | None = None
    ) -> None:
        """Raises GatewayRefused where the gateway does not take the book's currency."""
        self.book, self._store, self._gateway = book, store, gateway
        self.policy = policy or BillingPolicy()
        self._charging = Charging(store, gateway, gateway.smallest(book.currency))
        self._refunding = Refunding(store, gateway, self.policy, book.rounding)
        self._debts = Debts(store, self._charging, self.policy)
        self._disputing = Disputing(store, self._refunding, self.policy)

    def on(self, store: BillingStore) -> BillingService:
        """Return the same service on another view of its database."""
        return BillingService(self.book, store, self._gateway, self.policy)

    @property
    def store(self) -> BillingStore:
        """Return the view of the database that this works on."""
        return self._store

    def open_visit(self, given: OpenVisit) -> Admission:
        """See ``BillingPort.open_visit``. A gateway without an answer refuses nobody.

        Raises KeyConflict, too, where the visit was opened for another number of people.
        """
        with self._store.transaction(given.visit_id) as books:
            known = books.visit(given.visit_id)
            if known is None:
                fresh, known = True, StoredVisit(given, self._refusal(books, given))
                books.add_visit(given, known.refused)
                books.tell(*visit_news(given, known.refused))
                hold = self._hold_at_gate(books, known)
            else:
                _check_token(known, given.token, given.visit_id)
                if known.opened.party_size != given.party_size:
                    raise KeyConflict(f"{given.visit_id} was opened for {known.opened.party_size} people")
                fresh, hold = False, books.payment(_hold_key(given.visit_id))
        if hold is not None and hold.state is PaymentState.UNKNOWN:
            hold = self._ask(hold, given.at_ns, fresh=fresh)
        return _admission(known, hold)

    def join_visit(self, given: JoinVisit) -> Admission:
        """Let one more of a group in on the visit's token, and hold money for them, once per ``scan_id``.

        Whoever comes after the receipt is refused: nothing that they take would be billed.
        Raises UnknownVisit where the visit was not opened, KeyConflict for another token.
        """
        with self._store.transaction(given.visit_id) as books:
            known = books.visit(given.visit_id)
            if known is None:
                raise UnknownVisit(f"visit {given.visit_id!r} was not opened")
            _check_token(known, given.token, given.visit_id)
            key = f"{_hold_key(given.visit_id)}:{given.scan_id}"
            hold = books.payment(key)
            fresh = hold is None
            if fresh and books.first_receipt(given.visit_id) is not None:
                return Admission(given.visit_id, known.opened.at_ns, f"visit {given.visit_id} is over", None)
            is_held = known.opened.kind is VisitKind.SHOPPER and known.refused is None and self.policy.hold_minor > 0
            if fresh and is_held:
                hold = _new_hold(known.opened, key, Money(self.policy.hold_minor, self.book.currency), given.at_ns)
                books.add_payment(hold)
        if hold is not None and hold.state is PaymentState.UNKNOWN:
            hold = self._ask(hold, given.at_ns, fresh=fresh)
        return _admission(known, hold)

    def put_draft(
        self, visit_id: str, items: tuple[ItemCount, ...], at_ns: int, if_version: int | None = None
    ) -> tuple[Draft, Receipt]:
        """See ``BillingPort.put_draft``. The same cart again is no change: who did not hear the answer may ask again.

        Raises VersionConflict for another cart where ``if_version`` is not that of the last one (0: there is none).
        """
        with self._store.transaction(visit_id) as books:
            visit = books.visit(visit_id)
            if visit is None:
                raise UnknownVisit(f"visit {visit_id!r} was not opened")
            before = books.draft(visit_id)
            version = 0 if before is None else before.version
            if books.first_receipt(visit_id) is not None:
                raise ChargeStateError(f"{visit_id}: its receipt is final")
            priced = make_receipt(_final(visit, ReceiptInput(visit_id, visit.opened.token, at_ns, items)), self.book)
            if before is not None and _counted(before.items) == _counted(items):
                return before, priced
            if if_version not in (None, version):
                raise VersionConflict(f"the cart of {visit_id} has version {version}, not {if_version}")
            draft = Draft(visit_id, version + 1, at_ns, items)
            books.put_draft(draft)
            books.tell(*draft_news(draft, priced))
        return draft, priced

    def draft(self, visit_id: str, at_ns: int) -> tuple[Draft, Receipt] | None:
        """Return a cart as it last was, priced as of ``at_ns``; None before its first change."""
        with self._store.reading() as books:
            visit, draft = books.visit(visit_id), books.draft(visit_id)
        if visit is None or draft is None:
            return None
        given = ReceiptInput(visit_id, visit.opened.token, at_ns, draft.items)
        return draft, make_receipt(_final(visit, given), self.book)

    def finalise(self, given: ReceiptInput) -> Charge:
        """See ``BillingPort.finalise``. The carts of staff are not billed."""
        with self._store.transaction(given.visit_id) as books:
            visit = books.visit(given.visit_id)
            if visit is not None:
                _check_token(visit, given.token, given.visit_id)
            charge, orders = self._finalised(books, visit, given)
        return self._charging.drive(charge, orders, given.final_at_ns)

    def finish(self, visit_id: str, items: tuple[ItemCount, ...], at_ns: int) -> Charge:
        """Do as ``finalise`` does, with the token that the visit was opened with. Raises UnknownVisit, too."""
        with self._store.transaction(visit_id) as books:
            visit = books.visit(visit_id)
            if visit is None:
                raise UnknownVisit(f"visit {visit_id!r} was not opened")
            charge, orders = self._finalised(books, visit, ReceiptInput(visit_id, visit.opened.token, at_ns, items))
        return self._charging.drive(charge, orders, at_ns)

    def correct(self, request: CorrectionRequest) -> Charge:
        """Charge units that a final receipt lacks, once per ``correction_id``; the corrected receipt stands from then on.

        The whole cart is priced anew as of the receipt's time, so promotions hold as if all had been seen at once; what
        that costs more is the visit's next charge.

        Raises:
            UnknownVisit: there is no such receipt.
            CorrectionError: it is too old, costs no more with these units, or makes cheaper what was given back.
            KeyConflict: ``correction_id`` was used for something else.
            ChargeStateError: the charge before is not settled, or was declined: let it be paid first.
        """
        with self._store.transaction(request.visit_id) as books:
            known = books.correction(request.correction_id)
            if known is None:
                charge = self._correct(books, request)
            elif known[0] != _correction_digest(request):
                raise KeyConflict(f"{request.correction_id} was used for another correction")
            else:
                charge = _last_for(books.charges(request.visit_id), known[1])
            charge, orders = self._charging.go_on(books, charge, request.at_ns)
        return self._charging.drive(charge, orders, request.at_ns)

    def quote_correction(self, request: CorrectionRequest) -> Receipt:
        """Return the receipt that ``correct`` would make now, and change nothing. Raises what that does, but for its key."""
        with self._store.reading() as books:
            before, charges = self._correctable(books, request)
            return self._checked_correction(books, before, charges[-1].token, request)

    def charge_again(self, visit_id: str, token: str, at_ns: int) -> Charge:
        """Charge what is still owed to ``token``, as the visit's next charge.

        Raises ChargeStateError unless the visit's last charge was declined and something is owed.
        """
        return self._debts.charge_again(visit_id, token, at_ns)

    def pay_cash(self, visit_id: str, key: str, by: str, at_ns: int) -> Charge:
        """Take what is owed at the till, once per ``key``: a cash shopper's receipt, or a debt.

        Raises UnknownVisit without a receipt, ChargeStateError where nothing is owed or a card may still pay, KeyConflict
        where ``key`` was used for other money at the till.
        """
        return self._debts.pay_cash(visit_id, key, by, at_ns)

    def pay_out(self, refund_key: str, key: str, by: str, at_ns: int) -> Refund:
        """Pay a refund out at the till, once per ``key``: what was paid there.

        Raises UnknownVisit without such a refund, ChargeStateError where nothing is to be paid out, KeyConflict where
        ``key`` was used for other money at the till.
        """
        return self._debts.pay_out(refund_key, key, by, at_ns)

    def taken_out(self, key: str) -> Money:
        """Return what ``pay_out`` took out of the till by this key. Raises UnknownVisit where it took nothing."""
        with self._store.reading() as books:
            move = books.cash_move(key)
        if move is None or move.amount.minor >= 0:
            raise UnknownVisit(f"nothing was paid out as {key!r}")
        return -move.amount

    def collect_debts(self, at_ns: int) -> tuple[Charge, ...]:
        """Ask the cards of debtors again, by the policy's schedule, and write off what is too old; return the charges."""
        return self._debts.collect(at_ns)

    def give_up_waiting(self, at_ns: int) -> tuple[Charge, ...]:
        """Give up payments that the shopper did not confirm in time; the charges become debts."""
        return self._debts.give_up_waiting(at_ns)

    def refund(self, request: RefundRequest) -> Refund:
        """Give units of a receipt back, once per ``refund_id``.

        What was paid for them returns to where it came from, latest payment first; what was not paid is no longer owed.
        What was paid in cash is OWED until the till pays it out. Asking again for one that is OWED asks the gateway again.

        Raises:
            UnknownVisit: there is no such receipt.
            RefundError: it is too old, or it does not hold these units (any more).
            KeyConflict: ``refund_id`` was used for something else.
            ChargeStateError: it is not known yet what was paid: ask again when the charge is settled.
        """
        return self._refunding.refund(request)

    def quote_refund(self, request: RefundRequest) -> Refund:
        """Return what ``refund`` would agree to now, and change nothing. Raises what that does, but for its key."""
        return self._refunding.quote(request)

    def contest(self, asked: DisputeRequest) -> Dispute:
        """Open a dispute about units of a receipt, once per ``dispute_id``; policy may uphold it at once.

        Raises UnknownVisit without such a receipt, DisputeError for units that it does not hold or when it is too old,
        KeyConflict where the id was used for something else.
        """
        return self._disputing.open(asked)

    def decide(self, dispute_id: str, state: DisputeState, by: str, note: str, at_ns: int) -> Dispute:
        """Uphold or reject a dispute; upheld, its units are refunded. The same decision again changes nothing.

        Raises UnknownVisit without such a dispute, DisputeError where it was decided otherwise, ChargeStateError while it
        is not known what was paid, RefundError where the units were given back meanwhile.
        """
        return self._disputing.decide(dispute_id, state, by, note, at_ns)

    def attach(self, evidence: Evidence) -> None:
        """Lay a clip or picture before the operator, once per ``evidence_id``.

        Raises UnknownVisit without the dispute, KeyConflict where the id was used for other evidence.
        """
        self._disputing.attach(evidence)

    @property
    def disputes(self) -> Disputing:
        """Return what reads disputes, their evidence and the labelled examples."""
        return self._disputing

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        """See ``BillingPort.resolve_unknown``. A request that never arrived is sent again by the same key.

        Refunds without an answer are asked for too. Who pays at the till is not waited for.
        """
        with self._store.reading() as books:
            waiting, charges, refunds = books.open_payments(), books.open_charges(), books.open_refunds()
        for payment in waiting:
            self._ask(payment, at_ns, fresh=False)
        for refund in refunds:
            self._refunding.advance(refund, at_ns)
        advanced = [self._charging.advance(charge, at_ns) for charge in charges]
        return tuple(each for each in advanced if each.token != CASH or each.state not in OPEN)

    def heard_of(self, key: str, at_ns: int) -> None:
        """Take news of the gateway's: ask it how the request ``key`` stands, and go on with what waited for it.

        Only the gateway's answer counts, so news may come twice, late and in any order; of a key that is not ours it
        is no news. Without an answer all stays as it is, for the next news or ``resolve_unknown``.
        """
        with self._store.reading() as books:
            payment = books.payment(key)
        if payment is None:
            return
        if payment.state in (PaymentState.UNKNOWN, PaymentState.NEEDS_SHOPPER):
            self._ask(payment, at_ns, fresh=False)
        with self._store.reading() as books:
            charges, refunds = books.charges(payment.visit_id), books.refunds(payment.visit_id)
        for charge in charges:
            if is_in_flight(charge):
                self._charging.advance(charge, at_ns)
        for refund in refunds:
            if refund.state is RefundState.UNKNOWN:
                self._refunding.advance(refund, at_ns)

    def visit(self, visit_id: str) -> StoredVisit | None:
        """Return a visit as it was opened, None where it was not."""
        with self._store.reading() as books:
            return books.visit(visit_id)

    def receipt(self, visit_id: str) -> Receipt | None:
        """See ``BillingPort.receipt``. After a correction, the corrected one."""
        with self._store.reading() as books:
            return books.receipt(visit_id)

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """See ``BillingPort.charges``."""
        with self._store.reading() as books:
            return books.charges(visit_id)

    def payments(self, visit_id: str) -> tuple[Payment, ...]:
        """Return all requests to the gateway for a visit, in order."""
        with self._store.reading() as books:
            return books.payments(visit_id)

    def refunds(self, visit_id: str) -> tuple[Refund, ...]:
        """Return a visit's refunds, in order."""
        with self._store.reading() as books:
            return books.refunds(visit_id)

    def owed(self, visit_id: str) -> Money:
        """Return what a visit's shopper still owes; negative where the store does. Raises UnknownVisit."""
        with self._store.reading() as books:
            receipt = books.receipt(visit_id)
            if receipt is None:
                raise UnknownVisit(f"visit {visit_id!r} has no receipt")
            return standing(books, receipt).owed

    def reconcile(self) -> tuple[Difference, ...]:
        """Return where our payments and the gateway's list differ; none when all is well. Raises GatewayTimeout."""
        listing = self._gateway.listing()
        with self._store.reading() as books:
            return differences(books.all_payments(), listing)

    def balances(self) -> dict[tuple[str, str], int]:
        """Return the ledger's balances in minor units by (account, currency)."""
        with self._store.reading() as books:
            return books.balances()

    def _finalised(
        self, books: Books, visit: StoredVisit | None, given: ReceiptInput
    ) -> tuple[Charge, tuple[Order, ...]]:
        """Write a receipt and its first charge, unless they are there; return how the charge stands, and what to send."""
        receipt = make_receipt(_final(visit, given), self.book)
        charge = _known_charge(books, receipt) or _first_charge(books, receipt, given)
        return self._charging.go_on(books, charge, given.final_at_ns)

    def _hold_at_gate(self, books: Books, visit: StoredVisit) -> Payment | None:
        """Write the hold of a visit that is new; None where there is to be none."""
        given = visit.opened
        amount = Money(self.policy.hold_minor * given.party_size, self.book.currency)
        is_held = given.kind is VisitKind.SHOPPER and visit.refused is None and amount.minor > 0
        if not is_held or books.first_receipt(given.visit_id) is not None:
            return None
        hold = _new_hold(given, _hold_key(given.visit_id), amount, given.at_ns)
        books.add_payment(hold)
        return hold

    def _refusal(self, books: Books, given: OpenVisit) -> str | None:
        """Return why a shopper is refused: the visit that they have not paid for."""
        if not self.policy.refuse_debtors or given.kind is not VisitKind.SHOPPER:
            return None
        visit_id = first_unpaid(books, given.token, given.shopper_id)
        return None if visit_id is None else f"visit {visit_id} is not paid"

    def _ask(self, payment: Payment, at_ns: int, *, fresh: bool) -> Payment:
        """Ask the gateway for a payment that no charge drives, and write its answer."""
        answer = ask(self._gateway, self._order(payment, at_ns, fresh=fresh))
        if answer is None or answer.state is payment.state:
            return payment
        with self._store.transaction(payment.visit_id) as books:
            if not settle(books, answer, at_ns):
                return books.payment(payment.key) or answer
            void = let_go(books, answer, at_ns)
        if void is not None:
            self._ask(void, at_ns, fresh=True)
        return replace(answer, settled_at_ns=at_ns)

    def _order(self, payment: Payment, at_ns: int, *, fresh: bool) -> Order:
        if payment.of is None:
            return order(None, payment, at_ns, fresh=fresh)
        with self._store.reading() as books:
            return order(books.payment(payment.of), payment, at_ns, fresh=fresh)

    def _correct(self, books: Books, request: CorrectionRequest) -> Charge:
        """Write a corrected receipt and its charge."""
        before, charges = self._correctable(books, request)
        after = self._checked_correction(books, before, charges[-1].token, request)
        books.add_correction(request.correction_id, _correction_digest(request), after)
        books.post(correction_posting(request.correction_id, before, after, request.at_ns))
        books.tell(*correction_news(request.correction_id, after, request.at_ns))
        charge = new_charge(after, after.total - before.total, len(charges) + 1, charges[-1].token, request.at_ns)
        books.add_charge(charge)
        return charge

    def _correctable(self, books: Books, request: CorrectionRequest) -> tuple[Receipt, tuple[Charge, ...]]:
        before, charges = books.receipt(request.visit_id), books.charges(request.visit_id)
        if before is None:
            raise UnknownVisit(f"{request.correction_id}: visit {request.visit_id!r} has no receipt")
        if request.at_ns - before.issued_at_ns > self.policy.correction_window_days * _DAY_NS:
            days = f"{self.policy.correction_window_days:g}"
            raise CorrectionError(
                f"{request.correction_id}: the receipt of {request.visit_id} is older than {days} days"
            )
        is_owed = charges[-1].state is ChargeState.DECLINED and standing(books, before).owed.minor > 0
        if charges[-1].state in OPEN or is_owed:
            raise ChargeStateError(f"{request.correction_id}: the charge {charges[-1].key} is {charges[-1].state}")
        return before, charges

    def _checked_correction(self, books: Books, before: Receipt, token: str, request: CorrectionRequest) -> Receipt:
        after = self._corrected(books.visit(request.visit_id), before, token, request)
        cheaper = cheapened(before, after, books.refunds(request.visit_id))
        if cheaper is not None:
            raise CorrectionError(
                f"{request.correction_id}: units of {cheaper!r} were given back for more than they would cost now: "
                "leave out what makes them cheaper"
            )
        return after

    def _corrected(self, visit: StoredVisit | None, before: Receipt, token: str, request: CorrectionRequest) -> Receipt:
        bought = [ItemCount(line.sku, line.quantity) for line in before.lines if line.kind is LineKind.PRODUCT]
        items = (*bought, *request.items)
        is_member = any(each.members_only for each in before.promotions)
        given = ReceiptInput(before.visit_id, token, before.issued_at_ns, items, is_member)
        after = make_receipt(_final(visit, given), self.book)
        if after.total.minor <= before.total.minor:
            raise CorrectionError(f"{request.correction_id}: the receipt costs no more with these units: {after.total}")
        return after


def _final(visit: StoredVisit | None, given: ReceiptInput) -> ReceiptInput:
    """Return a final cart as it is billed: staff take what they take, members have their prices."""
    items = () if given.token == STAFF else given.items
    is_member = given.is_member or (visit is not None and visit.opened.is_member)
    return replace(given, items=items, is_member=is_member)


def _counted(items: tuple[ItemCount, ...]) -> Counter[str]:
    """Return a cart as so many of each product, whatever the order in which they were put."""
    counts = Counter[str]()
    for item in items:
        counts[item.sku] += item.quantity
    return counts


def _check_token(visit: StoredVisit, token: str, visit_id: str) -> None:
    if visit.opened.token != token:
        raise KeyConflict(f"{visit_id} was opened with another token")


def _admission(visit: StoredVisit, hold: Payment | None) -> Admission:
    refused = visit.refused
    if hold is not None and hold.state in (PaymentState.DECLINED, PaymentState.NEEDS_SHOPPER):
        refused = hold.reason
    return Admission(visit.opened.visit_id, visit.opened.at_ns, refused, hold)


def _known_charge(books: Books, receipt: Receipt) -> Charge | None:
    """Return the visit's last charge for this very receipt, if it has one. Raises KeyConflict for another."""
    known = books.charges(receipt.visit_id)
    if known and known[0].receipt_digest != receipt.digest:
        raise KeyConflict(
            f"{known[0].key} was made for receipt {known[0].receipt_digest[:12]}, not {receipt.digest[:12]}: "
            "a final receipt changes only by a refund or a further charge"
        )
    return _last_for(known, receipt) if known else None


def _last_for(charges: tuple[Charge, ...], receipt: Receipt) -> Charge:
    """Return the last charge that was made for a receipt."""
    return [each for each in charges if each.receipt_digest == receipt.digest][-1]


def _first_charge(books: Books, receipt: Receipt, given: ReceiptInput) -> Charge:
    charge = new_charge(receipt, receipt.total, 1, given.token, given.final_at_ns)
    books.add_receipt(receipt)
    books.add_charge(charge)
    posting = sale_posting(receipt)
    if posting is not None:
        books.post(posting)
    books.tell(*receipt_news(receipt))
    return charge


def _correction_digest(request: CorrectionRequest) -> str:
    """Return the SHA-256 of what is asked, but for the time, which a retry has its own of."""
    items = sorted((item.sku, item.quantity) for item in request.items)
    body = json.dumps([request.visit_id, items, request.by])
    return hashlib.sha256(body.encode()).hexdigest()


def _hold_key(visit_id: str) -> str:
    return f"{visit_id}:hold"


def _new_hold(visit: OpenVisit, key: str, amount: Money, at_ns: int) -> Payment:
    return Payment(
        key=key,
        visit_id=visit.visit_id,
        claim=None,
        action=PaymentAction.HOLD,
        digest=visit.visit_id,
        token=visit.token,
        amount=amount,
        of=None,
        state=PaymentState.UNKNOWN,
        created_at_ns=at_ns,
    )
