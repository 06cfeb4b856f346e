"""Times over HTTP: RFC 3339 in UTC with nanoseconds, because JSON's numbers lose them in most languages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_NS = 10**9
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CENTURIES = ("20", "21")
"""Before 2000 there was no such store; a time in seconds or milliseconds, read as nanoseconds, falls before it. 64 bits of
nanoseconds end in 2262."""


def rfc3339(at_ns: int) -> str:
    """Return Unix time in nanoseconds as RFC 3339 in UTC."""
    seconds, rest_ns = divmod(at_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def unix_ns(text: str) -> int:
    """Return the Unix time in nanoseconds of an RFC 3339 text. Raises ValueError for anything else."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("say a time as 2026-11-22T16:59:06Z (RFC 3339)")
    if not found[1].startswith(_CENTURIES):
        raise ValueError("say a time between the years 2000 and 2200")
    whole = datetime.fromisoformat(f"{found[1].upper()}{found[3].upper().replace('Z', '+00:00')}")
    return int(whole.timestamp()) * _NS + int((found[2] or "0").ljust(9, "0"))


def _unix_ns(given: object) -> int:
    return unix_ns(given if isinstance(given, str) else "")


_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2026-11-22T16:59:06.000000000Z"]}
# Only what the format leaves open; hours and days are its own.
_SCHEMA_IN = _SCHEMA | {"pattern": r"^2[01]\d\d-"}

UtcIn = Annotated[int, BeforeValidator(_unix_ns), WithJsonSchema(_SCHEMA_IN)]
"""A time that comes in: Unix nanoseconds inside."""

UtcOut = Annotated[int, PlainSerializer(rfc3339), WithJsonSchema(_SCHEMA), Field()]
"""A time that goes out."""


def with_times(data: object) -> object:
    """Return JSON's ``data`` with each time in nanoseconds as text: ``issued_at_ns`` becomes ``issued_at``."""
    if isinstance(data, list):
        return [with_times(each) for each in data]
    if not isinstance(data, dict):
        return data
    return dict(_with_time(key, value) for key, value in data.items())


def _with_time(key: str, value: object) -> tuple[str, object]:
    if not key.endswith("_ns"):
        return key, with_times(value)
    return key.removesuffix("_ns"), rfc3339(value) if isinstance(value, int) else None
