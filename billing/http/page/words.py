"""What the shopper's page says of states and reasons, and what it shows of a visit's money, in words."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from billing.cards import CardOnFile
from billing.db.books import Books
from billing.db.disputes import disputes_of
from billing.disputing import BY_POLICY
from billing.money import Money
from billing.receipt_view import ReceiptView, Row, view_of
from billing.shoppers import is_turned_away
from billing.standing import standing
from billing.texts import Texts
from billing.types import (
    CashMove,
    Charge,
    ChargeState,
    Dispute,
    DisputeKind,
    DisputeState,
    ItemCount,
    LineKind,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    ReceiptLine,
    Refund,
    RefundReason,
    RefundState,
    StoredVisit,
    WriteOff,
)

_DAY_NS = 86_400 * 10**9

_BRANDS = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "discover": "Discover",
    "diners": "Diners Club",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "cartes_bancaires": "CB",
}


def card_name(card: CardOnFile) -> str:
    """Return a card as people know theirs."""
    return f"{_BRANDS.get(card.brand, card.brand.title())} •••• {card.last4}"


def card_expiry(card: CardOnFile) -> str:
    """Return a card's last month as it stands on it."""
    return f"{card.expires[5:]}/{card.expires[2:4]}"


@dataclass(frozen=True, slots=True)
class Move:
    """Something that happened to the shopper's money, or did not. ``tone`` is good, bad, wait or plain."""

    what: str
    amount: str
    why: str
    when: str
    tone: str


@dataclass(frozen=True, slots=True)
class Request:
    """A contested line or return, and what came of it."""

    what: str
    items: str
    text: str
    when: str
    state: str
    answer: str
    tone: str


@dataclass(frozen=True, slots=True)
class ItemLine:
    """A line of a cart or receipt; ``left`` units can still be contested or returned."""

    sku: str
    row: Row
    notes: tuple[str, ...]
    left: int


@dataclass(frozen=True, slots=True)
class VisitView:
    """A visit with all its money. ``state`` and ``tone`` say how it stands; ``owed`` is empty where nothing is."""

    visit_id: str
    opened: str
    issued: str
    state: str
    tone: str
    paid: str
    after_refunds: str
    owed: str
    owed_minor: int
    last_number: int
    can_pay: bool
    is_open: bool
    receipt: ReceiptView | None
    lines: tuple[ItemLine, ...]
    promotions: tuple[Row, ...]
    moves: tuple[Move, ...]
    requests: tuple[Request, ...]
    until: str
    is_settling: bool

    @property
    def version(self) -> str:
        """Return a text that changes when anything of its money or requests does."""
        told = repr((self.state, self.moves, self.requests))
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Case:
    """All that is written of a visit."""

    visit: StoredVisit
    receipt: Receipt | None
    charges: tuple[Charge, ...]
    payments: tuple[Payment, ...]
    refunds: tuple[Refund, ...]
    disputes: tuple[Dispute, ...]
    cash: tuple[CashMove, ...]
    written_off: tuple[WriteOff, ...]
    owed: Money | None


@dataclass(frozen=True, slots=True)
class Frame:
    """How visits are told: ``window_days`` after a receipt nothing of it can be contested; ``currency`` is the store's."""

    texts: Texts
    zone: ZoneInfo
    window_days: float
    currency: str
    title: str


def visit_view(books: Books, visit: StoredVisit, frame: Frame, at_ns: int) -> VisitView:
    """Return a visit as its shopper may see it at ``at_ns``."""
    _, zone = frame.texts, frame.zone
    case = _case(books, visit)
    receipt, visit_id = case.receipt, visit.opened.visit_id
    state, tone = _state(case, _)
    charge = case.charges[-1] if case.charges else None
    view = None if receipt is None else view_of(receipt, charge, frame.title, _.locale, zone)
    until_ns = None if receipt is None else receipt.issued_at_ns + round(frame.window_days * _DAY_NS)
    can_ask = until_ns is not None and at_ns <= until_ns
    owed_minor = 0 if case.owed is None else max(0, case.owed.minor)
    zero = Money.zero(frame.currency)
    taken, back = _taken(case, zero), _back(case, zero)
    return VisitView(
        visit_id=visit_id,
        opened=_.moment(visit.opened.at_ns, zone),
        state=state,
        tone=tone,
        issued="" if receipt is None else _.moment(receipt.issued_at_ns, zone),
        paid=_.money(taken) if taken.minor else "",
        after_refunds=_.money(taken - back) if back.minor else "",
        owed="" if case.owed is None or not owed_minor else _.money(case.owed),
        owed_minor=owed_minor,
        last_number=0 if charge is None else charge.number,
        can_pay=charge is not None and charge.state is ChargeState.DECLINED and owed_minor > 0,
        is_open=receipt is None and not is_turned_away(visit, case.payments),
        receipt=view,
        lines=() if receipt is None else tuple(_lines(case, receipt, _, can_ask=can_ask)),
        promotions=() if view is None else tuple(row for row in view.items if row.kind == "promotion"),
        moves=tuple(_moves(case, _, zone)),
        requests=tuple(_request(each, case, _, zone) for each in case.disputes),
        until=_.day(until_ns, zone) if until_ns is not None and can_ask else "",
        is_settling=_is_settling(case),
    )


