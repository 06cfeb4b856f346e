"""How quickly slots are emptied, and what to bring when.

The rate of sale of a slot is what was taken from it, less what was put back, over the hours that the store was seen open. It is
smoothed towards the mean of all slots as a Gamma-Poisson model smooths (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.6):

    rate = (taken + prior_h x mean rate) / (open hours + prior_h)

A slot is due once it holds no more than its order point: what is sold on average until the goods are there, and a safety stock
(Silver, Pyke and Thomas, Inventory and Production Management in Supply Chains, 4th ed., chapter 6, with the standard deviation
of Poisson demand):

    order point = rate x lead_h + safety_z x sqrt(rate x lead_h)
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dashboard.stock.levels import SlotStock
from dashboard.stock.settings import StockSettings

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Units an hour by slot, over ``hours`` in which the store was open."""

    hours: int
    per_h: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to bring to a slot: ``fill_units`` more fit. ``hours_left`` is None where nothing is sold."""

    slot_id: str
    sku: str
    name: str
    level: int
    capacity: int
    rate_per_h: float
    lead_h: float
    order_point: int
    fill_units: int
    hours_left: float | None
    is_due: bool
    doubt_units: int


def open_hours(hours_ns: Iterable[int], zone: dt.tzinfo) -> int:
    """Return how many hours the store was open: on each day those from the first to the last in which somebody came or went."""
    days: dict[dt.date, list[int]] = {}
    for at_ns in hours_ns:
        at = dt.datetime.fromtimestamp(at_ns // _S, zone)
        days.setdefault(at.date(), []).append(at.hour)
    return sum(max(hours) - min(hours) + 1 for hours in days.values())


def rates_of(slots: Iterable[SlotStock], taken: Mapping[tuple[str, str], int], hours: int, prior_h: float) -> Rates:
    """Return each slot's smoothed rate. ``taken`` is by slot and product; what does not belong into a slot is no sale of it."""
    units = {slot.slot_id: max(0, taken.get((slot.slot_id, slot.sku), 0)) for slot in slots}
    mean_per_h = sum(units.values()) / (hours * len(units)) if hours and units else 0.0
    weight_h = hours + prior_h
    return Rates(
        hours,
        {slot: (count + prior_h * mean_per_h) / weight_h if weight_h else 0.0 for slot, count in units.items()},
    )


def order_point(rate_per_h: float, capacity: int, settings: StockSettings) -> int:
    """Return the level at which a slot is due: at least one, and less than a full slot."""
    demand = rate_per_h * settings.lead_h
    return max(0, min(max(1, math.ceil(demand + settings.safety_z * math.sqrt(demand))), capacity - 1))


def proposals(
    slots: Iterable[SlotStock], rates: Rates, names: Mapping[str, str], settings: StockSettings
) -> tuple[Proposal, ...]:
    """Return what to bring to each slot, the soonest empty first."""
    found = [_proposal(slot, rates.per_h.get(slot.slot_id, 0.0), names, settings) for slot in slots]
    return tuple(sorted(found, key=lambda each: (_left(each), each.level, each.slot_id)))


def _left(proposal: Proposal) -> float:
    return math.inf if proposal.hours_left is None else proposal.hours_left


def _proposal(slot: SlotStock, rate_per_h: float, names: Mapping[str, str], settings: StockSettings) -> Proposal:
    point = order_point(rate_per_h, slot.capacity, settings)
    left = slot.level / rate_per_h if rate_per_h else None
    return Proposal(
        slot.slot_id, slot.sku, names.get(slot.sku, slot.sku), slot.level, slot.capacity, rate_per_h, settings.lead_h, point,
        max(0, slot.capacity - slot.level - slot.misplaced_units), 0.0 if slot.level == 0 else left, slot.level <= point, slot.doubt_units,
    )  # fmt: skip
