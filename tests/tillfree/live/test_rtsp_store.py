"""A whole store on RTSP cameras: what it bills is what a replay of the same recording bills."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event, Thread

import pytest
import yaml

from billing.access import Access, Scope
from billing.store import BillingStore
from recordings.files import load_recording
from tests.tillfree.live.camera_rig import REPO, RtspServer, why_no_rtsp
from tests.tillfree.live.walking_store import free_port
from tillfree.live.books import DATABASE
from tillfree.live.client import NodeClient
from tillfree.live.loop import LiveParts, LiveState, StoreLoop
from tillfree.live.pacing import wait_until
from tillfree.live.store import open_store
from tillfree.live.storefile import load_store_file
from tillfree.replay import ReplayOptions, replay
from tillfree.sources.video import one_thread_a_picture

RECORDING = REPO / "sample_videos/one-shopper"
CAMERAS = ("cam1", "cam2", "cam3")
END_NS = 31_000_000_000
"""The recording's 25 s and time for the receipt; the server begins again, and nobody shows a card."""
S = 1_000_000_000

pytestmark = [pytest.mark.slow, pytest.mark.rtsp]


def three_cameras(folder: Path) -> Path:
    """Return the recording without its fourth camera."""
    document = yaml.safe_load((RECORDING / "recording.yaml").read_text(encoding="utf-8"))
    document["cameras"] = [
        each | {"video": str(RECORDING / each["video"])} for each in document["cameras"] if each["id"] in CAMERAS
    ]
    document["layout"] = str(RECORDING / document["layout"])
    folder.mkdir()
    (folder / "recording.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "gate_scans.yaml").write_bytes((RECORDING / "gate_scans.yaml").read_bytes())
    return folder


def store_file(folder: Path, server: RtspServer) -> Path:
    """Write a store file whose cameras are the server's."""
    document = {
        "version": 1,
        "layout": str(REPO / "sample_videos/store/layout.yaml"),
        "data": str(folder / "data"),
        "cameras": [{"id": name, "source": server.url(name)} for name in CAMERAS],
        "absent": ["cam4"],
        "listen": {"port": free_port()},
    }
    file = folder / "store.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


class Shopper(Thread):
    """Shows the recording's card at the gate when the cameras are as far, as a reader would, and ends the run later."""

    def __init__(self, parts: LiveParts, key: str, url: str, server: RtspServer, stopped: Event) -> None:
        super().__init__(daemon=True)
        self._parts, self._client, self._server, self._stopped = parts, NodeClient(url, key), server, stopped
        self.decisions: list[dict[str, object]] = []

    def run(self) -> None:
        (scan,) = load_recording(RECORDING).scans
        began_ns = self._server.wait_begun()
        wait_until(began_ns + round(scan.at_s * S), self._parts.clock, self._stopped)
        with closing(self._client) as client:
            self.decisions.append(client.scan(scan.gate, token=scan.token))
            while self.decisions[-1]["outcome"] == "call_staff" and len(self.decisions) < 20:
                self._stopped.wait(0.2)  # a shopper shows the card again
                self.decisions.append(client.scan(scan.gate, token=scan.token))
        wait_until(began_ns + END_NS, self._parts.clock, self._stopped)
        self._stopped.set()


def live(
    folder: Path, server: RtspServer, trouble: Callable[[], None] | None = None
) -> tuple[LiveParts, list[LiveState]]:
    """Run the store over the recording and a little more; ``trouble`` happens meanwhile."""
    states: list[LiveState] = []
    with one_thread_a_picture(), ExitStack() as stack:
        config = load_store_file(store_file(folder, server), os.environ)
        parts = open_store(config, None, None, lambda _line: None, stack)
        with closing(BillingStore(config.data_dir / DATABASE)) as books:
            key = Access(books).add_client("reader", frozenset({Scope.GATE}), parts.clock())
        stopped = Event()
        shopper = Shopper(parts, key, f"http://{config.listen.host}:{config.listen.port}", server, stopped)
        shopper.start()
        if trouble is not None:
            Thread(target=trouble, daemon=True).start()
        StoreLoop(parts, states.append).run(stopped, None, end_visits=False)
        shopper.join()
        assert shopper.decisions[-1]["outcome"] == "admit", shopper.decisions
    return parts, states


def billed(parts: LiveParts) -> list[tuple[str, int]]:
    (visit,) = parts.run.fold.visits.values()
    assert visit.charge is not None
    assert visit.final_lines is not None
    return [(line.sku, line.quantity) for line in visit.final_lines]


@pytest.fixture
def wanted(tmp_path: Path) -> list[tuple[str, int]]:
    """What a replay of the three cameras bills."""
    outcome = replay(three_cameras(tmp_path / "three"), out=None, options=ReplayOptions(paths=False))
    (visit,) = outcome.fold.visits.values()
    assert visit.final_lines
    return [(line.sku, line.quantity) for line in visit.final_lines]


@pytest.mark.skipif(why_no_rtsp() is not None, reason=why_no_rtsp() or "")
def test_rtsp_cameras_give_the_receipt_of_a_replay(tmp_path: Path, wanted: list[tuple[str, int]]) -> None:
    with RtspServer(videos=RECORDING / "videos", cameras=CAMERAS, in_step=True) as server:
        parts, states = live(tmp_path, server)
    assert billed(parts) == wanted
    counts = states[-1].queues
    taken, dropped = (sum(getattr(counts[name], what) for name in CAMERAS) for what in ("taken", "dropped"))
    assert taken >= 3 * 10 * 29  # ten frames a second from each
    assert dropped <= 0.02 * taken  # none, unless something else takes the machine's cores meanwhile
    assert parts.run.late_count == 0
