"""Routes of refunds, disputes, the ledger and the gateway's list."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from billing.access import Scope
from billing.db.pages import audit_page, data_of, disputes_page, events_page
from billing.disputing import labelled_examples
from billing.edge import ChargeModel, DisputeModel, EvidenceModel, RefundModel
from billing.errors import UnknownVisit
from billing.export import journal_csv, receipts_csv
from billing.http.calls import Call, Reader, changes, reads
from billing.http.cursors import Cursor, Limit, numbered, timed, written
from billing.http.models import (
    AuditOut,
    AuditPage,
    BalanceOut,
    Balances,
    CashIn,
    ChargeOut,
    DecisionIn,
    DifferenceOut,
    DisputeDetail,
    DisputeIn,
    DisputeOut,
    DisputePage,
    EventOut,
    EventPage,
    EvidenceIn,
    EvidenceOut,
    Id,
    PayoutOut,
    Reconciled,
    RefundIn,
    RefundKey,
    RefundOut,
    Resolved,
    counts,
    shown,
)
from billing.http.problems import change_documented, documented, typed
from billing.http.times import with_times
from billing.news import TOPICS
from billing.service import BillingService
from billing.types import DisputeRequest, DisputeState, Evidence, RefundRequest

router = APIRouter(prefix="/v1", tags=["money"])
_ONE_TOPIC = f"^({'|'.join(re.escape(topic) for topic in TOPICS)})$"
_Look = Annotated[Reader, Depends(reads(Scope.POS, Scope.OPERATOR, Scope.AUDITOR))]
_Audit = Annotated[Reader, Depends(reads(Scope.AUDITOR))]
_Pos = Annotated[Call, Depends(changes(Scope.POS))]
_Operator = Annotated[Call, Depends(changes(Scope.OPERATOR))]
_Counter = Annotated[Call, Depends(changes(Scope.POS, Scope.OPERATOR))]


@router.post("/refunds", status_code=201, response_model=RefundOut, responses=change_documented(404))
def refund_visit(given: RefundIn, call: _Counter) -> Response:
    """Give units of a receipt back."""

    def give_back(service: BillingService, at_ns: int) -> BaseModel:
        items = counts(given.items)
        request = RefundRequest(given.refund_id, given.visit_id, given.reason, given.at or at_ns, items)
        return shown(RefundModel.of(service.refund(request)), RefundOut)

    return call.run(give_back, 201)


@router.post(
    "/refunds/{refund_id}/payouts", status_code=201, response_model=PayoutOut, responses=change_documented(404)
)
def pay_out(refund_id: RefundKey, given: CashIn, call: _Pos) -> Response:
    """Pay a refund out at the till; the answer says how much: what of it was paid with a card goes back there."""

    def pay(service: BillingService, at_ns: int) -> BaseModel:
        refund = service.pay_out(refund_id, given.cash_id, call.who.name, given.at or at_ns)
        minor = service.taken_out(given.cash_id).minor
        return PayoutOut.model_validate({**RefundModel.of(refund).model_dump(), "paid_out_minor": minor})

    return call.run(pay, 201)


@router.post("/disputes", status_code=201, response_model=DisputeOut, responses=change_documented(404))
def open_dispute(given: DisputeIn, call: _Counter) -> Response:
    """Open a dispute for a shopper at the counter."""

    def begin(service: BillingService, at_ns: int) -> BaseModel:
        at_ns, items = given.at or at_ns, counts(given.items)
        asked = DisputeRequest(given.dispute_id, given.visit_id, given.kind, items, given.text, at_ns)
        return shown(DisputeModel.of(service.contest(asked)), DisputeOut)

    return call.run(begin, 201)


@router.get("/disputes", response_model=DisputePage, responses=documented(400, 422))
def list_disputes(
    reader: _Look, state: DisputeState | None = None, cursor: Cursor = None, limit: Limit = 50
) -> DisputePage:
    """Return disputes, latest first."""
    with reader.parts.store.reading() as books:
        found = disputes_page(books, None if state is None else state.value, timed(cursor), limit)
    last = found[-1].asked if len(found) == limit else None
    return DisputePage(
        items=tuple(shown(DisputeModel.of(each), DisputeOut) for each in found),
        cursor=None if last is None else written(last.at_ns, last.dispute_id),
    )


@router.get("/disputes/{dispute_id}", response_model=DisputeDetail, responses=documented(404, 422))
def get_dispute(dispute_id: Id, reader: _Look) -> DisputeDetail:
    """Return a dispute and its evidence."""
    disputes = reader.parts.service.disputes
    found = disputes.get(dispute_id)
    pieces = tuple(shown(EvidenceModel.of(each), EvidenceOut) for each in disputes.evidence(dispute_id))
    return DisputeDetail(dispute=shown(DisputeModel.of(found), DisputeOut), evidence=pieces)


@router.post(
    "/disputes/{dispute_id}/evidence", status_code=201, response_model=EvidenceOut, responses=change_documented(404)
)
def add_evidence(dispute_id: Id, given: EvidenceIn, call: _Operator) -> Response:
    """Lay a clip or picture before whoever decides."""

    def work(service: BillingService, at_ns: int) -> BaseModel:
        piece = Evidence(dispute_id=dispute_id, added_by=call.who.name, added_at_ns=at_ns, **given.model_dump())
        service.attach(piece)
        kept = {each.evidence_id: each for each in service.disputes.evidence(dispute_id)}[given.evidence_id]
        return shown(EvidenceModel.of(kept), EvidenceOut)

    return call.run(work, 201)


@router.post("/disputes/{dispute_id}/decision", response_model=DisputeOut, responses=change_documented(404))
def decide_dispute(dispute_id: Id, given: DecisionIn, call: _Operator) -> Response:
    """Uphold a dispute, which refunds its units, or reject it."""

    def work(service: BillingService, at_ns: int) -> BaseModel:
        decided = service.decide(dispute_id, given.state, call.who.name, given.note, given.at or at_ns)
        return shown(DisputeModel.of(decided), DisputeOut)

    return call.run(work)


@router.get("/examples.jsonl", response_class=Response, responses=documented() | typed("application/x-ndjson"))
def list_examples(reader: _Audit) -> Response:
    """Return the disputes that operators decided, with their evidence, as labelled examples: one JSON a line."""
    lines = "".join(f"{line}\n" for line in labelled_examples(reader.parts.store))
    return Response(lines, media_type="application/x-ndjson")


@router.post("/resolve", response_model=Resolved, responses=change_documented())
def resolve_unknown(call: _Operator) -> Response:
    """Ask the gateway about all whose outcome is unknown, now."""

    def work(service: BillingService, at_ns: int) -> Resolved:
        found = service.resolve_unknown(at_ns)
        return Resolved(items=tuple(shown(ChargeModel.of(each), ChargeOut) for each in found))

    return call.run(work)


@router.get("/ledger/balances", response_model=Balances, responses=documented())
def list_balances(reader: _Audit) -> Balances:
    """Return what each account of the ledger holds."""
    found = reader.parts.service.balances()
    rows = (BalanceOut(account=name, currency=unit, balance_minor=minor) for (name, unit), minor in found.items())
    return Balances(items=tuple(rows))


@router.get("/ledger/journal.csv", response_class=Response, responses=documented() | typed("text/csv"))
def export_journal(reader: _Audit) -> Response:
    """Return the ledger as a journal that bookkeeping programs take in."""
    with reader.parts.store.reading() as books:
        return Response(journal_csv(books.postings()), media_type="text/csv")


@router.get("/receipts.csv", response_class=Response, responses=documented() | typed("text/csv"))
def export_receipts(reader: _Audit) -> Response:
    """Return all receipts, a row a line."""
    with reader.parts.store.reading() as books:
        return Response(receipts_csv(books.all_receipts()), media_type="text/csv")


@router.get("/reconcile", response_model=Reconciled, responses=documented(503))
def compare_with_gateway(reader: _Audit) -> Reconciled:
    """Hold our payments against the gateway's own list."""
    found = reader.parts.service.reconcile()
    with reader.parts.store.reading() as books:
        compared = len(books.all_payments())
    rows = tuple(DifferenceOut(key=each.key, problem=each.problem, mend=each.mend) for each in found)
    return Reconciled(compared=compared, differences=rows)


