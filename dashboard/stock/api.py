"""The stock's API, for scripts and programs: documents and tables to read, and counts to send."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dashboard.roles import Right
from dashboard.stock import export
from dashboard.stock.desk import MOST_UNITS
from dashboard.stock.pages import keep_count, stock_of
from dashboard.web import ProgramRoute, Visitor, may, may_call

api = APIRouter(route_class=ProgramRoute, tags=["stock"])

_Look = Annotated[Visitor, Depends(may(Right.LOOK))]
_Calls = Annotated[Visitor, Depends(may_call(Right.COUNT))]
_Days = Annotated[int, Query(ge=1, le=366, description="today and the days before")]


class CountIn(BaseModel):
    """What a slot holds: ``units`` of its own product, or ``filled`` up. ``tidy``: nothing else lies there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot_id: Annotated[str, Field(max_length=200)]
    units: Annotated[int | None, Field(ge=0, le=MOST_UNITS)] = None
    filled: bool = False
    tidy: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.filled == (self.units is not None):
            raise ValueError("say units, or filled")
        return self


@api.get("/v1/desk/stock")
def get_stock(who: _Look) -> dict[str, Any]:
    """Return what each slot seems to hold."""
    stock = stock_of(who)
    now = stock.now()
    told = export.levels_document(who.desk.store_name, now.at_ns, now.slots, stock.names)
    unplaced = [{"sku": each.sku, "units": each.units} for each in now.unplaced]
    return {**told, "unplaced": unplaced, "problem": now.problem}


@api.get("/v1/desk/stock.csv")
def get_stock_csv(who: _Look) -> Response:
    """Return the same as a table."""
    stock = stock_of(who)
    return _file("stock", export.levels_csv(stock.now().slots, stock.names))


@api.get("/v1/desk/stock/proposals")
def get_proposals(who: _Look) -> dict[str, Any]:
    """Return what to bring, the soonest empty first."""
    now = stock_of(who).now()
    return export.proposals_document(who.desk.store_name, now.at_ns, now.proposals)


@api.get("/v1/desk/stock/proposals.csv")
def get_proposals_csv(who: _Look) -> Response:
    """Return the same as a table."""
    return _file("replenishment", export.proposals_csv(stock_of(who).now().proposals))


@api.get("/v1/desk/stock/sales")
def get_sales(who: _Look, days: _Days = 7) -> dict[str, Any]:
    """Return what was sold, by product and hour of the day."""
    return export.sales_document(who.desk.store_name, stock_of(who).sales(days))


@api.get("/v1/desk/stock/sales.csv")
def get_sales_csv(who: _Look, days: _Days = 7) -> Response:
    """Return the same as a table."""
    return _file("sales", export.sales_csv(stock_of(who).sales(days)))


@api.post("/v1/desk/stock/counts", status_code=201)
def count(given: CountIn, who: _Calls) -> dict[str, Any]:
    """Keep what somebody counted; return what the slot holds now."""
    keep_count(who, given.slot_id, given.units, is_tidy=given.tidy)
    stock = stock_of(who)
    return export.slot_out(stock.slot(given.slot_id), stock.names)


def _file(name: str, text: str) -> Response:
    """Return a table that browsers save. It begins with a mark by which spreadsheets know UTF-8."""
    head = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response("\ufeff" + text, media_type="text/csv; charset=utf-8", headers=head)
