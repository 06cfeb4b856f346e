"""The visits' API, for scripts and programs: what the pages show, and what they do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from billing.edge import ChargeModel, DisputeModel, ReceiptModel, RefundModel
from billing.types import ItemCount, RefundReason
from dashboard.errors import Refused
from dashboard.roles import Right
from dashboard.visits.asking import VisitQuery, asked, places
from dashboard.visits.deeds import MOST_NOTE, Deeds, checked_key
from dashboard.visits.desk import seen_moments, seen_row
from dashboard.visits.finding import find
from dashboard.visits.pages import MOST_UNITS, Looks, account_of, story_of, visits_of
from dashboard.visits.types import CorrectionAsked, RefundAsked, VisitRow
from dashboard.web import Visitor, may_call, program_router

api = program_router("visits")
_Calls = Annotated[Visitor, Depends(may_call(Right.ANSWER))]
_Key = Annotated[
    str, Field(min_length=8, max_length=64, description="makes that it is done once, however often it is sent")
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemIn(_In):
    """So many of one product."""

    sku: Annotated[str, Field(min_length=1, max_length=200)]
    quantity: Annotated[int, Field(ge=1, le=MOST_UNITS)]


_Items = Annotated[tuple[ItemIn, ...], Field(min_length=1, max_length=200)]


class RefundIn(_In):
    """Units to give back."""

    key: _Key
    items: _Items
    reason: RefundReason


class CorrectionIn(_In):
    """Units that the receipt lacks."""

    key: _Key
    items: _Items


class NoteIn(_In):
    """What somebody writes."""

    key: _Key
    text: Annotated[str, Field(min_length=1, max_length=MOST_NOTE)]


@api.get("/v1/desk/visits")
def list_visits(
    who: Looks, query: Annotated[VisitQuery, Query()], limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> dict[str, Any]:
    """Return visits, the latest first; go on with what is under ``newer`` or ``older``."""
    desk, sees_money = visits_of(who), who.may(Right.MONEY)
    given = asked(query, desk, sees_money=sees_money, limit=limit)
    if given.wrong:
        raise Refused(f"cannot be read: {', '.join(given.wrong)}")
    found = find(desk.projection, given.search)
    rows = [_row(seen_row(row, sees_money=sees_money)) for row in found.rows]
    sides = places(found)
    return {"visits": rows, "newer": sides.get("after"), "older": sides.get("before"), "problem": desk.problem()}


@api.get("/v1/desk/visits/{visit_id}")
def get_visit(who: Looks, visit_id: str) -> dict[str, Any]:
    """Return all that is known of a visit. Times are Unix nanoseconds, amounts minor units."""
    desk, sees_money = visits_of(who), who.may(Right.MONEY)
    found = story_of(desk, visit_id)
    account, problem = account_of(desk, visit_id)
    moments = seen_moments(found.moments, sees_money=sees_money)
    clips = desk.clips_of(found)
    return {
        "visit": _row(seen_row(found.row, sees_money=sees_money)),
        "moments": [asdict(each) for each in moments],
        "interactions": [asdict(each) for each in found.interactions],
        "crossings": [asdict(each) for each in found.crossings],
        "clips": [
            {
                "of": of,
                "clip_id": clip.clip_id,
                "camera_id": clip.camera_id,
                "from_ns": clip.from_ns,
                "to_ns": clip.to_ns,
            }
            for of, some in clips.items()
            for clip in some
        ],
        "receipt": None if account.receipt is None else ReceiptModel.of(account.receipt).model_dump(mode="json"),
        "charges": [ChargeModel.of(each).model_dump(mode="json") for each in account.charges if sees_money],
        "refunds": [RefundModel.of(each).model_dump(mode="json") for each in account.refunds if sees_money],
        "disputes": [DisputeModel.of(each).model_dump(mode="json") for each in account.disputes],
        "notes": [asdict(each) for each in desk.notes.of(visit_id)],
        "billing_problem": problem,
    }


@api.post("/v1/desk/visits/{visit_id}/refunds", status_code=201)
def refund_units(who: _Calls, visit_id: str, given: RefundIn) -> dict[str, Any]:
    """Give units back."""
    story_of(visits_of(who), visit_id)
    refund = _deeds(who).refund(RefundAsked(checked_key(given.key), visit_id, _counts(given.items), given.reason))
    return RefundModel.of(refund).model_dump(mode="json")


@api.post("/v1/desk/visits/{visit_id}/corrections", status_code=201)
def charge_units(who: _Calls, visit_id: str, given: CorrectionIn) -> dict[str, Any]:
    """Charge units that the receipt lacks; the shopper has agreed to it."""
    story_of(visits_of(who), visit_id)
    charge = _deeds(who).correct(CorrectionAsked(checked_key(given.key), visit_id, _counts(given.items), who.me.name))
    return {"number": charge.number, "amount_minor": charge.amount.minor, "currency": charge.amount.currency}


@api.post("/v1/desk/visits/{visit_id}/notes", status_code=201)
def write_note(who: _Calls, visit_id: str, given: NoteIn) -> dict[str, bool]:
    """Keep a note."""
    story_of(visits_of(who), visit_id)
    return {"is_new": _deeds(who).note(visit_id, given.text, given.key)}


def _row(row: VisitRow) -> dict[str, Any]:
    found = asdict(row)
    for name in ("total", "refunded"):
        found[f"{name}_minor"] = None if found[name] is None else found[name]["minor"]
        del found[name]
    found["currency"] = None if row.total is None else row.total.currency
    found["lines"] = [{"sku": sku, "quantity": quantity} for sku, quantity in row.lines]
    return found


def _deeds(who: Visitor) -> Deeds:
    return Deeds(who.desk, visits_of(who), who.me.name, who.at_ns)


def _counts(items: tuple[ItemIn, ...]) -> tuple[ItemCount, ...]:
    return tuple(ItemCount(each.sku, each.quantity) for each in items)
