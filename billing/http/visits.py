"""Routes of visits: the gate, the cart, the receipt, the till."""

from __future__ import annotations

import json
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel

from billing.access import Scope
from billing.db.pages import visits_page
from billing.edge import ChargeModel, DisputeModel, ReceiptModel, RefundModel
from billing.errors import UnknownVisit, VersionConflict
from billing.http.calls import Call, Reader, changes, reads
from billing.http.cursors import Cursor, Limit, timed, written
from billing.http.models import (
    AdmissionOut,
    AgainIn,
    CashIn,
    ChargeOut,
    Charges,
    CorrectionIn,
    DisputeOut,
    Disputes,
    DraftIn,
    DraftOut,
    FinalIn,
    Id,
    JoinIn,
    PaymentOut,
    Payments,
    ReceiptOut,
    RefundOut,
    Refunds,
    VisitIn,
    VisitOut,
    VisitPage,
    counts,
    shown,
)
from billing.http.problems import MissingToken, change_documented, documented, tagged
from billing.service import BillingService
from billing.shoppers import Shoppers
from billing.types import (
    CASH,
    STAFF,
    Charge,
    CorrectionRequest,
    JoinVisit,
    OpenVisit,
    Receipt,
    StoredVisit,
    VisitKind,
)

router = APIRouter(prefix="/v1/visits", tags=["visits"])
_VERSION_TAG = re.compile(r'(?:W/)?"(\d{1,15})"', re.ASCII)
"""A cart's ETag; a proxy that compresses answers makes it weak."""

_LOOK = (Scope.VISION, Scope.POS, Scope.OPERATOR, Scope.AUDITOR)
_Look = Annotated[Reader, Depends(reads(*_LOOK))]
_Gate = Annotated[Call, Depends(changes(Scope.GATE))]
_Vision = Annotated[Call, Depends(changes(Scope.VISION))]
_Pos = Annotated[Call, Depends(changes(Scope.POS))]
_Operator = Annotated[Call, Depends(changes(Scope.OPERATOR))]


@router.post("", status_code=201, response_model=AdmissionOut, responses=change_documented())
def open_visit(given: VisitIn, call: _Gate) -> Response:
    """Let somebody in, or say why not; money is held by the store's policy.

    A gate that checked an entry pass by itself says with ``at`` when it saw it: the pass must have been valid then, and
    the gate tells of it within the store's ``offline_s``.
    """
    shoppers = call.parts.shoppers

    def admit(service: BillingService, at_ns: int) -> AdmissionOut:
        opened = _by_pass(given, shoppers, service, at_ns) if given.entry_pass else _opened(given, at_ns)
        return AdmissionOut.of(service.open_visit(opened))

    return call.run(admit, 201, looks_first=False)


@router.get("", response_model=VisitPage, responses=documented(400, 422))
def list_visits(reader: _Look, cursor: Cursor = None, limit: Limit = 50) -> VisitPage:
    """Return visits, latest first."""
    with reader.parts.store.reading() as books:
        found = visits_page(books, timed(cursor), limit)
    last = found[-1].opened if len(found) == limit else None
    return VisitPage(
        items=tuple(VisitOut.of(visit) for visit in found),
        cursor=None if last is None else written(last.at_ns, last.visit_id),
    )


@router.get("/{visit_id}", response_model=VisitOut, responses=documented(404, 422))
def get_visit(visit_id: Id, reader: _Look) -> VisitOut:
    """Return a visit as it was opened."""
    return VisitOut.of(_visit(reader.parts.service, visit_id))


@router.post("/{visit_id}/joins", status_code=201, response_model=AdmissionOut, responses=change_documented(404))
def join_visit(visit_id: Id, given: JoinIn, call: _Gate) -> Response:
    """Let one more of a group in on the same token."""

    def join(service: BillingService, at_ns: int) -> AdmissionOut:
        return AdmissionOut.of(service.join_visit(JoinVisit(visit_id, given.scan_id, given.token, given.at or at_ns)))

    return call.run(join, 201)


@router.put("/{visit_id}/draft", response_model=DraftOut, responses=change_documented(404, 412) | tagged(200))
def put_draft(
    visit_id: Id,
    given: DraftIn,
    call: _Vision,
    if_match: Annotated[str | None, Header(alias="If-Match", max_length=100)] = None,
) -> Response:
    """Say what is in a cart now. With ``If-Match``, only if it is still as it was read."""
    version = _version(if_match)

    def put(service: BillingService, at_ns: int) -> DraftOut:
        return DraftOut.of(*service.put_draft(visit_id, counts(given.items), given.at or at_ns, version))

    response = call.run(put, looks_first=False)
    response.headers["ETag"] = f'"{json.loads(bytes(response.body))["version"]}"'
    return response


@router.get("/{visit_id}/draft", response_model=DraftOut, responses=documented(404, 422) | tagged(200))
def get_draft(visit_id: Id, reader: _Look) -> Response:
    """Return a cart as it last was, priced as of now; its ``ETag`` is its version."""
    found = reader.parts.service.draft(visit_id, reader.at_ns)
    if found is None:
        raise UnknownVisit(f"visit {visit_id!r} has no cart")
    body = DraftOut.of(*found)
    return Response(body.model_dump_json(), headers={"ETag": f'"{body.version}"'}, media_type="application/json")


@router.post("/{visit_id}/receipt", status_code=201, response_model=ChargeOut, responses=change_documented(404))
def finalise_visit(visit_id: Id, given: FinalIn, call: _Vision) -> Response:
    """Freeze the receipt and charge it."""

    def final(service: BillingService, at_ns: int) -> BaseModel:
        return _shown(service.finish(visit_id, counts(given.items), given.at or at_ns))

    return call.run(final, 201, looks_first=False)


