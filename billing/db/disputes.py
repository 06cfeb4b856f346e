"""Disputes and their evidence inside one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func, insert, select, update

from billing.db.books import Books
from billing.db.tables import DISPUTES, EVIDENCE
from billing.edge import CountModel, DisputeBody
from billing.types import Dispute, DisputeKind, DisputeRequest, DisputeState, Evidence, ItemCount


def dispute(books: Books, dispute_id: str) -> tuple[Dispute, str] | None:
    """Return a dispute and the digest of what was asked."""
    row = books.connection.execute(select(DISPUTES).where(DISPUTES.c.dispute_id == dispute_id)).one_or_none()
    return None if row is None else (dispute_of_row(row), row.digest)


def disputes_of(books: Books, visit_id: str) -> tuple[Dispute, ...]:
    """Return a visit's disputes, oldest first."""
    query = select(DISPUTES).where(DISPUTES.c.visit_id == visit_id)
    rows = books.connection.execute(query.order_by(DISPUTES.c.opened_at_ns, DISPUTES.c.dispute_id))
    return tuple(dispute_of_row(row) for row in rows)


def trusted_count(books: Books, shopper_id: str, decided_by: str, since_ns: int) -> int:
    """Return how many disputes of a shopper ``decided_by`` has upheld since then."""
    query = select(func.count()).where(
        DISPUTES.c.shopper_id == shopper_id, DISPUTES.c.decided_by == decided_by, DISPUTES.c.opened_at_ns > since_ns
    )
    return books.connection.execute(query).scalar_one()


def all_disputes(books: Books) -> tuple[Dispute, ...]:
    """Return all disputes, oldest first."""
    rows = books.connection.execute(select(DISPUTES).order_by(DISPUTES.c.opened_at_ns, DISPUTES.c.dispute_id))
    return tuple(dispute_of_row(row) for row in rows)


def add_dispute(books: Books, asked: DisputeRequest, digest: str) -> None:
    """Keep a new dispute."""
    counts = tuple(CountModel(sku=item.sku, quantity=item.quantity) for item in asked.items)
    body = DisputeBody(kind=asked.kind, items=counts, text=asked.text).model_dump_json()
    books.connection.execute(
        insert(DISPUTES).values(
            dispute_id=asked.dispute_id,
            visit_id=asked.visit_id,
            shopper_id=asked.shopper_id,
            digest=digest,
            body=body,
            state=DisputeState.OPEN.value,
            opened_at_ns=asked.at_ns,
        )
    )


def decide_dispute(books: Books, decided: Dispute) -> None:
    """Write the decision about a dispute that was open."""
    books.connection.execute(
        update(DISPUTES)
        .where(DISPUTES.c.dispute_id == decided.asked.dispute_id)
        .values(
            state=decided.state.value,
            decided_at_ns=decided.decided_at_ns,
            decided_by=decided.decided_by,
            note=decided.note,
        )
    )


def evidence_of(books: Books, dispute_id: str) -> tuple[Evidence, ...]:
    """Return what was laid before the operator, in order."""
    query = select(EVIDENCE).where(EVIDENCE.c.dispute_id == dispute_id)
    rows = books.connection.execute(query.order_by(EVIDENCE.c.added_at_ns, EVIDENCE.c.evidence_id))
    return tuple(Evidence(**row._mapping) for row in rows)


def evidence(books: Books, evidence_id: str) -> Evidence | None:
    """Return a piece of evidence."""
    row = books.connection.execute(select(EVIDENCE).where(EVIDENCE.c.evidence_id == evidence_id)).one_or_none()
    return None if row is None else Evidence(**row._mapping)


def add_evidence(books: Books, evidence: Evidence) -> None:
    """Keep a new piece of evidence."""
    books.connection.execute(
        insert(EVIDENCE).values(
            evidence_id=evidence.evidence_id,
            dispute_id=evidence.dispute_id,
            name=evidence.name,
            media_type=evidence.media_type,
            sha256=evidence.sha256,
            location=evidence.location,
            added_by=evidence.added_by,
            added_at_ns=evidence.added_at_ns,
        )
    )


def dispute_of_row(row: Row[Any]) -> Dispute:
    """Put a dispute together."""
    body = DisputeBody.model_validate_json(row.body)
    asked = DisputeRequest(
        dispute_id=row.dispute_id,
        visit_id=row.visit_id,
        kind=DisputeKind(body.kind),
        items=tuple(ItemCount(item.sku, item.quantity) for item in body.items),
        text=body.text,
        at_ns=row.opened_at_ns,
        shopper_id=row.shopper_id,
    )
    return Dispute(asked, DisputeState(row.state), row.decided_at_ns, row.decided_by, row.note)
