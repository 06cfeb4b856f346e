"""What the desk is told of a recording's run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Seen:
    """A pick or a put-back that a run decided on. ``token`` and ``scanned_at_ns`` are the gate scan of its visit, None for nobody's."""

    kind: Literal["pick", "put_back"]
    shelf_id: str
    slot_id: str | None
    sku: str | None
    quantity: int
    from_ns: int
    to_ns: int
    token: str | None = None
    scanned_at_ns: int | None = None


ReadRun = Callable[[Path], tuple[Seen, ...]]
"""Reads a run's events.jsonl. Raises InputError where it cannot be read."""
