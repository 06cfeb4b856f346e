"""Whether somebody at a gate would be served, by the database alone: nothing is written, and no gateway is asked."""

from __future__ import annotations

from itertools import islice

from billing.db import shoppers as rows
from billing.passes import EntryPass
from billing.service import BillingService
from billing.standing import first_unpaid, is_owed
from billing.types import Refusal, VisitKind, kind_of


def refusal_of_token(service: BillingService, token: str) -> Refusal | None:
    """Return why whoever shows a card's token would not be served, None where they would."""
    if not service.policy.refuse_debtors or kind_of(token) is not VisitKind.SHOPPER:
        return None
    with service.store.reading() as books:
        return None if first_unpaid(books, token, None) is None else Refusal.DEBTOR


def refusal_of_pass(service: BillingService, entry: EntryPass) -> Refusal | None:
    """Return why a pass whose signature and times are good opens nothing, None where it does."""
    shopper_id = str(entry.shopper_id)
    with service.store.reading() as books:
        if rows.pass_use(books, entry.nonce.hex()) is not None:
            return Refusal.PASS_USED
        shopper = rows.shopper(books, shopper_id)
        if shopper is None or shopper.deleted_at_ns is not None:
            return Refusal.NO_ACCOUNT
        if shopper.card is None:
            return Refusal.NO_CARD
        if service.policy.refuse_debtors and first_unpaid(books, shopper.card.token, shopper_id) is not None:
            return Refusal.DEBTOR
    return None


def refused_shoppers(service: BillingService, most: int) -> tuple[str, ...]:
    """Return the ids of the shoppers who are refused for their debts, ``most`` at most, latest visits first."""
    if not service.policy.refuse_debtors:
        return ()
    with service.store.reading() as books:
        found = (shopper for shopper, visit_id in rows.unpaid_visits(books) if is_owed(books, visit_id))
        return tuple(islice(dict.fromkeys(found), most))
