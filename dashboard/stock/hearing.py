"""What events of the log mean for slots: the one place that knows both."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checkout.types import (
    CartEvent,
    Dismissed,
    ReceiptFinalised,
    ReviewClosed,
    ReviewOpened,
    VisitClosed,
    VisitOpened,
)
from dashboard.stock.types import Happening, Kind, SlotPlan
from vision.types import Interaction

_HOUR_NS = 3_600_000_000_000
_REMEMBERED = 10_000
"""Interactions that may still be asked about or corrected: those of the visits under way, many times over."""

_NOT_READ = frozenset({"unknown_change", "improbable"})
"""Why an interaction is dismissed that may have changed the slot all the same."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An interaction; ``is_answered`` once an operator said what it was."""

    seen: Interaction
    is_answered: bool = False


class Listener:
    """Turns events, in the order of the log, into lines of the book. Whose cart something is in does not matter here."""

    def __init__(self, plan: Iterable[SlotPlan]) -> None:
        self._homes: dict[str, list[SlotPlan]] = {}
        for slot in plan:
            self._homes.setdefault(slot.sku, []).append(slot)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asked: dict[str, str | None] = {}
        self._open_hour = -1

    def hear(self, event: object) -> tuple[Happening, ...]:
        """Return what ``event`` says of slots and sales; most say nothing."""
        match event:
            case Interaction():
                self._keep(event.interaction_id, _Known(event))
                return ()
            case CartEvent():
                return self._moved(event)
            case Dismissed() if event.what == "interaction" and event.reason in _NOT_READ:
                return self._unread(event.reference)
            case ReviewOpened():
                return self._ask(event)
            case ReviewClosed():
                return self._close(event)
            case ReceiptFinalised():
                return tuple(_sold(event, line.sku, line.quantity) for line in event.lines)
            case VisitOpened() | VisitClosed():
                return self._open(event.at_ns)
            case _:
                return ()

    def _keep(self, interaction_id: str, known: _Known) -> None:
        self._known[interaction_id] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _moved(self, event: CartEvent) -> tuple[Happening, ...]:
        """Units that left a cart came into a slot, and the other way round; what only changes carts adds up to nothing."""
        known = self._known.get(event.interaction_id or "")
        if known is None and event.kind == "corrected":
            return ()  # from cart to cart, or so old that nobody remembers where it was
        units = -event.quantity_delta
        seen = None if known is None else known.seen
        slot_id = event.slot_id if seen is None or seen.slot_id is None else seen.slot_id
        chance = 0.0
        if slot_id is None:
            slot_id = self._home(event.sku, None if seen is None else seen.shelf_id, units)
        elif known is not None:
            chance = 1.0 if known.is_answered else _chance(known.seen, event.sku)
        else:
            chance = event.probability
        at_ns = event.at_ns if seen is None else seen.closed_at_ns
        name = f"{event.event_id}@{event.at_ns}"  # where a log began anew its numbers do, too
        return (Happening(name, at_ns, Kind.MOVED, event.interaction_id or name, slot_id, event.sku, units, chance),)

    def _home(self, sku: str, shelf_id: str | None, units: int) -> str | None:
        """Return where a product most likely was: its own slot on that shelf, for what was taken its own slot anywhere."""
        homes = self._homes.get(sku, [])
        near = [slot for slot in homes if slot.shelf_id == shelf_id]
        found = near if near or units > 0 else homes
        return found[0].slot_id if len(found) == 1 else None

    def _unread(self, interaction_id: str) -> tuple[Happening, ...]:
        known = self._known.get(interaction_id)
        if known is None:
            return ()
        seen = known.seen
        name = f"unread-{interaction_id}@{seen.closed_at_ns}"
        return (Happening(name, seen.closed_at_ns, Kind.UNREAD, interaction_id, seen.slot_id),)

    def _ask(self, event: ReviewOpened) -> tuple[Happening, ...]:
        if event.interaction_id is None:
            return ()
        known = self._known.get(event.interaction_id)
        at_ns = event.at_ns if known is None else known.seen.closed_at_ns
        name = f"asked-{event.review_id}@{event.at_ns}"
        self._asked[event.review_id] = event.interaction_id
        return (
            Happening(name, at_ns, Kind.ASKED, event.interaction_id, event.slot_id, units=event.change or 0),
        )  # fmt: skip

    def _close(self, event: ReviewClosed) -> tuple[Happening, ...]:
        interaction_id = self._asked.pop(event.review_id, None)
        if interaction_id is None:
            return ()
        known, is_answered = self._known.get(interaction_id), event.by == "operator"
        if known is not None and is_answered:
            self._keep(interaction_id, _Known(known.seen, is_answered=True))
        kind = Kind.ANSWERED if is_answered else Kind.LAPSED
        slot_id = None if known is None else known.seen.slot_id
        return (Happening(f"closed-{event.review_id}@{event.at_ns}", event.at_ns, kind, interaction_id, slot_id),)

    def _open(self, at_ns: int) -> tuple[Happening, ...]:
        hour = at_ns // _HOUR_NS
        if hour == self._open_hour:
            return ()
        self._open_hour = hour
        return (Happening(f"open-{hour}", hour * _HOUR_NS, Kind.OPEN),)


def _chance(seen: Interaction, sku: str) -> float:
    """Return how sure it is that the slot changed by this product; who did it does not matter."""
    products: Mapping[str, float] = {each.sku: each.probability for each in seen.sku_candidates}
    return round(seen.change_probability * products.get(sku, 0.0), 6)


def _sold(event: ReceiptFinalised, sku: str, quantity: int) -> Happening:
    """Return a line of a receipt under a name that does not tell whose it is."""
    name = hashlib.blake2b(f"{event.visit_id}|{event.at_ns}|{sku}".encode(), digest_size=12).hexdigest()
    return Happening(f"sold-{name}", event.at_ns, Kind.SOLD, sku=sku, units=quantity)
