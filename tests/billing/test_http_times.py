from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.http.times import rfc3339, unix_ns, with_times

NOON_NS = 1_772_442_000_123_456_789


@given(st.integers(946_684_800 * 10**9, 7_258_118_400 * 10**9 - 1))
def test_times_come_back_to_the_nanosecond(at_ns: int) -> None:
    assert unix_ns(rfc3339(at_ns)) == at_ns


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:00:00.123456789Z",
        "2026-03-02t09:00:00.123456789z",
        "2026-03-02T09:00:00.123456789+00:00",
        "2026-03-02T09:00:00.123456789-00:00",
        "2026-03-02T10:00:00.123456789+01:00",
        "2026-03-01T21:15:00.123456789-11:45",
    ],
)
def test_zones_mean_the_same_moment(text: str) -> None:
    assert unix_ns(text) == NOON_NS


@pytest.mark.parametrize(
    ("text", "nanoseconds"), [("", 0), (".5", 500_000_000), (".000000001", 1), (".120", 120_000_000)]
)
def test_parts_of_a_second(text: str, nanoseconds: int) -> None:
    assert unix_ns(f"2026-03-02T09:00:00{text}Z") == NOON_NS // 10**9 * 10**9 + nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1772442000", "2026-03-02", "2026-03-02T09:00:00", "2026-03-02 09:00:00Z", "2026-03-02T09:00Z",
        "2026-02-30T09:00:00Z", "2026-03-02T24:00:01Z", "2026-03-02T09:00:60Z", "2026-03-02T09:00:00.Z",
        "2026-03-02T09:00:00.1234567890Z", "2026-03-02T09:00:00+24:00", "2026-03-02T09:00:00+0100",
        "٢٠٢٦-03-02T09:00:00Z", "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59", "2026-03-02T09:00:00Z\n",
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"say a time|range|must be|[Ii]nvalid|[Oo]ffset|day|hour"):
        unix_ns(text)


def test_times_inside_of_events() -> None:
    data = {
        "at_ns": NOON_NS,
        "settled_at_ns": None,
        "lines": [{"made_at_ns": NOON_NS, "sku": "cola"}],
        "total_minor": 3,
    }
    noon = "2026-03-02T09:00:00.123456789Z"
    assert with_times(data) == {
        "at": noon,
        "settled_at": None,
        "lines": [{"made_at": noon, "sku": "cola"}],
        "total_minor": 3,
    }
