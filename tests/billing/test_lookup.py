from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from billing.gateway import SandboxGateway
from billing.lookup import Lookup, card_mark, month_of
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from billing.types import ItemCount, OpenVisit, ReceiptInput

S = 10**9
SECRET = b"s" * 32
DAY = dt.date(2026, 11, 22)
NOON = int(dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC).timestamp()) * S
HOUR = 3_600 * S


def bought(service: BillingService, visit_id: str, at_ns: int, last4: str = "4242", stay_ns: int = 600 * S) -> None:
    mark = card_mark(SECRET, last4, "2030-04")
    service.open_visit(OpenVisit(visit_id, "tok", at_ns, card_mark=mark))
    service.finalise(ReceiptInput(visit_id, "tok", at_ns + stay_ns, (ItemCount("cola", 1),)))


@pytest.fixture
def service(store: BillingStore, book: PriceBook) -> BillingService:
    return BillingService(book, store, SandboxGateway())


def found(
    store: BillingStore, *, last4: str = "4242", expires: str = "2030-04", day: dt.date = DAY, zone: str = "UTC"
) -> list[str]:
    return [each.visit_id for each in Lookup(store, SECRET, ZoneInfo(zone)).find(last4, expires, day)]


def test_a_receipt_is_found_by_card_expiry_and_day(store: BillingStore, service: BillingService) -> None:
    bought(service, "late", NOON + HOUR)
    bought(service, "early", NOON)
    bought(service, "other", NOON, last4="4444")
    service.open_visit(OpenVisit("open", "tok", NOON, card_mark=card_mark(SECRET, "4242", "2030-04")))
    service.finalise(ReceiptInput("unmarked", "tok", NOON, (ItemCount("cola", 1),)))
    assert found(store) == ["early", "late"]
    assert found(store, last4="4444") == ["other"]
    assert found(store, last4="1111") == []
    assert found(store, expires="2030-05") == []
    assert found(store, day=DAY + dt.timedelta(days=1)) == []
    assert found(store, day=DAY - dt.timedelta(days=1)) == []


def test_a_day_is_the_stores(store: BillingStore, service: BillingService) -> None:
    bought(service, "v1", NOON + 11 * HOUR)  # 23:10 in UTC, the next day in Paris
    assert found(store) == ["v1"]
    assert found(store, zone="Europe/Paris") == []
    assert found(store, zone="Europe/Paris", day=DAY + dt.timedelta(days=1)) == ["v1"]


def test_a_visit_past_midnight_is_found_on_the_receipts_day(store: BillingStore, service: BillingService) -> None:
    bought(service, "v1", NOON + 11 * HOUR, stay_ns=2 * HOUR)
    assert found(store) == []
    assert found(store, day=DAY + dt.timedelta(days=1)) == ["v1"]


def test_a_mark_tells_nothing_without_the_secret() -> None:
    mark = card_mark(SECRET, "4242", "2030-04")
    assert len(mark) == 64
    assert mark == card_mark(SECRET, "4242", "2030-04")
    assert mark not in {card_mark(b"t" * 32, "4242", "2030-04"), card_mark(SECRET, "4243", "2030-04")}


@pytest.mark.parametrize(
    ("typed", "month"),
    [
        ("04/30", "2030-04"),
        (" 4/2030 ", "2030-04"),
        ("12-31", "2031-12"),
        ("13/30", None),
        ("0430", None),
        ("04/300", None),
        ("", None),
        ("٠٤/30", None),
    ],
)
def test_a_month_is_read_as_it_stands_on_a_card(typed: str, month: str | None) -> None:
    assert month_of(typed) == month