@router.get("/{visit_id}/receipt", response_model=ReceiptOut, responses=documented(404, 422) | tagged(200, 304))
def get_receipt(
    visit_id: Id,
    reader: _Look,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match", max_length=1_000)] = None,
) -> Response:
    """Return the receipt, as last corrected; its ``ETag`` is its digest."""
    receipt = _receipt(reader, visit_id)
    tag = {"ETag": f'"{receipt.digest}"'}
    if f'"{receipt.digest}"' in (if_none_match or ""):
        return Response(status_code=304, headers=tag)
    body = shown(ReceiptModel.of(receipt), ReceiptOut).model_dump_json()
    return Response(body, headers=tag, media_type="application/json")


@router.get("/{visit_id}/charges", response_model=Charges, responses=documented(404, 422))
def list_charges(visit_id: Id, reader: _Look) -> Charges:
    """Return a visit's charges, and what is still owed."""
    owed = reader.parts.service.owed(visit_id)
    found = (shown(ChargeModel.of(each), ChargeOut) for each in reader.parts.service.charges(visit_id))
    return Charges(items=tuple(found), owed_minor=owed.minor, currency=owed.currency)


@router.post("/{visit_id}/charges", status_code=201, response_model=ChargeOut, responses=change_documented(404))
def charge_again(visit_id: Id, given: AgainIn, call: _Operator) -> Response:
    """Charge what is still owed to a card, after a decline."""
    return call.run(lambda service, at_ns: _shown(service.charge_again(visit_id, given.token, given.at or at_ns)), 201)


@router.post("/{visit_id}/cash", status_code=201, response_model=ChargeOut, responses=change_documented(404))
def pay_cash(visit_id: Id, given: CashIn, call: _Pos) -> Response:
    """Take what is owed at the till."""

    def pay(service: BillingService, at_ns: int) -> BaseModel:
        return _shown(service.pay_cash(visit_id, given.cash_id, call.who.name, given.at or at_ns))

    return call.run(pay, 201)


@router.post("/{visit_id}/corrections", status_code=201, response_model=ChargeOut, responses=change_documented(404))
def correct_receipt(visit_id: Id, given: CorrectionIn, call: _Operator) -> Response:
    """Charge units that a final receipt lacks; the shopper has agreed to it."""

    def correction(service: BillingService, at_ns: int) -> BaseModel:
        items = counts(given.items)
        request = CorrectionRequest(given.correction_id, visit_id, items, call.who.name, given.at or at_ns)
        return _shown(service.correct(request))

    return call.run(correction, 201)


@router.get("/{visit_id}/payments", response_model=Payments, responses=documented(404, 422))
def list_payments(visit_id: Id, reader: _Look) -> Payments:
    """Return all requests to the gateway for a visit."""
    found = reader.parts.service.payments(visit_id)
    return Payments(items=tuple(PaymentOut.of_payment(each) for each in found))


@router.get("/{visit_id}/refunds", response_model=Refunds, responses=documented(404, 422))
def list_refunds(visit_id: Id, reader: _Look) -> Refunds:
    """Return a visit's refunds."""
    found = reader.parts.service.refunds(visit_id)
    return Refunds(items=tuple(shown(RefundModel.of(each), RefundOut) for each in found))


@router.get("/{visit_id}/disputes", response_model=Disputes, responses=documented(404, 422))
def list_visit_disputes(visit_id: Id, reader: _Look) -> Disputes:
    """Return a visit's disputes."""
    found = reader.parts.service.disputes.of_visit(visit_id)
    return Disputes(items=tuple(shown(DisputeModel.of(each), DisputeOut) for each in found))


def _opened(given: VisitIn, at_ns: int) -> OpenVisit:
    fixed = {VisitKind.CASH: CASH, VisitKind.STAFF: STAFF}.get(given.kind)
    token = fixed or given.token
    if token is None:
        raise MissingToken("a shopper comes with a token or an entry pass: send one of them")
    try:
        return OpenVisit(given.visit_id, token, given.at or at_ns, given.kind, given.party_size)
    except ValueError as error:
        raise MissingToken(str(error)) from error


def _by_pass(given: VisitIn, shoppers: Shoppers | None, service: BillingService, at_ns: int) -> OpenVisit:
    """Return what an entry pass opens. Raises PassError, or MissingToken where something else was shown with it."""
    if given.token is not None or given.kind is not VisitKind.SHOPPER:
        raise MissingToken(
            "an entry pass opens a shopper's visit by itself: send neither token nor another kind with it"
        )
    if shoppers is None:
        raise MissingToken("this service has no shoppers' page, and no entry passes: send a token")
    seen_ns, store = given.at or at_ns, service.store
    return shoppers.on(store).admit(given.entry_pass or "", given.visit_id, given.party_size, seen_ns, at_ns)


def _shown(charge: Charge) -> BaseModel:
    return shown(ChargeModel.of(charge), ChargeOut)


def _visit(service: BillingService, visit_id: str) -> StoredVisit:
    found = service.visit(visit_id)
    if found is None:
        raise UnknownVisit(f"visit {visit_id!r} was not opened")
    return found


def _receipt(reader: Reader, visit_id: str) -> Receipt:
    found = reader.parts.service.receipt(visit_id)
    if found is None:
        raise UnknownVisit(f"visit {visit_id!r} has no receipt")
    return found


def _version(if_match: str | None) -> int | None:
    """Return the version of an ETag. Raises VersionConflict for one that no cart had."""
    if if_match is None:
        return None
    found = _VERSION_TAG.fullmatch(if_match.strip())
    if found is None:
        raise VersionConflict('If-Match is the cart\'s ETag, such as "3", or "0" where there is no cart yet')
    return int(found[1])
