"""What goes out: documents for programs, and tables for spreadsheets."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dashboard.stock.levels import SlotStock
from dashboard.stock.rates import Proposal
from dashboard.stock.sales import Sales

_S = 1_000_000_000


def proposals_document(store: str, at_ns: int, found: Iterable[Proposal]) -> dict[str, Any]:
    """Return what a file or a webhook tells: the slots that are due, the soonest empty first."""
    items = [_proposal(each) for each in found if each.is_due]
    return {"kind": "replenishment", "version": 1, "store": store, "at": iso(at_ns), "items": items}


def levels_document(store: str, at_ns: int, slots: Iterable[SlotStock], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what each slot seems to hold."""
    return {
        "kind": "stock",
        "version": 1,
        "store": store,
        "at": iso(at_ns),
        "items": [slot_out(slot, names) for slot in slots],
    }


def slot_out(slot: SlotStock, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a slot for programs."""
    told = asdict(slot)
    counted_ns = told.pop("counted_at_ns")
    told["counted_at"] = None if counted_ns is None else iso(counted_ns)
    return {**told, "name": names.get(slot.sku, slot.sku), "doubt_units": slot.doubt_units}


def sales_document(store: str, sales: Sales) -> dict[str, Any]:
    """Return sales by product and hour of the day."""
    return {
        "kind": "sales",
        "version": 1,
        "store": store,
        "from": iso(sales.from_ns),
        "until": iso(sales.until_ns),
        "hours": list(sales.hours),
        "items": [{"sku": each.sku, "name": each.name, "units": list(each.units)} for each in sales.products],
    }


def _proposal(each: Proposal) -> dict[str, Any]:
    left = None if each.hours_left is None else round(each.hours_left, 1)
    return {**asdict(each), "rate_per_h": round(each.rate_per_h, 3), "hours_left": left}


def proposals_csv(found: Iterable[Proposal]) -> str:
    """Return the slots that are due."""
    head = (
        "slot_id", "sku", "name", "level", "capacity", "rate_per_h", "lead_h", "order_point", "fill_units", "hours_left", "doubt_units",
    )  # fmt: skip
    told = (_proposal(each) for each in found if each.is_due)
    return table(head, ([each[name] for name in head] for each in told))


def levels_csv(slots: Iterable[SlotStock], names: Mapping[str, str]) -> str:
    """Return what each slot seems to hold."""
    head = (
        "slot_id", "sku", "name", "level", "capacity", "misplaced_units", "unsure_units", "unread", "asked_units",
        "unexplained_units", "counted_at", "counted_by",
    )  # fmt: skip
    rows = (
        (
            each.slot_id, each.sku, names.get(each.sku, each.sku), each.level, each.capacity, each.misplaced_units, each.unsure_units,
            each.unread, each.asked_units, each.unexplained_units, "" if each.counted_at_ns is None else iso(each.counted_at_ns), each.counted_by,
        )
        for each in slots
    )  # fmt: skip
    return table(head, rows)


def sales_csv(sales: Sales) -> str:
    """Return sales with a line for each product and hour of the day in which it was sold."""
    rows = (
        (each.sku, each.name, hour, units)
        for each in sales.products
        for hour, units in zip(sales.hours, each.units, strict=True)
        if units
    )
    return table(("sku", "name", "hour", "units"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return RFC 4180's CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([harmless(each) for each in row] for row in rows)
    return out.getvalue()


def harmless(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else value


def iso(at_ns: int) -> str:
    """Return a time as ISO 8601 writes it, in UTC."""
    return dt.datetime.fromtimestamp(at_ns // _S, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