def cart_lines(receipt: Receipt, _: Texts) -> tuple[ItemLine, ...]:
    """Return the lines of a cart that is not final."""
    return tuple(_lines(None, receipt, _, can_ask=False))


def held(payments: tuple[Payment, ...]) -> Money | None:
    """Return what is held on the card just now, None for nothing."""
    gone = {each.of for each in payments if each.state is PaymentState.DONE}
    holds = [
        each.amount
        for each in payments
        if each.action is PaymentAction.HOLD and each.state is PaymentState.DONE and each.key not in gone
    ]
    return sum(holds[1:], holds[0]) if holds else None


def _taken(case: _Case, zero: Money) -> Money:
    """Return what was taken for a visit, by card and at the till."""
    by_card = [
        each.amount
        for each in case.payments
        if each.action in (PaymentAction.CAPTURE, PaymentAction.CHARGE) and each.state is PaymentState.DONE
    ]
    return sum((*by_card, *(each.amount for each in case.cash if each.amount.minor > 0)), zero)


def _back(case: _Case, zero: Money) -> Money:
    """Return what has gone back for a visit, to the card and at the till."""
    by_card = [
        each.amount for each in case.payments if each.action is PaymentAction.REFUND and each.state is PaymentState.DONE
    ]
    return sum((*by_card, *(-each.amount for each in case.cash if each.amount.minor < 0)), zero)


def _case(books: Books, visit: StoredVisit) -> _Case:
    visit_id = visit.opened.visit_id
    receipt = books.receipt(visit_id)
    return _Case(
        visit=visit,
        receipt=receipt,
        charges=books.charges(visit_id),
        payments=books.payments(visit_id),
        refunds=books.refunds(visit_id),
        disputes=disputes_of(books, visit_id),
        cash=books.cash(visit_id),
        written_off=books.write_offs(visit_id),
        owed=None if receipt is None else standing(books, receipt).owed,
    )


def _state(case: _Case, _: Texts) -> tuple[str, str]:
    """Return how a visit stands, in words and tone."""
    if case.visit.refused is not None:
        return _("Not let in: a former visit is not paid. Nothing was charged."), "bad"
    if case.receipt is None:
        if is_turned_away(case.visit, case.payments):
            return _("Not let in: your card was declined. Nothing was charged."), "bad"
        return _("You are in the store"), "plain"
    if not case.charges:
        return _("Payment pending"), "wait"
    if case.written_off:
        return _("Nothing more to pay"), "plain"
    if case.charges[-1].waits_at_till:
        return _("To be paid at the till"), "wait"
    words = {
        ChargeState.UNKNOWN: (_("Payment pending"), "wait"),
        ChargeState.CAPTURED: (_("Paid"), "good"),
        ChargeState.DECLINED: (_("Not paid: your card was declined"), "bad"),
        ChargeState.NEEDS_SHOPPER: (_("Your bank asks you to confirm this payment"), "wait"),
        ChargeState.VOID: (_("Nothing to pay"), "good"),
        ChargeState.WAIVED: (_("Too little to charge: nothing to pay"), "good"),
    }
    if case.charges[-1].state is ChargeState.DECLINED and case.owed is not None and case.owed.minor <= 0:
        return _("Nothing more to pay"), "plain"
    return words[case.charges[-1].state]


