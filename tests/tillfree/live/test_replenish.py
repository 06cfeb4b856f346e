"""A program is told what to bring: at the times of the day, after troubles and restarts, and when a manager says so."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from billing.errors import DeliveryError
from billing.httpx_sender import HttpxSender
from billing.webhooks import verify
from dashboard.stock.desk import StockDesk
from store_layout.errors import InputError
from tests.dashboard.stock_rig import NOON_NS, H, shop_day, stock
from tests.tillfree.live.alert_rig import SECRET, Clock, S, hooked
from tillfree.live.hooks import Webhook
from tillfree.live.replenish import REPLENISHMENT, Replenishment, times_around
from tillfree.live.replenish_settings import Replenish

URL = "https://orders.example/very-secret-path"
EVENING_NS = NOON_NS + 6 * H
"""18:00 at the bundled store; it is sent at 19:30 and 06:30."""


class Endpoint:
    """A ``Sender`` that answers with what it is given, then 204."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.posts = list(answers), list[tuple[Mapping[str, str], bytes]]()

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> int:
        self.posts.append((headers, body))
        status = self.answers.pop(0) if self.answers else 204
        if status == 0:
            raise DeliveryError(f"no answer from {url}")
        return status


class Store:
    """A store whose process starts again and again, with a stock in which one slot is low."""

    def __init__(self, folder: Path, clock: Clock, desk: StockDesk) -> None:
        self.folder, self.clock, self.endpoint, self.told = folder, clock, Endpoint(), list[str]()
        self.desk = desk

    def start(self, *answers: int, times: tuple[str, ...] = ("06:30", "19:30")) -> Replenishment:
        self.endpoint = Endpoint(*answers)
        told = Replenish(Webhook(URL, SECRET), times)
        file = self.folder / REPLENISHMENT
        return Replenishment(told, self.desk, file, self.endpoint, self.clock, self.told.append)

    def at(self, hours: float) -> None:
        self.clock.now_ns = round(EVENING_NS + hours * H)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    clock = Clock(EVENING_NS)
    with stock(tmp_path, clock) as desk:  # type: ignore[arg-type]
        shop_day(desk, NOON_NS)
        yield Store(tmp_path, clock, desk)


def test_times_of_the_day_are_the_stores() -> None:
    zone = ZoneInfo("Europe/Paris")
    before, after = times_around(EVENING_NS, ("06:30", "19:30"), zone)
    assert (before, after) == (EVENING_NS - 11 * H - H // 2, EVENING_NS + H + H // 2)
    assert times_around(EVENING_NS, (), zone) == (None, None)
    night = 1_806_181_200 * S  # 2027-03-27, 22:00: that night has 23 hours
    assert times_around(night, ("06:30",), zone)[1] == night + 7 * H + H // 2


def test_it_goes_at_its_time_signed_and_once(store: Store) -> None:
    found = store.start()
    assert found.round() == 60.0
    assert found.next_ns() == EVENING_NS + H + H // 2
    store.at(1.5)
    assert found.round() == 0.0
    assert found.round() == 60.0
    ((headers, body),) = store.endpoint.posts
    told = json.loads(body)
    assert verify(SECRET, headers, body, store.clock()) == told["id"] == f"replenishment_{EVENING_NS + H + H // 2}"
    assert (told["type"], told["kind"], told["version"], len(told["items"])) == (
        "stock.replenishment",
        "replenishment",
        1,
        1,
    )
    last = found.last()
    assert last is not None
    assert (last.by, last.slots, last.problem) == ("", 1, "")


def test_what_is_not_taken_is_sent_again_ever_later_under_the_same_id(store: Store) -> None:
    found = store.start(500, 0)
    store.at(1.5)
    wait_s = found.round()
    assert 3 < wait_s <= 5
    assert found.round() == pytest.approx(wait_s)
    store.clock.now_ns += round(wait_s * S)
    assert found.round() > wait_s
    store.clock.now_ns += 60 * S
    assert found.round() == 0.0
    assert len({headers["webhook-id"] for headers, _ in store.endpoint.posts}) == 1
    assert len(store.endpoint.posts) == 3
    assert store.told == [
        "what to bring does not arrive at orders.example: HTTP 500",
        "what to bring arrives again at orders.example",
    ]


def test_what_is_refused_is_not_sent_again_before_the_next_time(store: Store) -> None:
    found = store.start(410)
    store.at(1.5)
    found.round()
    store.at(5)
    found.round()
    assert len(store.endpoint.posts) == 1
    store.at(13)
    found.round()
    assert len(store.endpoint.posts) == 2


def test_a_restart_sends_nothing_twice_and_what_was_missed_once(store: Store) -> None:
    store.start()
    store.at(1.5)
    store.start().round()
    assert len(store.endpoint.posts) == 1  # missed between the two starts
    store.start().round()
    assert store.endpoint.posts == []
    store.at(40)
    found = store.start()
    found.round()
    found.round()
    assert len(store.endpoint.posts) == 1


def test_a_manager_sends_it_at_any_time_and_hears_what_became_of_it(store: Store) -> None:
    found = store.start(0, times=())
    assert (found.next_ns(), found.last(), found.round()) == (None, None, 60.0)
    assert found.send("mia").problem == "no answer from the address"
    assert found.send("mia").problem == ""
    last = store.start(times=()).last()
    assert last is not None
    assert (last.by, last.at_ns, last.slots) == ("mia", EVENING_NS, 1)


def test_the_thread_sends_it_to_a_real_server(store: Store) -> None:
    with hooked() as hook:
        store.start()
        store.at(1.5)
        file = store.folder / REPLENISHMENT
        told, waited = Replenish(Webhook(hook.url, SECRET), ("19:30",)), threading.Event()
        found = Replenishment(told, store.desk, file, HttpxSender(), store.clock, store.told.append)
        found.start()
        while not hook.posts and not waited.wait(0.01):
            pass
        found.stop()
    assert json.loads(hook.posts[0][1])["type"] == "stock.replenishment"


def test_a_file_that_is_none_is_told(store: Store) -> None:
    (store.folder / REPLENISHMENT).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="does not say what was sent last"):
        store.start()
