"""Rates of sale, order points, sales by hour, and what goes out."""

from __future__ import annotations

import csv
import io
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.stock import export
from dashboard.stock.levels import SlotStock
from dashboard.stock.plot import HEIGHT, NARROW, WIDE, bars_of
from dashboard.stock.rates import Rates, open_hours, order_point, proposals, rates_of
from dashboard.stock.sales import midnight_ns, sales_of
from dashboard.stock.settings import StockSettings
from tests.dashboard.stock_rig import NOON_NS, H

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = {"a": "Apples", "b": "=Bread"}


def slot(name: str, level: int, capacity: int = 10) -> SlotStock:
    return SlotStock(f"g/s/{name}", name, capacity, level)


def test_a_day_is_open_from_its_first_hour_to_its_last() -> None:
    assert open_hours((), BERLIN) == 0
    assert open_hours((NOON_NS, NOON_NS + 4 * H), BERLIN) == 5
    assert open_hours((NOON_NS, NOON_NS + 13 * H), BERLIN) == 2  # 12:00, and 01:00 of the next day


def test_rates_lean_to_the_mean_of_all_slots() -> None:
    slots = (slot("a", 5), slot("b", 5))
    taken = {("g/s/a", "a"): 20, ("g/s/a", "b"): 7, ("g/s/b", "b"): -3}
    bare, smooth = rates_of(slots, taken, 10, 0), rates_of(slots, taken, 10, 10)
    assert bare.per_h == {"g/s/a": 2.0, "g/s/b": 0.0}
    assert smooth.per_h == {"g/s/a": 1.5, "g/s/b": 0.5}
    assert rates_of(slots, {}, 0, 0).per_h == {"g/s/a": 0.0, "g/s/b": 0.0}


def test_the_order_point_is_what_is_sold_meanwhile_and_a_reserve() -> None:
    told = StockSettings(lead_h=4, safety_z=1.64)
    assert order_point(1.0, 20, told) == 8  # 4 + 1.64 x 2 = 7.28
    assert order_point(0.0, 20, told) == 1
    assert order_point(50.0, 20, told) == 19
    assert order_point(0.0, 1, told) == 0


@settings(max_examples=50)
@given(st.floats(0, 100), st.integers(1, 50), st.integers(0, 60))
def test_only_less_than_a_full_slot_is_due_and_what_is_brought_fits(rate: float, capacity: int, level: int) -> None:
    (found,) = proposals([slot("a", level, capacity)], Rates(1, {"g/s/a": rate}), NAMES, StockSettings())
    assert not found.is_due or level < capacity
    assert level + found.fill_units == max(level, capacity)
    if level == 0:
        assert found.is_due


def test_the_soonest_empty_comes_first() -> None:
    slots = (slot("a", 4), slot("b", 2), slot("c", 0))
    found = proposals(slots, Rates(5, {"g/s/a": 4.0, "g/s/b": 0.5}), NAMES, StockSettings())
    assert [(each.sku, each.hours_left) for each in found] == [("c", 0.0), ("a", 1.0), ("b", 4.0)]


def test_sales_are_by_the_stores_own_hours() -> None:
    sold = ((NOON_NS, "a", 2), (NOON_NS + H, "a", 1), (NOON_NS + 2 * H, "b", 4), (NOON_NS + 24 * H, "a", 1))
    sales = sales_of(sold, NAMES, BERLIN, NOON_NS, NOON_NS + 25 * H)
    assert sales.hours == (12, 13, 14)
    assert [(each.sku, each.units) for each in sales.products] == [("b", (0, 0, 4)), ("a", (3, 1, 0))]
    assert (sales.totals, sales.total, sales.shade(4), sales.shade(1), sales.shade(0)) == ((3, 1, 4), 8, 5, 2, 0)
    assert midnight_ns(NOON_NS, BERLIN) == NOON_NS - 12 * H
    assert midnight_ns(NOON_NS, BERLIN, 2) == NOON_NS - 60 * H


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10_000), max_size=24), st.sampled_from((WIDE, NARROW)))
def test_bars_stay_in_the_picture(values: list[int], width: int) -> None:
    found = bars_of([str(value) for value in values], values, width)
    assert 2 <= len(found.lines) <= 6
    for bar in found.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= width
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert export.harmless(text) == f"'{text}"


def test_numbers_stay_numbers() -> None:
    assert [export.harmless(each) for each in (-3, 0.5, "a-b", None)] == [-3, 0.5, "a-b", ""]


def test_proposals_go_out_as_a_table_and_a_document() -> None:
    found = proposals((slot("b", 0), slot("a", 9)), Rates(5, {"g/s/b": 0.25}), NAMES, StockSettings())
    (row,) = csv.DictReader(io.StringIO(export.proposals_csv(found)))
    assert (row["slot_id"], row["name"], row["fill_units"]) == ("g/s/b", "'=Bread", "10")
    document = export.proposals_document("Shop", NOON_NS, found)
    assert (document["kind"], document["at"]) == ("replenishment", "2027-01-14T11:00:00Z")
    assert [(each["slot_id"], each["name"], each["fill_units"]) for each in document["items"]] == [
        ("g/s/b", "=Bread", 10)
    ]