def _is_settling(case: _Case) -> bool:
    """Tell whether something may change by itself, so that a page that shows it keeps looking."""
    return (
        any(each.state in (ChargeState.UNKNOWN, ChargeState.NEEDS_SHOPPER) for each in case.charges)
        or any(each.state is not RefundState.DONE for each in case.refunds)
        or any(each.state is DisputeState.OPEN for each in case.disputes)
    )


def _lines(case: _Case | None, receipt: Receipt, _: Texts, *, can_ask: bool) -> Iterator[ItemLine]:
    rows = view_of(receipt, None, "", _.locale).items
    back, asked = _given_back(case), _asked(case)
    for line, row in zip(receipt.lines, rows[: len(receipt.lines)], strict=True):
        is_product = line.kind is LineKind.PRODUCT
        left = line.quantity - back[line.sku] - asked[line.sku] if is_product and can_ask else 0
        notes = tuple(_notes(line, back[line.sku], asked[line.sku], _)) if is_product else ()
        yield ItemLine(line.sku, row, notes, max(0, left))


def _notes(line: ReceiptLine, back: int, asked: int, _: Texts) -> Iterator[str]:
    if back:
        yield _("{count} of {quantity} refunded", count=back, quantity=line.quantity)
    if asked:
        yield _("{count} of {quantity} being looked at", count=asked, quantity=line.quantity)


def _given_back(case: _Case | None) -> Counter[str]:
    found = Counter[str]()
    for refund in () if case is None else case.refunds:
        found.update({item.sku: item.quantity for item in refund.items})
    return found


def _asked(case: _Case | None) -> Counter[str]:
    found = Counter[str]()
    for each in () if case is None else case.disputes:
        if each.state is DisputeState.OPEN:
            found.update({item.sku: item.quantity for item in each.asked.items})
    return found


def _moves(case: _Case, _: Texts, zone: ZoneInfo) -> Iterator[Move]:
    """Yield everything that was held, taken, let go and given back, in the order in which it was asked for."""
    refunds = {refund.key: refund for refund in case.refunds}
    told = [(each.created_at_ns, _payment(each, case, refunds, _, zone)) for each in case.payments]
    told += [(each.at_ns, _cash(each, refunds, case, _, zone)) for each in case.cash]
    told += [(each.at_ns, _written_off(each, _, zone)) for each in case.written_off]
    told += [
        (each.created_at_ns, _unpaid_refund(each, case, _, zone))
        for each in case.refunds
        if not _is_carried_out(each, case)
    ]
    for _at_ns, move in sorted(told, key=lambda each: each[0]):
        yield move


def _is_carried_out(refund: Refund, case: _Case) -> bool:
    """Tell whether money moves for a refund: a payment or the till shows it then."""
    return refund.key in {*(each.claim for each in case.payments), *(each.claim for each in case.cash)}


def _payment(payment: Payment, case: _Case, refunds: dict[str, Refund], _: Texts, zone: ZoneInfo) -> Move:
    what, tone = _payment_words(payment, _)
    why = ""
    if payment.action is PaymentAction.REFUND and payment.claim in refunds:
        why = _refund_words(refunds[payment.claim], case, _)
    elif payment.action is PaymentAction.CAPTURE and payment.state is PaymentState.DONE:
        hold = next((each for each in case.payments if each.key == payment.of), None)
        if hold is not None and hold.amount.minor > payment.amount.minor:
            why = _(
                "out of what was held; the other {amount} were let go", amount=_.money(hold.amount - payment.amount)
            )
        else:
            why = _("out of what was held")
    elif payment.action is PaymentAction.HOLD and payment.state is PaymentState.DONE:
        why = _("held, not charged: what you do not spend is let go")
    return Move(
        what, _.money(payment.amount), why, _.moment(payment.settled_at_ns or payment.created_at_ns, zone), tone
    )


