"""What a log that follows another one begins with."""

from __future__ import annotations

from dataclasses import dataclass

from checkout.types import CheckoutCarried, GateScanned


@dataclass(frozen=True, slots=True)
class LogCarried:
    """The first line of a log's later segment: what of the earlier ones is still needed. No visit was open.

    ``last_person_id`` and ``last_interaction`` are the highest numbers that vision has given, ``scans`` those that may
    come again.
    """

    at_ns: int
    last_person_id: int
    last_interaction: int
    visits_opened: int
    scans: tuple[GateScanned, ...]
    checkout: CheckoutCarried
