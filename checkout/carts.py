"""Carts and receipts as folds of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from checkout.types import CartEvent, CartLine, CheckoutEvent, Dismissed, ReceiptFinalised, ReviewOpened


class CartError(ValueError):
    """A log takes more out of a cart than is in it."""


@dataclass(frozen=True, slots=True)
class Cart:
    """What a visit holds; lines in order of SKU, quantities above zero."""

    visit_id: str | None
    lines: tuple[CartLine, ...] = ()

    def quantity(self, sku: str) -> int:
        """Return how many of ``sku`` the cart holds."""
        return next((line.quantity for line in self.lines if line.sku == sku), 0)


def to_lines(quantities: dict[str, int]) -> tuple[CartLine, ...]:
    """Return the lines of ``quantities`` that are not empty, in order of SKU."""
    return tuple(CartLine(sku, quantities[sku]) for sku in sorted(quantities) if quantities[sku] != 0)


def fold_carts(events: Iterable[CheckoutEvent]) -> dict[str | None, Cart]:
    """Fold a log into one cart per visit that ever held something; None is what no visit answers for.

    An event id counts once, however often it stands in the log. Raises CartError where a
    quantity falls below zero.
    """
    quantities: dict[str | None, dict[str, int]] = {}
    seen: set[str] = set()
    for event in events:
        if not isinstance(event, CartEvent) or event.event_id in seen:
            continue
        seen.add(event.event_id)
        lines = quantities.setdefault(event.visit_id, {})
        lines[event.sku] = lines.get(event.sku, 0) + event.quantity_delta
        if lines[event.sku] < 0:
            raise CartError(f"{event.event_id}: {event.visit_id} would hold {lines[event.sku]} of {event.sku}")
    return {visit_id: Cart(visit_id, to_lines(lines)) for visit_id, lines in quantities.items()}


def fold_receipts(events: Iterable[CheckoutEvent]) -> dict[str, ReceiptFinalised]:
    """Return the final receipt of every visit that has one, in order of finality."""
    return {event.visit_id: event for event in events if isinstance(event, ReceiptFinalised)}


def count_oddities(events: Iterable[CheckoutEvent]) -> Counter[str]:
    """Count reviews and dismissed inputs by their reason, as ``review:REASON`` and ``dismissed:REASON``."""
    counts: Counter[str] = Counter()
    for event in events:
        if isinstance(event, ReviewOpened):
            counts[f"review:{event.reason}"] += 1
        elif isinstance(event, Dismissed):
            counts[f"dismissed:{event.reason}"] += 1
    return counts
