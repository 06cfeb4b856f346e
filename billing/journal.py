"""A file of JSON lines that outlives whoever writes it: what the sandboxes keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from billing.errors import BillingError


def write_down(journal: Path, said: Mapping[str, object]) -> None:
    """Add a line."""
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(said, separators=(",", ":"), ensure_ascii=False) + "\n")


def recall(journal: Path, take: Callable[[Any], None]) -> None:
    """Give each line to ``take``, none where there is no file. A last line that was cut off is dropped from the file.

    Raises BillingError with file and line where ``take`` raises ValueError, LookupError, TypeError or AttributeError.
    """
    if not journal.exists():
        return
    whole, end, rest = journal.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if end else (), start=1):
        try:
            take(json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BillingError(f"{journal}, line {number}: not a sandbox's journal ({error})") from error
    if rest:
        journal.write_bytes(whole + end)
