"""Parts of a split store, each by itself: the store file's workers, how far the coordinator is, gaps, words of silent cameras."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from store_layout.errors import InputError
from tillfree.live.address import Login
from tillfree.live.agreement import StepPlay, read_played
from tillfree.live.bus import Beat, CameraReport, InProcessBroker, WorkerReport
from tillfree.live.joiner import Joiner, JoinSettings
from tillfree.live.pacer import PacerCounts
from tillfree.live.queues import QueueCounts
from tillfree.live.storefile import Broker, load_store_file
from tillfree.live.taken import Taken
from tillfree.live.vision_worker import Numbered, WorkerState, worker_line
from tillfree.live.worker_feeds import WorkerFeeds
from tillfree.live.workers_load import ToldPacer
from vision.types import Detections, Frame, Observation, SlotViews

S = 1_000_000_000
SECRET = "hunter2"
BROKER = {"url": "nats://10.0.0.2:4222"}


@pytest.fixture
def folder(tmp_path: Path, write_tiny_recording: Any) -> Path:
    return Path(write_tiny_recording(tmp_path / "shop", ("cam_a", "cam_b")))


def write(folder: Path, **more: object) -> Path:
    cameras = [
        {"id": "cam_a", "source": "rtsp://h/a", "username": "ann", "password_env": "CAM_A"},
        {"id": "cam_b", "source": "usb:0"},
    ]
    document = {"version": 1, "layout": "layout.yaml", "cameras": cameras, **more}
    file = folder / "store.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def test_each_process_asks_for_what_it_needs_alone(folder: Path) -> None:
    broker = {**BROKER, "store": "corner", "username": "till", "password_env": "BROKER"}
    file = write(folder, broker=broker, workers={"left": ["cam_a"], "right": ["cam_b"]})
    given = {"BROKER": SECRET}
    coordinator = load_store_file(file, given)
    assert coordinator.feeds == ()
    assert coordinator.workers == {"left": ("cam_a",), "right": ("cam_b",)}
    assert coordinator.broker == Broker("nats://10.0.0.2:4222", "corner", Login("till", SECRET))
    assert SECRET not in repr(coordinator)
    assert [feed.camera_id for feed in load_store_file(file, given, "right").feeds] == ["cam_b"]
    with pytest.raises(InputError, match="not set"):
        load_store_file(file, given, "left")


SPLIT = {"left": ["cam_a"], "right": ["cam_b"]}


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"workers": SPLIT}, "workers", "no broker to hear them"),
        ({"broker": BROKER}, "workers", "are missing beside a broker"),
        ({"broker": BROKER, "workers": {"left": ["cam_a"]}}, "workers", "no worker has camera 'cam_b'"),
        ({"broker": BROKER, "workers": {**SPLIT, "more": ["cam_a"]}}, "workers.left[0]", "given twice"),
        ({"broker": BROKER, "workers": {**SPLIT, "more": ["cam_z"]}}, "workers.more[0]", "no camera 'cam_z'"),
        ({"broker": BROKER, "workers": {**SPLIT, "more": []}}, "workers.more", "has no camera"),
        ({"broker": {"url": "http://h"}, "workers": SPLIT}, "broker.url", "no URL of a NATS server"),
        ({"broker": {"url": f"nats://till:{SECRET}@h"}, "workers": SPLIT}, "broker.url", "a user or a password"),
        ({"broker": {**BROKER, "username": "till"}, "workers": SPLIT}, "broker.password_env", "missing beside"),
        ({"broker": {**BROKER, "store": "a shop"}, "workers": SPLIT}, "broker.store", "should match"),
    ],
)
def test_splits_that_cannot_be(folder: Path, more: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        load_store_file(write(folder, **more), {"CAM_A": SECRET})
    assert caught.value.field == field
    assert caught.value.mend
    assert SECRET not in str(caught.value)


def test_a_worker_that_is_not_there(folder: Path) -> None:
    with pytest.raises(InputError, match="there is no worker 'middle'"):
        load_store_file(write(folder, broker=BROKER, workers=SPLIT), {}, "middle")
    with pytest.raises(InputError, match="has no broker"):
        load_store_file(write(folder), {"CAM_A": SECRET}, "left")


def test_how_far_the_log_is_holds_for_a_log_that_is_as_long(tmp_path: Path) -> None:
    taken = Taken(tmp_path / "mark")
    assert taken.until_ns(0) is None
    taken.note(7 * S, 12)
    taken.close()
    again = Taken(tmp_path / "mark")
    assert again.until_ns(12) == again.until_ns(15) == 7 * S
    assert again.until_ns(11) is None  # a power cut took a line of the log
    again.close()
    (tmp_path / "mark").write_bytes(b"000")
    torn = Taken(tmp_path / "mark")
    assert torn.until_ns(12) is None
    torn.close()


def observation(camera: str, at_ns: int) -> Observation:
    views = SlotViews(
        camera, 0, at_ns, np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 2, 2), np.bool_),
        np.zeros((0, 4, 4, 3), np.uint8), np.zeros((0, 0), np.float32),
    )  # fmt: skip
    return Observation(Detections.empty(camera, 0, at_ns), views)


def test_what_was_taken_before_a_restart_is_late() -> None:
    join = Joiner(("one",), JoinSettings(), lambda: 0, after_ns=5)
    join.push(observation("a", 5))
    join.push(observation("a", 6))
    assert join.next_ns() is None
    join.beat("one", 6)
    assert join.next_ns() == 6
    assert [each.order[0] for each in join.ready()] == [6]
    assert join.late_count == 1


def test_the_broker_in_one_process_gives_again_what_was_not_done() -> None:
    broker = InProcessBroker()
    worker = broker.worker("one")
    for at_ns in (1, 2, 3):
        worker.tell(observation("a", at_ns))
        worker.beat(at_ns)
    first = broker.coordinator()
    taken = [first.take(0) for _ in range(6)]
    assert [type(each) for each in taken[:2]] == [Observation, Beat]
    assert first.take(0) is None
    first.done(2)
    second = broker.coordinator()
    again = second.take(0)
    assert isinstance(again, Observation)
    assert again.order[0] == 3
    second.agree("another", afresh=True)
    assert second.take(0) is None
    assert (worker.agreed(), worker.told()) == ("another", {"a": 3})


def feeds() -> tuple[WorkerFeeds, list[str], list[int]]:
    told, now = [], [0]
    joiner = Joiner(("one",), JoinSettings(patience_s=20), lambda: now[0])
    end = InProcessBroker().coordinator()
    made = WorkerFeeds({"one": ("a", "b")}, end, joiner, None, None, lambda: now[0], told.append)
    return made, told, now


def report(lost: int = 0) -> WorkerReport:
    rows = tuple(
        CameraReport(name, "live", None, 10.0, 1, 2, QueueCounts(30, 4, 5), PacerCounts(40, 3), 6, None)
        for name in ("a", "b")
    )
    return WorkerReport("one", 0, rows, lost)


def test_cameras_are_as_their_worker_says_until_it_is_silent() -> None:
    made, told, now = feeds()
    assert [status.state for status in made.statuses()] == ["connecting", "connecting"]
    made.heard(report())
    assert {status.problem for status in made.statuses()} == {"no picture yet"}
    for camera in ("a", "b"):
        made.saw(camera)
    assert [status.state for status in made.statuses()] == ["live", "live"]
    now[0] = 21 * S
    made.tend(now[0])
    assert {status.problem for status in made.statuses()} == {"worker one is silent"}
    assert made.counts()["a"] == QueueCounts(30, 4, 0)
    assert told == ["worker one is silent; the store goes on without a, b"]
    assert not made.is_over


def test_messages_that_never_got_away_are_told_once() -> None:
    made, told, _ = feeds()
    for lost in (0, 3, 3):
        made.heard(report(lost))
    assert told == ["worker one: 3 messages lost, the broker was away for too long"]


def test_a_recording_in_step_begins_at_a_multiple_and_again_only_when_it_is_over(tmp_path: Path, folder: Path) -> None:
    from recordings.files import load_recording

    loaded, file = load_recording(folder), tmp_path / "in-step.json"
    first = StepPlay(file, loaded, 700, 10**18 + 1)
    assert first.shift_ns % 700 == 0
    begun = first.begin()
    assert begun.is_new
    assert begun.played.start_ns > 10**18
    assert read_played(begun.played.model_dump_json()) == begun.played
    assert read_played('{"version": 2}') is None
    second = StepPlay(file, loaded, 700, 2 * 10**18)
    assert (second.begin().is_new, second.shift_ns) == (False, first.shift_ns)
    second.end()
    assert StepPlay(file, loaded, 700, 2 * 10**18).shift_ns > first.shift_ns


def test_a_workers_line_says_what_is_wrong() -> None:
    end = InProcessBroker().worker("one")
    state = WorkerState("one", 1, 2, 19.6, 3, "short of time", end.status())
    assert worker_line(state) == "one: 1/2 cameras, 20 fps, 3 dropped, 0 wait for the broker, short of time"


def test_what_has_no_number_was_lost_and_an_even_rate_is_not() -> None:
    pacer = ToldPacer(("a",), {"a": PacerCounts(12, 3)})
    for index, at_ns in ((0, 0), (1, 100), (4, 400), (0, 900), (1, 1_000)):
        seen = observation("a", at_ns)
        pacer.told(replace(seen, detections=replace(seen.detections, frame_index=index)))
    assert pacer.let_ns("a") == pacer.sent_ns("a") == (0, 100, 200, 300, 400, 900, 1_000)
    assert pacer.counts() == {"a": PacerCounts(12, 3)}


def test_a_worker_numbers_what_it_lets_through() -> None:
    taken: list[Frame] = []
    numbered = Numbered(taken.append)
    image = np.zeros((2, 2, 3), np.uint8)
    for camera, index in (("a", 5), ("b", 9), ("a", 7)):
        numbered.put(Frame(camera, index, index, image))
    assert [(frame.camera_id, frame.index) for frame in taken] == [("a", 0), ("b", 0), ("a", 1)]
