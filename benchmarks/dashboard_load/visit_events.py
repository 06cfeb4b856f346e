"""What the event log says of visits that nobody made: for tests and measurements."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from billing.money import Money
from billing.types import Charge, ChargeState
from checkout.types import (
    CartEvent,
    CartLine,
    GateScanned,
    PersonBound,
    PersonEntered,
    ReceiptFinalised,
    ReviewClosed,
    ReviewOpened,
    VisitClosed,
    VisitOpened,
)
from store_layout.geometry import SlotPlace, StoreGeometry
from vision.types import EvidenceFrame, GateCrossing, Interaction, PersonCandidate, SkuCandidate

S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """A visit to tell of. ``review`` is ``none``, ``open`` or ``closed`` of its first take; ``charge`` None before the charge."""

    number: int
    at_ns: int
    token: str
    items: Mapping[str, int]
    price_minor: Mapping[str, int] = field(default_factory=dict)
    review: str = "none"
    is_over: bool = True
    charge: ChargeState | None = ChargeState.CAPTURED

    @property
    def visit_id(self) -> str:
        """Return its id."""
        return f"visit-s{self.number}"

    @property
    def total_minor(self) -> int:
        """Return what it costs."""
        return sum(self.price_minor.get(sku, 100) * count for sku, count in self.items.items())


def events_of(told: Told, geometry: StoreGeometry, currency: str = "EUR") -> Iterator[object]:
    """Yield a visit's events in the order of a log."""
    gate = geometry.gates[0].gate_id
    visit_id, person, at_ns = told.visit_id, told.number, told.at_ns
    yield GateScanned(f"s{told.number}", gate, at_ns, told.token, 1)
    yield VisitOpened(visit_id, at_ns, f"s{told.number}", told.token, 1)
    yield GateCrossing(person, gate, "in", at_ns + S)
    yield PersonEntered(person, gate, at_ns + S)
    yield PersonBound(person, visit_id, at_ns + S)
    slots = {slot.sku: slot for slot in reversed(geometry.slots)}
    for number, (sku, count) in enumerate(told.items.items()):
        yield from _take(told, number, sku, count, slots.get(sku, geometry.slots[0]))
    if not told.is_over:
        return
    ended_ns = at_ns + (10 + 10 * len(told.items)) * S
    yield GateCrossing(person, gate, "out", ended_ns)
    yield VisitClosed(visit_id, ended_ns, "exit")
    if told.review == "open":
        return
    lines = tuple(CartLine(sku, count) for sku, count in sorted(told.items.items()))
    yield ReceiptFinalised(visit_id, ended_ns + 3 * S, lines, reviewed=told.review != "none")
    if told.charge is not None:
        amount = Money(told.total_minor, currency)
        paid = amount if told.charge is ChargeState.CAPTURED else Money.zero(currency)
        yield Charge(
            f"{visit_id}:1", visit_id, 1, "d", told.token, amount, paid, told.charge, ended_ns + 4 * S, ended_ns + 4 * S
        )


def _take(told: Told, number: int, sku: str, count: int, slot: SlotPlace) -> Iterator[object]:
    at_ns = told.at_ns + (10 + 10 * number) * S
    name, sure = f"i-{told.number * 100 + number}", (SkuCandidate(sku, 0.9),)
    evidence = (EvidenceFrame("cam1", 1, at_ns),)
    yield Interaction(
        name, slot.shelf_id, slot.slot_id, at_ns, at_ns + 2 * S, -count, 0.95, sure, (PersonCandidate(told.number, 0.97),), evidence
    )  # fmt: skip
    event = CartEvent(
        f"e-{name}", "taken", told.visit_id, sku, count, at_ns + 2 * S, slot.slot_id, 0.9, name, told.number
    )
    if number or told.review == "none":
        yield event
        return
    review = f"review-{told.number}"
    yield ReviewOpened(
        review, (told.visit_id,), name, "doubtful", at_ns + 2 * S, at_ns + 60 * S, told.visit_id, sku, count, slot.slot_id,
        -count, sure, told.number, 0.6,
    )  # fmt: skip
    if told.review == "closed":
        yield ReviewClosed(review, at_ns + 5 * S, "operator", told.visit_id, sku, count)
        yield event


def many(count: int, geometry: StoreGeometry, at_ns: int, seed: int = 1) -> Iterator[Told]:
    """Yield visits of every kind, two minutes apart, that end before ``at_ns``."""
    draw = random.Random(seed)
    prices = {product.sku: product.price_minor for product in geometry.store.products}
    skus = sorted(prices)
    for number in range(1, count + 1):
        items = {sku: draw.randint(1, 3) for sku in draw.sample(skus, draw.randint(0, min(4, len(skus))))}
        token = draw.choice((f"card-{draw.randint(1, 400)}", f"pass:{number}", "cash", "staff"))
        state = draw.choices((ChargeState.CAPTURED, ChargeState.DECLINED, ChargeState.UNKNOWN, None), (90, 5, 3, 2))[0]
        review = draw.choices(("none", "closed", "open"), (85, 13, 2))[0] if items else "none"
        is_over = number < count - 5 or number % 2 == 0
        yield Told(number, at_ns - (count - number + 1) * 120 * S, token, items, prices, review, is_over, state)