@router.get("/audit", response_model=AuditPage, responses=documented(400, 422))
def list_audit(reader: _Audit, cursor: Cursor = None, limit: Limit = 50) -> AuditPage:
    """Return who did what, latest first."""
    with reader.parts.store.reading() as books:
        found = audit_page(books, numbered(cursor), limit)
    rows = (
        AuditOut(
            audit_id=row.audit_id,
            at=row.at_ns,
            who=row.who,
            action=row.action,
            subject=row.subject,
            status=row.status,
            detail=row.detail,
        )
        for row in found
    )
    return AuditPage(items=tuple(rows), cursor=written(found[-1].audit_id) if len(found) == limit else None)


@router.get("/events", response_model=EventPage, responses=documented(400, 422))
def list_events(
    reader: _Look,
    topic: Annotated[str | None, Query(pattern=_ONE_TOPIC, examples=list(TOPICS))] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> EventPage:
    """Return what happened, earliest first; the cursor of the last page goes on from there later."""
    with reader.parts.store.reading() as books:
        found = events_page(books, topic, numbered(cursor), limit)
    rows = (
        EventOut(
            event_id=row.event_id, topic=row.topic, visit_id=row.visit_id, at=row.at_ns, data=with_times(data_of(row))
        )
        for row in found
    )
    return EventPage(items=tuple(rows), cursor=written(found[-1].event_id) if found else cursor)


@router.get("/refunds/{refund_id}", response_model=RefundOut, responses=documented(404, 422))
def get_refund(refund_id: RefundKey, reader: _Look) -> Response:
    """Return how a refund stands."""
    with reader.parts.store.reading() as books:
        found = books.refund(refund_id)
    if found is None:
        raise UnknownVisit(f"there is no refund {refund_id!r}")
    return Response(shown(RefundModel.of(found), RefundOut).model_dump_json(), media_type="application/json")
