"""Routes of receipts to look at and to print."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from billing.access import Scope
from billing.errors import UnknownVisit
from billing.http.calls import Reader, reads
from billing.http.models import Id
from billing.http.problems import documented, typed
from billing.pdf import render_pdf
from billing.render import render_html
from billing.texts import best_locale
from billing.types import Charge, Receipt

router = APIRouter(prefix="/v1/visits", tags=["visits"])
_Look = Annotated[Reader, Depends(reads(Scope.POS, Scope.OPERATOR, Scope.AUDITOR))]
_Language = Annotated[str | None, Header(alias="Accept-Language", max_length=200)]


@router.get("/{visit_id}/receipt.html", response_class=Response, responses=documented(404, 422) | typed("text/html"))
def get_receipt_html(visit_id: Id, reader: _Look, language: _Language = None) -> Response:
    """Return the receipt to look at, in the language asked for."""
    charge = _last_charge(reader, visit_id)
    page = render_html(_receipt(reader, visit_id), charge, locale=best_locale(language))
    return Response(page, media_type="text/html")


@router.get(
    "/{visit_id}/receipt.pdf", response_class=Response, responses=documented(404, 422) | typed("application/pdf")
)
def get_receipt_pdf(visit_id: Id, reader: _Look, language: _Language = None) -> Response:
    """Return the receipt to print, in the language asked for."""
    charge = _last_charge(reader, visit_id)
    return Response(
        render_pdf(_receipt(reader, visit_id), charge, locale=best_locale(language)), media_type="application/pdf"
    )


def _receipt(reader: Reader, visit_id: str) -> Receipt:
    found = reader.parts.service.receipt(visit_id)
    if found is None:
        raise UnknownVisit(f"visit {visit_id!r} has no receipt")
    return found


def _last_charge(reader: Reader, visit_id: str) -> Charge | None:
    charges = reader.parts.service.charges(visit_id)
    return charges[-1] if charges else None
