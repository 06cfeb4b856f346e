"""The stock's API, for scripts and programs: documents and tables to read, and counts to send."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from dashboard.errors import Refused
from dashboard.roles import Right
from dashboard.stock import export
from dashboard.stock.desk import MOST_UNITS
from dashboard.stock.pages import keep_count, send_proposals, stock_of, supplier_of
from dashboard.stock.sending import sent_out, supplier_out
from dashboard.web import Visitor, may, may_call, program_router

api = program_router("stock")

_Look = Annotated[Visitor, Depends(may(Right.LOOK))]
_Calls = Annotated[Visitor, Depends(may_call(Right.COUNT))]
_Manages = Annotated[Visitor, Depends(may_call(Right.MANAGE))]
_Days = Annotated[int, Query(ge=1, le=366, description="today and the days before")]


class CsvResponse(Response):
    """A table."""

    media_type = "text/csv"


class CountIn(BaseModel):
    """What a slot holds: ``units`` of its own product, or ``filled`` up. ``tidy``: nothing else lies there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot_id: Annotated[str, Field(max_length=200)]
    units: Annotated[int | None, Field(ge=0, le=MOST_UNITS)] = None
    filled: bool = False
    tidy: bool = False


@api.get("/v1/desk/stock")
def get_stock(who: _Look) -> dict[str, Any]:
    """Return what each slot seems to hold."""
    stock = stock_of(who)
    now = stock.now()
    told = export.levels_document(who.desk.store_name, now.at_ns, now.slots, stock.names)
    unplaced = [{"sku": each.sku, "units": each.units} for each in now.unplaced]
    return {**told, "unplaced": unplaced, "problem": now.problem}


@api.get("/v1/desk/stock.csv", response_class=CsvResponse)
def get_stock_csv(who: _Look) -> Response:
    """Return the same as a table."""
    stock = stock_of(who)
    return _file("stock", export.levels_csv(stock.now().slots, stock.names))


@api.get("/v1/desk/stock/proposals")
def get_proposals(who: _Look) -> dict[str, Any]:
    """Return what to bring, the soonest empty first."""
    now = stock_of(who).now()
    return export.proposals_document(who.desk.store_name, now.at_ns, now.proposals)


@api.get("/v1/desk/stock/proposals.csv", response_class=CsvResponse)
def get_proposals_csv(who: _Look) -> Response:
    """Return the same as a table."""
    return _file("replenishment", export.proposals_csv(stock_of(who).now().proposals))


@api.get("/v1/desk/stock/webhook")
def get_webhook(who: _Look) -> dict[str, Any]:
    """Return which machine is told what to bring, when, and what became of the last time."""
    return supplier_out(supplier_of(who))


@api.post("/v1/desk/stock/webhook")
def send_to_webhook(who: _Manages) -> dict[str, Any]:
    """Send what to bring now, once; return what became of it."""
    return sent_out(send_proposals(who))


@api.get("/v1/desk/stock/sales")
def get_sales(who: _Look, days: _Days = 7) -> dict[str, Any]:
    """Return what was sold, by product and hour of the day."""
    return export.sales_document(who.desk.store_name, stock_of(who).sales(days))


@api.get("/v1/desk/stock/sales.csv", response_class=CsvResponse)
def get_sales_csv(who: _Look, days: _Days = 7) -> Response:
    """Return the same as a table."""
    return _file("sales", export.sales_csv(stock_of(who).sales(days)))


@api.post("/v1/desk/stock/counts", status_code=201)
def count(given: CountIn, who: _Calls) -> dict[str, Any]:
    """Keep what somebody counted; return what the slot holds now."""
    if given.filled == (given.units is not None):
        raise Refused("say units, or filled")
    keep_count(who, given.slot_id, given.units, is_tidy=given.tidy)
    stock = stock_of(who)
    return export.slot_out(stock.slot(given.slot_id), stock.names)


def _file(name: str, text: str) -> Response:
    """Return a table that browsers save. It begins with a mark by which spreadsheets know UTF-8."""
    head = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return CsvResponse("\ufeff" + text, headers=head)
