"""The bus over a real broker, which is killed, and messages that come twice."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tillfree.live.bus import Beat, InProcessBus, Publisher, Subscriber
from tillfree.live.joiner import Joiner, JoinSettings
from tillfree.live.nats_bus import BusSettings, NatsPublisher, NatsSubscriber
from tillfree.system import system_clock
from tillfree.tape import encode_observation
from vision.types import Detections, Observation, SlotViews

QUICK = BusSettings(retry_s=0.05)
WORKERS = {"one": ("cam1", "cam2"), "two": ("cam3", "cam4")}
pytestmark = pytest.mark.nats


class Broker:
    """A nats-server of its own, which can be killed and started again on the same folder."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._words = [program, "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(folder)]
        self.url = f"nats://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._words, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if program is None:
        pytest.skip("needs the Debian package nats-server")
    started = Broker(program, tmp_path / "broker")
    yield started
    started.kill()


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until it is so; give up, and fail, when it is not after long."""
    import threading

    for _ in range(600):
        if what():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never came")


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
            else:
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
    buses = {name: InProcessBus(name) for name in WORKERS}
    tell(dict(buses), told)
    both_finish(dict(buses), told)

    class Both:
        """Both workers' in-process buses as one subscriber."""

        def take(self, timeout_s: float) -> object:
            return next((given for bus in buses.values() if (given := bus.take(timeout_s)) is not None), None)

        def done(self, until_ns: int) -> None:
            """Nothing to do."""

    wanted = joined(Both(), len(told))  # type: ignore[arg-type]
    assert wanted == [encode_observation(each) for each in told]

    subscriber = NatsSubscriber(broker.url, "shop", QUICK)
    ends = {name: NatsPublisher(broker.url, "shop", name, f"{name}-1", QUICK) for name in WORKERS}
    again = NatsPublisher(broker.url, "shop", "two", "two-2", QUICK)
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