def _payment_words(payment: Payment, _: Texts) -> tuple[str, str]:
    words: dict[tuple[PaymentAction, PaymentState], tuple[str, str]] = {
        (PaymentAction.HOLD, PaymentState.DONE): (_("Held on your card"), "plain"),
        (PaymentAction.HOLD, PaymentState.DECLINED): (_("Not held: declined"), "bad"),
        (PaymentAction.HOLD, PaymentState.UNKNOWN): (_("To be held on your card"), "wait"),
        (PaymentAction.HOLD, PaymentState.NEEDS_SHOPPER): (_("Your bank asks you to confirm a hold"), "wait"),
        (PaymentAction.CAPTURE, PaymentState.DONE): (_("Charged to your card"), "plain"),
        (PaymentAction.CAPTURE, PaymentState.DECLINED): (_("Not charged from the hold"), "plain"),
        (PaymentAction.VOID, PaymentState.DONE): (_("Hold let go"), "good"),
        (PaymentAction.VOID, PaymentState.DECLINED): (_("Hold had ended before"), "plain"),
        (PaymentAction.VOID, PaymentState.UNKNOWN): (_("Hold is being let go"), "wait"),
        (PaymentAction.CHARGE, PaymentState.DONE): (_("Charged to your card"), "plain"),
        (PaymentAction.CHARGE, PaymentState.DECLINED): (_("Not charged: declined"), "bad"),
        (PaymentAction.CHARGE, PaymentState.NEEDS_SHOPPER): (_("Your bank asks you to confirm this payment"), "wait"),
        (PaymentAction.REFUND, PaymentState.DONE): (_("Refunded to your card"), "good"),
        (PaymentAction.REFUND, PaymentState.DECLINED): (_("Refund not taken by your bank: we try again"), "bad"),
        (PaymentAction.REFUND, PaymentState.UNKNOWN): (_("Refund on its way"), "wait"),
    }
    return words.get((payment.action, payment.state), (_("Charge on its way"), "wait"))


def _cash(move: CashMove, refunds: dict[str, Refund], case: _Case, _: Texts, zone: ZoneInfo) -> Move:
    when = _.moment(move.at_ns, zone)
    if move.amount.minor < 0:
        why = _refund_words(refunds[move.claim], case, _) if move.claim in refunds else ""
        return Move(_("Paid out to you at the till"), _.money(-move.amount), why, when, "good")
    return Move(_("Paid at the till"), _.money(move.amount), "", when, "plain")


def _written_off(gone: WriteOff, _: Texts, zone: ZoneInfo) -> Move:
    return Move(_("No longer asked for"), _.money(gone.amount), "", _.moment(gone.at_ns, zone), "plain")


def _unpaid_refund(refund: Refund, case: _Case, _: Texts, zone: ZoneInfo) -> Move:
    """Return a refund for which no money moves: what it gives back was not paid, or is owed to the shopper."""
    when, why = _.moment(refund.created_at_ns, zone), _refund_words(refund, case, _)
    words = {
        RefundState.DONE: (_("No longer to pay"), "good"),
        RefundState.OWED: (_("We owe you this: ask at the till"), "wait"),
        RefundState.UNKNOWN: (_("Refund on its way"), "wait"),
    }
    what, tone = words[refund.state]
    return Move(what, _.money(refund.amount), why, when, tone)


def _refund_words(refund: Refund, case: _Case, _: Texts) -> str:
    """Return why and for what something goes back."""
    words = {
        RefundReason.NOT_TAKEN: _("you did not take it"),
        RefundReason.RETURNED: _("you brought it back"),
        RefundReason.DAMAGED: _("it was damaged"),
        RefundReason.WRONG_PRICE: _("its price was wrong"),
        RefundReason.GOODWILL: _("by courtesy of the store"),
    }
    return _("{what}: {that}", what=_items(refund.items, case.receipt), that=words[refund.reason])


def _items(items: tuple[ItemCount, ...], receipt: Receipt | None) -> str:
    names = {} if receipt is None else {line.sku: line.name for line in receipt.lines if line.kind is LineKind.PRODUCT}
    return ", ".join(f"{item.quantity} × {names.get(item.sku, item.sku)}" for item in items)


def _request(each: Dispute, case: _Case, _: Texts, zone: ZoneInfo) -> Request:
    asked = each.asked
    kinds = {DisputeKind.CONTEST: _("You did not take"), DisputeKind.RETURN: _("You bring back")}
    states = {
        DisputeState.OPEN: (_("We are looking at it"), "wait"),
        DisputeState.UPHELD: (_("Accepted"), "good"),
        DisputeState.REJECTED: (_("Not accepted"), "bad"),
    }
    state, tone = states[each.state]
    note = "" if each.decided_by == BY_POLICY else each.note or ""
    items = _items(asked.items, case.receipt)
    return Request(kinds[asked.kind], items, asked.text, _.moment(asked.at_ns, zone), state, note, tone)
