"""What to bring, sent to a program: what pages ask of whoever sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from dashboard.stock.export import iso


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of proposals for ``slots`` slots. ``by`` is empty where the time of the day sent them.

    ``problem`` is why they did not arrive, empty where they did.
    """

    at_ns: int
    by: str
    slots: int
    problem: str = ""


class Supplier(Protocol):
    """Sends what to bring to a program. May be asked from any thread."""

    @property
    def host(self) -> str:
        """The machine that it goes to; the rest of the address may be a secret."""
        ...

    @property
    def times(self) -> tuple[str, ...]:
        """The times of the day at which it goes by itself, in the store's time zone."""
        ...

    def next_ns(self) -> int | None:
        """Return when it goes next by itself, None where it never does."""
        ...

    def last(self) -> Sent | None:
        """Return what became of the last one, None where none ever went."""
        ...

    def send(self, by: str) -> Sent:
        """Send it now, once; return what became of it. Raises Unavailable where the stock cannot be read."""
        ...


def sent_out(sent: Sent) -> dict[str, Any]:
    """Return it for programs; ``by`` is null where the time of the day sent it."""
    return {
        "at": iso(sent.at_ns),
        "by": sent.by or None,
        "slots": sent.slots,
        "arrived": not sent.problem,
        "problem": sent.problem or None,
    }


def supplier_out(supplier: Supplier) -> dict[str, Any]:
    """Return where it goes and when, for programs."""
    next_ns, last = supplier.next_ns(), supplier.last()
    return {
        "host": supplier.host,
        "times": list(supplier.times),
        "next": None if next_ns is None else iso(next_ns),
        "last": None if last is None else sent_out(last),
    }
