"""The walking store with its cameras split over two workers, which are threads, as is the coordinator."""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from random import Random
from threading import Event, Thread
from typing import Any

import yaml

from checkout.checkout import Checkout
from recordings.files import load_recording
from store_layout.geometry import StoreGeometry
from tests.tillfree.live.walking_store import SETTINGS, WalkerDetector, WalkingStore
from tillfree.billers import BillAtOnce
from tillfree.bootstrap import open_billing
from tillfree.eventlog import encode
from tillfree.live.bus import BusStatus, InProcessBroker, Message, Publisher, Subscriber, WorkerReport
from tillfree.live.history import restored_events
from tillfree.live.loop import LiveParts, StoreLoop
from tillfree.live.store import AsLive, open_store
from tillfree.live.storefile import load_store_file
from tillfree.live.vision_worker import WorkerState
from tillfree.live.worker import WorkerLoop, open_worker
from tillfree.prices import price_book
from tillfree.replay import gate_scans
from tillfree.run import StoreRun
from tillfree.settings import load_settings
from tillfree.sources.video import open_recording
from vision.pipeline import FloorStage, PixelStage
from vision.shelves import load_references
from vision.types import Observation

WORKERS = {"left": ["cam_a"], "right": ["cam_b"]}
PATIENCE_S = 3.0


class Died(Exception):
    """What a test has a worker die of."""


class Mortal:
    """A worker's end that dies after so many observations, in the midst of things."""

    def __init__(self, end: Publisher, tells: int | None) -> None:
        self._end, self._left = end, tells

    def tell(self, observation: Observation) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Died
        self._end.tell(observation)

    def beat(self, until_ns: int) -> None:
        self._end.beat(until_ns)

    def report(self, report: WorkerReport) -> None:
        self._end.report(report)

    def agreed(self) -> str | None:
        return self._end.agreed()

    def told(self) -> Mapping[str, int] | None:
        return self._end.told()

    def start(self) -> None:
        self._end.start()

    def stop(self) -> None:
        self._end.stop()

    def status(self) -> BusStatus:
        return self._end.status()


class Shaken:
    """A coordinator's end that hands messages out late, some of them twice; each worker's own stay in order."""

    def __init__(self, end: Subscriber, seed: int) -> None:
        self._end, self._lot = end, Random(seed)
        self._lanes: dict[str, deque[Message]] = {name: deque() for name in WORKERS}
        self._again: list[Message] = []
        self.twice = 0

    def take(self, timeout_s: float) -> Message | None:
        while (message := self._end.take(timeout_s)) is not None:
            self._lanes[_lane(message)].append(message)
            timeout_s = 0.0
            if self._lot.random() < 0.2:
                self._again.append(message)
        if self._again and self._lot.random() < 0.2:
            self.twice += 1
            return self._again.pop(self._lot.randrange(len(self._again)))
        lanes = [lane for lane in self._lanes.values() if lane]
        return self._lot.choice(lanes).popleft() if lanes and self._lot.random() < 0.9 else None

    def start(self) -> None:
        self._end.start()

    def stop(self) -> None:
        self._end.stop()

    def agree(self, text: str | None, *, afresh: bool) -> None:
        self._end.agree(text, afresh=afresh)

    def done(self, until_ns: int) -> None:
        self._end.done(until_ns)

    def status(self) -> BusStatus:
        waiting = self._end.status().waiting + sum(len(lane) for lane in self._lanes.values())
        return BusStatus(is_connected=True, waiting=waiting, dropped=0, problem=None)


def _lane(message: Message) -> str:
    if isinstance(message, Observation):
        camera = message.detections.camera_id
        return next(name for name, cameras in WORKERS.items() if camera in cameras)
    return message.worker


