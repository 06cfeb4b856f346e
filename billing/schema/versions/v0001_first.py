"""Visits, receipts, charges, payments, refunds and the ledger, with the rules that must not bend as triggers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = "('unknown', 'needs_shopper')"

_UNBALANCED = """OLD.sealed <> 0 OR NEW.posting_id <> OLD.posting_id
    OR (SELECT COUNT(*) FROM entries WHERE posting_id = NEW.posting_id) < 2
    OR (SELECT SUM(amount_minor) FROM entries WHERE posting_id = NEW.posting_id) <> 0"""

_RULES = (
    ("receipts_are_frozen", "UPDATE", "receipts", "TRUE", "a receipt never changes"),
    ("receipts_stay", "DELETE", "receipts", "TRUE", "a receipt is never deleted"),
    ("settled_charges_stay", "UPDATE", "charges", f"OLD.state NOT IN {_OPEN}", "a settled charge never changes"),
    ("charges_stay", "DELETE", "charges", "TRUE", "a charge is never deleted"),
    ("settled_payments_stay", "UPDATE", "payments", f"OLD.state NOT IN {_OPEN}", "a settled payment never changes"),
    ("payments_stay", "DELETE", "payments", "TRUE", "a payment is never deleted"),
    ("settled_refunds_stay", "UPDATE", "refunds", "OLD.state = 'done'", "a refund that is done never changes"),
    ("refunds_stay", "DELETE", "refunds", "TRUE", "a refund is never deleted"),
    ("postings_open_unsealed", "INSERT", "postings", "NEW.sealed <> 0", "a posting is sealed after its entries"),
    (
        "postings_balance",
        "UPDATE",
        "postings",
        _UNBALANCED,
        "a posting sums to zero and is sealed once",
    ),
    ("postings_stay", "DELETE", "postings", "TRUE", "a posting is never deleted"),
    (
        "sealed_entries",
        "INSERT",
        "entries",
        "(SELECT sealed FROM postings WHERE posting_id = NEW.posting_id) <> 0",
        "a sealed posting takes no more entries",
    ),
    (
        "entries_one_currency",
        "INSERT",
        "entries",
        "EXISTS (SELECT 1 FROM entries WHERE posting_id = NEW.posting_id AND currency <> NEW.currency)",
        "a posting has one currency",
    ),
    ("entries_are_frozen", "UPDATE", "entries", "TRUE", "a ledger entry never changes"),
    ("entries_stay", "DELETE", "entries", "TRUE", "a ledger entry is never deleted"),
)
"""Name, event, table, when it is forbidden, and what the database says."""


def upgrade() -> None:
    """Make all tables and triggers."""
    _visits_and_receipts()
    _charges()
    _payments()
    _refunds()
    _ledger()
    for rule in _RULES:
        for statement in _trigger(op.get_bind().dialect.name, *rule):
            op.execute(statement)


def _trigger(dialect: str, name: str, event: str, table: str, forbidden: str, message: str) -> tuple[str, ...]:
    if dialect == "sqlite":
        when = f"WHEN {forbidden.replace('TRUE', '1')} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        return (f"CREATE TRIGGER {name} BEFORE {event} ON {table} {when}",)
    body = f"BEGIN IF {forbidden} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END IF;"
    back = "OLD" if event == "DELETE" else "NEW"
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} RETURN {back}; END $$",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )


def _visits_and_receipts() -> None:
    op.create_table(
        "visits",
        sa.Column("visit_id", sa.String(), primary_key=True),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("opened_at_ns", _BIG, nullable=False),
        sa.Column("refused", sa.String()),
    )
    op.create_table(
        "receipts",
        sa.Column("visit_id", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
    )


def _charges() -> None:
    op.create_table(
        "charges",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("visit_id", sa.String(), sa.ForeignKey("receipts.visit_id"), nullable=False, index=True),
        sa.Column("number", _BIG, nullable=False),
        sa.Column("receipt_digest", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False, index=True),
        sa.Column("amount_minor", _BIG, nullable=False),
        sa.Column("paid_minor", _BIG, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, index=True),
        sa.Column("created_at_ns", _BIG, nullable=False),
        sa.Column("settled_at_ns", _BIG),
        sa.Column("gateway_reference", sa.String()),
        sa.Column("decline_reason", sa.String()),
        sa.CheckConstraint(
            "state IN ('unknown', 'captured', 'declined', 'needs_shopper', 'void', 'waived')", name="known_state"
        ),
        sa.CheckConstraint("amount_minor >= 0 AND paid_minor BETWEEN 0 AND amount_minor", name="paid_within_amount"),
        sa.UniqueConstraint("visit_id", "number"),
    )


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("payment_id", _BIG, primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("visit_id", sa.String(), nullable=False, index=True),
        sa.Column("claim", sa.String(), index=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("amount_minor", _BIG, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("of", sa.String()),
        sa.Column("state", sa.String(), nullable=False, index=True),
        sa.Column("created_at_ns", _BIG, nullable=False),
        sa.Column("settled_at_ns", _BIG),
        sa.Column("reference", sa.String()),
        sa.Column("reason", sa.String()),
        sa.Column("expires_at_ns", _BIG),
        sa.CheckConstraint("state IN ('unknown', 'done', 'declined', 'needs_shopper')", name="known_payment_state"),
        sa.CheckConstraint("action IN ('hold', 'capture', 'void', 'charge', 'refund')", name="known_action"),
        sa.CheckConstraint("amount_minor > 0", name="moves_something"),
    )


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("refund_id", _BIG, primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("visit_id", sa.String(), sa.ForeignKey("receipts.visit_id"), nullable=False, index=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, index=True),
        sa.CheckConstraint("state IN ('unknown', 'done', 'owed')", name="known_refund_state"),
    )


def _ledger() -> None:
    op.create_table(
        "postings",
        sa.Column("posting_id", sa.String(), primary_key=True),
        sa.Column("visit_id", sa.String(), nullable=False, index=True),
        sa.Column("at_ns", _BIG, nullable=False),
        sa.Column("sealed", _BIG, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("entry_id", _BIG, primary_key=True),
        sa.Column("posting_id", sa.String(), sa.ForeignKey("postings.posting_id"), nullable=False, index=True),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("amount_minor", _BIG, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
    )
