"""What can be done with money inside one transaction: visits, receipts, charges, payments, refunds and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite

from billing.db.prepared import Found, Prepared
from billing.db.tables import (
    CASH,
    CHARGES,
    CORRECTIONS,
    DRAFTS,
    ENTRIES,
    EVENTS,
    PAYMENTS,
    POSTINGS,
    RECEIPTS,
    REFUNDS,
    VISITS,
    WRITE_OFFS,
)
from billing.edge import CountModel, ReceiptModel, RefundModel
from billing.ledger import Entry, Posting
from billing.money import Money
from billing.types import (
    CASH as CASH_TOKEN,
)
from billing.types import (
    CashMove,
    Charge,
    ChargeState,
    Draft,
    ItemCount,
    OpenVisit,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    Refund,
    RefundState,
    StoredVisit,
    VisitKind,
    WriteOff,
)

_OPEN: tuple[ColumnElement[str], ...] = (literal_column("'unknown'"), literal_column("'needs_shopper'"))
"""States of charges and payments that may change; written into the statements, which is faster than to fill them in."""

_NOT_PAID: tuple[ColumnElement[str], ...] = (literal_column("'declined'"), literal_column("'needs_shopper'"))


def _in_rare_state(table: Table, states: Sequence[ColumnElement[str]], *order: ColumnElement[Any]) -> Prepared:
    """Return what finds the few rows in these states.

    Whoever let SQLite count its rows (ANALYZE) told it how many a state has on the whole: it would then read the million
    that are done, so it is told which index to take. PostgreSQL counts state by state.
    """
    query = select(table).where(table.c.state.in_(states)).order_by(*order)
    found_by = f"FROM {table.name} INDEXED BY ix_{table.name}_state"
    sql = str(query.compile(dialect=sqlite.dialect())).replace(f"FROM {table.name}", found_by)
    return Prepared({"sqlite": text(sql).columns(*table.c), "postgresql": query})


_COUNTS = TypeAdapter(tuple[CountModel, ...])

_VISIT = Prepared(select(VISITS).where(VISITS.c.visit_id == bindparam("id")))
_ADD_VISIT = Prepared(insert(VISITS).inline())
_OPEN_CHARGES = _in_rare_state(CHARGES, _OPEN, CHARGES.c.created_at_ns, CHARGES.c.key)
_OPEN_PAYMENTS = _in_rare_state(PAYMENTS, _OPEN, PAYMENTS.c.payment_id)
_OPEN_REFUNDS = _in_rare_state(REFUNDS, _OPEN[:1], REFUNDS.c.refund_id)
_RECEIPT = Prepared(select(RECEIPTS.c.body).where(RECEIPTS.c.visit_id == bindparam("id")))
_CORRECTED = Prepared(
    select(CORRECTIONS.c.body)
    .where(CORRECTIONS.c.visit_id == bindparam("id"))
    .order_by(CORRECTIONS.c.correction_id.desc())
    .limit(1)
)
_CORRECTION = Prepared(select(CORRECTIONS).where(CORRECTIONS.c.key == bindparam("id")))
_ADD_CORRECTION = Prepared(insert(CORRECTIONS).inline())
_ADD_RECEIPT = Prepared(insert(RECEIPTS).inline())
_CHARGE = Prepared(select(CHARGES).where(CHARGES.c.key == bindparam("id")))
_CHARGES = Prepared(select(CHARGES).where(CHARGES.c.visit_id == bindparam("id")).order_by(CHARGES.c.number))
_ADD_CHARGE = Prepared(insert(CHARGES).inline())
_SETTLE_CHARGE = Prepared(update(CHARGES).where(CHARGES.c.key == bindparam("id"), CHARGES.c.state.in_(_OPEN)))
_PAYMENT = Prepared(select(PAYMENTS).where(PAYMENTS.c.key == bindparam("id")))
_PAYMENTS = Prepared(select(PAYMENTS).where(PAYMENTS.c.visit_id == bindparam("id")).order_by(PAYMENTS.c.payment_id))
_ADD_PAYMENT = Prepared(insert(PAYMENTS).inline())
_SETTLE_PAYMENT = Prepared(
    update(PAYMENTS).where(
        PAYMENTS.c.key == bindparam("id"), PAYMENTS.c.state.in_(_OPEN), PAYMENTS.c.state != bindparam("new")
    )
)
_DRAFT = Prepared(select(DRAFTS).where(DRAFTS.c.visit_id == bindparam("id")))
_ADD_DRAFT = Prepared(insert(DRAFTS).inline())
_CHANGE_DRAFT = Prepared(update(DRAFTS).where(DRAFTS.c.visit_id == bindparam("id")))
_REFUNDS = Prepared(select(REFUNDS).where(REFUNDS.c.visit_id == bindparam("id")).order_by(REFUNDS.c.refund_id))
_REFUND = Prepared(select(REFUNDS).where(REFUNDS.c.key == bindparam("id")))
_ADD_REFUND = Prepared(insert(REFUNDS).inline())
_SETTLE_REFUND = Prepared(
    update(REFUNDS).where(REFUNDS.c.key == bindparam("id"), REFUNDS.c.state != literal_column("'done'"))
)
_ADD_POSTING = Prepared(insert(POSTINGS).inline())
_SEAL = Prepared(update(POSTINGS).where(POSTINGS.c.posting_id == bindparam("id")).values(sealed=1))
_CASH = Prepared(select(CASH).where(CASH.c.visit_id == bindparam("id")).order_by(CASH.c.cash_id))
_CASH_MOVE = Prepared(select(CASH).where(CASH.c.key == bindparam("id")))
_ADD_CASH = Prepared(insert(CASH).inline())
_ADD_EVENT = Prepared(insert(EVENTS).inline())
_BALANCE = Prepared(
    select(func.coalesce(func.sum(ENTRIES.c.amount_minor), 0).label("minor"))
    .join(POSTINGS, POSTINGS.c.posting_id == ENTRIES.c.posting_id)
    .where(POSTINGS.c.visit_id == bindparam("id"), ENTRIES.c.account == bindparam("name"))
)
_UNPAID = Prepared(
    select(CHARGES.c.visit_id)
    .where(CHARGES.c.token == bindparam("id"), CHARGES.c.token != bindparam("cash"), CHARGES.c.state.in_(_NOT_PAID))
    .order_by(CHARGES.c.created_at_ns, CHARGES.c.key)
)
_WRITE_OFFS = Prepared(select(WRITE_OFFS).where(WRITE_OFFS.c.visit_id == bindparam("id")))
_ADD_WRITE_OFF = Prepared(insert(WRITE_OFFS).inline())


class Books:
    """Reads and writes of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def visit(self, visit_id: str) -> StoredVisit | None:
        """Return a visit as it was opened, and why it was refused at once."""
        row = self._row(_VISIT, visit_id)
        return None if row is None else visit_of_row(row)

    def add_visit(self, visit: OpenVisit, refused: str | None) -> None:
        """Keep a visit."""
        self._do(
            _ADD_VISIT,
            visit_id=visit.visit_id,
            token=visit.token,
            opened_at_ns=visit.at_ns,
            refused=refused,
            kind=visit.kind.value,
            party_size=visit.party_size,
            shopper_id=visit.shopper_id,
            is_member=int(visit.is_member),
            card_mark=visit.card_mark,
        )

    def draft(self, visit_id: str) -> Draft | None:
        """Return a visit's cart as it last was."""
        row = self._row(_DRAFT, visit_id)
        return None if row is None else Draft(row.visit_id, row.version, row.at_ns, _items(row.body))

    def put_draft(self, draft: Draft) -> None:
        """Keep a cart, in place of the one before."""
        counts = tuple(CountModel(sku=item.sku, quantity=item.quantity) for item in draft.items)
        body = _COUNTS.dump_json(counts).decode()
        if draft.version == 1:
            self._do(_ADD_DRAFT, visit_id=draft.visit_id, version=1, at_ns=draft.at_ns, body=body)
        else:
            self._do(_CHANGE_DRAFT, id=draft.visit_id, version=draft.version, at_ns=draft.at_ns, body=body)

    def receipt(self, visit_id: str) -> Receipt | None:
        """Return a visit's receipt, as last corrected."""
        body = self._body(_CORRECTED, visit_id) or self._body(_RECEIPT, visit_id)
        return None if body is None else _receipt(body)

    def first_receipt(self, visit_id: str) -> Receipt | None:
        """Return a visit's receipt as it first was."""
        body = self._body(_RECEIPT, visit_id)
        return None if body is None else _receipt(body)

    def add_receipt(self, receipt: Receipt) -> None:
        """Freeze a receipt."""
        body = ReceiptModel.of(receipt).model_dump_json()
        self._do(_ADD_RECEIPT, visit_id=receipt.visit_id, digest=receipt.digest, body=body)

    def correction(self, key: str) -> tuple[str, Receipt] | None:
        """Return what a correction was asked as (its digest), and the receipt that it made."""
        row = self._row(_CORRECTION, key)
        return None if row is None else (row.request_digest, _receipt(row.body))

    def add_correction(self, key: str, request_digest: str, receipt: Receipt) -> None:
        """Keep a corrected receipt beside the one before."""
        body = ReceiptModel.of(receipt).model_dump_json()
        self._do(_ADD_CORRECTION, key=key, visit_id=receipt.visit_id, request_digest=request_digest, body=body)

    def charge(self, key: str) -> Charge | None:
        """Return the charge with this idempotency key."""
        row = self._row(_CHARGE, key)
        return None if row is None else _charge(row)

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """Return a visit's charges in order of their number."""
        return tuple(_charge(row) for row in self._rows(_CHARGES, visit_id))

    def open_charges(self) -> tuple[Charge, ...]:
        """Return the charges that are not settled, oldest first."""
        return tuple(_charge(row) for row in _OPEN_CHARGES.rows(self.connection))

    def unpaid_visits_of(self, token: str) -> tuple[str, ...]:
        """Return the visits for which a charge to ``token`` was declined or waits for the shopper, oldest first."""
        return tuple(row.visit_id for row in _UNPAID.rows(self.connection, id=token, cash=CASH_TOKEN))

    def unpaid_charges(self) -> tuple[Charge, ...]:
        """Return the charges that were declined, or wait at the till, are the last of their visit and not written off.

        Oldest first.
        """
        later = CHARGES.alias()
        has_later = select(later.c.key).where(later.c.visit_id == CHARGES.c.visit_id, later.c.number > CHARGES.c.number)
        is_written_off = select(WRITE_OFFS.c.charge_key).where(WRITE_OFFS.c.charge_key == CHARGES.c.key)
        waits = and_(CHARGES.c.state == ChargeState.NEEDS_SHOPPER.value, CHARGES.c.token == CASH_TOKEN)
        query = select(CHARGES).where(
            or_(CHARGES.c.state == ChargeState.DECLINED.value, waits), ~has_later.exists(), ~is_written_off.exists()
        )
        rows = self.connection.execute(query.order_by(CHARGES.c.created_at_ns, CHARGES.c.key))
        return tuple(_charge(row) for row in rows)

    def add_charge(self, charge: Charge) -> None:
        """Keep a new charge."""
        self._do(
            _ADD_CHARGE,
            key=charge.key,
            visit_id=charge.visit_id,
            number=charge.number,
            receipt_digest=charge.receipt_digest,
            token=charge.token,
            amount_minor=charge.amount.minor,
            currency=charge.amount.currency,
            created_at_ns=charge.created_at_ns,
            **_outcome(charge),
        )

    def settle_charge(self, charge: Charge) -> None:
        """Write how a charge that was open stands now."""
        self._do(_SETTLE_CHARGE, id=charge.key, **_outcome(charge))

    def payment(self, key: str) -> Payment | None:
        """Return the payment with this key."""
        row = self._row(_PAYMENT, key)
        return None if row is None else _payment(row)

    def payments(self, visit_id: str) -> tuple[Payment, ...]:
        """Return a visit's payments in the order in which they were written."""
        return tuple(_payment(row) for row in self._rows(_PAYMENTS, visit_id))

    def all_payments(self) -> tuple[Payment, ...]:
        """Return all payments in the order in which they were written."""
        return tuple(_payment(row) for row in self.connection.execute(select(PAYMENTS).order_by(PAYMENTS.c.payment_id)))

    def open_payments(self) -> tuple[Payment, ...]:
        """Return the payments that are not settled, oldest first."""
        return tuple(_payment(row) for row in _OPEN_PAYMENTS.rows(self.connection))

    def add_payment(self, payment: Payment) -> None:
        """Keep a payment that is about to be sent."""
        self._do(
            _ADD_PAYMENT,
            key=payment.key,
            visit_id=payment.visit_id,
            claim=payment.claim,
            action=payment.action.value,
            digest=payment.digest,
            token=payment.token,
            amount_minor=payment.amount.minor,
            currency=payment.amount.currency,
            of=payment.of,
            state=payment.state.value,
            created_at_ns=payment.created_at_ns,
        )

    def settle_payment(self, payment: Payment) -> bool:
        """Write the outcome of a payment that was open. Say whether this call was the one that did."""
        done = _SETTLE_PAYMENT.do(
            self.connection,
            id=payment.key,
            new=payment.state.value,
            state=payment.state.value,
            settled_at_ns=payment.settled_at_ns,
            reference=payment.reference,
            reason=payment.reason,
            expires_at_ns=payment.expires_at_ns,
        )
        return done == 1

    def refund(self, key: str) -> Refund | None:
        """Return the refund with this key."""
        row = self._row(_REFUND, key)
        return None if row is None else _refund(row)

    def refunds(self, visit_id: str) -> tuple[Refund, ...]:
        """Return a visit's refunds in the order in which they were asked for."""
        return tuple(_refund(row) for row in self._rows(_REFUNDS, visit_id))

    def open_refunds(self) -> tuple[Refund, ...]:
        """Return the refunds whose outcome is unknown, oldest first."""
        return tuple(_refund(row) for row in _OPEN_REFUNDS.rows(self.connection))

    def add_refund(self, refund: Refund) -> None:
        """Keep a new refund."""
        body = RefundModel.of(refund).model_dump_json()
        values = {"key": refund.key, "visit_id": refund.visit_id, "digest": refund.digest, "state": refund.state.value}
        self._do(_ADD_REFUND, body=body, **values)

    def settle_refund(self, refund: Refund) -> None:
        """Write how a refund that is not done stands now."""
        self._do(_SETTLE_REFUND, id=refund.key, state=refund.state.value)

    def cash(self, visit_id: str) -> tuple[CashMove, ...]:
        """Return what was taken and paid out at the till for a visit, in order."""
        return tuple(_cash(row) for row in self._rows(_CASH, visit_id))

    def cash_move(self, key: str) -> CashMove | None:
        """Return the money at the till that moved by this key."""
        row = self._row(_CASH_MOVE, key)
        return None if row is None else _cash(row)

    def add_cash(self, move: CashMove) -> None:
        """Keep money taken or paid out at the till."""
        self._do(
            _ADD_CASH,
            key=move.key,
            visit_id=move.visit_id,
            claim=move.claim,
            amount_minor=move.amount.minor,
            currency=move.amount.currency,
            taken_by=move.taken_by,
            at_ns=move.at_ns,
        )

    def write_offs(self, visit_id: str) -> tuple[WriteOff, ...]:
        """Return what of a visit is no longer asked for."""
        return tuple(
            WriteOff(row.charge_key, row.visit_id, Money(row.amount_minor, row.currency), row.at_ns)
            for row in self._rows(_WRITE_OFFS, visit_id)
        )

    def add_write_off(self, write_off: WriteOff) -> None:
        """Keep that a debt is no longer asked for."""
        self._do(
            _ADD_WRITE_OFF,
            charge_key=write_off.charge_key,
            visit_id=write_off.visit_id,
            amount_minor=write_off.amount.minor,
            currency=write_off.amount.currency,
            at_ns=write_off.at_ns,
        )

    def post(self, posting: Posting) -> None:
        """Write a posting and seal it; the database refuses one that does not sum to zero."""
        posting_id = posting.posting_id
        values: dict[str, object] = {"posting_id": posting_id}
        for number, entry in enumerate(posting.entries):
            values |= {
                f"account_{number}": entry.account,
                f"amount_minor_{number}": entry.amount.minor,
                f"currency_{number}": entry.amount.currency,
            }
        self._do(_ADD_POSTING, posting_id=posting_id, visit_id=posting.visit_id, at_ns=posting.at_ns, sealed=0)
        self._do(_add_entries(len(posting.entries)), **values)
        self._do(_SEAL, id=posting_id)

    def all_receipts(self) -> tuple[Receipt, ...]:
        """Return all receipts, as last corrected, in the order of their visits' ids."""
        last = {
            row.visit_id: row.body for row in self.connection.execute(select(RECEIPTS).order_by(RECEIPTS.c.visit_id))
        }
        corrected = self.connection.execute(select(CORRECTIONS).order_by(CORRECTIONS.c.correction_id))
        last.update({row.visit_id: row.body for row in corrected})
        return tuple(_receipt(body) for body in last.values())

    def postings(self) -> tuple[Posting, ...]:
        """Return all sealed postings with their entries, in the order in which they were written."""
        sealed = {
            row.posting_id: row for row in self.connection.execute(select(POSTINGS).where(POSTINGS.c.sealed == 1))
        }
        entries: dict[str, list[Entry]] = {}
        for row in self.connection.execute(select(ENTRIES).order_by(ENTRIES.c.entry_id)):
            entries.setdefault(row.posting_id, []).append(Entry(row.account, Money(row.amount_minor, row.currency)))
        return tuple(
            Posting(posting_id, sealed[posting_id].visit_id, sealed[posting_id].at_ns, tuple(legs))
            for posting_id, legs in entries.items()
        )

    def balance(self, visit_id: str, account: str) -> int:
        """Return what of a visit stands in an account, in minor units of the visit's currency."""
        return int(_BALANCE.rows(self.connection, id=visit_id, name=account)[0].minor)

    def balances(self) -> dict[tuple[str, str], int]:
        """Return minor units by (account, currency) over all sealed postings."""
        account, currency = ENTRIES.c.account, ENTRIES.c.currency
        query = (
            select(account, currency, func.sum(ENTRIES.c.amount_minor))
            .join(POSTINGS, POSTINGS.c.posting_id == ENTRIES.c.posting_id)
            .where(POSTINGS.c.sealed == 1)
            .group_by(account, currency)
            .order_by(account, currency)
        )
        return {(name, unit): int(minor) for name, unit, minor in self.connection.execute(query)}

    def tell(self, topic: str, visit_id: str, at_ns: int, body: str) -> None:
        """Put an event (``body`` is JSON) into the outbox; a trigger adds a delivery for each endpoint of its topic."""
        self._do(_ADD_EVENT, topic=topic, visit_id=visit_id, at_ns=at_ns, body=body)

    def _body(self, statement: Prepared, key: str) -> str | None:
        row = self._row(statement, key)
        return None if row is None else row.body

    def _do(self, statement: Prepared, **values: object) -> None:
        statement.do(self.connection, **values)

    def _row(self, statement: Prepared, key: str) -> Found | None:
        return statement.first(self.connection, id=key)

    def _rows(self, statement: Prepared, key: str) -> list[Found]:
        return statement.rows(self.connection, id=key)