class SplitStore(WalkingStore):
    """``WalkingStore`` of two cameras with a worker each."""

    def __init__(
        self, folder: Any, write_tiny_recording: Any, write_video: Any, edit_yaml: Any, frames: int = 40
    ) -> None:
        super().__init__(folder, write_tiny_recording, write_video, edit_yaml, frames, ("cam_a", "cam_b"))
        settings = SETTINGS | {"live": {**SETTINGS["live"], "join": {"patience_s": PATIENCE_S}}}  # type: ignore[dict-item]
        (self.recording / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.broker = InProcessBroker()
        self.deaths: list[str] = []
        self.shown: list[WorkerState] = []

    def document(self) -> dict[str, object]:
        return super().document() | {"broker": {"url": "nats://nowhere"}, "workers": WORKERS}

    def worker(self, name: str, stopped: Event, dies_after: int | None = None) -> Thread:
        """Start a worker in a thread; it may die."""

        def run() -> None:
            config = load_store_file(self.file, os.environ, name)
            detector = WalkerDetector(StoreGeometry(config.store))
            with ExitStack() as stack:
                end = Mortal(self.broker.worker(name), dies_after)
                parts = open_worker(config, name, self.recording, self.told.append, stack, end, detector)
                try:
                    WorkerLoop(parts, self.shown.append).run(stopped)
                except Died:
                    self.deaths.append(name)

        thread = Thread(target=run, name=f"worker-{name}", daemon=True)
        thread.start()
        return thread

    def coordinator(
        self,
        stopped: Event,
        *,
        in_step: bool,
        end: Subscriber | None = None,
        meanwhile: Callable[[LiveParts], None] | None = None,
    ) -> LiveParts:
        """Run the coordinator until the recording is over, or it is told to stop."""
        config = load_store_file(self.file, os.environ)
        as_live = AsLive(self.recording, 1.0 if in_step else 4.0, in_step=in_step)

        with ExitStack() as stack:
            subscriber = self.broker.coordinator() if end is None else end
            parts = open_store(config, as_live, None, self.told.append, stack, subscriber=subscriber)

            def show(state: Any) -> None:
                self.states.append(state)
                if meanwhile is not None:
                    meanwhile(parts)

            StoreLoop(parts, show).run(stopped, None, end_visits=True)
            return parts

    def log(self) -> list[str]:
        """Return what vision and checkout said, with times since the recording's start."""
        events = list(restored_events(self.config().data_dir / "events"))
        return list(_plain(events, self.shift_ns(events)))

    def shift_ns(self, events: list[Any]) -> int:
        (scan,) = [event for event in events if type(event).__name__ == "GateScanned"]
        return int(scan.at_ns) - gate_scans(load_recording(self.recording))[0].at_ns

    def log_of_one_process(self) -> list[str]:
        """Return the same of a run in which nothing lies between pixels and carts."""
        loaded, settings = load_recording(self.recording), load_settings(self.recording / "settings.yaml")
        geometry = StoreGeometry(loaded.store)
        events: list[Any] = []

        class Log:
            def write(self, told: Any) -> None:
                events.extend(told)

        with ExitStack() as stack:
            billing = stack.enter_context(open_billing(price_book(loaded.store, None), None, None, settings.billing))
            run = StoreRun(
                FloorStage(geometry, settings.vision, load_references(loaded.store, self.recording)),
                Checkout(settings.checkout, loaded.store),
                BillAtOnce(billing),
                Log(),
                gate_scans(loaded),
            )
            stage = PixelStage(WalkerDetector(geometry), geometry, settings.vision)
            for _, observation in stage.run(open_recording(loaded)):
                run.take(observation)
            run.finish()
        return list(_plain(events, 0))


def _plain(events: list[Any], shift_ns: int) -> Iterator[str]:
    for event in events:
        if type(event).__module__ not in ("vision.types", "checkout.types"):
            continue  # when billing answers is its own affair
        said = json.loads(encode(0, event))
        text = json.dumps(_shifted(said, shift_ns), sort_keys=True)
        yield re.sub(r"\d+-scan-", "scan-", text)


def _shifted(said: Any, shift_ns: int) -> Any:
    if isinstance(said, dict):
        return {
            key: value - shift_ns if key.endswith("_ns") and isinstance(value, int) else _shifted(value, shift_ns)
            for key, value in said.items()
        }
    return [_shifted(each, shift_ns) for each in said] if isinstance(said, list) else said
