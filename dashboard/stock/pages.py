"""The stock's pages: shelves, one slot, what to bring, and sales."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from dashboard.audit import Deed
from dashboard.errors import NotFound
from dashboard.health.pages import FRAGMENT
from dashboard.roles import Right
from dashboard.stock.desk import StockDesk
from dashboard.stock.grid import Show, cells_of, units_of
from dashboard.stock.plot import NARROW, WIDE, bars_of
from dashboard.stock.sending import Sent, Supplier
from dashboard.stock.types import Counted
from dashboard.web import PageRoute, Visitor, go, may, may_send, show

pages = APIRouter(route_class=PageRoute, include_in_schema=False)

DAYS = (1, 7, 28)
"""Over how many days sales are shown."""

_Look = Annotated[Visitor, Depends(may(Right.LOOK))]
_Manages = Annotated[Visitor, Depends(may_send(Right.MANAGE))]
_Counts = Annotated[Visitor, Depends(may_send(Right.COUNT))]
_Sku = Annotated[str, Query(max_length=100)]
_Show = Annotated[Show, Query(alias="show")]


def stock_of(who: Visitor) -> StockDesk:
    """Return the stock. Raises NotFound where the dashboard shows no store that runs."""
    if who.desk.stock is None:
        raise NotFound("there is no stock here")
    return who.desk.stock


def keep_count(who: Visitor, slot_id: str, units: int | None, *, is_tidy: bool) -> Counted:
    """Keep what somebody counted, and write down that they did."""
    said = stock_of(who).count(who.me.name, slot_id, units, is_tidy=is_tidy)
    tidy = ", nothing else there" if is_tidy else ""
    who.desk.did(Deed(who.at_ns, who.me.name, "stock.count", slot_id, f"{said.units}, seemed {said.was}{tidy}"))
    return said


def supplier_of(who: Visitor) -> Supplier:
    """Return what sends proposals to a program. Raises NotFound where the store file names none."""
    if who.desk.supplier is None:
        raise NotFound("nobody is told what to bring")
    return who.desk.supplier


def send_proposals(who: Visitor) -> Sent:
    """Send what to bring, and write down what became of it."""
    supplier = supplier_of(who)
    sent = supplier.send(who.me.name)
    outcome = f"{sent.slots} slots, {sent.problem or 'taken'}"
    who.desk.did(Deed(who.at_ns, who.me.name, "stock.send", supplier.host, outcome))
    return sent


@pages.get("/stock")
def stock_page(who: _Look, request: Request, wanted: _Show = Show.ALL) -> Response:
    """Show what each slot seems to hold."""
    stock = stock_of(who)
    now = stock.now()
    cells = cells_of(now.slots, now.proposals, stock.names)
    counts = {each: sum(cell.fits(each) for cell in cells.values()) for each in Show}
    template = "stock_now" if FRAGMENT in request.headers else "stock"
    return _show(
        who, template, stock, now=now, units=units_of(stock.store, cells, wanted), counts=counts, wanted=wanted
    )


@pages.get("/stock/proposals")
def proposals_page(who: _Look) -> Response:
    """Show what to bring."""
    stock = stock_of(who)
    now = stock.now()
    due = [each for each in now.proposals if each.is_due]
    return _show(who, "stock_proposals", stock, now=now, due=due, supplier=who.desk.supplier)


@pages.post("/stock/proposals/send")
def send_now(who: _Manages) -> Response:
    """Send what to bring to the program; the page then says what became of it."""
    send_proposals(who)
    return go("/stock/proposals#sending")


@pages.get("/stock/sales")
def sales_page(who: _Look, days: int = 7, sku: _Sku = "") -> Response:
    """Show what was sold, by product and hour; the picture has one product, or all."""
    stock = stock_of(who)
    over = days if days in DAYS else DAYS[1]
    sales = stock.sales(over)
    labels = [f"{hour}" for hour in sales.hours]
    one = next((each for each in sales.products if each.sku == sku), None)
    values = sales.totals if one is None else one.units
    pictures = tuple(bars_of(labels, values, width) for width in (WIDE, NARROW))
    return _show(who, "stock_sales", stock, sales=sales, one=one, pictures=pictures, days=over, choices=DAYS)


@pages.get("/stock/slots/{slot_id:path}")
def slot_page(slot_id: str, who: _Look, wrong: str = "") -> Response:
    """Show one slot, and the form to count it."""
    return _slot(who, slot_id, wrong=wrong == "units")


@pages.post("/stock/slots/{slot_id:path}")
def count_slot(
    slot_id: str,
    who: _Counts,
    units: Annotated[str, Form(max_length=40)] = "",
    filled: Annotated[bool, Form()] = False,
    tidy: Annotated[bool, Form()] = False,
) -> Response:
    """Take what somebody counted."""
    if not filled and not (units.strip().isascii() and units.strip().isdigit()):
        stock_of(who).slot(slot_id)
        return go(f"/stock/slots/{slot_id}?wrong=units")
    keep_count(who, slot_id, None if filled else int(units), is_tidy=tidy)
    return go(f"/stock/slots/{slot_id}")


def _slot(who: Visitor, slot_id: str, *, wrong: bool) -> Response:
    stock = stock_of(who)
    slot = stock.slot(slot_id)
    counts, happened = stock.latest(slot_id)
    proposal = next(each for each in stock.now().proposals if each.slot_id == slot_id)
    return _show(who, "stock_slot", stock, slot=slot, counts=counts, happened=happened, proposal=proposal, wrong=wrong)


def _show(who: Visitor, template: str, stock: StockDesk, **values: Any) -> Response:
    """Show a page that can write numbers as its reader does, and name products."""

    def number(value: float, digits: int = 1) -> str:
        return who.texts.number(Decimal(str(round(value, digits))))

    return show(
        who, template, names=stock.names, zone=stock.zone, begins_full=stock.begins_full, number=number, **values
    )