@cache
def _add_entries(count: int) -> Prepared:
    """Return the statement that writes so many of a posting's entries: there are two, or some more for tax classes."""
    columns = ("account", "amount_minor", "currency")
    rows: list[dict[str, Any]] = [
        {"posting_id": bindparam("posting_id"), **{name: bindparam(f"{name}_{number}") for name in columns}}
        for number in range(count)
    ]
    return Prepared(insert(ENTRIES).values(rows).inline())


def _outcome(charge: Charge) -> dict[str, object]:
    return {
        "state": charge.state.value,
        "paid_minor": charge.paid.minor,
        "settled_at_ns": charge.settled_at_ns,
        "gateway_reference": charge.gateway_reference,
        "decline_reason": charge.decline_reason,
    }


def _receipt(body: str) -> Receipt:
    return ReceiptModel.model_validate_json(body).receipt()


def _items(body: str) -> tuple[ItemCount, ...]:
    return tuple(ItemCount(item.sku, item.quantity) for item in _COUNTS.validate_json(body))


def visit_of_row(row: Found) -> StoredVisit:
    """Put a visit together."""
    opened = OpenVisit(
        visit_id=row.visit_id,
        token=row.token,
        at_ns=row.opened_at_ns,
        kind=VisitKind(row.kind),
        party_size=row.party_size,
        shopper_id=row.shopper_id,
        is_member=bool(row.is_member),
        card_mark=row.card_mark,
    )
    return StoredVisit(opened, row.refused)


