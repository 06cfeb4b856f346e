"""Receipts, charges and the ledger in SQLite, through SQLAlchemy.

The database itself holds the rules that must not bend: a receipt never changes, a key is used
once, a posting is sealed only when it sums to zero, and what is sealed stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, CheckConstraint, ForeignKey, create_engine, event, func, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from billing.edge import ReceiptModel
from billing.ledger import Posting
from billing.money import Money
from billing.types import Charge, ChargeState, Receipt

_BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another: writes take milliseconds, so this is never reached in health."""

_TRIGGERS = (
    """CREATE TRIGGER IF NOT EXISTS receipts_are_frozen BEFORE UPDATE ON receipts
    BEGIN SELECT RAISE(ABORT, 'a receipt never changes'); END""",
    """CREATE TRIGGER IF NOT EXISTS receipts_stay BEFORE DELETE ON receipts
    BEGIN SELECT RAISE(ABORT, 'a receipt is never deleted'); END""",
    """CREATE TRIGGER IF NOT EXISTS settled_charges_stay BEFORE UPDATE ON charges WHEN OLD.state <> 'unknown'
    BEGIN SELECT RAISE(ABORT, 'a settled charge never changes'); END""",
    """CREATE TRIGGER IF NOT EXISTS postings_open_unsealed BEFORE INSERT ON postings WHEN NEW.sealed <> 0
    BEGIN SELECT RAISE(ABORT, 'a posting is sealed after its entries'); END""",
    """CREATE TRIGGER IF NOT EXISTS postings_balance BEFORE UPDATE ON postings
    WHEN OLD.sealed <> 0 OR NEW.posting_id <> OLD.posting_id
      OR (SELECT COUNT(*) FROM entries WHERE posting_id = NEW.posting_id) < 2
      OR (SELECT SUM(amount_minor) FROM entries WHERE posting_id = NEW.posting_id) <> 0
    BEGIN SELECT RAISE(ABORT, 'a posting sums to zero and is sealed once'); END""",
    """CREATE TRIGGER IF NOT EXISTS postings_stay BEFORE DELETE ON postings
    BEGIN SELECT RAISE(ABORT, 'a posting is never deleted'); END""",
    """CREATE TRIGGER IF NOT EXISTS sealed_entries BEFORE INSERT ON entries
    WHEN (SELECT sealed FROM postings WHERE posting_id = NEW.posting_id) <> 0
    BEGIN SELECT RAISE(ABORT, 'a sealed posting takes no more entries'); END""",
    """CREATE TRIGGER IF NOT EXISTS entries_one_currency BEFORE INSERT ON entries
    WHEN EXISTS (SELECT 1 FROM entries WHERE posting_id = NEW.posting_id AND currency <> NEW.currency)
    BEGIN SELECT RAISE(ABORT, 'a posting has one currency'); END""",
    """CREATE TRIGGER IF NOT EXISTS entries_are_frozen BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'a ledger entry never changes'); END""",
    """CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'a ledger entry is never deleted'); END""",
)


class _Base(DeclarativeBase):
    pass


class ReceiptRow(_Base):
    """A frozen receipt as canonical JSON."""

    __tablename__ = "receipts"
    visit_id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    body: Mapped[str]


class ChargeRow(_Base):
    """A charge; only an unknown one may change."""

    __tablename__ = "charges"
    __table_args__ = (
        CheckConstraint("state IN ('unknown', 'captured', 'declined', 'void')", name="known_state"),
        CheckConstraint("amount_minor >= 0", name="nothing_negative"),
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    visit_id: Mapped[str] = mapped_column(ForeignKey("receipts.visit_id"), index=True)
    number: Mapped[int]
    receipt_digest: Mapped[str]
    token: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    created_at_ns: Mapped[int]
    settled_at_ns: Mapped[int | None]
    gateway_reference: Mapped[str | None]
    decline_reason: Mapped[str | None]


class PostingRow(_Base):
    """A ledger posting; one per captured charge."""

    __tablename__ = "postings"
    posting_id: Mapped[str] = mapped_column(ForeignKey("charges.key"), primary_key=True)
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
    """Billing's database in one file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(path)), connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin_immediate)
        _Base.metadata.create_all(self._engine)
        with self._engine.begin() as connection:
            for trigger in _TRIGGERS:
                connection.execute(text(trigger))
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Books]:
        """Read and write as one: all of it is kept, or none of it if an exception leaves the block."""
        with self._sessions.begin() as session:
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

    def unknown(self) -> tuple[Charge, ...]:
        """Return the charges whose outcome is unknown, oldest first."""
        query = select(ChargeRow).where(ChargeRow.state == ChargeState.UNKNOWN.value)
        query = query.order_by(ChargeRow.created_at_ns, ChargeRow.key)
        return tuple(_charge(row) for row in self._session.scalars(query))

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
                currency=charge.amount.currency,
                state=charge.state.value,
                created_at_ns=charge.created_at_ns,
                settled_at_ns=charge.settled_at_ns,
                gateway_reference=charge.gateway_reference,
                decline_reason=charge.decline_reason,
            )
        )
        self._session.flush()

    def settle(self, charge: Charge) -> bool:
        """Write an unknown charge's outcome. Say whether this call was the one that did."""
        change = (
            update(ChargeRow)
            .where(ChargeRow.key == charge.key, ChargeRow.state == ChargeState.UNKNOWN.value)
            .values(
                state=charge.state.value,
                settled_at_ns=charge.settled_at_ns,
                gateway_reference=charge.gateway_reference,
                decline_reason=charge.decline_reason,
            )
            .returning(ChargeRow.key)
        )
        return self._session.execute(change).first() is not None

    def post(self, posting: Posting) -> None:
        """Write a posting and seal it; the database refuses one that does not sum to zero."""
        self._session.add(PostingRow(posting_id=posting.posting_id, at_ns=posting.at_ns, sealed=0))
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


def _charge(row: ChargeRow) -> Charge:
    return Charge(
        key=row.key,
        visit_id=row.visit_id,
        number=row.number,
        receipt_digest=row.receipt_digest,
        token=row.token,
        amount=Money(row.amount_minor, row.currency),
        state=ChargeState(row.state),
        created_at_ns=row.created_at_ns,
        settled_at_ns=row.settled_at_ns,
        gateway_reference=row.gateway_reference,
        decline_reason=row.decline_reason,
    )


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
