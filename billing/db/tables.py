"""Billing's tables, as the migrations in schema/ make them (a test holds the two together).

The rules that must not bend are triggers, and stand in the migrations alone.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from billing.types import ChargeState, PaymentAction, PaymentState, RefundState

METADATA = MetaData()
_BIG = BigInteger().with_variant(Integer(), "sqlite")


def _listed(names: type[StrEnum]) -> str:
    return ", ".join(f"'{name.value}'" for name in names)


def _text(name: str, *, null: bool = False, index: bool = False, unique: bool = False) -> Column[str]:
    return Column(name, String(), nullable=null, index=index or None, unique=unique or None)


def _key(name: str) -> Column[str]:
    return Column(name, String(), primary_key=True)


def _whole(name: str, *, null: bool = False, index: bool = False) -> Column[int]:
    return Column(name, _BIG, nullable=null, index=index or None)


def _count(name: str) -> Column[int]:
    return Column(name, _BIG, primary_key=True)


def _receipt_of(name: str = "visit_id") -> Column[str]:
    return Column(name, String(), ForeignKey("receipts.visit_id"), nullable=False, index=True)


VISITS = Table(
    "visits",
    METADATA,
    _key("visit_id"),
    _text("token"),
    _whole("opened_at_ns", index=True),
    _text("refused", null=True),
    Column("kind", String(), nullable=False, server_default="shopper"),
    Column("party_size", _BIG, nullable=False, server_default="1"),
    _text("shopper_id", null=True, index=True),
    Column("is_member", _BIG, nullable=False, server_default="0"),
    _text("card_mark", null=True, index=True),
)
DRAFTS = Table("drafts", METADATA, _key("visit_id"), _whole("version"), _whole("at_ns"), _text("body"))
RECEIPTS = Table("receipts", METADATA, _key("visit_id"), _text("digest"), _text("body"))
CORRECTIONS = Table(
    "corrections",
    METADATA,
    _count("correction_id"),
    _text("key", unique=True),
    _receipt_of(),
    _text("request_digest"),
    _text("body"),
)
CHARGES = Table(
    "charges",
    METADATA,
    _key("key"),
    _receipt_of(),
    _whole("number"),
    _text("receipt_digest"),
    _text("token", index=True),
    _whole("amount_minor"),
    _whole("paid_minor"),
    _text("currency"),
    _text("state", index=True),
    _whole("created_at_ns"),
    _whole("settled_at_ns", null=True),
    _text("gateway_reference", null=True),
    _text("decline_reason", null=True),
    CheckConstraint(f"state IN ({_listed(ChargeState)})", name="known_state"),
    CheckConstraint("amount_minor >= 0 AND paid_minor BETWEEN 0 AND amount_minor", name="paid_within_amount"),
    UniqueConstraint("visit_id", "number"),
)
PAYMENTS = Table(
    "payments",
    METADATA,
    _count("payment_id"),
    _text("key", unique=True),
    _text("visit_id", index=True),
    _text("claim", null=True, index=True),
    _text("action"),
    _text("digest"),
    _text("token"),
    _whole("amount_minor"),
    _text("currency"),
    _text("of", null=True),
    _text("state", index=True),
    _whole("created_at_ns"),
    _whole("settled_at_ns", null=True),
    _text("reference", null=True),
    _text("reason", null=True),
    _whole("expires_at_ns", null=True),
    CheckConstraint(f"state IN ({_listed(PaymentState)})", name="known_payment_state"),
    CheckConstraint(f"action IN ({_listed(PaymentAction)})", name="known_action"),
    CheckConstraint("amount_minor > 0", name="moves_something"),
)
CASH = Table(
    "cash",
    METADATA,
    _count("cash_id"),
    _text("key", unique=True),
    _receipt_of(),
    _text("claim"),
    _whole("amount_minor"),
    _text("currency"),
    _text("taken_by"),
    _whole("at_ns"),
)
WRITE_OFFS = Table(
    "write_offs",
    METADATA,
    _key("charge_key"),
    _receipt_of(),
    _whole("amount_minor"),
    _text("currency"),
    _whole("at_ns"),
)
REFUNDS = Table(
    "refunds",
    METADATA,
    _count("refund_id"),
    _text("key", unique=True),
    _receipt_of(),
    _text("digest"),
    _text("body"),
    _text("state", index=True),
    CheckConstraint(f"state IN ({_listed(RefundState)})", name="known_refund_state"),
)
DISPUTES = Table(
    "disputes",
    METADATA,
    _key("dispute_id"),
    _receipt_of(),
    _text("shopper_id", null=True, index=True),
    _text("digest"),
    _text("body"),
    _text("state", index=True),
    _whole("opened_at_ns", index=True),
    _whole("decided_at_ns", null=True),
    _text("decided_by", null=True),
    _text("note", null=True),
)
EVIDENCE = Table(
    "evidence",
    METADATA,
    _key("evidence_id"),
    Column("dispute_id", String(), ForeignKey("disputes.dispute_id"), nullable=False, index=True),
    _text("name"),
    _text("media_type"),
    _text("sha256"),
    _text("location"),
    _text("added_by"),
    _whole("added_at_ns"),
)
POSTINGS = Table(
    "postings", METADATA, _key("posting_id"), _text("visit_id", index=True), _whole("at_ns"), _whole("sealed")
)
ENTRIES = Table(
    "entries",
    METADATA,
    _count("entry_id"),
    Column("posting_id", String(), ForeignKey("postings.posting_id"), nullable=False, index=True),
    _text("account"),
    _whole("amount_minor"),
    _text("currency"),
)
EVENTS = Table(
    "events",
    METADATA,
    _count("event_id"),
    _text("topic"),
    _text("visit_id", index=True),
    _whole("at_ns"),
    _text("body"),
)
ENDPOINTS = Table(
    "endpoints",
    METADATA,
    _key("endpoint_id"),
    _text("url"),
    _text("secret"),
    _whole("created_at_ns"),
    _whole("disabled_at_ns", null=True),
)
ENDPOINT_TOPICS = Table(
    "endpoint_topics",
    METADATA,
    Column("endpoint_id", String(), ForeignKey("endpoints.endpoint_id"), nullable=False),
    Column("topic", String(), nullable=False),
    PrimaryKeyConstraint("topic", "endpoint_id"),
)
DELIVERIES = Table(
    "deliveries",
    METADATA,
    _count("delivery_id"),
    Column("event_id", _BIG, ForeignKey("events.event_id"), nullable=False, index=True),
    Column("endpoint_id", String(), ForeignKey("endpoints.endpoint_id"), nullable=False, index=True),
    _text("state"),
    _whole("tries"),
    _whole("next_at_ns"),
    _whole("delivered_at_ns", null=True),
    _text("problem", null=True),
    Index("ix_deliveries_due", "endpoint_id", "state", "next_at_ns", "delivery_id"),
)
GATEWAY_NEWS = Table("gateway_news", METADATA, _key("news_id"), _text("topic"), _whole("received_at_ns"))
REQUESTS = Table(
    "requests",
    METADATA,
    _text("client_id"),
    _text("key"),
    _text("digest"),
    _whole("at_ns", index=True),
    _whole("status", null=True),
    _text("answer", null=True),
    PrimaryKeyConstraint("client_id", "key"),
)
AUDIT = Table(
    "audit",
    METADATA,
    _count("audit_id"),
    _whole("at_ns", index=True),
    _text("who", index=True),
    _text("action"),
    _text("subject"),
    _whole("status"),
    _text("detail", null=True),
)
CLIENTS = Table(
    "clients",
    METADATA,
    _key("client_id"),
    _text("name", unique=True),
    _text("digest", unique=True),
    _text("scopes"),
    _whole("created_at_ns"),
    _whole("revoked_at_ns", null=True),
)
OPERATORS = Table(
    "operators",
    METADATA,
    _key("operator_id"),
    _text("login", unique=True),
    _text("password_hash"),
    _text("scopes"),
    _whole("created_at_ns"),
    _whole("disabled_at_ns", null=True),
)
SHOPPERS = Table(
    "shoppers",
    METADATA,
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
SESSIONS = Table(
    "sessions",
    METADATA,
    _key("digest"),
    _text("person_id", index=True),
    _text("kind"),
    _whole("created_at_ns"),
    _whole("expires_at_ns", index=True),
)
PASS_USES = Table(
    "pass_uses", METADATA, _key("nonce"), _text("shopper_id", index=True), _text("visit_id"), _whole("used_at_ns")
)
CARDS_TO_FORGET = Table("cards_to_forget", METADATA, _key("token"), _whole("asked_at_ns"))
