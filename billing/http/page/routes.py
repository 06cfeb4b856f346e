"""Puts the shopper's page into the app."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Response

from billing.errors import UnknownVisit
from billing.http.page import accounts, finding, sandbox_form, shopping
from billing.http.page.base import HERE, Page, PageRoute, assets
from billing.sandbox_cards import SandboxCardDesk

_static = APIRouter(prefix="/static", route_class=PageRoute, include_in_schema=False)
_KEPT = "public, max-age=31536000, immutable"
"""A file's address has its digest, so what is there never changes."""


@_static.get("/{name}")
def static(name: Annotated[str, Path(max_length=40)]) -> Response:
    """Return one of the page's own files."""
    if name not in assets():
        raise UnknownVisit("there is no such file")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response((HERE / "static" / name).read_bytes(), media_type=kind, headers={"Cache-Control": _KEPT})


def install(app: FastAPI, page: Page) -> None:
    """Serve the page at the app's root. The sandbox's card form is served only where it is the desk."""
    app.state.page = page
    app.state.finders = finding.finders()
    for router in (shopping.router, accounts.router, finding.router, _static):
        app.include_router(router)
    if isinstance(page.desk, SandboxCardDesk):
        app.include_router(sandbox_form.router)
