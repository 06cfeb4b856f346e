"""Shoppers, their passes and their visits inside one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from billing.cards import CardOnFile
from billing.db.books import Books, visit_of_row
from billing.db.tables import (
    CARDS_TO_FORGET,
    CHARGES,
    DISPUTES,
    PASS_USES,
    RECEIPTS,
    SESSIONS,
    SHOPPERS,
    VISITS,
)
from billing.types import ChargeState, StoredVisit

SESSION = "shopper"
"""The kind of a shopper's session."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """An account. Without ``email`` it was deleted; ``card_form`` is the reference of a card form that is not finished."""

    shopper_id: str
    email: str | None
    name: str | None
    locale: str
    card: CardOnFile | None
    card_form: str | None
    is_member: bool
    created_at_ns: int
    deleted_at_ns: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Stay:
    """A time for which somebody is, or was, signed in."""

    created_at_ns: int
    expires_at_ns: int


@dataclass(frozen=True, slots=True)
class PassUse:
    """An entry pass that opened a visit."""

    nonce: str
    visit_id: str
    used_at_ns: int


def shopper(books: Books, shopper_id: str) -> Shopper | None:
    """Return an account, deleted ones too."""
    return _one(books.connection.execute(select(SHOPPERS).where(SHOPPERS.c.shopper_id == shopper_id)).one_or_none())


def shopper_by_email(books: Books, email: str) -> tuple[Shopper, str] | None:
    """Return the account with this e-mail address, and what is kept of its password."""
    row = books.connection.execute(select(SHOPPERS).where(SHOPPERS.c.email == email)).one_or_none()
    return None if row is None else (_shopper(row), row.password_hash)


def shopper_of_session(books: Books, digest: str, at_ns: int) -> Shopper | None:
    """Return whose session this is, None once it has ended."""
    query = select(SHOPPERS).join(SESSIONS, SESSIONS.c.person_id == SHOPPERS.c.shopper_id)
    query = query.where(
        SESSIONS.c.digest == digest,
        SESSIONS.c.kind == SESSION,
        SESSIONS.c.expires_at_ns > at_ns,
        SHOPPERS.c.deleted_at_ns.is_(None),
    )
    return _one(books.connection.execute(query).one_or_none())


def password_hash(books: Books, shopper_id: str) -> str | None:
    """Return what is kept of an account's password."""
    query = select(SHOPPERS.c.password_hash).where(SHOPPERS.c.shopper_id == shopper_id)
    found: str | None = books.connection.execute(query).scalar()
    return found


def add_shopper(books: Books, new: Shopper, hashed: str) -> None:
    """Keep a new account."""
    books.connection.execute(
        insert(SHOPPERS).values(
            shopper_id=new.shopper_id,
            email=new.email,
            password_hash=hashed,
            name=new.name,
            locale=new.locale,
            is_member=int(new.is_member),
            created_at_ns=new.created_at_ns,
            version=new.version,
        )
    )


def change_shopper(books: Books, shopper_id: str, **values: object) -> None:
    """Change columns of an account."""
    change = update(SHOPPERS).where(SHOPPERS.c.shopper_id == shopper_id)
    books.connection.execute(change.values(version=SHOPPERS.c.version + 1, **values))


def keep_card_form(books: Books, shopper_id: str, reference: str) -> None:
    """Keep which form waits for a shopper's card; the account's version stays, as it names the form at the gateway."""
    books.connection.execute(update(SHOPPERS).where(SHOPPERS.c.shopper_id == shopper_id).values(card_form=reference))


def set_card(books: Books, shopper_id: str, card: CardOnFile | None) -> None:
    """Keep a card on file, in place of the one before, and end its form."""
    change_shopper(
        books,
        shopper_id,
        token=None if card is None else card.token,
        card_brand=None if card is None else card.brand,
        card_last4=None if card is None else card.last4,
        card_expires=None if card is None else card.expires,
        card_form=None,
    )


def stays(books: Books, shopper_id: str) -> tuple[Stay, ...]:
    """Return a shopper's sessions that are kept, oldest first."""
    query = select(SESSIONS.c.created_at_ns, SESSIONS.c.expires_at_ns).where(
        SESSIONS.c.person_id == shopper_id, SESSIONS.c.kind == SESSION
    )
    rows = books.connection.execute(query.order_by(SESSIONS.c.created_at_ns, SESSIONS.c.expires_at_ns))
    return tuple(Stay(row.created_at_ns, row.expires_at_ns) for row in rows)


def end_stays(books: Books, shopper_id: str, but: str = "") -> None:
    """Forget a shopper's sessions, but for the one with the digest ``but``."""
    ended = delete(SESSIONS).where(SESSIONS.c.person_id == shopper_id, SESSIONS.c.kind == SESSION)
    books.connection.execute(ended.where(SESSIONS.c.digest != but))


def pass_use(books: Books, nonce: str) -> PassUse | None:
    """Return what a pass was used for."""
    row = books.connection.execute(select(PASS_USES).where(PASS_USES.c.nonce == nonce)).one_or_none()
    return None if row is None else PassUse(row.nonce, row.visit_id, row.used_at_ns)


def add_pass_use(books: Books, shopper_id: str, use: PassUse) -> None:
    """Keep that a pass was used."""
    values = {"nonce": use.nonce, "visit_id": use.visit_id, "used_at_ns": use.used_at_ns}
    books.connection.execute(insert(PASS_USES).values(shopper_id=shopper_id, **values))


def pass_uses(books: Books, shopper_id: str) -> tuple[PassUse, ...]:
    """Return the passes that a shopper used, oldest first."""
    query = select(PASS_USES).where(PASS_USES.c.shopper_id == shopper_id)
    rows = books.connection.execute(query.order_by(PASS_USES.c.used_at_ns, PASS_USES.c.nonce))
    return tuple(PassUse(row.nonce, row.visit_id, row.used_at_ns) for row in rows)


