"""Cursors: where a page ended, as an opaque text."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, TypeGuard

from fastapi import Query

from billing.errors import BillingError

Cursor = Annotated[
    str | None, Query(max_length=300, description="where the page before ended: its ``cursor``; without it, the first")
]
Limit = Annotated[int, Query(ge=1, le=200, description="most items of a page")]


class BadCursor(BillingError, ValueError):
    """A cursor that no page ended at."""


def written(*position: int | str) -> str:
    """Return a position as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def timed(cursor: str | None) -> tuple[int, str] | None:
    """Return a cursor's time and id. Raises BadCursor."""
    found = _read(cursor)
    if found is None:
        return None
    if len(found) == 2 and _is_whole(found[0]) and _is_id(found[1]):
        return found[0], found[1]
    raise BadCursor("this cursor is not from here")


def numbered(cursor: str | None) -> tuple[int] | None:
    """Return a cursor's number. Raises BadCursor."""
    found = _read(cursor)
    if found is None:
        return None
    if len(found) == 1 and _is_whole(found[0]):
        return (found[0],)
    raise BadCursor("this cursor is not from here")


def _is_whole(value: object) -> TypeGuard[int]:
    return type(value) is int and abs(value) < 2**63


def _is_id(value: object) -> TypeGuard[str]:
    """Tell whether this may be an id; no database takes every text."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _read(cursor: str | None) -> list[object] | None:
    if cursor is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise BadCursor("this cursor is not from here") from error
    if not isinstance(found, list):
        raise BadCursor("this cursor is not from here")
    return found
