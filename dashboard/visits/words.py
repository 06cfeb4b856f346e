"""Words for what programs call visits' states, reasons and changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from billing.texts import Texts
from billing.types import ChargeState, DisputeState, ItemCount, RefundReason, RefundState
from dashboard.visits.types import Kind, VisitState

NO_UNITS = "say how many units of which products"
NO_PRODUCT = "there is no such product"
ELSEWHERE = "billing is elsewhere: use its own commands"
NO_NOTE = "a note has to say something, in at most 2000 signs"


def states(_: Texts, *, sees_money: bool) -> Mapping[VisitState, str]:
    """Return what visits' states are called; those of payments only for whoever sees these."""
    found = {
        VisitState.SHOPPING: _("shopping"),
        VisitState.CLOSED: _("has left"),
        VisitState.IN_REVIEW: _("in review"),
        VisitState.CHARGED: _("paid"),
        VisitState.UNPAID: _("unpaid"),
        VisitState.REFUNDED: _("given back"),
        VisitState.DISPUTED: _("contested"),
    }
    if not sees_money:
        del found[VisitState.CHARGED], found[VisitState.UNPAID]
    return found


TONES: Mapping[VisitState, str] = {
    VisitState.CHARGED: "good",
    VisitState.UNPAID: "bad",
    VisitState.IN_REVIEW: "wait",
    VisitState.DISPUTED: "wait",
}
"""Colours of states."""


def kinds(_: Texts) -> Mapping[Kind, str]:
    """Return with what somebody came in."""
    return {Kind.CARD: _("card"), Kind.PASS: _("entry pass"), Kind.CASH: _("cash"), Kind.STAFF: _("staff")}


def reasons(_: Texts) -> Mapping[RefundReason, str]:
    """Return why money goes back."""
    return {
        RefundReason.NOT_TAKEN: _("was not taken"),
        RefundReason.RETURNED: _("was brought back"),
        RefundReason.DAMAGED: _("is damaged"),
        RefundReason.WRONG_PRICE: _("had the wrong price"),
        RefundReason.GOODWILL: _("goodwill"),
    }


def charge_words(state: str, _: Texts) -> str:
    """Return how a charge stands."""
    words = {
        ChargeState.UNKNOWN.value: _("payment pending"),
        ChargeState.CAPTURED.value: _("paid"),
        ChargeState.DECLINED.value: _("payment declined"),
        ChargeState.NEEDS_SHOPPER.value: _("waits for the shopper"),
        ChargeState.VOID.value: _("nothing to pay"),
        ChargeState.WAIVED.value: _("too little to charge"),
    }
    return words.get(state, state)


def refund_words(state: RefundState, _: Texts) -> str:
    """Return how a refund stands."""
    return {
        RefundState.UNKNOWN: _("under way"),
        RefundState.DONE: _("done"),
        RefundState.OWED: _("still owed"),
    }[state]


def dispute_words(state: DisputeState, _: Texts) -> str:
    """Return how a dispute stands."""
    return {
        DisputeState.OPEN: _("open"),
        DisputeState.UPHELD: _("upheld"),
        DisputeState.REJECTED: _("rejected"),
    }[state]


def left_words(reason: str, _: Texts) -> str:
    """Return how a visit ended."""
    words = {
        "exit": _("Left through a gate"),
        "vanished": _("Left: no longer seen near a gate"),
        "no_person": _("Ended: nobody came in on this scan"),
        "timeout": _("Ended: too long without a sign"),
        "end_of_input": _("Ended with the recording"),
    }
    return words.get(reason, reason)


def doubt_words(reason: str, _: Texts) -> str:
    """Return why an operator is asked, or why a hand's change is not in the cart."""
    words = {
        "doubtful": _("it is not sure enough"),
        "unknown_change": _("what changed is not known"),
        "unknown_product": _("the product is not known"),
        "nobody_seen": _("nobody was seen"),
        "unscanned_person": _("somebody without a scan"),
        "handed_over": _("it went from hand to hand"),
        "impossible_return": _("nobody is known to have had it"),
        "after_final": _("the receipt was final"),
        "unseen_shelves": _("no camera saw the shelves"),
        "overloaded": _("the machine was overloaded"),
        "no_change": _("nothing changed"),
    }
    return words.get(reason, reason.replace("_", " "))


def closer_words(by: str, _: Texts) -> str:
    """Return who closed a review."""
    words = {
        "operator": _("Answered by an operator"),
        "timeout": _("Nobody answered in time"),
        "evidence": _("Settled by what was seen later"),
    }
    return words.get(by, by)


def change_words(quantity: int, name: str, kind: str, _: Texts) -> str:
    """Return what a change to the cart was."""
    if kind == "corrected":
        return _("Cart corrected: {change} × {product}", change=f"{quantity:+d}".replace("-", "−"), product=name)
    if quantity > 0:
        return _("Into the cart: {count} × {product}", count=quantity, product=name)
    if kind == "moved":
        return _("Put back elsewhere: {count} × {product}", count=-quantity, product=name)
    if kind == "handed_over":
        return _("Handed over: {count} × {product}", count=-quantity, product=name)
    return _("Put back: {count} × {product}", count=-quantity, product=name)


def items_words(items: tuple[ItemCount, ...], names: Mapping[str, str]) -> str:
    """Return units of products in one line."""
    return ", ".join(f"{item.quantity} × {names.get(item.sku, item.sku)}" for item in items)


def refusal_words(text: str, _: Texts) -> str:
    """Return why something was not done: our own reasons in the reader's language, billing's as they are."""
    known = {
        NO_UNITS: _("say how many units of which products"),
        NO_PRODUCT: _("there is no such product"),
        ELSEWHERE: _("billing is elsewhere: use its own commands"),
        NO_NOTE: _("a note has to say something, in at most 2000 signs"),
    }
    return known.get(text, text)


def clock_words(at_ns: int, zone: dt.tzinfo) -> str:
    """Return a time of day to the second."""
    return dt.datetime.fromtimestamp(at_ns // 1_000_000_000, zone).strftime("%H:%M:%S")


def duration_words(length_ns: int) -> str:
    """Return minutes and seconds."""
    minutes, seconds = divmod(max(0, length_ns) // 1_000_000_000, 60)
    return f"{minutes}:{seconds:02}"
