"""Receipts, charges, payments and the ledger in SQLite or PostgreSQL, through SQLAlchemy.

The database itself holds the rules that must not bend (schema/versions): a receipt never changes, a key is used
once, a posting is sealed only when it sums to zero, and what is sealed stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    URL,
    BigInteger,
    CheckConstraint,
    Engine,
    ForeignKey,
    Integer,
    UniqueConstraint,
    create_engine,
    event,
    func,
    make_url,
    select,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from billing.edge import ReceiptModel, RefundModel
from billing.errors import BillingError
from billing.ledger import Entry, Posting
from billing.migrations import HEAD, revision, upgrade
from billing.money import Money
from billing.types import (
    Charge,
    ChargeState,
    OpenVisit,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    Refund,
    RefundState,
)

_BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another: writes take milliseconds, so this is never reached in health."""

_OPEN = ("unknown", "needs_shopper")
"""States of charges and payments that may change."""


class _Base(DeclarativeBase):
    type_annotation_map: ClassVar = {int: BigInteger().with_variant(Integer(), "sqlite")}


def _listed(names: type[StrEnum]) -> str:
    return ", ".join(f"'{name.value}'" for name in names)


class ReceiptRow(_Base):
    """A frozen receipt as canonical JSON."""

    __tablename__ = "receipts"
    visit_id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    body: Mapped[str]


class VisitRow(_Base):
    """A visit as it was opened at the gate."""

    __tablename__ = "visits"
    visit_id: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str]
    opened_at_ns: Mapped[int]
    refused: Mapped[str | None]


class ChargeRow(_Base):
    """A charge; only one that is not settled may change."""

    __tablename__ = "charges"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(ChargeState)})", name="known_state"),
        CheckConstraint("amount_minor >= 0 AND paid_minor BETWEEN 0 AND amount_minor", name="paid_within_amount"),
        UniqueConstraint("visit_id", "number"),
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    visit_id: Mapped[str] = mapped_column(ForeignKey("receipts.visit_id"), index=True)
    number: Mapped[int]
    receipt_digest: Mapped[str]
    token: Mapped[str] = mapped_column(index=True)
    amount_minor: Mapped[int]
    paid_minor: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    created_at_ns: Mapped[int]
    settled_at_ns: Mapped[int | None]
    gateway_reference: Mapped[str | None]
    decline_reason: Mapped[str | None]


