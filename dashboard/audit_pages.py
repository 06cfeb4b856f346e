"""The audit log as a page, as a table to take away, and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from billing.http.times import UtcOut, rfc3339
from dashboard.audit import AuditLog, Deed, Entry
from dashboard.errors import NotFound
from dashboard.roles import Right
from dashboard.web import PageRoute, Visitor, may, program_router, show
from store_layout.model import Strict

pages = APIRouter(route_class=PageRoute, include_in_schema=False)
api = program_router("audit")

_PAGE = 50
_MOST = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a text for a formula by, which may ask other machines for things."""

_Reads = Annotated[Visitor, Depends(may(Right.AUDIT))]
_Filter = Annotated[str, Query(max_length=100)]
_Before = Annotated[int | None, Query(ge=0, description="the ``before`` of the page before; the latest if left out")]


class DeedOut(Strict):
    """Who did what, a word for programs, to what. ``place`` is higher for what was done later."""

    place: int
    at: UtcOut
    who: str
    what: str
    subject: str
    detail: str

    @classmethod
    def of(cls, entry: Entry) -> DeedOut:
        """Take a deed apart."""
        deed = entry.deed
        return cls(
            place=entry.place, at=deed.at_ns, who=deed.who, what=deed.what, subject=deed.subject, detail=deed.detail
        )


class AuditOut(Strict):
    """Deeds, the latest first; ``before`` asks for the next page, and is null where there is none."""

    items: tuple[DeedOut, ...]
    before: int | None


@pages.get("/audit")
def audit_page(who: _Reads, person: _Filter = "", kind: _Filter = "", before: _Before = None) -> Response:
    """Show who did what, the latest first."""
    log = _log(who)
    people, kinds = log.who_and_what()
    entries, older = _page(log, person, kind, before, _PAGE)
    asked = urlencode({name: value for name, value in (("person", person), ("kind", kind)) if value})
    return show(
        who,
        "audit",
        entries=entries,
        older=older,
        is_first=before is None,
        people=people,
        kinds=kinds,
        person=person,
        kind=kind,
        asked=asked,
    )


@pages.get("/audit.csv")
def get_table(who: _Reads, person: _Filter = "", kind: _Filter = "") -> Response:
    """Return all that the page shows as a table; that somebody took it is written down, too."""
    log = _log(who)
    chosen = ", ".join(each for each in (person, kind) if each)
    who.desk.did(Deed(who.at_ns, who.me.name, "audit.export", "audit", chosen))
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_table(_chosen(log, person, kind, None)), media_type="text/csv", headers=headers)


@api.get("/v1/desk/audit")
def list_deeds(
    who: _Reads,
    person: _Filter = "",
    kind: _Filter = "",
    before: _Before = None,
    most: Annotated[int, Query(ge=1, le=_MOST)] = _PAGE,
) -> AuditOut:
    """Return who did what, the latest first."""
    entries, older = _page(_log(who), person, kind, before, most)
    return AuditOut(items=tuple(DeedOut.of(each) for each in entries), before=older)


def _log(who: Visitor) -> AuditLog:
    if who.desk.audit is None:
        raise NotFound("there is no log here")
    return who.desk.audit


def _chosen(log: AuditLog, person: str, kind: str, before: int | None) -> Iterator[Entry]:
    found = (each for each in log.entries(before) if person in ("", each.deed.who))
    return (each for each in found if kind in ("", each.deed.what))


def _page(log: AuditLog, person: str, kind: str, before: int | None, most: int) -> tuple[tuple[Entry, ...], int | None]:
    """Return a page and where the next begins, None for the last."""
    found = tuple(islice(_chosen(log, person, kind, before), most + 1))
    return found[:most], found[most - 1].place if len(found) > most else None


def _table(entries: Iterator[Entry]) -> Iterator[str]:
    yield _row("at", "who", "what", "subject", "detail")
    for entry in entries:
        deed = entry.deed
        yield _row(rfc3339(deed.at_ns), deed.who, deed.what, deed.subject, deed.detail)


def _row(*cells: str) -> str:
    told = io.StringIO()
    csv.writer(told).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return told.getvalue()
