"""Everything that is kept about a shopper, as one JSON document for them to take away."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from billing.db import shoppers as rows
from billing.db.books import Books
from billing.db.disputes import disputes_of, evidence_of
from billing.db.shoppers import Shopper
from billing.edge import ChargeModel, DisputeModel, EvidenceModel, ReceiptModel, RefundModel
from billing.http.models import (
    ChargeOut,
    CountIn,
    DisputeOut,
    EvidenceOut,
    PaymentOut,
    ReceiptOut,
    RefundOut,
    VisitOut,
    shown,
)
from billing.http.times import UtcOut
from billing.store import BillingStore
from billing.types import StoredVisit
from store_layout.model import Strict

_MOST_VISITS = 100_000
"""More than anybody makes in a lifetime; a bound all the same."""


class CardKept(Strict):
    """What is kept of a card: the gateway has the rest."""

    token: str
    brand: str
    last4: str
    expires: str


class StayKept(Strict):
    """A phone that is signed in."""

    signed_in_at: UtcOut
    ends_at: UtcOut


class PassKept(Strict):
    """An entry pass that opened a visit."""

    visit_id: str
    used_at: UtcOut


class AccountKept(Strict):
    """The account. The password is kept as a hash that nobody can read."""

    shopper_id: str
    email: str | None
    name: str | None
    language: str
    is_member: bool
    registered_at: UtcOut
    card: CardKept | None


class CashKept(Strict):
    """Money at the till: paid out where it is negative."""

    amount_minor: int
    currency: str
    at: UtcOut


class WrittenOffKept(Strict):
    """What is no longer asked for."""

    amount_minor: int
    currency: str
    at: UtcOut


class VisitKept(Strict):
    """A visit with all that came of it."""

    visit: VisitOut
    card_mark: str | None
    cart: tuple[CountIn, ...]
    receipt: Any
    charges: tuple[Any, ...]
    payments: tuple[PaymentOut, ...]
    cash: tuple[CashKept, ...]
    written_off: tuple[WrittenOffKept, ...]
    refunds: tuple[Any, ...]
    disputes: tuple[Any, ...]
    evidence: tuple[Any, ...]


class Takeaway(Strict):
    """All that is kept about a shopper; amounts are in minor units of their currency, times in UTC."""

    version: int = 1
    made_at: UtcOut
    account: AccountKept
    signed_in: tuple[StayKept, ...]
    passes_used: tuple[PassKept, ...]
    visits: tuple[VisitKept, ...]


def takeaway(store: BillingStore, me: Shopper, at_ns: int) -> Takeaway:
    """Return all that is kept about ``me``."""
    with store.reading() as books:
        stays, uses = rows.stays(books, me.shopper_id), rows.pass_uses(books, me.shopper_id)
        visits = rows.visits_of(books, me.shopper_id, None, _MOST_VISITS)
        return Takeaway(
            made_at=at_ns,
            account=_account(me),
            signed_in=tuple(StayKept(signed_in_at=each.created_at_ns, ends_at=each.expires_at_ns) for each in stays),
            passes_used=tuple(PassKept(visit_id=each.visit_id, used_at=each.used_at_ns) for each in uses),
            visits=tuple(_visit(books, visit) for visit in visits),
        )


def _account(me: Shopper) -> AccountKept:
    card = me.card
    kept = (
        None if card is None else CardKept(token=card.token, brand=card.brand, last4=card.last4, expires=card.expires)
    )
    return AccountKept(
        shopper_id=me.shopper_id,
        email=me.email,
        name=me.name,
        language=me.locale,
        is_member=me.is_member,
        registered_at=me.created_at_ns,
        card=kept,
    )


def _visit(books: Books, visit: StoredVisit) -> VisitKept:
    visit_id = visit.opened.visit_id
    receipt, draft = books.receipt(visit_id), books.draft(visit_id)
    disputes = disputes_of(books, visit_id)
    return VisitKept(
        visit=VisitOut.of(visit),
        card_mark=visit.opened.card_mark,
        cart=() if draft is None else tuple(CountIn(sku=item.sku, quantity=item.quantity) for item in draft.items),
        receipt=None if receipt is None else _told(shown(ReceiptModel.of(receipt), ReceiptOut)),
        charges=tuple(_told(shown(ChargeModel.of(each), ChargeOut)) for each in books.charges(visit_id)),
        payments=tuple(PaymentOut.of_payment(each) for each in books.payments(visit_id)),
        cash=tuple(
            CashKept(amount_minor=each.amount.minor, currency=each.amount.currency, at=each.at_ns)
            for each in books.cash(visit_id)
        ),
        written_off=tuple(
            WrittenOffKept(amount_minor=each.amount.minor, currency=each.amount.currency, at=each.at_ns)
            for each in books.write_offs(visit_id)
        ),
        refunds=tuple(_told(shown(RefundModel.of(each), RefundOut)) for each in books.refunds(visit_id)),
        disputes=tuple(_told(shown(DisputeModel.of(each), DisputeOut)) for each in disputes),
        evidence=tuple(
            _told(shown(EvidenceModel.of(piece), EvidenceOut))
            for each in disputes
            for piece in evidence_of(books, each.asked.dispute_id)
        ),
    )


def _told(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")