def _charge(row: Found) -> Charge:
    return Charge(
        key=row.key,
        visit_id=row.visit_id,
        number=row.number,
        receipt_digest=row.receipt_digest,
        token=row.token,
        amount=Money(row.amount_minor, row.currency),
        paid=Money(row.paid_minor, row.currency),
        state=ChargeState(row.state),
        created_at_ns=row.created_at_ns,
        settled_at_ns=row.settled_at_ns,
        gateway_reference=row.gateway_reference,
        decline_reason=row.decline_reason,
    )


def _payment(row: Found) -> Payment:
    return Payment(
        key=row.key,
        visit_id=row.visit_id,
        claim=row.claim,
        action=PaymentAction(row.action),
        digest=row.digest,
        token=row.token,
        amount=Money(row.amount_minor, row.currency),
        of=row.of,
        state=PaymentState(row.state),
        created_at_ns=row.created_at_ns,
        settled_at_ns=row.settled_at_ns,
        reference=row.reference,
        reason=row.reason,
        expires_at_ns=row.expires_at_ns,
    )


def _refund(row: Found) -> Refund:
    return replace(RefundModel.model_validate_json(row.body).refund(), state=RefundState(row.state))


def _cash(row: Found) -> CashMove:
    amount = Money(row.amount_minor, row.currency)
    return CashMove(row.key, row.visit_id, row.claim, amount, row.taken_by, row.at_ns)
