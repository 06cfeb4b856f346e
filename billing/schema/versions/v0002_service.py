"""What the service keeps: kinds of visits, drafts, corrections, cash, disputes, people, keys, the outbox and the inbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_FROZEN = ("corrections", "cash", "write_offs", "evidence", "audit")
"""Tables of which no row is ever changed or deleted."""

_KEPT = ("dispute_id", "visit_id", "digest", "body", "state", "opened_at_ns", "decided_at_ns", "decided_by", "note")
_DECISION_CHANGED = (
    "OLD.state <> 'open' AND (NEW.shopper_id IS NOT NULL OR "
    + " OR ".join(f"NEW.{name} IS NULL OR NEW.{name} <> OLD.{name}" for name in _KEPT)
    + ")"
)
"""Of a decided dispute only the shopper may go, when they delete their account."""

_RULES = (
    ("decided_disputes_stay", "UPDATE", "disputes", _DECISION_CHANGED, "a decided dispute never changes"),
    ("disputes_stay", "DELETE", "disputes", "TRUE", "a dispute is never deleted"),
    ("pass_uses_stay", "UPDATE", "pass_uses", "TRUE", "a pass is used once"),
)


_SHARE = "BEGIN PERFORM pg_advisory_xact_lock_shared(7411, 2); RETURN NULL; END"
_EVENTS_IN_ORDER = (
    f"CREATE FUNCTION events_in_order() RETURNS trigger LANGUAGE plpgsql AS $$ {_SHARE} $$",
    "CREATE TRIGGER events_in_order BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION events_in_order()",
)
"""PostgreSQL counts events before they are committed, so 8 may be seen before 7. Who writes events shares this lock from
before the number is drawn until the commit; who reads on from a number takes it alone for a moment (db/locks.py) and
knows that nothing below what it sees is still to come. SQLite has one writer at a time."""


_DELIVER = """INSERT INTO deliveries (event_id, endpoint_id, state, tries, next_at_ns)
    SELECT NEW.event_id, endpoint_topics.endpoint_id, 'due', 0, NEW.at_ns
    FROM endpoint_topics JOIN endpoints ON endpoints.endpoint_id = endpoint_topics.endpoint_id
    WHERE endpoint_topics.topic = NEW.topic AND endpoints.disabled_at_ns IS NULL"""
_FAN_OUT = {
    "sqlite": (f"CREATE TRIGGER events_fan_out AFTER INSERT ON events BEGIN {_DELIVER}; END",),
    "postgresql": (
        f"CREATE FUNCTION events_fan_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_DELIVER}; RETURN NULL; END $$",
        "CREATE TRIGGER events_fan_out AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_fan_out()",
    ),
}
"""An event and its deliveries are written by one statement: no event can be there without them."""


def upgrade() -> None:
    """Make the tables, new columns and triggers."""
    _visits()
    _money()
    _disputes()
    _messages()
    _access()
    _people()
    frozen = [(f"{table}_are_frozen", "UPDATE", table, "TRUE", f"{table}: a row never changes") for table in _FROZEN]
    frozen += [(f"{table}_stay", "DELETE", table, "TRUE", f"{table}: a row is never deleted") for table in _FROZEN]
    for rule in (*_RULES, *frozen):
        for statement in _trigger(op.get_bind().dialect.name, *rule):
            op.execute(statement)
    dialect = op.get_bind().dialect.name
    for statement in (*_FAN_OUT[dialect], *(_EVENTS_IN_ORDER if dialect == "postgresql" else ())):
        op.execute(statement)


def _trigger(dialect: str, name: str, event: str, table: str, forbidden: str, message: str) -> tuple[str, ...]:
    """As in 0001, which must not change any more."""
    if dialect == "sqlite":
        when = f"WHEN {forbidden.replace('TRUE', '1')} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        return (f"CREATE TRIGGER {name} BEFORE {event} ON {table} {when}",)
    body = f"BEGIN IF {forbidden} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END IF;"
    back = "OLD" if event == "DELETE" else "NEW"
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} RETURN {back}; END $$",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )


def _text(name: str, *, null: bool = False, index: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null, index=index or None, unique=unique or None)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), primary_key=True)


def _whole(name: str, *, null: bool = False, index: bool = False) -> sa.Column[int]:
    return sa.Column(name, _BIG, nullable=null, index=index or None)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, _BIG, primary_key=True)


def _of(target: str, *, index: bool = True) -> sa.Column[str]:
    name = target.partition(".")[2]
    return sa.Column(name, sa.String(), sa.ForeignKey(target), nullable=False, index=index or None)


def _visits() -> None:
    op.add_column("visits", sa.Column("kind", sa.String(), nullable=False, server_default="shopper"))
    op.add_column("visits", sa.Column("party_size", _BIG, nullable=False, server_default="1"))
    op.add_column("visits", sa.Column("shopper_id", sa.String()))
    op.add_column("visits", sa.Column("is_member", _BIG, nullable=False, server_default="0"))
    op.add_column("visits", sa.Column("card_mark", sa.String()))
    for name in ("opened_at_ns", "shopper_id", "card_mark"):
        op.create_index(f"ix_visits_{name}", "visits", [name])
    op.create_table("drafts", _key("visit_id"), _whole("version"), _whole("at_ns"), _text("body"))


def _money() -> None:
    op.create_table(
        "corrections",
        _count("correction_id"),
        _text("key", unique=True),
        _of("receipts.visit_id"),
        _text("request_digest"),
        _text("body"),
    )
    op.create_table(
        "cash",
        _count("cash_id"),
        _text("key", unique=True),
        _of("receipts.visit_id"),
        _text("claim"),
        _whole("amount_minor"),
        _text("currency"),
        _text("taken_by"),
        _whole("at_ns"),
    )
    op.create_table(
        "write_offs",
        _key("charge_key"),
        _of("receipts.visit_id"),
        _whole("amount_minor"),
        _text("currency"),
        _whole("at_ns"),
    )


def _disputes() -> None:
    op.create_table(
        "disputes",
        _key("dispute_id"),
        _of("receipts.visit_id"),
        _text("shopper_id", null=True, index=True),
        _text("digest"),
        _text("body"),
        _text("state", index=True),
        _whole("opened_at_ns", index=True),
        _whole("decided_at_ns", null=True),
        _text("decided_by", null=True),
        _text("note", null=True),
    )
    op.create_table(
        "evidence",
        _key("evidence_id"),
        _of("disputes.dispute_id"),
        _text("name"),
        _text("media_type"),
        _text("sha256"),
        _text("location"),
        _text("added_by"),
        _whole("added_at_ns"),
    )


def _messages() -> None:
    op.create_table(
        "events",
        _count("event_id"),
        _text("topic"),
        _text("visit_id", index=True),
        _whole("at_ns"),
        _text("body"),
    )
    op.create_table(
        "endpoints",
        _key("endpoint_id"),
        _text("url"),
        _text("secret"),
        _whole("created_at_ns"),
        _whole("disabled_at_ns", null=True),
    )
    op.create_table(
        "endpoint_topics",
        _of("endpoints.endpoint_id", index=False),
        _text("topic"),
        sa.PrimaryKeyConstraint("topic", "endpoint_id"),
    )
    op.create_table(
        "deliveries",
        _count("delivery_id"),
        sa.Column("event_id", _BIG, sa.ForeignKey("events.event_id"), nullable=False, index=True),
        _of("endpoints.endpoint_id"),
        _text("state"),
        _whole("tries"),
        _whole("next_at_ns"),
        _whole("delivered_at_ns", null=True),
        _text("problem", null=True),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["endpoint_id", "state", "next_at_ns", "delivery_id"])
    op.create_table("gateway_news", _key("news_id"), _text("topic"), _whole("received_at_ns"))


def _access() -> None:
    op.create_table(
        "requests",
        _text("client_id"),
        _text("key"),
        _text("digest"),
        _whole("at_ns", index=True),
        _whole("status", null=True),
        _text("answer", null=True),
        sa.PrimaryKeyConstraint("client_id", "key"),
    )
    op.create_table(
        "audit",
        _count("audit_id"),
        _whole("at_ns", index=True),
        _text("who", index=True),
        _text("action"),
        _text("subject"),
        _whole("status"),
        _text("detail", null=True),
    )
    op.create_table(
        "clients",
        _key("client_id"),
        _text("name", unique=True),
        _text("digest", unique=True),
        _text("scopes"),
        _whole("created_at_ns"),
        _whole("revoked_at_ns", null=True),
    )
    op.create_table(
        "operators",
        _key("operator_id"),
        _text("login", unique=True),
        _text("password_hash"),
        _text("scopes"),
        _whole("created_at_ns"),
        _whole("disabled_at_ns", null=True),
    )


def _people() -> None:
    op.create_table(
        "shoppers",
        _key("shopper_id"),
        _text("email", null=True, unique=True),
        _text("password_hash", null=True),
        _text("name", null=True),
        _text("locale"),
        _text("token", null=True, index=True),
        _text("card_brand", null=True),
        _text("card_last4", null=True),
        _text("card_expires", null=True),
        _text("card_form", null=True),
        _whole("is_member"),
        _whole("created_at_ns"),
        _whole("deleted_at_ns", null=True),
        _whole("version"),
    )
    op.create_table(
        "sessions",
        _key("digest"),
        _text("person_id", index=True),
        _text("kind"),
        _whole("created_at_ns"),
        _whole("expires_at_ns", index=True),
    )
    op.create_table(
        "pass_uses", _key("nonce"), _text("shopper_id", index=True), _text("visit_id"), _whole("used_at_ns")
    )
    op.create_table("cards_to_forget", _key("token"), _whole("asked_at_ns"))
