"""A bundled recording split over two worker processes and a real broker, in which everything breaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.tillfree.live.broker_rig import PROGRAM, Broker, Repeater, SlowLine, wait_for
from tests.tillfree.live.camera_rig import REPO
from tests.tillfree.live.worker_rig import SplitProcesses

pytestmark = [pytest.mark.slow, pytest.mark.nats]
RECORDINGS = ("one-shopper", "four-crossing")
LONG = 4_000
"""Twentieths of a second that a test waits for what takes a minute."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if PROGRAM is None:
        pytest.skip("needs the Debian package nats-server")
    started = Broker(PROGRAM, tmp_path / "broker")
    yield started
    started.kill()


@pytest.fixture
def line(broker: Broker) -> Iterator[SlowLine]:
    started = SlowLine(broker.port, 7)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def repeater(broker: Broker) -> Iterator[Repeater]:
    started = Repeater(broker.url, 8)
    started.start()
    yield started
    started.stop()


@pytest.fixture(params=RECORDINGS)
def store(request: pytest.FixtureRequest, tmp_path: Path, broker: Broker, line: SlowLine) -> Iterator[SplitProcesses]:
    urls = {"coordinator": broker.url, "left": line.url, "right": broker.url}
    made = SplitProcesses(tmp_path, REPO / "sample_videos" / str(request.param), urls)
    yield made
    made.end_all()


def begin(store: SplitProcesses, *words: str) -> None:
    for name in ("left", "right"):
        store.start_worker(name)
    wait_for(lambda: all("waits for the coordinator" in store.said(name) for name in ("left", "right")), LONG)
    store.start_coordinator(*words)


def break_all(store: SplitProcesses, broker: Broker) -> None:
    """Kill a worker and then the broker in the midst of the recording, and start both again."""
    wait_for(lambda: store.passed_s() > 5, LONG)
    store.kill("right")
    store.start_worker("right")
    wait_for(lambda: store.passed_s() > 10, LONG)
    broker.kill()
    Event().wait(2)  # so long it is away
    broker.start()


def assert_billed_or_asked_about(store: SplitProcesses) -> None:
    """Every visit has a receipt, which is right or was asked about; gates shut while nothing was looked at, and said so."""
    billed, expected, reviewed = store.receipts(), store.expected(), store.reviewed()
    turned_away = store.said("coordinator").count("was not let in")
    assert set(billed) <= set(expected)
    assert len(billed) + turned_away == len(expected)
    assert {token for token in billed if billed[token] != expected[token]} <= reviewed


def test_in_step_the_receipts_are_those_of_one_process_whatever_breaks(
    store: SplitProcesses, broker: Broker, line: SlowLine, repeater: Repeater
) -> None:
    begin(store, "--in-step")
    break_all(store, broker)
    store.ended("coordinator", 300)
    for name in ("left", "right"):
        store.ended(name, 60)
    assert store.receipts() == store.expected()
    assert store.reviewed() == set()
    assert line.delays > 0
    assert repeater.repeated > 0


def test_at_its_own_pace_every_visit_is_billed_or_asked_about(
    store: SplitProcesses, broker: Broker, line: SlowLine, repeater: Repeater
) -> None:
    begin(store)
    break_all(store, broker)
    store.ended("coordinator", 300)
    assert_billed_or_asked_about(store)
    assert repeater.repeated > 0


def test_a_coordinator_that_is_killed_bills_or_asks_about_every_visit(store: SplitProcesses) -> None:
    begin(store, "--in-step")
    for second in (7, 14):
        wait_for(lambda second=second: store.passed_s() > second, LONG)  # type: ignore[misc]
        store.kill("coordinator")
        store.start_coordinator("--in-step")
    store.ended("coordinator", 300)
    assert_billed_or_asked_about(store)