class PaymentRow(_Base):
    """A request to the gateway: the outbox. Written before it is sent, settled once."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(PaymentState)})", name="known_payment_state"),
        CheckConstraint(f"action IN ({_listed(PaymentAction)})", name="known_action"),
        CheckConstraint("amount_minor > 0", name="moves_something"),
    )
    payment_id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    visit_id: Mapped[str] = mapped_column(index=True)
    claim: Mapped[str | None] = mapped_column(index=True)
    action: Mapped[str]
    digest: Mapped[str]
    token: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    of: Mapped[str | None]
    state: Mapped[str] = mapped_column(index=True)
    created_at_ns: Mapped[int]
    settled_at_ns: Mapped[int | None]
    reference: Mapped[str | None]
    reason: Mapped[str | None]
    expires_at_ns: Mapped[int | None]


class RefundRow(_Base):
    """A refund: what it gives back as JSON, and where it stands."""

    __tablename__ = "refunds"
    __table_args__ = (CheckConstraint(f"state IN ({_listed(RefundState)})", name="known_refund_state"),)
    refund_id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    visit_id: Mapped[str] = mapped_column(ForeignKey("receipts.visit_id"), index=True)
    digest: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)


class PostingRow(_Base):
    """A ledger posting; its id says what it books, so that nothing is booked twice."""

    __tablename__ = "postings"
    posting_id: Mapped[str] = mapped_column(primary_key=True)
    visit_id: Mapped[str] = mapped_column(index=True)
    at_ns: Mapped[int]
    sealed: Mapped[int] = mapped_column(default=0)


class EntryRow(_Base):
    """One leg of a posting."""

    __tablename__ = "entries"
    entry_id: Mapped[int] = mapped_column(primary_key=True)
    posting_id: Mapped[str] = mapped_column(ForeignKey("postings.posting_id"), index=True)
    account: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]


class BillingStore:
    """Billing's database: SQLite in one file, or PostgreSQL. Safe to use from several threads and processes.

    An empty database is set up; one of an earlier version must be migrated before (``migrate``).
    """

    def __init__(self, database: Path | str) -> None:
        """``database`` is SQLite's file, or a URL (``postgresql://user@host/name``).

        Raises:
            BillingError: the database is of another version than this code.
        """
        self._engine = _engine(database)
        found = revision(self._engine)
        if found is None:
            upgrade(self._engine)
        elif found != HEAD:
            self._engine.dispose()
            raise BillingError(
                f"the database has schema {found}, this is {HEAD}: migrate it, or run the version it is of"
            )
        self._locks_visits = self._engine.dialect.name == "postgresql"
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def dump(self) -> Iterator[str]:
        """Yield all rows as JSON, table by table in order of their keys: equal databases give equal lines."""
        with self._engine.begin() as connection:
            for table in _Base.metadata.sorted_tables:
                for row in connection.execute(select(table).order_by(*table.primary_key)):
                    yield json.dumps([table.name, *row])

    @contextmanager
    def transaction(self, visit_id: str | None = None) -> Iterator[Books]:
        """Read and write as one: all of it is kept, or none of it if an exception leaves the block.

        Transactions of one visit wait for each other, so that what was read is still true when it is written; those
        without a visit must only read. SQLite has one writer at a time anyway.
        """
        with self._sessions.begin() as session:
            if visit_id is not None and self._locks_visits:
                session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(visit_id, 0))))
            yield Books(session)


class Books:
    """What can be done inside one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def receipt(self, visit_id: str) -> Receipt | None:
        """Return a visit's receipt."""
        row = self._session.get(ReceiptRow, visit_id)
        return None if row is None else ReceiptModel.model_validate_json(row.body).receipt()

    def add_receipt(self, receipt: Receipt) -> None:
        """Freeze a receipt."""
        body = ReceiptModel.of(receipt).model_dump_json()
        self._session.add(ReceiptRow(visit_id=receipt.visit_id, digest=receipt.digest, body=body))
        self._session.flush()

    def charge(self, key: str) -> Charge | None:
        """Return the charge with this idempotency key."""
        row = self._session.get(ChargeRow, key)
        return None if row is None else _charge(row)

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """Return a visit's charges in order of their number."""
        query = select(ChargeRow).where(ChargeRow.visit_id == visit_id).order_by(ChargeRow.number)
        return tuple(_charge(row) for row in self._session.scalars(query))

    def open_charges(self) -> tuple[Charge, ...]:
        """Return the charges that are not settled, oldest first."""
        query = select(ChargeRow).where(ChargeRow.state.in_(_OPEN)).order_by(ChargeRow.created_at_ns, ChargeRow.key)
        return tuple(_charge(row) for row in self._session.scalars(query))

    def unpaid_visits_of(self, token: str) -> tuple[str, ...]:
        """Return the visits for which a charge to ``token`` was declined or waits for the shopper, oldest first."""
        states = (ChargeState.DECLINED.value, ChargeState.NEEDS_SHOPPER.value)
        query = select(ChargeRow.visit_id).where(ChargeRow.token == token, ChargeRow.state.in_(states))
        return tuple(self._session.scalars(query.order_by(ChargeRow.created_at_ns, ChargeRow.key)))

    def add_charge(self, charge: Charge) -> None:
        """Keep a new charge."""
        self._session.add(
            ChargeRow(
                key=charge.key,
                visit_id=charge.visit_id,
                number=charge.number,
                receipt_digest=charge.receipt_digest,
                token=charge.token,
                amount_minor=charge.amount.minor,
                paid_minor=charge.paid.minor,
                currency=charge.amount.currency,
                state=charge.state.value,
                created_at_ns=charge.created_at_ns,
                settled_at_ns=charge.settled_at_ns,
                gateway_reference=charge.gateway_reference,
                decline_reason=charge.decline_reason,
            )
        )
        self._session.flush()

    def settle_charge(self, charge: Charge) -> None:
        """Write how a charge that was open stands now."""
        self._session.execute(
            update(ChargeRow)
            .where(ChargeRow.key == charge.key, ChargeRow.state.in_(_OPEN))
            .values(
                state=charge.state.value,
                paid_minor=charge.paid.minor,
                settled_at_ns=charge.settled_at_ns,
                gateway_reference=charge.gateway_reference,
                decline_reason=charge.decline_reason,
            )
        )

    def visit(self, visit_id: str) -> tuple[OpenVisit, str | None] | None:
        """Return a visit as it was opened, and why it was refused at once."""
        row = self._session.get(VisitRow, visit_id)
        return None if row is None else (OpenVisit(row.visit_id, row.token, row.opened_at_ns), row.refused)

    def add_visit(self, visit: OpenVisit, refused: str | None) -> None:
        """Keep a visit."""
        self._session.add(
            VisitRow(visit_id=visit.visit_id, token=visit.token, opened_at_ns=visit.at_ns, refused=refused)
        )
        self._session.flush()

    def payment(self, key: str) -> Payment | None:
        """Return the payment with this key."""
        row = self._session.scalars(select(PaymentRow).where(PaymentRow.key == key)).one_or_none()
        return None if row is None else _payment(row)

    def payments(self, visit_id: str) -> tuple[Payment, ...]:
        """Return a visit's payments in the order in which they were written."""
        query = select(PaymentRow).where(PaymentRow.visit_id == visit_id).order_by(PaymentRow.payment_id)
        return tuple(_payment(row) for row in self._session.scalars(query))

    def all_payments(self) -> tuple[Payment, ...]:
        """Return all payments in the order in which they were written."""
        return tuple(_payment(row) for row in self._session.scalars(select(PaymentRow).order_by(PaymentRow.payment_id)))

    def open_payments(self) -> tuple[Payment, ...]:
        """Return the payments that are not settled, oldest first."""
        query = select(PaymentRow).where(PaymentRow.state.in_(_OPEN)).order_by(PaymentRow.payment_id)
        return tuple(_payment(row) for row in self._session.scalars(query))

    def add_payment(self, payment: Payment) -> None:
        """Keep a payment that is about to be sent."""
        self._session.add(
            PaymentRow(
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
        )
        self._session.flush()

    def settle_payment(self, payment: Payment) -> bool:
        """Write the outcome of a payment that was open. Say whether this call was the one that did."""
        change = (
            update(PaymentRow)
            .where(PaymentRow.key == payment.key, PaymentRow.state.in_(_OPEN), PaymentRow.state != payment.state.value)
            .values(
                state=payment.state.value,
                settled_at_ns=payment.settled_at_ns,
                reference=payment.reference,
                reason=payment.reason,
                expires_at_ns=payment.expires_at_ns,
            )
            .returning(PaymentRow.key)
        )
        return self._session.execute(change).first() is not None

    def refund(self, key: str) -> Refund | None:
        """Return the refund with this key."""
        row = self._session.scalars(select(RefundRow).where(RefundRow.key == key)).one_or_none()
        return None if row is None else _refund(row)

    def refunds(self, visit_id: str) -> tuple[Refund, ...]:
        """Return a visit's refunds in the order in which they were asked for."""
        query = select(RefundRow).where(RefundRow.visit_id == visit_id).order_by(RefundRow.refund_id)
        return tuple(_refund(row) for row in self._session.scalars(query))

    def open_refunds(self) -> tuple[Refund, ...]:
        """Return the refunds whose outcome is unknown, oldest first."""
        query = select(RefundRow).where(RefundRow.state == RefundState.UNKNOWN.value).order_by(RefundRow.refund_id)
        return tuple(_refund(row) for row in self._session.scalars(query))

    def add_refund(self, refund: Refund) -> None:
        """Keep a new refund."""
        body = RefundModel.of(refund).model_dump_json()
        self._session.add(
            RefundRow(
                key=refund.key, visit_id=refund.visit_id, digest=refund.digest, body=body, state=refund.state.value
            )
        )
        self._session.flush()

    def settle_refund(self, refund: Refund) -> None:
        """Write how a refund that is not done stands now."""
        change = update(RefundRow).where(RefundRow.key == refund.key, RefundRow.state != RefundState.DONE.value)
        self._session.execute(change.values(state=refund.state.value))

    def post(self, posting: Posting) -> None:
        """Write a posting and seal it; the database refuses one that does not sum to zero."""
        self._session.add(
            PostingRow(posting_id=posting.posting_id, visit_id=posting.visit_id, at_ns=posting.at_ns, sealed=0)
        )
        self._session.flush()
        for entry in posting.entries:
            amount = entry.amount
            self._session.add(
                EntryRow(
                    posting_id=posting.posting_id,
                    account=entry.account,
                    amount_minor=amount.minor,
                    currency=amount.currency,
                )
            )
        self._session.flush()
        self._session.execute(update(PostingRow).where(PostingRow.posting_id == posting.posting_id).values(sealed=1))

    def all_receipts(self) -> tuple[Receipt, ...]:
        """Return all receipts in the order of their visits' ids."""
        query = select(ReceiptRow.body).order_by(ReceiptRow.visit_id)
        return tuple(ReceiptModel.model_validate_json(body).receipt() for body in self._session.scalars(query))

    def postings(self) -> tuple[Posting, ...]:
        """Return all sealed postings with their entries, in the order in which they were written."""
        sealed = {
            row.posting_id: row for row in self._session.scalars(select(PostingRow).where(PostingRow.sealed == 1))
        }
        entries: dict[str, list[Entry]] = {}
        for row in self._session.scalars(select(EntryRow).order_by(EntryRow.entry_id)):
            entries.setdefault(row.posting_id, []).append(Entry(row.account, Money(row.amount_minor, row.currency)))
        return tuple(
            Posting(posting_id, sealed[posting_id].visit_id, sealed[posting_id].at_ns, tuple(legs))
            for posting_id, legs in entries.items()
        )

    def balances(self) -> dict[tuple[str, str], int]:
        """Return minor units by (account, currency) over all sealed postings."""
        query = (
            select(EntryRow.account, EntryRow.currency, func.sum(EntryRow.amount_minor))
            .join(PostingRow, PostingRow.posting_id == EntryRow.posting_id)
            .where(PostingRow.sealed == 1)
            .group_by(EntryRow.account, EntryRow.currency)
            .order_by(EntryRow.account, EntryRow.currency)
        )
        return {(account, currency): int(minor) for account, currency, minor in self._session.execute(query)}


def migrate(database: Path | str) -> str | None:
    """Bring a database to this version's schema; return the revision that it had, None for an empty one."""
    engine = _engine(database)
    before = revision(engine)
    upgrade(engine)
    engine.dispose()
    return before


def _charge(row: ChargeRow) -> Charge:
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


def _payment(row: PaymentRow) -> Payment:
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


def _refund(row: RefundRow) -> Refund:
    return replace(RefundModel.model_validate_json(row.body).refund(), state=RefundState(row.state))


def _engine(database: Path | str) -> Engine:
    if isinstance(database, str):
        url = make_url(database)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return create_engine(url)
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(database)), connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    """Set up one SQLite connection; transactions are begun by ``_begin_immediate``, not by the driver."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    """Take the write lock at once, so that what was read is still true when it is written."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
