"""A store on RTSP cameras in trouble: each visit is billed or in review, and what nobody looked at is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from checkout.types import GateScanned, ReviewOpened, VisitOpened
from tests.tillfree.live.camera_rig import BadCable, RtspServer, needs_rtsp
from tests.tillfree.live.rtsp_store import CAMERAS, RECORDING, Ran, billed, live, three_cameras
from tillfree.live.ladder import Level
from tillfree.live.screen import summary
from tillfree.replay import ReplayOptions, replay
from tillfree.system import system_clock
from vision.detectors import Detector, find_weights, load_detector
from vision.detectors.base import Pending
from vision.detectors.batches import BatchWorker
from vision.types import Detections, Frame

BROKEN_S = 4.0

pytestmark = [pytest.mark.slow, *needs_rtsp]


class SlowDetector(Detector):
    """The bundled weights on a machine that needs ``picture_s`` for each picture."""

    name = fingerprint = "slow"

    def __init__(self, picture_s: float) -> None:
        self._detector, self._picture_s = load_detector(find_weights().path), picture_s
        self._worker = BatchWorker(self._look, 1)

    @property
    def input_size_px(self) -> tuple[int, int]:
        """The weights' own."""
        return self._detector.input_size_px

    def begin(self, frame: Frame) -> Pending:
        """See ``Detector.begin``."""
        return self._worker.submit(frame)

    def _look(self, frames: Sequence[Frame]) -> list[Detections]:
        began_ns = system_clock()
        found = self._detector.detect(frames)
        Event().wait(max(0.0, self._picture_s * len(frames) - (system_clock() - began_ns) / 1e9))
        return found


def reviewed(ran: Ran) -> dict[str, set[str]]:
    """Return why each visit was asked about."""
    found: dict[str, set[str]] = {event.visit_id: set() for event in ran.events if isinstance(event, VisitOpened)}
    for event in ran.events:
        if isinstance(event, ReviewOpened):
            for visit_id in event.visit_ids:
                found[visit_id].add(event.reason)
    return found


def assert_each_has_its_outcome(ran: Ran) -> None:
    """Check that whoever was let in has a visit, and each visit a charge or a question to an operator."""
    scans = {event.scan_id for event in ran.events if isinstance(event, GateScanned)}
    opened = {event.scan_id for event in ran.events if isinstance(event, VisitOpened)}
    opened |= {visit.scan_id for visit in ran.parts.run.fold.visits.values()}
    assert scans <= opened
    assert opened
    for visit in ran.parts.run.fold.visits.values():
        assert visit.charge is not None or visit.open_reviews, visit


@pytest.fixture
def server() -> RtspServer:
    return RtspServer(videos=RECORDING / "videos", cameras=CAMERAS, in_step=True)


def test_a_rate_that_does_is_found_and_bills_as_a_replay(tmp_path: Path, server: RtspServer) -> None:
    outcome = replay(three_cameras(tmp_path / "three"), out=None, options=ReplayOptions(paths=False))
    (wanted,) = outcome.fold.visits.values()
    with server:
        ran = live(tmp_path, server, detector=SlowDetector(0.05))
    levels = [state.overload.step.level for state in ran.states]
    assert Level.LOWER_RATE in levels
    assert Level.DROPPING not in levels
    assert billed(ran.parts) == [(line.sku, line.quantity) for line in wanted.lines]
    assert reviewed(ran) == {visit: set() for visit in ran.parts.run.fold.visits}
    assert any("cameras send" in line for line in ran.told)


def test_far_too_much_to_do_is_told_and_each_visit_asked_about(tmp_path: Path, server: RtspServer) -> None:
    with server:
        ran = live(tmp_path, server, detector=SlowDetector(0.3))
    assert_each_has_its_outcome(ran)
    assert all("overloaded" in why for why in reviewed(ran).values())
    last = ran.states[-1]
    assert last.overload.step.level is Level.DROPPING
    assert last.overload.marked == len(reviewed(ran))
    assert [alert.what for alert in last.view.alerts].count("overloaded") >= 1
    counts = last.queues
    assert all(counts[name].dropped > 50 for name in CAMERAS)
    said = "\n".join(summary(last))
    assert all(f"{counts[name].dropped} dropped" in said for name in CAMERAS)
    assert "visits were asked about" in said


def test_a_server_that_is_killed_and_comes_back(tmp_path: Path, server: RtspServer) -> None:
    def kill() -> None:
        server.kill()
        Event().wait(BROKEN_S)
        server.start()

    with server:
        ran = live(tmp_path, server, kill)
    assert_each_has_its_outcome(ran)
    assert all("unseen_shelves" in why for why in reviewed(ran).values())
    assert all(camera.is_up and camera.reconnects for camera in ran.parts.health.report().cameras if camera.taken)


def test_a_stream_that_stalls(tmp_path: Path, server: RtspServer) -> None:
    def stall() -> None:
        with server.held():
            Event().wait(BROKEN_S)

    with server:
        ran = live(tmp_path, server, stall)
    assert_each_has_its_outcome(ran)
    assert all("unseen_shelves" in why for why in reviewed(ran).values())
    assert all(camera.is_up for camera in ran.parts.health.report().cameras if camera.taken)


def test_a_stream_that_sends_garbage(tmp_path: Path, server: RtspServer) -> None:
    with server, BadCable(server.port) as cable:

        def garble() -> None:
            cable.is_bad.set()
            Event().wait(BROKEN_S)
            cable.is_bad.clear()

        ran = live(tmp_path, server, garble, port=cable.port)
    assert_each_has_its_outcome(ran)
    assert all("unseen_shelves" in why for why in reviewed(ran).values())
    assert any(camera.damaged or camera.reconnects for camera in ran.parts.health.report().cameras)
    assert all(camera.is_up for camera in ran.parts.health.report().cameras if camera.taken)
