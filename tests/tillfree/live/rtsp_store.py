"""A whole store on RTSP cameras, a shopper at its gate, and what may go wrong meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import yaml

from billing.access import Access, Scope
from billing.store import BillingStore
from recordings.files import load_recording
from tests.tillfree.live.camera_rig import REPO, RtspServer
from tests.tillfree.live.walking_store import free_port
from tillfree.live.books import DATABASE
from tillfree.live.client import NodeClient
from tillfree.live.history import restored_events
from tillfree.live.loop import LiveParts, LiveState, StoreLoop
from tillfree.live.pacing import wait_until
from tillfree.live.store import EVENTS, open_store
from tillfree.live.storefile import load_store_file
from tillfree.sources.video import one_thread_a_picture
from vision.detectors.base import Detector

RECORDING = REPO / "sample_videos/one-shopper"
CAMERAS = ("cam1", "cam2", "cam3")
END_NS = 31_000_000_000
"""The recording's 25 s and time for the receipt; the server begins again, and nobody shows a card."""
S = 1_000_000_000
TROUBLE_NS = 9_000_000_000
"""When something goes wrong: the shopper is at the shelves then."""


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


def store_file(folder: Path, port: int) -> Path:
    """Write a store file whose cameras are those of the server at ``port``."""
    document = {
        "version": 1,
        "layout": str(REPO / "sample_videos/store/layout.yaml"),
        "data": str(folder / "data"),
        "cameras": [{"id": name, "source": f"rtsp://127.0.0.1:{port}/{name}"} for name in CAMERAS],
        "absent": ["cam4"],
        "listen": {"port": free_port()},
    }
    file = folder / "store.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


class Shopper(Thread):
    """Shows the recording's card at the gate when the cameras are as far, as a reader would, and ends the run later."""

    def __init__(
        self, parts: LiveParts, key: str, url: str, server: RtspServer, stopped: Event, trouble: Trouble | None
    ) -> None:
        super().__init__(daemon=True)
        self._parts, self._client, self._server, self._stopped = parts, NodeClient(url, key), server, stopped
        self._trouble = trouble
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
        if self._trouble is not None:
            wait_until(began_ns + TROUBLE_NS, self._parts.clock, self._stopped)
            self._trouble()
        wait_until(began_ns + END_NS, self._parts.clock, self._stopped)
        self._stopped.set()


Trouble = Callable[[], None]


@dataclass(frozen=True)
class Ran:
    """What came of a run."""

    parts: LiveParts
    states: list[LiveState]
    told: list[str]
    events: list[object]


def live(
    folder: Path,
    server: RtspServer,
    trouble: Trouble | None = None,
    detector: Detector | None = None,
    port: int | None = None,
) -> Ran:
    """Run the store over the recording and a little more; ``trouble`` happens while the shopper is inside.

    ``port`` is whom the cameras are asked of, if not of the server itself.
    """
    states: list[LiveState] = []
    told: list[str] = []
    with one_thread_a_picture(), ExitStack() as stack:
        config = load_store_file(store_file(folder, port or server.port), os.environ)
        parts = open_store(config, None, None, told.append, stack, detector)
        with closing(BillingStore(config.data_dir / DATABASE)) as books:
            key = Access(books).add_client("reader", frozenset({Scope.GATE}), parts.clock())
        stopped = Event()
        url = f"http://{config.listen.host}:{config.listen.port}"
        shopper = Shopper(parts, key, url, server, stopped, trouble)
        shopper.start()
        StoreLoop(parts, states.append).run(stopped, None, end_visits=False)
        shopper.join()
        assert shopper.decisions[-1]["outcome"] == "admit", shopper.decisions
    return Ran(parts, states, told, list(restored_events(config.data_dir / EVENTS)))


def billed(parts: LiveParts) -> list[tuple[str, int]]:
    """Return what the one visit paid for."""
    (visit,) = parts.run.fold.visits.values()
    assert visit.charge is not None
    assert visit.final_lines is not None
    return [(line.sku, line.quantity) for line in visit.final_lines]