def visits_of(books: Books, shopper_id: str, after: tuple[int, str] | None, limit: int) -> tuple[StoredVisit, ...]:
    """Return a shopper's visits, latest first, from where the page before ended."""
    query = select(VISITS).where(VISITS.c.shopper_id == shopper_id)
    if after is not None:
        time, key = VISITS.c.opened_at_ns, VISITS.c.visit_id
        query = query.where((time < after[0]) | ((time == after[0]) & (key < after[1])))
    query = query.order_by(VISITS.c.opened_at_ns.desc(), VISITS.c.visit_id.desc()).limit(limit)
    return tuple(visit_of_row(row) for row in books.connection.execute(query))


def unfinished_visits(books: Books, shopper_id: str) -> tuple[StoredVisit, ...]:
    """Return a shopper's visits that were let in and have no receipt, latest first."""
    query = select(VISITS).outerjoin(RECEIPTS, RECEIPTS.c.visit_id == VISITS.c.visit_id)
    query = query.where(VISITS.c.shopper_id == shopper_id, RECEIPTS.c.visit_id.is_(None), VISITS.c.refused.is_(None))
    rows = books.connection.execute(query.order_by(VISITS.c.opened_at_ns.desc(), VISITS.c.visit_id.desc()))
    return tuple(visit_of_row(row) for row in rows)


def charged_visits(books: Books, shopper_id: str, states: tuple[ChargeState, ...]) -> tuple[str, ...]:
    """Return the shopper's visits that have a charge in one of ``states``, oldest first."""
    query = select(VISITS.c.visit_id).join(CHARGES, CHARGES.c.visit_id == VISITS.c.visit_id)
    query = query.where(VISITS.c.shopper_id == shopper_id, CHARGES.c.state.in_([state.value for state in states]))
    query = query.group_by(VISITS.c.visit_id, VISITS.c.opened_at_ns)
    return tuple(books.connection.execute(query.order_by(VISITS.c.opened_at_ns, VISITS.c.visit_id)).scalars())


def unpaid_visits(books: Books) -> tuple[tuple[str, str], ...]:
    """Return shopper and visit for each charge that was declined or waits for the shopper, latest visits first."""
    waits = CHARGES.c.state.in_([ChargeState.DECLINED.value, ChargeState.NEEDS_SHOPPER.value])
    query = select(VISITS.c.shopper_id, VISITS.c.visit_id).join(CHARGES, CHARGES.c.visit_id == VISITS.c.visit_id)
    query = query.where(VISITS.c.shopper_id.is_not(None), waits).group_by(VISITS.c.visit_id, VISITS.c.shopper_id)
    query = query.order_by(func.max(VISITS.c.opened_at_ns).desc(), VISITS.c.visit_id)
    return tuple((row.shopper_id, row.visit_id) for row in books.connection.execute(query))


def marked_visits(books: Books, card_mark: str, from_ns: int, until_ns: int, limit: int) -> tuple[StoredVisit, ...]:
    """Return the visits with this mark that were opened from then until just before then, oldest first."""
    time = VISITS.c.opened_at_ns
    query = select(VISITS).where(VISITS.c.card_mark == card_mark, time >= from_ns, time < until_ns)
    rows = books.connection.execute(query.order_by(time, VISITS.c.visit_id).limit(limit))
    return tuple(visit_of_row(row) for row in rows)


def forget_person(books: Books, shopper_id: str, at_ns: int) -> None:
    """Blank an account, and let nothing lead from what was bought to it."""
    blank = dict.fromkeys(("email", "password_hash", "name", "token", "card_brand", "card_last4", "card_expires"))
    change_shopper(books, shopper_id, card_form=None, is_member=0, deleted_at_ns=at_ns, **blank)
    mine = update(VISITS).where(VISITS.c.shopper_id == shopper_id)
    books.connection.execute(mine.values(shopper_id=None, card_mark=None))
    books.connection.execute(update(DISPUTES).where(DISPUTES.c.shopper_id == shopper_id).values(shopper_id=None))
    books.connection.execute(delete(PASS_USES).where(PASS_USES.c.shopper_id == shopper_id))
    end_stays(books, shopper_id)


def add_card_to_forget(books: Books, token: str, at_ns: int) -> None:
    """Keep that the gateway is to drop a card."""
    if token not in cards_to_forget(books):
        books.connection.execute(insert(CARDS_TO_FORGET).values(token=token, asked_at_ns=at_ns))


def cards_to_forget(books: Books) -> tuple[str, ...]:
    """Return the cards that the gateway is still to drop, oldest first."""
    query = select(CARDS_TO_FORGET.c.token).order_by(CARDS_TO_FORGET.c.asked_at_ns, CARDS_TO_FORGET.c.token)
    return tuple(books.connection.execute(query).scalars())


def end_card_to_forget(books: Books, token: str) -> None:
    """Keep that the gateway has dropped a card."""
    books.connection.execute(delete(CARDS_TO_FORGET).where(CARDS_TO_FORGET.c.token == token))


def _one(row: Row[Any] | None) -> Shopper | None:
    return None if row is None else _shopper(row)


def _shopper(row: Row[Any]) -> Shopper:
    card = None if row.token is None else CardOnFile(row.token, row.card_brand, row.card_last4, row.card_expires)
    return Shopper(
        shopper_id=row.shopper_id,
        email=row.email,
        name=row.name,
        locale=row.locale,
        card=card,
        card_form=row.card_form,
        is_member=bool(row.is_member),
        created_at_ns=row.created_at_ns,
        deleted_at_ns=row.deleted_at_ns,
        version=row.version,
    )
