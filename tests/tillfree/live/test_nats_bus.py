"""The bus over a real broker, which is killed, and messages that come twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tillfree.live.broker_rig import PROGRAM, Broker, wait_for
from tillfree.live.bus import Beat, BusStatus, CameraReport, InProcessBroker, Publisher, Subscriber, WorkerReport
from tillfree.live.bus_settings import BusSettings
from tillfree.live.joiner import Joiner, JoinSettings
from tillfree.live.nats_bus import NatsPublisher, NatsSubscriber
from tillfree.live.pacer import PacerCounts
from tillfree.live.queues import QueueCounts
from tillfree.live.storefile import Broker as At
from tillfree.system import system_clock
from tillfree.tape import encode_observation
from vision.picture_health import PictureState
from vision.types import Detections, Observation, SlotViews

QUICK = BusSettings(retry_s=0.05)
WORKERS = {"one": ("cam1", "cam2"), "two": ("cam3", "cam4")}
pytestmark = pytest.mark.nats


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if PROGRAM is None:
        pytest.skip("needs the Debian package nats-server")
    started = Broker(PROGRAM, tmp_path / "broker")
    yield started
    started.kill()


def observations() -> list[Observation]:
    """Return sixty instants of four cameras, with a patch or two each."""
    rng = np.random.default_rng(1)
    return [
        Observation(Detections.empty(camera, index, at_ns), views(camera, index, at_ns, rng))
        for index in range(60)
        for camera in ("cam1", "cam2", "cam3", "cam4")
        for at_ns in [index * 100_000_000 + int(camera[-1])]
    ]


def views(camera: str, index: int, at_ns: int, rng: np.random.Generator) -> SlotViews:
    count = int(rng.integers(0, 3))
    return SlotViews(
        camera, index, at_ns, np.arange(count), np.ones(count, np.float32), np.zeros((count, 12, 12), np.bool_),
        rng.integers(0, 255, (count, 48, 40, 3), np.uint8), np.zeros((0, 18), np.float32),
    )  # fmt: skip


def tell(publishers: dict[str, Publisher], told: list[Observation]) -> None:
    """Let each worker tell what its cameras saw, with a beat an instant."""
    for each in told:
        at_ns, camera, _ = each.order
        worker = next(name for name, cameras in WORKERS.items() if camera in cameras)
        publishers[worker].tell(each)
        publishers[worker].beat(at_ns)


def joined(subscriber: Subscriber, wanted: int) -> list[bytes]:
    """Return what comes out of the joiner, as bytes, once ``wanted`` are there."""
    join = Joiner(tuple(WORKERS), JoinSettings(patience_s=600), system_clock)
    found: list[bytes] = []

    def enough() -> bool:
        while (given := subscriber.take(0)) is not None:
            if isinstance(given, Beat):
                join.beat(given.worker, given.until_ns)
            elif isinstance(given, Observation):
                join.push(given)
        for observation in join.ready():
            found.append(encode_observation(observation))
            subscriber.done(observation.order[0])
        return len(found) >= wanted

    wait_for(enough)
    return found


def both_finish(publishers: dict[str, Publisher], told: list[Observation]) -> None:
    last_ns = told[-1].order[0]
    for publisher in publishers.values():
        publisher.beat(last_ns)


def test_over_the_broker_as_in_one_process_whatever_breaks(broker: Broker) -> None:
    told = observations()
    near = InProcessBroker()
    buses = {name: near.worker(name) for name in WORKERS}
    tell(dict(buses), told)
    both_finish(dict(buses), told)
    wanted = joined(near.coordinator(), len(told))
    assert wanted == [encode_observation(each) for each in told]

    subscriber = NatsSubscriber(At(broker.url, "shop"), QUICK)
    ends = {name: NatsPublisher(At(broker.url, "shop"), name, f"{name}-1", QUICK) for name in WORKERS}
    again = NatsPublisher(At(broker.url, "shop"), "two", "two-2", QUICK)
    for end in (*ends.values(), subscriber):
        end.start()
    try:
        tell(dict(ends), told[:80])
        wait_for(lambda: subscriber.status().waiting > 40)
        broker.kill()
        tell(dict(ends), told[80:160])  # kept until the broker is back
        assert ends["one"].status().waiting > 0
        broker.start()
        ends["two"].stop()  # a worker dies; its next start tells some of it again, under other message ids
        again.start()
        for each in told[:160]:
            if each.order[1] in WORKERS["two"]:
                again.tell(each)
        tell({"one": ends["one"], "two": again}, told[160:])
        both_finish({"one": ends["one"], "two": again}, told)
        assert joined(subscriber, len(told)) == wanted
    finally:
        for end in (*ends.values(), again, subscriber):
            end.stop()


def report() -> WorkerReport:
    picture = PictureState(frozen=False, dark=True, blurred=False, moved=False, since_ns=5)
    camera = CameraReport("cam3", "live", None, 9.9, 1, 2, QueueCounts(3, 4, 5), PacerCounts(9, 1), 6, picture)
    return WorkerReport("two", 7, (camera, replace(camera, state="waiting", problem="gone", fps=None, picture=None)), 8)


def test_a_coordinator_started_again_is_given_what_was_not_done_at_once_and_in_order(
    broker: Broker, tmp_path: Path
) -> None:
    told, at = observations()[:40], At(broker.url, "shop")
    worker = NatsPublisher(at, "two", "two-1", QUICK, ("cam1", "cam9"))
    first = NatsSubscriber(at, QUICK, tmp_path / "bookmark")
    first.agree("all play this", afresh=True)
    first.start()
    wait_for(lambda: first.status().is_connected)
    worker.start()
    try:
        wait_for(lambda: worker.agreed() == "all play this")
        assert worker.told() == {}
        for each in told:
            worker.tell(each)
        worker.report(report())
        taken = [taken for _ in range(30) if (taken := first.take(5.0)) is not None]
        first.done(told[24].order[0])
    finally:
        first.stop()
    second = NatsSubscriber(at, QUICK, tmp_path / "bookmark")
    later = NatsPublisher(at, "two", "two-2", QUICK, ("cam1", "cam9"))
    second.start()
    later.start()
    try:
        again = [given for _ in range(16) if (given := second.take(5.0)) is not None]
        wait_for(lambda: later.told() is not None)
    finally:
        for end in (second, worker, later):
            end.stop()
    assert [each.order for each in taken if isinstance(each, Observation)] == [each.order for each in told[:30]]
    assert [each.order for each in again if isinstance(each, Observation)] == [each.order for each in told[25:]]
    assert again[-1] == report()
    assert later.told() == {"cam1": told[36].order[0]}


def test_an_end_that_never_reached_the_broker_stops_all_the_same(broker: Broker) -> None:
    broker.kill()
    worker = NatsPublisher(At(broker.url, "shop"), "one", "one-1", QUICK)
    worker.start()
    worker.beat(1)
    wait_for(lambda: worker.status().problem is not None)
    worker.stop()
    assert worker.status() == BusStatus(False, 1, 0, worker.status().problem)
    broker.start()
